//! Questions about requests: clients neither ask nor change them, and where nobody answers, nobody passes.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::stand::Stand;
use crate::support::jar::From;
use crate::support::raw::{Request, get};
use crate::support::wire::Wire;

/// Ways to write the addresses at which the proxy asks.
const ADDRESSES: &[&str] = &[
    "/.auth/verify",
    "/.auth/verify/",
    "/.auth/verify/nginx",
    "/.auth/verify/traefik",
    "/.auth/verify/caddy",
    "/.auth/verify/haproxy",
    "/.auth/verify/envoy",
    "/.auth/verify/envoy/public/x",
    "/.auth/verify?route=public",
    "/.auth/%76erify/nginx",
    "/.auth/verif%79",
    "/.auth//verify/nginx",
    "/.auth/./verify/caddy",
    "/.auth/x/../verify/haproxy",
    "/.auth/x/..%2fverify/traefik",
    "/.auth/x%2f..%2fverify",
    "/public/../.auth/verify/nginx",
    "//.auth/verify/nginx",
];

/// What a proxy would say of a request that everybody may make, in all dialects.
fn told(request: Request) -> Request {
    request
        .header("X-Original-Method", "GET")
        .header("X-Original-URL", "http://localhost/public/x")
        .header("X-Forwarded-Method", "GET")
        .header("X-Forwarded-Proto", "http")
        .header("X-Forwarded-Host", "localhost")
        .header("X-Forwarded-Uri", "/public/x")
}

pub(super) async fn closed(stand: &Stand) -> Option<()> {
    let token = stand.provider.token("bob", "ES256").await;
    for address in ADDRESSES {
        for asked in [get(address), told(get(address)), told(get(address)).bearer(&token)] {
            let answer = stand.refused(asked.clone()).await;
            assert!((400..500).contains(&answer.status), "{asked:?}: {answer:?}");
            assert!(
                !answer.head.to_lowercase().contains("x-forwarded-user"),
                "{asked:?}: {answer:?}"
            );
        }
    }
    for terms in [
        "route=public",
        "route=app",
        "groups=staff",
        "allowed_groups=staff",
        "emails=bob@example.test",
    ] {
        stand.refused(get(&format!("/wanted?{terms}"))).await;
        let answer = stand.refused(get(&format!("/admin/x?{terms}")).bearer(&token)).await;
        assert_eq!(answer.status, 403, "{terms}: {answer:?}");
        let arrived = stand.passes(get(&format!("/wanted?{terms}")).bearer(&token)).await;
        assert_eq!(arrived.target(), format!("/wanted?{terms}"));
    }
    Some(())
}

pub(super) async fn down(stand: &Stand) -> Option<()> {
    let person = stand.signed_in("ada").await;
    let url = url::Url::parse(&stand.url("/wanted")).unwrap();
    let cookies = person.jar().sent(&url, From::Own).unwrap();
    let token = stand.provider.token("ada", "ES256").await;
    stand.passes(get("/wanted").header("Cookie", &cookies)).await;
    stand.end_sidegate().await;
    let before = stand.app.requests().len();
    let mut ways = vec![get("/.auth/login?return_to=%2F"), get("/.auth/session")];
    for path in ["/wanted", "/public/x", "/admin/x", "/live/x"] {
        let from_page = get(path).header("Cookie", &cookies).header("Origin", &stand.site);
        ways.extend([
            get(path),
            get(path).navigation(),
            get(path).bearer(&token),
            from_page.clone().websocket(),
            from_page,
        ]);
    }
    // All at once: some proxies wait for a while before they give up.
    let ask = |asked| (format!("{asked:?}"), tokio::spawn(passes(stand.address, asked)));
    let under_way: Vec<_> = ways.into_iter().map(ask).collect();
    for (asked, passed) in under_way {
        assert!(!passed.await.unwrap(), "{asked}");
    }
    assert_eq!(stand.app.requests().len(), before, "the app hears of a request that nobody judged");
    Some(())
}

/// Whether `request` is answered as if it were allowed. Inline nobody listens any more.
async fn passes(address: SocketAddr, request: Request) -> bool {
    if TcpStream::connect(address).await.is_err() {
        return false;
    }
    let request = request.host(&format!("localhost:{}", address.port()));
    let mut wire = Wire::connect(address).await;
    if wire.try_send(request.bytes()).await.is_err() {
        return false;
    }
    let status = wire.next_head().await.and_then(|head| head.status());
    status.is_some_and(|status| status < 400)
}
