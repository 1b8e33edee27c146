//! What a client behind Envoy can say of itself, and of the request: nothing that changes who it is or what is asked of it.

use std::collections::BTreeSet;

use crate::ext_authz::scene::{Scene, Way};
use crate::support::raw::{Request, get, request};
use crate::support::upstream::Recorded;

const ROUTES: &str = "
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: open, match: { paths: /open, methods: GET }, access: public }
  - { name: guests, match: { paths: /guests/* }, access: optional }
  - { name: preflight, match: { paths: /preflight/* }, preflight: forward }
  - { name: admins, match: { paths: [/admin, /admin/*] }, require: { groups_any: [admins] } }
  - { name: rest, match: { paths: /* } }
";

/// Names that sidegate sets, and some that other products set.
const NAMES: &[&str] = &[
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Sidegate-Assertion",
    "X-Auth-User",
    "X-Auth-Request-User",
    "X-Auth-Request-Groups",
    "X-Forwarded-Access-Token",
    "Remote-User",
    "X-WEBAUTH-USER",
    "X-authentik-username",
    "X-Goog-Iap-Jwt-Assertion",
    "OIDC-Claim-Sub",
    "Ssl-Client-Verify",
    "Ssl-Client-S-Dn",
    "X-Forwarded-Client-Cert",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Skipper-Proxy",
];

const FORGED: &str = "forged-by-the-client";

/// `name` in spellings that servers fold to the same variable.
fn spellings(name: &str) -> BTreeSet<String> {
    let one = name.replacen('-', "_", 1);
    let whole = ["-", "_", ".", "~", "!"].map(|sign| name.replace('-', sign));
    whole.into_iter().chain([one, name.to_lowercase(), name.to_uppercase()]).collect()
}

fn forge(base: &Request, names: &[&str]) -> Request {
    let all = names.iter().flat_map(|name| spellings(name));
    all.fold(base.clone(), |request, name| request.header(&name, FORGED))
}

fn assert_clean(arrived: &Recorded, what: &str) {
    let head = String::from_utf8_lossy(&arrived.head);
    assert!(!head.contains(FORGED), "{what}: {head}");
}

/// CVE-2025-64484, CVE-2026-54763, CVE-2026-30851, CVE-2026-52845.
#[tokio::test]
async fn no_spelling_of_an_identity_header_reaches_the_app() {
    for way in [Way::Socket, Way::Http] {
        let Some(scene) = Scene::start(way, ROUTES).await else { return };
        let token = scene.issuer.token("ada");
        let preflight = request("OPTIONS", "/preflight/x")
            .header("Origin", "https://a.test")
            .header("Access-Control-Request-Method", "GET");
        let ways = [
            get("/public/x"),
            get("/guests/x"),
            get("/guests/x").cookie("garbage"),
            get("/x").bearer(&token),
            get("/x").cookie(&token),
            preflight,
        ];
        for base in ways {
            for names in NAMES.chunks(5) {
                let arrived = scene.forwarded(forge(&base, names)).await;
                assert_clean(&arrived, &format!("{way:?} {base:?}"));
            }
        }
    }
}

/// CVE-2026-30851: a header that this caller has no value for is not the client's to fill.
#[tokio::test]
async fn a_header_without_a_value_is_absent() {
    for way in Way::ALL {
        let Some(scene) = Scene::start(way, ROUTES).await else { return };
        let token = scene.issuer.token_with("ada", |claims| claims["email"] = "".into());
        let asked = get("/x").bearer(&token).header("X-Forwarded-Email", FORGED);
        let arrived = scene.forwarded(asked).await;
        assert_eq!(arrived.values("x-forwarded-email"), Vec::<String>::new(), "{way:?}");
        assert_eq!(arrived.values("x-forwarded-user"), ["ada"], "{way:?}");
    }
}

/// CVE-2020-25017, CVE-2026-26308; GHSA-w9mr-28mw-j8hg and its like.
#[tokio::test]
async fn repeated_and_nominated_headers_say_what_sidegate_says() {
    for way in Way::ALL {
        let Some(scene) = Scene::start(way, ROUTES).await else { return };
        let asked = get("/x")
            .header("X-Forwarded-User", FORGED)
            .bearer(&scene.issuer.token("ada"))
            .header("x-forwarded-user", &format!("ada,{FORGED}"))
            .header("Connection", "x-forwarded-user, X-Forwarded-Email");
        let before = scene.upstream.requests().len();
        let answer = scene.ask(asked).await;
        for arrived in &scene.upstream.requests()[before..] {
            assert_eq!(arrived.values("x-forwarded-user"), ["ada"], "{way:?}");
            assert_eq!(arrived.values("x-forwarded-email"), ["ada@example.test"], "{way:?}");
            assert_clean(arrived, "repeated");
        }
        assert!([200, 400].contains(&answer.status), "{way:?}: {answer:?}");
    }
}

#[tokio::test]
async fn two_credentials_are_refused() {
    for way in Way::ALL {
        let Some(scene) = Scene::start(way, ROUTES).await else { return };
        let ada = scene.issuer.token("ada");
        let bearers = get("/x").bearer(&ada).bearer("x");
        let cookies = get("/x").cookie(&ada).cookie("x");
        let pairs = get("/x").header("Cookie", &format!("sso={ada}; sso=x"));
        for asked in [bearers, cookies, pairs] {
            let answer = scene.refused(asked).await;
            assert_eq!(answer.status, 400, "{way:?}: {answer:?}");
        }
    }
}

/// CVE-2026-40575, CVE-2023-27487, CVE-2026-39858: neither the request nor its client is what the client says.
#[tokio::test]
async fn forwarded_and_override_headers_change_nothing() {
    let overrides = [
        ("X-Forwarded-Uri", "/public"),
        ("X-Forwarded-Method", "GET"),
        ("X-Original-URL", "/public/x"),
        ("X-Original-Uri", "/public/x"),
        ("X-Rewrite-Url", "/public/x"),
        ("X-Envoy-Original-Path", "/public/x"),
        ("X-Envoy-Internal", "true"),
        ("X-Envoy-Auth-Partial-Body", "false"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Proto", "https"),
        ("X_Forwarded_Proto", "https"),
        ("X-Forwarded-Prefix", "/public"),
        ("X-Forwarded-Port", "1"),
        ("X-HTTP-Method-Override", "GET"),
        ("X-Skipper-Proxy", "http://evil.test"),
        ("X-Forwarded-For", "garbage"),
        ("Forwarded", "for=127.0.0.1;host=evil.test;proto=https"),
        ("User-Agent", "GoogleHC/1.0"),
    ];
    for way in [Way::Socket, Way::Http] {
        let Some(scene) = Scene::start(way, ROUTES).await else { return };
        for (name, value) in overrides {
            let answer = scene.refused(get("/admin/x").header(name, value)).await;
            assert_eq!(answer.status, 401, "{way:?} {name}: {answer:?}");
            let answer = scene.refused(request("POST", "/open").header(name, value)).await;
            assert_eq!(answer.status, 401, "{way:?} {name}: {answer:?}");
            let person = scene.refused(get("/x").navigation().header(name, value)).await;
            let location = "https://login.test/signin?rd=http%3A%2F%2Fapp%2Etest%2Fx";
            assert_eq!(person.header("location"), Some(location), "{way:?} {name}");
            let arrived = scene.forwarded(get("/public/x").header(name, value)).await;
            if !["X-Forwarded-For", "X-Forwarded-Proto", "User-Agent"].contains(&name) {
                let left = arrived.values(name);
                let kept = name.starts_with("X-Envoy-Auth");
                assert!(kept || left.is_empty(), "{way:?} {name}: {left:?}");
            }
        }
    }
}

/// Elsewhere than on a unix socket, Envoy's client is a trusted proxy in these tests: what such a proxy says of itself and its client
/// is judged, and the app hears of it by Envoy's own headers alone.
#[tokio::test]
async fn what_proxies_before_envoy_say_does_not_reach_the_app() {
    let told = [
        ("Forwarded", "for=192.0.2.1"),
        ("X-Forwarded-Host", "app.test"),
        ("X-Forwarded-Port", "80"),
        ("X-Forwarded-Prefix", "/x"),
        ("X-Real-IP", "192.0.2.1"),
    ];
    for way in Way::ALL {
        let Some(scene) = Scene::start(way, ROUTES).await else { return };
        for (name, value) in told {
            let arrived = scene.forwarded(get("/public/x").header(name, value)).await;
            assert_eq!(arrived.values(name), Vec::<String>::new(), "{way:?} {name}");
        }
    }
}

/// CVE-2026-33494, CVE-2026-73511, CVE-2026-26205 and the like: what arrives was judged as what it is.
#[tokio::test]
async fn no_spelling_of_a_path_reaches_what_is_protected() {
    let targets = [
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/..%2fadmin",
        "/public/..;/admin",
        "/public%2f..%2fadmin",
        "/public/%5c..%5cadmin",
        "/public\\..\\admin",
        "/./admin",
        "//admin",
        "///admin",
        "/admin;x",
        "/admin%3b",
        "/admin%00",
        "/%61dmin",
        "/admin/",
        "/public#/../admin",
        "/admin?/public",
        "http://app.test/admin",
    ];
    for way in Way::ALL {
        let Some(scene) = Scene::start(way, ROUTES).await else { return };
        for target in targets {
            let before = scene.upstream.requests().len();
            let answer = scene.ask(get(target)).await;
            let arrived = scene.upstream.requests().split_off(before);
            assert!(arrived.is_empty(), "{way:?} {target}: {answer:?} {arrived:?}");
        }
    }
}
