//! Leaving HTTP: only by a WebSocket handshake, only where a route allows it, with a cookie only from the page's own
//! origin; and what a client sends behind a handshake that fails is no request.

use crate::support::raw::{Connection, Request, get, request};
use crate::support::site::Site;
use crate::support::upstream::{Recorded, Upstream};

const ROUTES: &str = "
routes:
  - { name: socket, match: { paths: /ws/* }, upgrades: [websocket] }
  - { name: named, match: { paths: /named/* }, upgrades: [websocket], websocket_origins: ['https://app.test'] }
  - { name: open, match: { paths: /open/* }, access: public, upgrades: [websocket] }
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: rest, match: { paths: /* } }
";

fn switch(asked: &Recorded) -> Vec<u8> {
    if asked.values("upgrade").is_empty() {
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
    }
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        .to_vec()
}

async fn site() -> Site {
    Site::before(Upstream::answering(switch).await, ROUTES).await
}

async fn status(site: &Site, asked: Request) -> u16 {
    site.ask(asked).await.status
}

#[tokio::test]
async fn a_websocket_is_opened_where_the_route_allows_it() {
    let site = site().await;
    let token = site.issuer.token("ada");
    assert_eq!(status(&site, get("/ws/x").websocket().bearer(&token)).await, 101);
    assert_eq!(status(&site, get("/open/x").websocket()).await, 101);
    let arrived = site.upstream.requests();
    assert_eq!(arrived[0].values("upgrade"), ["websocket"]);
    assert_eq!(arrived[0].values("x-forwarded-user"), ["ada"]);
    site.refused(get("/ws/x").websocket()).await;
    for target in ["/x", "/public/x"] {
        let answer = site.refused(get(target).websocket().bearer(&token)).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (403, Some("upgrade_not_allowed"))
        );
    }
}

/// Cross-site WebSocket hijacking: browsers send cookies along with handshakes of any page.
#[tokio::test]
async fn a_cookie_opens_a_websocket_only_for_the_pages_own_origin() {
    let site = site().await;
    let token = site.issuer.token("ada");
    let from = |target: &str, origin: &str| {
        get(target).websocket().cookie(&token).header("Origin", origin)
    };
    for origin in ["http://app.test", "HTTP://APP.TEST"] {
        assert_eq!(status(&site, from("/ws/x", origin)).await, 101, "{origin}");
    }
    let foreign = [
        "https://evil.test",
        "null",
        "",
        "https://app.test",
        "http://app.test:81",
        "http://app.test.evil.test",
        "http://evil-app.test",
        "http://sub.app.test",
        "http://app.test/",
        "http://app.test, https://evil.test",
    ];
    for origin in foreign {
        assert_eq!(site.refused(from("/ws/x", origin)).await.status, 403, "{origin}");
    }
    let twice = from("/ws/x", "http://app.test").header("Origin", "https://evil.test");
    assert_eq!(site.refused(twice).await.status, 403);
    assert_eq!(status(&site, from("/named/x", "https://app.test")).await, 101);
    assert_eq!(site.refused(from("/named/x", "http://app.test")).await.status, 403);
    let program = get("/ws/x").websocket().bearer(&token).header("Origin", "https://evil.test");
    assert_eq!(status(&site, program).await, 101);
}

/// h2c smuggling, CVE-2022-41721: an offer of another protocol is not passed on.
#[tokio::test]
async fn no_protocol_but_websocket_is_offered_to_the_upstream() {
    let site = site().await;
    for protocol in ["h2c", "HTTP/2.0", "tls/1.2", "h2c, foo"] {
        for connection in ["Upgrade, HTTP2-Settings", "upgrade", "keep-alive"] {
            let asked = get("/open/x")
                .header("Connection", connection)
                .header("Upgrade", protocol)
                .header("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA");
            let before = site.upstream.requests().len();
            let answer = site.ask(asked).await;
            assert!(matches!(answer.status, 200 | 400 | 403), "{protocol}: {answer:?}");
            for arrived in &site.upstream.requests()[before..] {
                assert_eq!(arrived.values("upgrade"), Vec::<String>::new(), "{protocol}");
                assert_eq!(arrived.values("http2-settings"), Vec::<String>::new(), "{protocol}");
            }
        }
    }
    for protocols in ["websocket, h2c", "h2c, websocket"] {
        let asked = get("/open/x").header("Connection", "Upgrade").header("Upgrade", protocols);
        assert_eq!(site.refused(asked).await.status, 403, "{protocols}");
    }
    for method in ["POST", "OPTIONS"] {
        assert_eq!(
            site.refused(request(method, "/open/x").websocket()).await.status,
            403,
            "{method}"
        );
    }
}

/// CVE-2026-73548, CVE-2025-64763, CVE-2026-71324, CVE-2026-2833: bytes behind a handshake that the upstream declines never
/// become a request of their own.
#[tokio::test]
async fn bytes_behind_a_declined_handshake_are_no_request() {
    let declining = Upstream::start().await;
    let site = Site::before(declining, ROUTES).await;
    let token = site.issuer.token("ada");
    let smuggled = get("/admin").bytes();
    for asked in [get("/open/x").websocket(), get("/ws/x").websocket().bearer(&token)] {
        let mut connection = Connection::open(site.address).await;
        connection.send(&[asked.bytes(), smuggled.clone()].concat()).await;
        let first = connection.answer().await.map_or(400, |answer| answer.status);
        let second = connection.answer().await;
        assert!(second.is_none_or(|answer| answer.status >= 400), "{first}");
        let announced = asked.header("Content-Length", &smuggled.len().to_string());
        let mut connection = Connection::open(site.address).await;
        connection.send(&[announced.bytes(), smuggled.clone()].concat()).await;
        let answer = connection.answer().await;
        if answer.is_some_and(|answer| answer.status == 200) {
            assert_eq!(site.upstream.requests().last().unwrap().body, smuggled);
        }
    }
    let after = site.forwarded(get("/public/after")).await;
    assert_eq!(after.target(), "/public/after");
    let arrived: Vec<_> = site.upstream.requests().iter().map(|request| request.target()).collect();
    assert!(!arrived.iter().any(|target| target == "/admin"), "{arrived:?}");
    assert_eq!(site.upstream.violations(), Vec::<String>::new());
}
