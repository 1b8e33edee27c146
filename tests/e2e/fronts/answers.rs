//! Sign-in, sign-out, sessions and tokens, as people and programs meet them.

use super::stand::Stand;
use crate::support::jar::From;
use crate::support::person::Person;
use crate::support::raw::{Request, get, request};
use crate::support::signing_in::soon;
use crate::support::webdriver::Browser;
use crate::support::wire::{Head, Wire};

async fn asked_by_provider(stand: &Stand, browser: &Browser) {
    let interaction = format!("{}/interaction/", stand.provider.issuer);
    browser.reaches(|url| url.starts_with(&interaction)).await;
}

async fn sign_in_at(stand: &Stand, browser: &Browser, path: &str, user: &str) {
    browser.open(&stand.url(path)).await;
    asked_by_provider(stand, browser).await;
    browser.fill_in("#login", user).await;
    browser.fill_in("#password", "password").await;
    browser.click("button[type=submit]").await;
    let logs = stand.logs().await;
    browser.arrives(&stand.url(path), || logs.clone()).await;
    browser.shows("h1", &format!("Hello, {user}")).await;
}

pub(super) async fn sign_in(stand: &Stand) -> Option<()> {
    let browser = Browser::start().await?;
    sign_in_at(stand, &browser, "/wanted?x=1#part-2", "ada").await;
    let page = |target: &str| target == "/wanted?x=1";
    let arrived = stand.app.requests().into_iter().find(|request| page(&request.target()))?;
    assert_eq!(arrived.values("x-forwarded-email"), ["ada@example.test"]);
    assert_eq!(arrived.values("x-forwarded-groups"), ["admin,staff"]);
    let cookies = arrived.values("cookie").concat();
    assert!(!cookies.contains("sidegate"), "the app gets the session: {cookies}");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    Some(())
}

pub(super) async fn api(stand: &Stand) -> Option<()> {
    for asked in [get("/api"), request("POST", "/api"), get("/api").bearer("garbage")] {
        let answer = stand.refused(asked.clone()).await;
        assert_eq!(answer.status, 401, "{asked:?}: {answer:?}");
        assert!(answer.header("www-authenticate").is_some(), "{asked:?}: {answer:?}");
    }
    let token = stand.provider.token("bob", "ES256").await;
    let arrived = stand.passes(get("/api?x=%2f&y").bearer(&token)).await;
    assert_eq!(arrived.request_line(), "GET /api?x=%2f&y HTTP/1.1");
    assert_eq!(arrived.values("x-forwarded-user"), ["bob"]);
    assert_eq!(arrived.values("authorization"), [format!("Bearer {token}")]);
    let own = arrived.values("cookie").concat();
    assert_eq!(own, "", "nobody sent a cookie");
    let arrived =
        stand.passes(get("/api").bearer(&token).header("Cookie", "theme=dark; a=b")).await;
    assert_eq!(arrived.values("cookie"), ["theme=dark; a=b"]);
    for (framing, body) in
        [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")]
    {
        posts(stand, &token, framing, body).await;
    }
    assert_eq!(stand.app.violations(), Vec::<String>::new());
    Some(())
}

/// Asserts that the app gets `hello`.
async fn posts(stand: &Stand, token: &str, framing: &str, body: &str) {
    let mut wire = Wire::connect(stand.address).await;
    let head = format!(
        "POST /api/hello HTTP/1.1\r\nHost: localhost:{}\r\nAuthorization: Bearer {token}\r\n{framing}\r\n\r\n{body}",
        stand.address.port()
    );
    wire.send(head).await;
    let head = wire.head().await;
    assert_eq!(head.status(), Some(200), "{framing}: {head:?}");
    let arrived = stand.app.requests().pop().unwrap();
    assert_eq!((arrived.target().as_str(), arrived.body.as_slice()), ("/api/hello", &b"hello"[..]));
}

pub(super) async fn refusal(stand: &Stand) -> Option<()> {
    let before = stand.app.requests().len();
    let (ada, bob) = (stand.signed_in("ada").await, stand.signed_in("bob").await);
    let arrived = stand.app.requests().len();
    assert_eq!(arrived, before + 2);
    let page = bob.open(&stand.url("/admin/x")).await;
    assert_eq!(
        (page.status, page.url.as_str()),
        (403, stand.url("/admin/x").as_str()),
        "{page:#?}"
    );
    assert_eq!(bob.fetch(&stand.url("/admin/x")).await.status, 403);
    let token = stand.provider.token("bob", "ES256").await;
    assert_eq!(stand.refused(get("/admin/x").bearer(&token)).await.status, 403);
    assert_eq!(stand.app.requests().len(), arrived, "the app hears of it");
    stand.greets(&ada.open(&stand.url("/admin/x")).await, "/admin/x", "ada").await;
    let token = stand.provider.token("ada", "ES256").await;
    stand.passes(get("/admin/x").bearer(&token)).await;
    Some(())
}

pub(super) async fn sign_out(stand: &Stand) -> Option<()> {
    let browser = Browser::start().await?;
    sign_in_at(stand, &browser, "/wanted", "ada").await;
    browser.open(&stand.url("/.auth/logout")).await;
    browser.click("button").await;
    let end = format!("{}/session/end", stand.provider.issuer);
    browser.reaches(|url| url.starts_with(&end)).await;
    browser.click("#logout").await;
    browser.shows("h1", "You are signed out").await;
    assert!(browser.current_url().await.starts_with(&stand.url("/.auth/signed-out")));
    browser.open(&stand.url("/wanted")).await;
    asked_by_provider(stand, &browser).await;
    Some(())
}

pub(super) async fn renewal(stand: &Stand) -> Option<()> {
    stand.provider.limit_access_tokens(1).await;
    let person = stand.signed_in("ada").await;
    let kept = || person.jar().named("sidegate").map(|cookie| cookie.value.clone());
    let first = kept();
    assert!(first.is_some(), "no session in {:?}", person.jar());
    let renewed = async || {
        let page = person.fetch(&stand.url("/api")).await;
        assert_eq!(page.status, 200, "{page:#?}\n{}", stand.logs().await);
        assert_eq!(page.refused_cookies, Vec::<String>::new());
        kept() != first
    };
    soon(renewed).await;
    stand.provider.limit_access_tokens(300).await;
    let page = person.fetch(&stand.url("/api")).await;
    stand.greets(&page, "/api", "ada").await;
    Some(())
}

/// `path` with the handshake of a WebSocket and the cookies of `person`, from a page at `origin`.
fn handshake(stand: &Stand, path: &str, person: &Person, origin: &str) -> Request {
    let url = url::Url::parse(&stand.url(path)).unwrap();
    let cookies = person.jar().sent(&url, From::Own).unwrap_or_default();
    get(path)
        .host(&format!("localhost:{}", stand.address.port()))
        .websocket()
        .header("Cookie", &cookies)
        .header("Origin", origin)
}

/// The answer to `request`, and the connection behind it.
async fn open(stand: &Stand, request: &Request) -> (Head, Wire) {
    let mut wire = Wire::connect(stand.address).await;
    wire.send(request.bytes()).await;
    (wire.head().await, wire)
}

pub(super) async fn websocket(stand: &Stand) -> Option<()> {
    let (ada, stranger) = (stand.signed_in("ada").await, Person::new());
    let (head, mut wire) = open(stand, &handshake(stand, "/live/x", &ada, &stand.site)).await;
    assert_eq!(head.status(), Some(101), "{head:?}\n{}", stand.logs().await);
    assert_eq!(wire.exactly(7).await, b"\x81\x05hello", "the first frame from the app");
    let arrived = stand.app.requests();
    assert_eq!(arrived.last()?.values("x-forwarded-user"), ["ada"]);
    let others = [
        ("without a session", handshake(stand, "/live/x", &stranger, &stand.site)),
        ("from another site", handshake(stand, "/live/x", &ada, "https://evil.test")),
        ("where the route has none", handshake(stand, "/wanted", &ada, &stand.site)),
        ("on a public route that has none", handshake(stand, "/public/x", &ada, &stand.site)),
    ];
    for (what, request) in others {
        let (head, _) = open(stand, &request).await;
        assert!(
            head.status().is_some_and(|status| (400..500).contains(&status)),
            "{what}: {head:?}"
        );
    }
    assert_eq!(stand.app.requests().len(), arrived.len(), "a refused handshake reaches the app");
    Some(())
}
