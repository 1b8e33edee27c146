//! Every spelling of a protected path, through the real proxy: what is let through arrives byte for byte, and nothing that
//! some upstream could read as a protected path is let through by the rule of another.

use crate::support::raw::{Connection, get, request};
use crate::support::site::Site;

const ROUTES: &str = "
routes:
  - { name: rest, match: { paths: /* } }
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: exact, match: { paths: '~ /exact' }, access: public }
  - { name: pattern, match: { paths: '~ /foo/[^/]*/bar' }, access: public }
  - { name: read, match: { paths: /open, methods: GET }, access: public }
  - { name: admin, match: { paths: /admin/* }, require: { groups_any: admins } }
";

/// Ways to write a path below `/public` that some server reads as `/admin`.
pub(crate) const ADMIN_BY_PUBLIC: &[&str] = &[
    "/public/../admin",
    "/public/../admin/secrets",
    "/public/x/../../admin",
    "/public/./../admin",
    "/public/%2e%2e/admin",
    "/public/%2E%2e/admin",
    "/public/.%2e/admin",
    "/public/..%2fadmin",
    "/public/..%2Fadmin",
    "/public%2f..%2fadmin",
    "/public%2F%2e%2e%2Fadmin",
    "/public/%252e%252e/admin",
    "/public/%25252e%25252e/admin",
    "/public/..%252fadmin",
    "/public/..;/admin",
    "/public/..;x=y/admin",
    "/public/.;/../admin",
    "/public/..%3b/admin",
    "/public/%2e%2e;/admin",
    "/public\\..\\admin",
    "/public/..\\admin",
    "/public%5c..%5cadmin",
    "/public/..%5cadmin",
    "/public/..%255cadmin",
    "/public//../../admin",
    "/public/..//admin",
    "/public/%c0%ae%c0%ae/admin",
    "/public/..%c0%afadmin",
    "/public/%00/../../admin",
    "/public/x%2f..%2f..%2fadmin",
    "/public/../%61dmin",
];

/// Ways to write `/admin` itself.
pub(crate) const ADMIN: &[&str] = &[
    "/admin",
    "/admin/",
    "/admin/x",
    "/%61dmin",
    "/%2561dmin",
    "//admin/x",
    "///admin",
    "/./admin",
    "/.//admin",
    "/%2e/admin",
    "/%2fadmin",
    "/%5cadmin",
    "/\\admin",
    "/admin;x",
    "/admin;x=y/z",
    "/;/admin",
    "/..;/admin",
    "/admin%3b",
    "/admin%3bx",
    "/admin%00",
    "/admin%00.html",
    "/admin%3f",
    "/admin%3fx",
    "/admin%23",
    "/admin%2f",
    "/admin%2fx",
    "/x/../admin",
    "/x/%2e%2e/admin",
    "/../admin",
    "/admin/../admin",
    "/admin/public",
    "/admin/..%2fpublic",
    "/admin?/public",
    "/admin?x=/public",
    "/admin?/../public",
];

/// CVE-2026-33494, CVE-2025-47952, CVE-2025-32431, CVE-2025-66490, CVE-2026-73511, CVE-2026-52844, CVE-2026-40912.
#[tokio::test]
async fn no_spelling_of_a_protected_path_slips_through_the_public_one() {
    let site = Site::start(ROUTES).await;
    let token = site.issuer.token("bob");
    for target in ADMIN_BY_PUBLIC {
        site.refused(get(target)).await;
        site.refused(get(target).bearer(&token)).await;
        site.refused(get(target).cookie(&token).navigation()).await;
    }
}

/// CVE-2025-54576, CVE-2026-26205, CVE-2026-27587 and the spellings of CVE-2025-66490.
#[tokio::test]
async fn no_spelling_of_a_protected_path_evades_its_rule() {
    let site = Site::start(ROUTES).await;
    let bob = site.issuer.token("bob");
    for target in ADMIN {
        site.refused(get(target)).await;
        site.refused(get(target).bearer(&bob)).await;
    }
}

/// Who may open it gets what was asked for or a refusal, never something else.
#[tokio::test]
async fn a_spelling_that_an_admin_may_use_arrives_byte_for_byte() {
    let site = Site::start(ROUTES).await;
    let token = site.issuer.token_with("ada", |claims| claims["groups"] = ["admins"].into());
    for target in ADMIN.iter().chain(ADMIN_BY_PUBLIC) {
        let before = site.upstream.requests().len();
        let answer = site.ask(get(target).bearer(&token)).await;
        let arrived = site.upstream.requests();
        match answer.status {
            200 => assert_eq!(arrived[before].target(), *target),
            400 => assert_eq!(arrived.len(), before, "{target}"),
            _ => panic!("{target}: {answer:?}"),
        }
    }
    for target in ["/admin", "/admin/x", "/admin?/public", "/admin/public"] {
        assert_eq!(site.forwarded(get(target).bearer(&token)).await.target(), target);
    }
}

#[tokio::test]
async fn what_can_be_read_in_several_ways_under_one_rule_arrives_byte_for_byte() {
    let site = Site::start(ROUTES).await;
    let token = site.issuer.token("bob");
    let harmless = [
        "/api/projects/group%2Fname",
        "/api/projects/group%252Fname",
        "/a%20b",
        "/caf%C3%A9",
        "/a;v=1/b",
        "/a//b",
        "/a/./b",
        "/.well-known/x",
        "/x?next=/public/../admin;//%2e%2e",
        "/x?a=1&a=2&%61=3;b",
        "/x??",
        "/x?",
        "/*",
    ];
    for target in harmless {
        assert_eq!(site.forwarded(get(target).bearer(&token)).await.target(), target);
    }
    for target in ["/public/a%2Fb", "/public/a;b", "/public/%41", "/public/a//b", "/public"] {
        assert_eq!(site.forwarded(get(target)).await.target(), target);
    }
}

/// CVE-2026-41059, CVE-2023-47106: the fragment is no part of a target, and whatever is judged is what is forwarded.
#[tokio::test]
async fn a_fragment_neither_opens_a_path_nor_travels() {
    let site = Site::start(ROUTES).await;
    for target in ["/foo/secret%23/bar", "/foo/secret%2523/bar", "/foo/x%2fy/bar", "/foo/..%2f/bar"]
    {
        site.refused(get(target)).await;
    }
    for target in ["/foo/secret#/bar", "/admin#/public", "/public#/../admin", "/exact#/x"] {
        let before = site.upstream.requests().len();
        let answer = site.ask(get(target)).await;
        match site.upstream.requests().get(before) {
            None => assert!((400..500).contains(&answer.status), "{target}: {answer:?}"),
            Some(arrived) => assert!(
                ["/public", "/exact"].contains(&arrived.target().as_str()),
                "{target} arrived as {}",
                arrived.target()
            ),
        }
    }
}

/// CVE-2025-54576 and the off-by-slash class: a pattern holds from the first byte of the path to its last.
#[tokio::test]
async fn a_pattern_matches_the_whole_path_and_never_the_query() {
    let site = Site::start(ROUTES).await;
    for target in ["/exact", "/exact?x=/admin", "/foo/x/bar"] {
        assert_eq!(site.forwarded(get(target)).await.target(), target);
    }
    let near = [
        "/exact/",
        "/exactly",
        "/x/exact",
        "/x?/exact",
        "/foo/x/bar/y",
        "/x/foo/x/bar",
        "/publicx",
        "/x/public/y",
        "/PUBLIC/x",
        "/foo/x/y/bar",
    ];
    for target in near {
        site.refused(get(target)).await;
    }
}

/// CVE-2026-73552: bytes that are no UTF-8 are refused rather than matched by half.
#[tokio::test]
async fn bytes_that_no_uri_may_have_are_refused_or_escaped() {
    let site = Site::start(ROUTES).await;
    for bytes in [&b"/adm\xecn"[..], b"/admin\xff", b"/public/\x80/../../admin", b"/\xc3\xa9"] {
        let head = [b"GET ", bytes, b" HTTP/1.1\r\nHost: app.test\r\n\r\n"].concat();
        let mut connection = Connection::open(site.address).await;
        connection.send(&head).await;
        let status = connection.answer().await.map_or(400, |answer| answer.status);
        assert!((400..500).contains(&status), "{bytes:?}: {status}");
        site.nothing_since(0, &format!("{bytes:?}"));
    }
}

/// The openidc class of bypasses: a rule for one method says nothing about the others.
#[tokio::test]
async fn a_route_of_one_method_does_not_open_the_others() {
    let site = Site::start(ROUTES).await;
    assert_eq!(site.forwarded(get("/open")).await.request_line(), "GET /open HTTP/1.1");
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "TRACE", "get", "Get"] {
        site.refused(request(method, "/open")).await;
        site.refused(request(method, "/admin")).await;
    }
    for name in ["X-HTTP-Method-Override", "X_Http_Method_Override", "X-Method-Override"] {
        site.refused(request("POST", "/open").header(name, "GET")).await;
        let arrived = site.forwarded(get("/open").header(name, "DELETE")).await;
        assert!(!String::from_utf8_lossy(&arrived.head).contains("DELETE"), "{name}");
    }
    let preflight = request("OPTIONS", "/admin")
        .header("Origin", "https://evil.test")
        .header("Access-Control-Request-Method", "GET");
    site.refused(preflight).await;
}

/// CVE-2026-48794, CVE-2022-23632: a host is one host in any case and with the dot at its end.
#[tokio::test]
async fn hosts_are_compared_without_case_and_trailing_dot() {
    let routes = "
routes:
  - { name: admin, match: { hosts: secure.app.test } }
  - { name: any, match: { hosts: '*.app.test' }, access: public }
";
    let site = Site::start(routes).await;
    for host in [
        "secure.app.test",
        "SECURE.App.Test",
        "secure.app.test.",
        "secure.app.test:8080",
        "Secure.App.Test.:1",
    ] {
        assert_eq!(site.refused(get("/").host(host)).await.status, 401, "{host}");
    }
    for host in ["other.app.test", "OTHER.APP.TEST."] {
        assert_eq!(site.forwarded(get("/").host(host)).await.values("host"), [host]);
    }
    for host in ["app.test", "evil-app.test", "app.test.evil.test", "xn--app.test", "127.0.0.1"] {
        assert_eq!(site.refused(get("/").host(host)).await.status, 421, "{host}");
    }
}

/// CVE-2026-39825: a long query is forwarded as it was judged.
#[tokio::test]
async fn a_query_of_many_parameters_arrives_whole() {
    let site = Site::start(ROUTES).await;
    let target = format!("/public/x?{}", "a=1&".repeat(3_000));
    assert_eq!(site.forwarded(get(&target)).await.target(), target);
    let target = format!("/public/x?{}", "a=1&".repeat(5_000));
    assert_eq!(site.refused(get(&target)).await.status, 431);
}
