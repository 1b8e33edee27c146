//! The corpus of open redirects: what proxies and login services have been led astray by.

use proptest::prelude::*;

use super::*;

fn origin(scheme: Scheme, authority: &str) -> Origin {
    Origin::new(scheme, &Authority::parse(authority).unwrap()).unwrap()
}

fn own() -> Origin {
    origin(Scheme::Https, "app.example.com")
}

fn allowed() -> AllowedHosts {
    let hosts = ["shop.example.net", "*.apps.example.net"].map(|h| HostPattern::parse(h).unwrap());
    AllowedHosts::new(hosts.to_vec(), "/.auth")
}

fn parse(text: &str) -> Result<String, ReturnToError> {
    ReturnTo::parse(text, &own(), &allowed()).map(|address| address.as_str().to_owned())
}

#[test]
fn addresses_of_our_own_become_paths() {
    for (text, address) in [
        ("/", "/"),
        ("/orders?x=1&y=%2F%2Fevil.example", "/orders?x=1&y=%2F%2Fevil.example"),
        ("/orders#part", "/orders#part"),
        ("/a/../b", "/b"),
        ("/..", "/"),
        ("/search?q=a b", "/search?q=a%20b"),
        ("/gr\u{f6}\u{df}e", "/gr%C3%B6%C3%9Fe"),
        ("/http://evil.example/", "/http://evil.example/"),
        ("/@evil.example", "/@evil.example"),
        ("/%2F/evil.example", "/%2F/evil.example"),
        ("/%5Cevil.example", "/%5Cevil.example"),
        ("/%0D%0ASet-Cookie:a=b", "/%0D%0ASet-Cookie:a=b"),
        ("/.authors", "/.authors"),
        ("/x/.auth/login", "/x/.auth/login"),
        ("https://app.example.com", "/"),
        ("https://app.example.com:443/x?y#z", "/x?y#z"),
        ("HTTPS://APP.EXAMPLE.COM/x", "/x"),
        ("https://app.example.com/@evil.example", "/@evil.example"),
        ("https://app.example.com?x", "/?x"),
    ] {
        assert_eq!(parse(text).as_deref(), Ok(address), "{text}");
    }
}

#[test]
fn addresses_of_allowed_hosts_are_kept_whole() {
    for (text, address) in [
        ("https://shop.example.net/cart?x=1", "https://shop.example.net/cart?x=1"),
        ("https://a.apps.example.net", "https://a.apps.example.net/"),
        ("https://a.b.apps.example.net:443/", "https://a.b.apps.example.net/"),
        ("https://SHOP.example.net./", "https://shop.example.net./"),
    ] {
        assert_eq!(parse(text).as_deref(), Ok(address), "{text}");
    }
}

#[test]
fn every_way_to_another_host_is_refused() {
    use ReturnToError::{Foreign, Form, Hostile, UserInformation};
    for (text, error) in [
        ("", Form),
        ("orders", Form),
        ("evil.example", Form),
        ("?x", Form),
        ("#x", Form),
        (".", Form),
        ("../x", Form),
        ("@evil.example", Form),
        ("//evil.example", Form),
        ("//app.example.com/x", Form),
        ("///evil.example", Form),
        ("////evil.example", Form),
        ("//evil\u{3002}example", Form),
        ("https:evil.example", Form),
        ("https:/evil.example", Form),
        ("https:///evil.example", Form),
        ("http:evil.example", Form),
        ("https://", Form),
        ("javascript:alert(1)", Form),
        ("javascript://app.example.com/%0aalert(1)", Form),
        ("data:text/html,hello", Form),
        ("file:///etc/passwd", Form),
        ("vbscript:x", Form),
        ("ftp://app.example.com/", Form),
        ("blob:https://app.example.com/x", Form),
        ("/\\evil.example", Hostile),
        ("\\\\evil.example", Hostile),
        ("\\/evil.example", Hostile),
        ("/\t/evil.example", Hostile),
        ("/\n/evil.example", Hostile),
        ("/\r\nLocation: https://evil.example", Hostile),
        ("\t//evil.example", Hostile),
        (" //evil.example", Hostile),
        (" https://evil.example", Hostile),
        ("/x ", Hostile),
        ("/\0", Hostile),
        ("/\u{2028}x", Hostile),
        ("/\u{a0}x", Hostile),
        ("ht\ntps://app.example.com/", Hostile),
        ("https://app.example.com\\@evil.example/", Hostile),
        ("/..//evil.example", Foreign),
        ("/.//evil.example", Foreign),
        ("/x/..//evil.example", Foreign),
        ("/%2e%2e//evil.example", Foreign),
        ("https://app.example.com//evil.example", Foreign),
        ("https://evil.example/", Foreign),
        ("https://evil.example/https://app.example.com/", Foreign),
        ("https://evil.example#app.example.com", Foreign),
        ("https://evil.example?app.example.com", Foreign),
        ("https://app.example.com.evil.example/", Foreign),
        ("https://app.example.comevil.example/", Foreign),
        ("https://evil-app.example.com/", Foreign),
        ("https://app\u{3002}example.com.evil.example/", Foreign),
        ("https://app.example.com:8443/", Foreign),
        ("http://app.example.com/", Foreign),
        ("http://app.example.com:443/", Foreign),
        ("http://shop.example.net/", Foreign),
        ("https://shop.example.net:8443/", Foreign),
        ("https://apps.example.net/", Foreign),
        ("https://evilapps.example.net/", Foreign),
        ("https://x.shop.example.net/", Foreign),
        ("https://127.0.0.1/", Foreign),
        ("https://0x7f.1/", Foreign),
        ("https://[::1]/", Foreign),
        ("https://app.example.com@evil.example/", UserInformation),
        ("https://app.example.com:443@evil.example/", UserInformation),
        ("https://ada@app.example.com/", UserInformation),
        ("https://:pw@app.example.com/", UserInformation),
    ] {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn our_own_endpoints_are_no_place_to_return_to() {
    for text in [
        "/.auth",
        "/.auth/",
        "/.auth/login?return_to=%2F",
        "/.auth/logout",
        "/.auth#x",
        "/x/../.auth/login",
        "/%2Eauth/login",
        "/.auth%2Flogin",
        "/.AUTH/login",
        "/./.auth/login",
        "https://app.example.com/.auth/login",
        "https://shop.example.net/.auth/login",
    ] {
        assert_eq!(parse(text), Err(ReturnToError::OwnEndpoint), "{text}");
    }
    // Folded, but not by browsers: it would be a host.
    assert_eq!(parse("https://app.example.com//.auth/login"), Err(ReturnToError::OwnEndpoint));
}

#[test]
fn addresses_have_a_length() {
    let (longest, longer) =
        ("/".to_owned() + &"a".repeat(2047), "/".to_owned() + &"a".repeat(2048));
    assert_eq!(parse(&longest), Ok(longest));
    assert_eq!(parse(&longer), Err(ReturnToError::TooLong));
    let grows = format!("/{}", "\u{e9}".repeat(1000));
    assert_eq!(parse(&grows), Err(ReturnToError::TooLong));
}

#[test]
fn scheme_and_port_of_the_request_count() {
    let go = |own: &Origin, text| ReturnTo::parse(text, own, &allowed()).map(|to| to.0);
    let plain = origin(Scheme::Http, "localhost:8080");
    assert_eq!(go(&plain, "http://localhost:8080/x"), Ok("/x".into()));
    assert_eq!(go(&plain, "http://localhost/x"), Err(ReturnToError::Foreign));
    assert_eq!(go(&plain, "https://localhost:8080/x"), Err(ReturnToError::Foreign));
    assert_eq!(go(&plain, "http://shop.example.net/"), Ok("http://shop.example.net/".into()));
    let numbered = origin(Scheme::Https, "[::1]:8443");
    assert_eq!(go(&numbered, "https://[0:0::1]:8443/x"), Ok("/x".into()));
    assert_eq!(
        (plain.text(), numbered.text()),
        ("http://localhost:8080".into(), "https://[::1]:8443".into())
    );
}

/// What a browser would write otherwise is no origin, or it would not know its own addresses.
#[test]
fn hosts_that_browsers_rewrite_are_no_origins() {
    for host in ["0x7f.1", "127.1", "2130706433", "999.1.1.1"] {
        let authority = Authority::parse(host).unwrap();
        assert_eq!(Origin::new(Scheme::Https, &authority), Err(OriginError), "{host}");
    }
}

#[test]
fn a_host_pattern_for_all_hosts_allows_none() {
    let all = AllowedHosts::new(vec![HostPattern::Any], "/.auth");
    let error = ReturnTo::parse("https://evil.example/", &own(), &all);
    assert_eq!(error, Err(ReturnToError::Foreign));
}

#[test]
fn a_local_address_has_a_target_to_find_its_route_by() {
    let target =
        |text| ReturnTo::parse(text, &own(), &allowed()).unwrap().target().map(str::to_owned);
    assert_eq!(target("/a?b#c").as_deref(), Some("/a?b"));
    assert_eq!(target("/a#?b").as_deref(), Some("/a"));
    assert_eq!(target("https://shop.example.net/a"), None);
}

#[test]
fn a_long_address_loses_fragment_and_query_before_it_is_given_up() {
    let short = |limit| ReturnTo("/path?query#end".into()).shortened(limit).0;
    assert_eq!((short(15), short(14)), ("/path?query#end".into(), "/path?query".into()));
    assert_eq!((short(11), short(10)), ("/path?query".into(), "/path".into()));
    assert_eq!((short(5), short(4)), ("/path".into(), "/".into()));
    assert_eq!(ReturnTo("/path#end?no".into()).shortened(6).0, "/path");
}

proptest! {
    /// The oracle: a browser that follows the address stays where it was or comes to an allowed host.
    #[test]
    fn whatever_is_accepted_leads_home(
        text in r"(/|//|https?:|https://|\\|)([a-z.@:/\\?#%\t ]|evil\.example|app\.example\.com|%2f|%2e|\.\./|\.auth|\u{3002}){0,12}"
    ) {
        if let Ok(address) = parse(&text) {
            let page = Url::parse("https://app.example.com/.auth/callback/corp").unwrap();
            let reached = page.join(&address).unwrap();
            prop_assert_eq!(reached.host_str(), Some("app.example.com"));
            prop_assert!(reached.username().is_empty() && reached.scheme() == "https");
            prop_assert!(!reached.path().starts_with("/.auth/") && reached.path() != "/.auth");
            prop_assert!(address.is_ascii() && !address.contains(char::is_whitespace));
            prop_assert_eq!(parse(&address), Ok(address));
        }
    }
}
