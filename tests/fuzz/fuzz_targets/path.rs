//! Request targets: nothing panics, and what passes as public says nothing of the protected part, however it is decoded.

#![no_main]

use http::{HeaderMap, Method};
use libfuzzer_sys::fuzz_target;
use sidegate::base::host::Authority;
use sidegate::config::load_text;
use sidegate::gate::{Decision, Examined, Policy, RequestView, Scheme, Target, examine};
use std::path::Path;
use std::sync::LazyLock;

const CONFIGURATION: &str = "
listen: 127.0.0.1:0
upstream: http://127.0.0.1:3000
provider: { issuer: https://login.example.com, audience: app }
routes:
  - { name: public, match: { paths: [/public/*] }, access: public }
  - { name: protected }
";

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let loaded = load_text("fuzz.yaml", CONFIGURATION, Path::new("/"), |_| None);
    loaded.unwrap_or_else(|problems| panic!("{problems}")).settings.service.policy
});

fuzz_target!(|written: &str| {
    let Ok(target) = Target::parse(written) else { return };
    let authority = Authority::parse("app.example.com").unwrap();
    let (method, headers) = (Method::GET, HeaderMap::new());
    let view = RequestView {
        method: &method,
        scheme: Scheme::Https,
        authority: &authority,
        target,
        headers: &headers,
        client: None,
        certificate: None,
        relayed: false,
        terms: None,
        familiar: None,
    };
    if let Examined::Decided { decision: Decision::Allow(_), .. } = examine(&POLICY, view) {
        let decoded = target.path().replace("%2e", ".").replace("%2E", ".");
        assert!(target.path().starts_with("/public"));
        assert!(!decoded.starts_with("/public/../"), "{written}");
    }
});
