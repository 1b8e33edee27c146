//! Return addresses: whatever is accepted, a browser that follows it stays at home or comes to an allowed host.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sidegate::base::host::{Authority, HostPattern};
use sidegate::base::scheme::Scheme;
use sidegate::session::{AllowedHosts, Origin, ReturnTo};
use url::Url;

static OWN: LazyLock<Origin> = LazyLock::new(|| {
    let authority = Authority::parse("app.example.com").expect("a good host");
    Origin::new(Scheme::Https, &authority).expect("a good origin")
});

static ALLOWED: LazyLock<AllowedHosts> = LazyLock::new(|| {
    let pattern = HostPattern::parse("*.apps.example.net").expect("a good pattern");
    AllowedHosts::new(vec![pattern], "/.auth")
});

fuzz_target!(|text: &str| {
    let Ok(address) = ReturnTo::parse(text, &OWN, &ALLOWED) else { return };
    let page = Url::parse("https://app.example.com/.auth/callback/corp").expect("a good URL");
    let reached = page.join(address.as_str()).expect("an address that browsers can follow");
    let host = reached.host_str().expect("an address with a host");
    let allowed = host.trim_end_matches('.').ends_with(".apps.example.net");
    assert!(if address.is_local() { host == "app.example.com" } else { allowed }, "{host}");
    assert_eq!(reached.scheme(), "https");
    assert!(reached.username().is_empty() && reached.password().is_none());
    assert!(!reached.path().starts_with("/.auth/"));
    assert!(address.as_str().bytes().all(|b| b.is_ascii_graphic()));
});
