//! Who is sent to the login service, with which address to come back to; and the form of every answer of our own.

use url::Url;

use crate::support::ports::free_address;
use crate::support::process::Sidegate;
use crate::support::raw::{Answer, Connection, Request, get, request};
use crate::support::site::{PUBLIC_AND_REST, Site};
use crate::support::tokens::{ISSUER, Issuer};

const HOSTS: &str = "
routes:
  - { name: app, match: { hosts: app.test } }
  - { name: admin, match: { hosts: app.test, paths: /admin/* }, require: { groups_any: admins } }
";

const PREFLIGHT: &str = "
routes:
  - name: api
    match: { paths: /api/* }
    preflight: { origins: [https://app.test], methods: [GET, POST], headers: [Authorization], max_age: 10m }
  - { name: rest, match: { paths: /* } }
";

/// The login page of `answer`, and the address to come back to that it is given.
fn sent_to(answer: &Answer) -> (Url, String) {
    assert_eq!(answer.status, 302, "{answer:?}");
    let location = Url::parse(answer.header("location").unwrap()).unwrap();
    let pairs: Vec<_> = location.query_pairs().into_owned().collect();
    assert_eq!(pairs.len(), 1, "{location}");
    let (name, value) = pairs.into_iter().next().unwrap();
    assert_eq!(name, "rd", "{location}");
    (location, value)
}

#[tokio::test]
async fn only_navigations_are_redirected() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let html = "text/html,application/xhtml+xml,*/*;q=0.8";
    let navigations = [
        get("/x").header("Sec-Fetch-Mode", "navigate"),
        get("/x").header("Sec-Fetch-Mode", "navigate").header("Accept", html),
        get("/x").header("Accept", html),
        get("/x").header("Accept", "application/xml;q=0.5, Text/HTML;q=0.9"),
        request("HEAD", "/x").navigation(),
    ];
    for asked in navigations {
        assert_eq!(sent_to(&site.ask(asked).await).1, "http://app.test/x");
    }
    let programs = [
        get("/x"),
        get("/x").header("Accept", "*/*"),
        get("/x").header("Accept", "application/json"),
        get("/x").header("Accept", html).header("Sec-Fetch-Mode", "cors"),
        get("/x").header("Accept", html).header("Sec-Fetch-Mode", "no-cors"),
        get("/x").header("Accept", html).header("Sec-Fetch-Mode", "same-origin"),
        get("/x").header("Accept", html).header("X-Requested-With", "XMLHttpRequest"),
        get("/x").header("Accept", "text/event-stream"),
        request("POST", "/x").navigation().header("Content-Length", "0"),
        request("PUT", "/x").navigation().header("Content-Length", "0"),
        request("DELETE", "/x").navigation(),
        request("OPTIONS", "/x")
            .navigation()
            .header("Origin", "https://a.test")
            .header("Access-Control-Request-Method", "GET"),
        request("POST", "/svc/Method")
            .header("Content-Type", "application/grpc")
            .header("TE", "trailers"),
        get("/x").navigation().bearer("x"),
    ];
    for asked in programs {
        let answer = site.refused(asked.clone()).await;
        assert_eq!((answer.status, answer.header("location")), (401, None), "{asked:?}");
    }
    let answer = site.refused(get("/x").navigation().websocket()).await;
    assert!(matches!(answer.status, 401 | 403), "{answer:?}");
    let login = site
        .refused(request("POST", "/svc/Method").header("Content-Type", "application/grpc"))
        .await;
    assert_eq!(login.json()["login_url"], format!("{ISSUER}/signin?rd=http%3A%2F%2Fapp%2Etest%2F"));
}

/// CVE-2020-4037, CVE-2020-11053, CVE-2021-21291, CVE-2022-23527, CVE-2024-52003: whatever was asked for, the way back leads
/// to the same host and the way there to the login service.
#[tokio::test]
async fn the_way_back_is_this_address_and_nothing_else() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let targets = [
        "/",
        "/a?b=c&d=e",
        "/x?rd=https://evil.test",
        "/x?return_to=//evil.test&rd=/y",
        "//evil.test/x",
        "///evil.test",
        "/\\evil.test",
        "/\\/evil.test",
        "/%09/evil.test",
        "/%0d%0aSet-Cookie:%20a=b",
        "/x?a=%0d%0aSet-Cookie:%20a=b",
        "/@evil.test",
        "/https://evil.test",
        "/.evil.test",
        "/x%23y",
        "/x?%26rd=https://evil.test",
        "/x?a=b#c",
        "/{return_to}",
        "/x?{return_to}",
        "/%",
        "/x?%zz",
        "/x?a=\"><script>alert(1)</script>",
        "/x?'",
        "/;@evil.test",
    ];
    for target in targets {
        let answer = site.ask(get(target).navigation()).await;
        if answer.status == 400 {
            continue;
        }
        let (location, back) = sent_to(&answer);
        assert_eq!(location.origin().ascii_serialization(), ISSUER, "{target}: {location}");
        assert_eq!(location.path(), "/signin");
        let whole = format!("http://app.test{}", target.split('#').next().unwrap());
        assert_eq!(back.replace("%20", " "), whole.replace("%20", " "), "{target}");
        assert_eq!(Url::parse(&back).unwrap().host_str(), Some("app.test"), "{target}");
        assert_eq!(answer.values("set-cookie"), [""; 0], "{target}");
    }
    site.nothing_since(0, "navigations");
}

/// Preflights carry no credentials: they are answered by rule, here, and lead nobody anywhere.
#[tokio::test]
async fn preflights_are_answered_by_rule_and_never_redirected() {
    let site = Site::start(PREFLIGHT).await;
    let from = |target: &str, origin: &str| {
        let asked = request("OPTIONS", target).header("Origin", origin);
        asked.header("Access-Control-Request-Method", "POST").header("Accept", "text/html")
    };
    let allowed = site.ask(from("/api/x", "https://app.test")).await;
    assert_eq!(allowed.status, 204, "{allowed:?}");
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.test"));
    assert_eq!(allowed.header("access-control-allow-credentials"), None);
    assert_form(&allowed, "a preflight");
    for origin in
        ["https://evil.test", "null", "https://app.test.evil.test", "http://app.test", "*"]
    {
        let refused = site.refused(from("/api/x", origin)).await;
        assert_eq!(
            (refused.status, refused.header("access-control-allow-origin")),
            (403, None),
            "{origin}"
        );
    }
    let elsewhere = site.refused(from("/x", "https://app.test")).await;
    assert_eq!((elsewhere.status, elsewhere.header("access-control-allow-origin")), (401, None));
    // The request itself is judged like any other.
    assert_eq!(site.refused(get("/api/x").header("Origin", "https://app.test")).await.status, 401);
    site.nothing_since(0, "preflights");
}

/// CVE-2020-5233, CVE-2024-21497: a host that no route names gets no redirect, and no header stands in for it.
#[tokio::test]
async fn a_foreign_host_is_never_the_way_back() {
    let site = Site::start(HOSTS).await;
    for host in ["evil.test", "app.test.evil.test", "evil-app.test", "login.test"] {
        let answer = site.refused(get("/x").navigation().host(host)).await;
        assert_eq!((answer.status, answer.header("location")), (421, None), "{host}");
    }
    for name in ["X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host", "X-Host", "Forwarded"]
    {
        let answer = site.ask(get("/x").navigation().header(name, "host=evil.test")).await;
        assert_eq!(sent_to(&answer).1, "http://app.test/x", "{name}");
    }
    let absolute = site.ask(get("http://evil.test/x").navigation()).await;
    assert!(absolute.status >= 400 || sent_to(&absolute).1 == "http://app.test/x", "{absolute:?}");
    assert_eq!(
        sent_to(&site.ask(get("/x").navigation().host("APP.test:8080")).await).1,
        "http://APP.test:8080/x"
    );
}

fn assert_form(answer: &Answer, what: &str) {
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}: {answer:?}");
    assert_eq!(answer.values("server"), [""; 0], "{what}");
    assert_eq!(answer.values("via"), [""; 0], "{what}");
    let id = answer.header("x-request-id").unwrap_or_default();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{what}: {answer:?}");
    assert!(
        answer
            .header("content-type")
            .is_none_or(|_| answer.header("x-content-type-options") == Some("nosniff"))
    );
}

/// Cacheable redirects and refusals: every answer of our own forbids caching, names no server, and has a request id.
#[tokio::test]
async fn every_answer_of_our_own_has_the_same_form() {
    let site = Site::start(HOSTS).await;
    let token = site.issuer.token("bob");
    let answers: [(Request, u16); 12] = [
        (get("/x").navigation(), 302),
        (get("/x"), 401),
        (get("/x").bearer("x"), 401),
        (get("/x").bearer(&token).bearer(&token), 400),
        (get("/admin/x").bearer(&token), 403),
        (get("/admin/x").cookie(&token).navigation(), 403),
        (get("/admin/../x").bearer(&token), 400),
        (get("/.auth/nothing"), 404),
        (request("TRACE", "/x"), 405),
        (get("/x").host("other.test"), 421),
        (get("/x").header("X-Long", &"a".repeat(70_000)), 431),
        (get("/x").host("a/b").header("Accept", "text/html"), 400),
    ];
    for (asked, status) in answers {
        let what = format!("{:.200}", format!("{asked:?}"));
        let answer = site.ask(asked).await;
        assert_eq!(answer.status, status, "{what}");
        assert_form(&answer, &what);
    }
    let down = Sidegate::run(&before_nobody());
    let answer = get("/x").send(down.address().await).await;
    assert_eq!(answer.status, 502);
    assert_form(&answer, "an upstream that is down");
}

/// A configuration whose upstream does not listen.
fn before_nobody() -> String {
    let dead = free_address();
    format!(
        "listen: 127.0.0.1:0\nadmin: none\nupstream: http://{dead}\nprovider: {{ type: jwt, issuer: '{ISSUER}', audience: web, \
         jwks: {} }}\nroutes: [{{ name: all, match: {{ paths: '/*' }}, access: public }}]\n",
        Issuer::new().jwks()
    )
}

/// What cannot even be read is refused without a word about the server.
#[tokio::test]
async fn answers_to_what_is_no_request_name_no_server() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let unreadable = [
        ("nonsense\r\n\r\n", 400),
        ("GET / HTTP/9.9\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nbad header\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\r\n\r\n", 400),
        ("CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n", 405),
    ];
    for (bytes, status) in unreadable {
        let mut connection = Connection::open(site.address).await;
        connection.send(bytes.as_bytes()).await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(
            (answer.status, answer.values("server").len()),
            (status, 0),
            "{bytes:?}: {answer:?}"
        );
        assert!(answer.header("cache-control").unwrap().contains("no-store"), "{answer:?}");
        assert_eq!(connection.rest().await, b"", "{bytes:?}");
    }
}

/// CVE-2024-21496, CVE-2023-52430, CVE-2026-33525: pages show what callers control only as text, and may load nothing.
#[tokio::test]
async fn pages_show_names_and_addresses_only_as_text() {
    let site = Site::start(HOSTS).await;
    let script = "<script>alert(1)</script>\"'><img src=x>";
    let token = site.issuer.token_with("bob", |claims| {
        claims["preferred_username"] = script.into();
        claims["email"] = script.into();
    });
    let page = site.ask(get("/admin/x?%3Cscript%3E").cookie(&token).navigation()).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(!page.body.contains("<script>") && !page.body.contains("<img"), "{}", page.body);
    assert!(page.body.contains("&lt;script&gt;"), "{}", page.body);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    let odd = site.ask(get("/x").host("<script>").header("Accept", "text/html")).await;
    assert!(odd.status == 400 && !odd.body.contains("<script>"), "{odd:?}");
}
