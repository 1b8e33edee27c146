//! Nobody but sidegate tells the app who is calling: whatever a client sends in those headers is gone, in any spelling, on
//! every route, and what sidegate sets arrives.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::raw::{Connection, Request, get, request};
use crate::support::site::Site;
use crate::support::upstream::{Recorded, Upstream};

const ROUTES: &str = "
identity: { assertion: true, claims: { X-Department: department, X-City: /address/locality } }
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: guests, match: { paths: /guests/* }, access: optional }
  - { name: preflight, match: { paths: /preflight/* }, preflight: forward }
  - { name: rest, match: { paths: /* } }
";

/// Names that sidegate sets here, and some that other products set.
pub(crate) const NAMES: &[&str] = &[
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Sidegate-Assertion",
    "X-Department",
    "X-City",
    "X-Auth-User",
    "X-Auth-Email",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Groups",
    "X-Auth-Request-Redirect",
    "X-Forwarded-Access-Token",
    "Remote-User",
    "X-Remote-User",
    "X-WEBAUTH-USER",
    "X-authentik-username",
    "X-Authgear-User-Id",
    "X-Goog-Iap-Jwt-Assertion",
    "X-Pomerium-Jwt-Assertion",
    "X-Amzn-Oidc-Data",
    "OIDC-Claim-Sub",
    "Ssl-Client-Verify",
    "Ssl-Client-S-Dn",
    "X-Forwarded-Client-Cert",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Skipper-Proxy",
];

pub(crate) const FORGED: &str = "forged-by-the-client";

/// `name` in spellings that servers fold to the same variable.
pub(crate) fn spellings(name: &str) -> BTreeSet<String> {
    let one = name.replacen('-', "_", 1);
    let last = name.rfind('-').map(|at| format!("{}_{}", &name[..at], &name[at + 1..]));
    let whole = ["-", "_", ".", "~", "!"].map(|sign| name.replace('-', sign));
    let all = whole.into_iter().chain([one, name.to_lowercase(), name.to_uppercase()]).chain(last);
    all.collect()
}

fn head(arrived: &Recorded) -> String {
    String::from_utf8_lossy(&arrived.head).into_owned()
}

fn assert_clean(arrived: &Recorded, what: &str) {
    assert!(!head(arrived).contains(FORGED), "{what}: {}", head(arrived));
}

/// `base` with all spellings of `names`, forged.
fn forge(base: &Request, names: &[&str]) -> Request {
    let all = names.iter().flat_map(|name| spellings(name));
    all.fold(base.clone(), |request, name| request.header(&name, FORGED))
}

/// CVE-2025-64484, CVE-2026-54763, CVE-2026-88011, CVE-2026-88879, CVE-2026-33433, and mod_auth_openidc of 2026-08-07: also
/// where nobody signed in, and on preflights.
#[tokio::test]
async fn no_spelling_of_an_identity_header_survives_on_any_route() {
    let site = Site::start(ROUTES).await;
    let token = site.issuer.token("ada");
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
    for way in ways {
        for names in NAMES.chunks(5) {
            assert_clean(&site.forwarded(forge(&way, names)).await, &format!("{way:?}"));
        }
    }
}

/// CVE-2020-25017, CVE-2026-26308: the second of two lines is no better than the first.
#[tokio::test]
async fn duplicates_and_lists_of_an_identity_header_are_all_removed() {
    let site = Site::start(ROUTES).await;
    let token = site.issuer.token("ada");
    let asked = get("/x")
        .header("X-Forwarded-User", FORGED)
        .bearer(&token)
        .header("x-forwarded-user", &format!("ada,{FORGED}"))
        .header("X-FORWARDED-USER", FORGED);
    let arrived = site.forwarded(asked).await;
    assert_eq!(arrived.values("x-forwarded-user"), ["ada"]);
    assert_clean(&arrived, "duplicates");
}

/// GHSA-w9mr-28mw-j8hg, CVE-2021-32813, CVE-2024-45410, CVE-2026-29054: a client's `Connection` takes nothing away that is
/// set here.
#[tokio::test]
async fn nominated_headers_still_arrive_or_the_request_is_refused() {
    let site = Site::start(ROUTES).await;
    let token = site.issuer.token_with("ada", |claims| claims["department"] = "physics".into());
    let set = [
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Forwarded-Preferred-Username",
        "X-Sidegate-Assertion",
        "X-Department",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Request-Id",
        "Host",
    ];
    for name in set {
        for nominated in [
            name.to_owned(),
            name.to_lowercase(),
            format!("close, {name}"),
            format!("{name},{name}"),
        ] {
            let before = site.upstream.requests().len();
            let asked =
                get("/x").bearer(&token).header("Connection", &nominated).header(name, FORGED);
            let asked = if name == "Host" {
                get("/x").bearer(&token).header("Connection", &nominated)
            } else {
                asked
            };
            let answer = site.ask(asked).await;
            match site.upstream.requests().get(before) {
                None => assert_eq!(answer.status, 400, "{nominated}"),
                Some(arrived) => {
                    assert_eq!(arrived.values(name).len(), 1, "{nominated}: {}", head(arrived));
                    assert_clean(arrived, &nominated);
                }
            }
        }
    }
    assert_eq!(site.upstream.violations(), Vec::<String>::new());
}

/// CVE-2026-30851: what an identity lacks is absent, not the client's.
#[tokio::test]
async fn a_caller_without_an_address_does_not_get_a_forged_one() {
    let site = Site::start(ROUTES).await;
    let token = site.issuer.token_with("eve", |claims| {
        let claims = claims.as_object_mut().unwrap();
        claims.retain(|name, _| name != "email" && name != "groups");
    });
    let names = ["X-Forwarded-Email", "X-Forwarded-Groups", "X-Department"];
    let arrived = site.forwarded(forge(&get("/x").bearer(&token), &names)).await;
    assert_eq!(arrived.values("x-forwarded-user"), ["eve"]);
    for name in names {
        assert_eq!(arrived.values(name).concat(), "", "{name}");
    }
    assert_clean(&arrived, "without an address");
}

/// CVE-2023-27493: claims cannot end a header line, and every one of their bytes is either visible or encoded.
#[tokio::test]
async fn claims_with_control_bytes_are_encoded_or_refused() {
    let site = Site::start(ROUTES).await;
    let strange = [
        "a\r\nX-Admin: 1",
        "a\nX-Admin: 1",
        "a\r\n\r\nGET /admin HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "nul\0byte",
        "tab\tand \u{7f}",
        "caf\u{e9} \u{1f600} \u{2028}",
        "ad,min",
        " padded ",
        "",
        "100%",
    ];
    for text in strange {
        let token = site.issuer.token_with("ada", |claims| {
            claims["sub"] = format!("u{text}").into();
            claims["email"] = text.into();
            claims["groups"] = json!([text, "staff"]);
            claims["department"] = json!([text, 1, true, null]);
            claims["address"] = json!({ "locality": text });
        });
        let before = site.upstream.requests().len();
        let answer = site.ask(get("/x").bearer(&token)).await;
        let arrived = site.upstream.requests();
        if answer.status == 200 {
            assert_eq!(arrived.len(), before + 1, "{text:?}");
            let head = head(&arrived[before]);
            assert!(!head.contains("\nX-Admin") && !head.contains("\nGET"), "{head}");
            assert!(head.bytes().all(|b| matches!(b, b'\r' | b'\n' | b' '..=b'~')), "{head:?}");
            let groups = arrived[before].values("x-forwarded-groups").concat();
            assert!(groups.ends_with("staff") && groups.matches(',').count() <= 1, "{groups}");
        } else {
            assert!((400..500).contains(&answer.status), "{text:?}: {answer:?}");
            site.nothing_since(before, text);
        }
    }
    assert_eq!(site.upstream.violations(), Vec::<String>::new());
}

/// CVE-2024-39315: what sidegate says about itself shows no header of the request and no token.
#[tokio::test]
async fn own_endpoints_are_never_forwarded_and_echo_nothing() {
    let site = Site::start(ROUTES).await;
    let token = site.issuer.token("ada");
    for path in
        ["/.auth/jwks", "/.auth/session", "/.auth/userinfo", "/.auth", "/.auth/x", "/.auth/verify"]
    {
        let answer = site.ask(forge(&get(path).cookie(&token), &["X-Forwarded-User"])).await;
        let all = format!("{}{}", answer.head, answer.body);
        assert!(!all.contains(&token) && !all.contains(FORGED), "{all}");
        site.nothing_since(0, path);
    }
    let keys = site.ask(get("/.auth/jwks")).await;
    assert_eq!((keys.status, keys.json()["keys"][0]["d"].as_str()), (200, None));
    for method in ["POST", "DELETE", "OPTIONS"] {
        assert_eq!(site.refused(request(method, "/.auth/jwks")).await.status, 405);
    }
    for target in
        ["/.auth/../x", "/.auth%2fjwks", "/%2eauth/jwks", "//.auth/jwks", "/public/../.auth/jwks"]
    {
        assert_eq!(site.refused(get(target).bearer(&token)).await.status, 400, "{target}");
    }
}

/// CVE-2026-41181 and the cookie rules: what the route says becomes of credentials.
#[tokio::test]
async fn credentials_stay_here_where_the_route_says_so() {
    let routes = "
identity: { authorization: remove, cookie: remove }
routes: [{ name: rest, match: { paths: /* } }]
";
    let site = Site::start(routes).await;
    let token = site.issuer.token("ada");
    let arrived = site
        .forwarded(get("/x").bearer(&token).header("Cookie", &format!("a=1; sso={token}; b=2")))
        .await;
    assert!(!head(&arrived).contains(&token), "{}", head(&arrived));
    assert_eq!(arrived.values("cookie"), ["a=1; b=2"]);
    let arrived = site.forwarded(get("/x").cookie(&token)).await;
    assert_eq!(arrived.values("cookie"), Vec::<String>::new());
    let arrived = site.forwarded(get("/x").cookie(&token).header("Cookie", "b=2")).await;
    assert_eq!(arrived.values("cookie"), ["b=2"]);
}

fn user_of(request: &Recorded) -> Vec<u8> {
    let user = request.values("x-forwarded-user").join("+");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{user}", user.len()).into_bytes()
}

/// CVE-2026-71326: two users by turns on the same connections, and side by side on others; nobody is ever the other.
#[tokio::test]
async fn no_request_is_taken_for_another_users() {
    const CONNECTIONS: usize = 8;
    const REQUESTS: usize = 100;
    let site = Site::before(Upstream::answering(user_of).await, ROUTES).await;
    let users = ["ada", "bob"].map(|user| (user, site.issuer.token(user)));
    let talk = async |first: usize| {
        let mut connection = Connection::open(site.address).await;
        for turn in first..first + REQUESTS {
            let (user, token) = &users[turn * 7 % 13 % 2];
            let asked =
                if turn % 3 == 0 { get("/x").cookie(token) } else { get("/x").bearer(token) };
            connection.send(&asked.bytes()).await;
            assert_eq!(connection.answer().await.unwrap().body, *user);
            connection.send(&get("/public/x").cookie(token).bytes()).await;
            assert_eq!(connection.answer().await.unwrap().body, "");
        }
    };
    let mut talks: Vec<_> = (0..CONNECTIONS).map(|first| Box::pin(talk(first))).collect();
    let all = std::future::poll_fn(|context| {
        talks.retain_mut(|talk| talk.as_mut().poll(context).is_pending());
        if talks.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    });
    all.await;
    assert_eq!(site.upstream.requests().len(), 2 * CONNECTIONS * REQUESTS);
}
