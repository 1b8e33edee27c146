//! What holds whatever the bytes: no path leads out of its route, no foreign identity header stays, nothing panics.
//!
//! The readers of paths here are written independently of the gate's own: each does what one family of servers does.

use std::sync::LazyLock;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::fixture::*;
use crate::gate::{Decision, cookie_values};

// --- servers ---

fn unescape(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut index = 0;
    while index < path.len() {
        let digits = path.get(index + 1..index + 3).and_then(|d| std::str::from_utf8(d).ok());
        let byte = digits
            .filter(|d| path[index] == b'%' && d.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|d| u8::from_str_radix(d, 16).ok());
        out.push(byte.unwrap_or(path[index]));
        index += if byte.is_some() { 3 } else { 1 };
    }
    out
}

fn text(path: &[u8]) -> String {
    path.iter().map(|b| char::from(*b)).collect()
}

/// Segments without empty ones, dot segments resolved: what all of these servers end with.
fn resolve(path: &str, separators: &[char]) -> String {
    let mut stack = Vec::new();
    for segment in path.split(separators) {
        match segment {
            "" | "." => {}
            ".." => drop(stack.pop()),
            name => stack.push(name),
        }
    }
    format!("/{}", stack.join("/"))
}

/// nginx: decode once, merge slashes, resolve; a NUL ends the request.
fn nginx(path: &str) -> String {
    resolve(&text(&unescape(path.as_bytes())), &['/'])
}

/// Tomcat: cut parameters off each segment, decode, resolve; with backslashes allowed, those too.
fn tomcat(path: &str) -> String {
    let bare: Vec<&str> =
        path.split('/').map(|segment| segment.split(';').next().unwrap_or("")).collect();
    resolve(&text(&unescape(bare.join("/").as_bytes())), &['/', '\\'])
}

/// Spring and others behind a decoding proxy: decode first, then cut parameters, then resolve.
fn decoded_then_tomcat(path: &str) -> String {
    tomcat(&text(&unescape(path.as_bytes())))
}

/// A Node app behind another that decodes: twice decoded, then joined like a file name.
fn node(path: &str) -> String {
    let once = unescape(path.as_bytes());
    let twice = text(&unescape(&once));
    resolve(twice.split(['?', '#', '\0']).next().unwrap_or(""), &['/'])
}

/// Resolved as written, decoded and resolved again: a normalising balancer before an app.
fn balancer(path: &str) -> String {
    nginx(&resolve(path, &['/']))
}

/// IIS: decode, twice even, turn backslashes, drop dots and spaces at the end of names.
fn iis(path: &str) -> String {
    let decoded = text(&unescape(&unescape(path.as_bytes()))).replace('\\', "/");
    let trimmed: Vec<&str> = decoded
        .split('/')
        .map(|name| match name.trim_end_matches([' ']) {
            dots @ ("." | "..") => dots,
            name => name.trim_end_matches([' ', '.']),
        })
        .collect();
    resolve(&trimmed.join("/"), &['/'])
}

/// A way to read a path, by the name of the server that reads so.
type Server = (&'static str, fn(&str) -> String);

const SERVERS: [Server; 6] = [
    ("nginx", nginx),
    ("tomcat", tomcat),
    ("decoded then tomcat", decoded_then_tomcat),
    ("node", node),
    ("balancer", balancer),
    ("iis", iis),
];

fn is_public(path: &str) -> bool {
    path == "/public" || path.starts_with("/public/")
}

/// Paths of the pieces that attacks are made of.
fn nasty_path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/",
        "//",
        ".",
        "..",
        "/../",
        "/./",
        "%2e",
        "%2E%2e",
        "%252e",
        "%25252e",
        "%2f",
        "%252f",
        "%5c",
        "%255c",
        "\\",
        ";",
        ";x=1",
        "%3b",
        "%253b",
        "%00",
        "%3f",
        "%23",
        "%20",
        "%09",
        "public",
        "admin",
        "a",
        "%61dmin",
        "%c0%ae",
        "%c0%af",
        "%ef%bc%8f",
        "...",
        "..;",
        "?",
        "*",
        "%",
        "%25",
        "..%2f",
        "%u002e",
        "%25u002e",
    ]);
    prop::collection::vec(piece, 0..10).prop_map(|pieces| format!("/public/{}", pieces.concat()))
}

fn site() -> Gate {
    routes([route("/public/*").public(), route("/*").admins()])
}

fn guest_passes(gate: &Gate, target: &str) -> bool {
    matches!(gate.decide(get(target)).decision, Decision::Allow(_))
}

fn stays_public(gate: &Gate, target: &str) -> Result<(), TestCaseError> {
    if !guest_passes(gate, target) {
        return Ok(());
    }
    let path = target.split('?').next().unwrap_or(target);
    for (name, server) in SERVERS {
        prop_assert!(is_public(&server(path)), "{name} reads {target} as {}", server(path));
    }
    Ok(())
}

// --- headers ---

/// A spelling of `name` that some server folds to it.
fn alias(name: &str, seed: &[u8]) -> String {
    let sign = |seed: u8| b"-_.~!+"[usize::from(seed) % 6];
    let spelled = name.bytes().zip(seed.iter().cycle()).map(|(b, seed)| match b {
        b'-' => char::from(sign(*seed)),
        b if seed & 1 == 0 => char::from(b.to_ascii_uppercase()),
        b => char::from(b),
    });
    spelled.collect()
}

fn cgi_name(name: &str) -> String {
    let fold = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.chars().map(fold).collect()
}

/// Ada's token, bound to a key.
static BOUND: LazyLock<String> = LazyLock::new(|| bound_to(&NEW_KEY));

const IDENTITY: [&str; 6] = [
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "remote-user",
    "x-auth-request-user",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_reading_of_a_public_path_leads_out_of_it(path in nasty_path()) {
        stays_public(&site(), &path)?;
    }

    #[test]
    fn no_reading_of_any_path_leads_out_of_public(path in "/public[/a-c.%25efcEFC3b;\\\\ ?#u0]{0,24}") {
        stays_public(&site(), &path)?;
    }

    #[test]
    fn plain_paths_below_public_are_public(path in "(/[a-z0-9_-]{1,8}){0,6}/?") {
        let passes = guest_passes(&site(), &format!("/public{path}"));
        prop_assert!(passes);
    }

    #[test]
    fn after_stripping_only_the_gates_own_identity_headers_remain(
        names in prop::collection::vec((prop::sample::select(IDENTITY.to_vec()), prop::collection::vec(any::<u8>(), 1..8)), 0..12),
        others in prop::collection::vec("[a-zA-Z][a-zA-Z0-9._~!+-]{0,20}", 0..6),
    ) {
        let gate = gate();
        let mut headers = HeaderMap::new();
        let spelled = names.iter().map(|(name, seed)| alias(name, seed)).chain(others);
        for name in spelled {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("mallory"));
        }
        for name in gate.policy.managed.found_in(&headers) {
            headers.remove(name);
        }
        for name in headers.keys() {
            let folded = cgi_name(name.as_str());
            prop_assert!(IDENTITY.iter().all(|managed| cgi_name(managed) != folded), "{name} stayed");
        }
    }

    #[test]
    fn no_request_panics(
        target in any::<String>(),
        authorization in prop::collection::vec(0x20_u8..0x7f, 0..60),
        cookie in prop::collection::vec(prop_oneof![Just(b'\t'), 0x20_u8..0x7f, 0x80_u8..=0xff], 0..60),
        origin in prop::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..20),
    ) {
        let gate = routes([route("/*").optional().upgrades(&[])]);
        let request = |target: &str| get(target).header("cookie", &cookie).header("origin", &origin);
        gate.decide(request(&target).websocket());
        gate.decide(request(&format!("/{target}")).header("authorization", &authorization));
        gate.decide(request("/").header("authorization", [b"Bearer ", &authorization[..]].concat()));
        let _ = cookie_values(&cookie, "sso");
    }

    #[test]
    fn no_session_cookie_of_random_bytes_passes(
        value in prop_oneof![
            prop::collection::vec(0x21_u8..0x7f, 0..80).prop_map(|bytes| text(&bytes)),
            "[A-Za-z0-9_-]{0,200}",
            "[1-9]\\.[A-Za-z0-9_-]{0,80}",
        ],
        rest in "[A-Za-z0-9_-]{0,60}",
        piece in 0_u8..12,
    ) {
        let name = "__Host-sidegate";
        let request = || get("/").cookie(name, &value).cookie(&format!("{name}_{piece}"), &rest);
        for gate in [sign_in_gate([route("/*")]), sign_in_gate([route("/*")]).stored()] {
            for request in [request(), get("/").cookie(name, &value), request().navigating()] {
                let passed = matches!(gate.decide(request).decision, Decision::Allow(_));
                prop_assert!(!passed);
            }
        }
    }

    #[test]
    fn no_altered_session_cookie_passes(index in any::<prop::sample::Index>(), other in "[A-Za-z0-9_.=-]") {
        let spec = session_cookie(crate::gate::Scheme::Https);
        let sealed = session().seal(&sealing_keys(1), &spec, "app.example", [5; 12]);
        let index = index.index(sealed.len());
        let altered = format!("{}{other}{}", &sealed[..index], &sealed[index + 1..]);
        let decision = sign_in_gate([route("/*")]).decide(get("/").cookie(spec.name(), &altered)).decision;
        prop_assert_eq!(matches!(decision, Decision::Allow(_)), altered == sealed);
    }

    #[test]
    fn no_proof_of_random_parts_passes(a in "[A-Za-z0-9_-]{0,40}", b in "[A-Za-z0-9_.-]{0,60}", bytes in prop::collection::vec(0x20_u8..0x7f, 0..60)) {
        let dpop = crate::gate::Dpop::Accept(crate::gate::NonceRule::None);
        let gate = gate_of(vec![crate::gate::Provider { dpop, ..provider(ISSUER) }], vec![route("/*")]);
        let request = || get("/").header("authorization", format!("DPoP {}", *BOUND));
        for proof in [format!("{a}.{b}"), format!("{a}.{a}.{b}"), text(&bytes)] {
            let passed = matches!(gate.decide(request().header("dpop", proof)).decision, Decision::Allow(_));
            prop_assert!(!passed);
        }
    }

    #[test]
    fn no_token_of_random_parts_passes(a in "[A-Za-z0-9_-]{0,40}", b in "[A-Za-z0-9_-]{0,40}", c in "[A-Za-z0-9_-]{0,40}") {
        let passed = matches!(gate().decide(get("/").bearer(format!("{a}.{b}.{c}"))).decision, Decision::Allow(_));
        prop_assert!(!passed);
    }
}
