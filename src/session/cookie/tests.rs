//! Cookies are named for what browsers enforce, and read back whole or not at all.

use proptest::prelude::*;

use super::*;
use crate::session::tests::spec;

fn request(fields: &[&str]) -> HeaderMap {
    let values = fields.iter().map(|field| HeaderValue::from_bytes(field.as_bytes()).unwrap());
    values.map(|value| (header::COOKIE, value)).collect()
}

/// What a browser sends back of `lines`: deleted cookies are not among it.
fn returned(lines: &[HeaderValue]) -> String {
    let texts = lines.iter().map(|line| line.to_str().unwrap());
    let kept = texts.filter(|line| !line.contains("Max-Age=0"));
    kept.map(|line| line.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

fn texts(lines: &[HeaderValue]) -> Vec<&str> {
    lines.iter().map(|line| line.to_str().unwrap()).collect()
}

#[test]
fn the_prefix_follows_from_scheme_scope_and_path() {
    let domain = || Scope::Domain("example.com".into());
    let session = |scope, scheme| CookieSpec::session("sidegate", scope, scheme).unwrap();
    let line = |spec: &CookieSpec| texts(&spec.write("x", None, 0).unwrap())[0].to_owned();

    let host = line(&session(Scope::Host, Scheme::Https));
    assert_eq!(host, "__Host-sidegate=x; HttpOnly; SameSite=Lax; Secure; Path=/");
    let domain_wide = line(&session(domain(), Scheme::Https));
    assert_eq!(
        domain_wide,
        "__Secure-sidegate=x; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com"
    );
    let plain = line(&session(Scope::Host, Scheme::Http));
    assert_eq!(plain, "sidegate=x; HttpOnly; SameSite=Lax; Path=/");
    let hint = line(&CookieSpec::hint("/.auth", Scheme::Https));
    assert_eq!(hint, "__Secure-sidegate_hint=x; HttpOnly; SameSite=Lax; Secure; Path=/.auth");
}

/// Browsers drop `SameSite=None` that is not `Secure`.
#[test]
fn cookies_for_other_sites_are_always_secure() {
    let new = |scheme| CookieSpec::new("a", Scope::Host, scheme, SameSite::None, "/.auth");
    let line = |scheme| texts(&new(scheme).write("x", None, 0).unwrap())[0].to_owned();
    assert_eq!(line(Scheme::Https), "__Secure-a=x; HttpOnly; SameSite=None; Secure; Path=/.auth");
    assert_eq!(line(Scheme::Http), "a=x; HttpOnly; SameSite=Lax; Path=/.auth");
}

#[test]
fn names_and_domains_that_cannot_be_are_refused() {
    let long = "a".repeat(65);
    for name in ["", "a b", "a;b", "a=b", "__Host-a", "__secure-a", "a\n", "é", &long] {
        let spec = CookieSpec::session(name, Scope::Host, Scheme::Https);
        assert_eq!(spec, Err(CookieNameError::Name(name.to_owned())), "{name}");
    }
    for domain in ["", "com", "10.0.0.1", "[::1]", "a.example:80", "a.example; Path=/x", "..a.b"] {
        let spec = CookieSpec::session("a", Scope::Domain(domain.into()), Scheme::Https);
        assert_eq!(spec, Err(CookieNameError::Domain(domain.to_owned())), "{domain}");
    }
    let dotted = CookieSpec::session("a", Scope::Domain(".Example.com".into()), Scheme::Https);
    assert_eq!(dotted.unwrap().scope, Scope::Domain("example.com".into()));
}

#[test]
fn a_persistent_cookie_says_for_how_long() {
    let lines = spec().write("x", Some(Duration::from_secs(600)), 0).unwrap();
    assert!(texts(&lines)[0].ends_with("; Max-Age=600"), "{lines:?}");
}

/// CVE-2025-55162: deleted without `Secure`, a prefixed cookie stays.
#[test]
fn deleting_uses_the_attributes_of_setting() {
    for spec in [spec(), CookieSpec::hint("/.auth", Scheme::Https)] {
        let set = spec.write("", None, 0).unwrap();
        let deleted = spec.clear(2);
        assert_eq!(texts(&deleted)[0], format!("{}; Max-Age=0", texts(&set)[0]));
        assert!(texts(&deleted)[1].starts_with(&format!("{}_1=; ", spec.name())));
        assert_eq!((deleted.len(), spec.clear(0).len(), spec.clear(99).len()), (2, 1, 5));
    }
}

#[test]
fn chunks_are_read_back_in_any_order_and_from_any_field() {
    let value = "v".repeat(9000);
    let lines = spec().write(&value, None, 0).unwrap();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() <= MAX_LINE));
    let returned = returned(&lines);
    let mut pairs: Vec<&str> = returned.split("; ").collect();
    pairs.reverse();
    let read = |headers: &HeaderMap| {
        let text = spec().read(headers).unwrap().unwrap();
        (text.value.into_owned(), text.chunks)
    };
    assert_eq!(read(&request(&[&pairs.join(";")])), (value.clone(), 3));
    assert_eq!(read(&request(&pairs)), (value, 3));
}

#[test]
fn a_missing_chunk_is_noticed() {
    let lines = spec().write(&"v".repeat(9000), None, 0).unwrap();
    let returned = returned(&lines);
    let pairs: Vec<&str> = returned.split("; ").collect();
    for missing in 0..3 {
        let mut rest = pairs.clone();
        rest.remove(missing);
        let headers = request(&[&rest.join("; ")]);
        assert_eq!(spec().read(&headers), Err(CookieError::Incomplete), "{missing}");
        assert_eq!(spec().chunks_present(&headers), if missing == 2 { 2 } else { 3 });
    }
}

#[test]
fn two_cookies_of_one_name_are_refused() {
    for fields in [
        &["__Host-sidegate=a; __Host-sidegate=b"][..],
        &["__Host-sidegate=a", "__Host-sidegate=a"],
        &["__Host-sidegate=; __Host-sidegate=a"],
        &["__Host-sidegate=2.a; __Host-sidegate_1=b; __Host-sidegate_1=c"],
    ] {
        assert_eq!(spec().read(&request(fields)), Err(CookieError::Duplicate), "{fields:?}");
    }
}

/// A chunk that stayed from a longer session must not end the shorter one.
#[test]
fn what_is_left_of_a_longer_value_is_ignored_and_deleted() {
    let headers = request(&["__Host-sidegate=new; __Host-sidegate_1=old; __Host-sidegate_4=old"]);
    let text = spec().read(&headers).unwrap().unwrap();
    assert_eq!((&*text.value, text.chunks), ("new", 5));
    let lines = spec().write("newer", None, text.chunks).unwrap();
    assert_eq!((lines.len(), returned(&lines)), (5, "__Host-sidegate=newer".to_owned()));
}

#[test]
fn names_that_only_look_alike_are_not_ours() {
    for field in [
        "sidegate=a",
        "__host-sidegate=a",
        "__Host-sidegate_5=a",
        "__Host-sidegate_0=a",
        "__Host-sidegate_01=a",
        "__Host-sidegate_hint=a",
        "__Host-sidegate =a",
        "\u{2000}__Host-sidegate=a",
        "__Host-sidegate",
        "__Host-sidegate=",
        "$Version=1",
        ";;;=",
        "session_chunks=2147483647",
        "",
    ] {
        assert_eq!(spec().read(&request(&[field])), Ok(None), "{field}");
    }
}

#[test]
fn chunk_counts_that_cannot_be_are_refused() {
    for value in ["2147483647.a", "6.a", "1.a", "0.a", ".a", "-1.a", "x.a", "\u{e9}"] {
        let headers = request(&[&format!("__Host-sidegate={value}")]);
        assert_eq!(spec().read(&headers), Err(CookieError::Malformed), "{value}");
    }
}

#[test]
fn a_value_that_no_five_cookies_hold_is_refused_with_a_remedy() {
    let room = MAX_LINE - texts(&spec().write("", None, 0).unwrap())[0].len() - "_4".len();
    let most = room * MAX_CHUNKS - 2;
    assert_eq!(spec().write(&"v".repeat(most), None, 0).unwrap().len(), MAX_CHUNKS);
    let error = spec().write(&"v".repeat(most + 1), None, 0).unwrap_err();
    assert_eq!(error, CookieTooLarge { found: most + 1, limit: most });
    assert!(error.to_string().contains("store"));
}

#[test]
fn ours_are_known_by_name_so_that_no_upstream_sees_them() {
    let ours = [&b"__Host-sidegate"[..], b"__Host-sidegate_1", b"__Host-sidegate_4"];
    assert!(ours.iter().all(|name| spec().covers(name)));
    let others =
        [&b"sidegate"[..], b"__Host-sidegate_5", b"__Host-sidegate_1x", b"__Host-sidegate2"];
    assert!(!others.iter().any(|name| spec().covers(name)));
}

/// CVE-2025-58186: thousands of cookies cost a scan, no memory.
#[test]
fn thousands_of_cookies_are_walked_without_harm() {
    let field = "__Host-sidegate_9=x; ".repeat(8000);
    assert_eq!(spec().read(&request(&[&field])), Ok(None));
}

proptest! {
    #[test]
    fn every_value_that_fits_is_read_back(length in 1_usize..18_000, persistent: bool) {
        let value: String = ('a'..='z').cycle().take(length).collect();
        let max_age = persistent.then_some(Duration::from_secs(86_400));
        let lines = spec().write(&value, max_age, MAX_CHUNKS).unwrap();
        prop_assert_eq!(lines.len(), MAX_CHUNKS);
        let returned = returned(&lines);
        let headers = request(&[&returned]);
        let text = spec().read(&headers).unwrap().unwrap();
        prop_assert_eq!(&*text.value, value);
    }

    #[test]
    fn arbitrary_fields_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), tail in "(_[0-9])?=[0-9]?\\.?[a-z]{0,3}") {
        let field = [&bytes[..], b";__Host-sidegate", tail.as_bytes()].concat();
        let headers: HeaderMap = HeaderValue::from_bytes(&field).into_iter().map(|v| (header::COOKIE, v)).collect();
        let _ = spec().read(&headers);
        prop_assert!(spec().chunks_present(&headers) <= MAX_CHUNKS);
    }
}
