//! Questions by HTTP: the question is the request, 200 lets it pass, and nothing else does.

use std::net::SocketAddr;

use crate::support::process::Sidegate;
use crate::support::raw::{Request, get, request};
use crate::support::site::configuration;
use crate::support::tokens::Issuer;

const ROUTES: &str = "
listeners: [{ name: authz, address: '127.0.0.1:0', door: ext_authz }]
trusted_proxies: [127.0.0.1/32]
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: cors, match: { paths: /cors/* }, preflight: { origins: ['https://a.test'] } }
  - { name: rest, match: { paths: /* } }
";

async fn desk() -> (Issuer, Sidegate, SocketAddr) {
    desk_with(ROUTES).await
}

async fn desk_with(rest: &str) -> (Issuer, Sidegate, SocketAddr) {
    let issuer = Issuer::new();
    let sidegate = Sidegate::run(&configuration("http://127.0.0.1:9", &issuer, rest));
    let address = sidegate.address().await;
    (issuer, sidegate, address)
}

fn https(request: Request) -> Request {
    request.header("X-Forwarded-Proto", "https")
}

#[tokio::test]
async fn a_request_that_may_pass_gets_200_and_what_to_change() {
    let (issuer, _sidegate, address) = desk().await;
    let asked = https(get("/x")).bearer(&issuer.token("ada")).header("X_Auth_User", "eve");
    let answer = asked.send(address).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{answer:?}");
    assert_eq!(answer.header("x-forwarded-user"), Some("ada"));
    assert_eq!(answer.header("x_auth_user"), Some(""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let removed = answer.header("x-envoy-auth-headers-to-remove").unwrap();
    assert!(removed.split(',').any(|name| name == "x_auth_user"), "{answer:?}");
    let public = https(get("/public/x")).send(address).await;
    assert_eq!((public.status, public.header("x-forwarded-user")), (200, Some("")));
}

#[tokio::test]
async fn nothing_but_a_permission_is_answered_with_success() {
    let (issuer, _sidegate, address) = desk().await;
    let preflight = request("OPTIONS", "/cors/x")
        .header("Origin", "https://a.test")
        .header("Access-Control-Request-Method", "GET");
    let check = request("POST", "/envoy.service.auth.v3.Authorization/Check")
        .header("Content-Type", "application/grpc")
        .header("TE", "trailers");
    let cases = [
        (https(get("/x")), 401),
        (https(get("/x")).navigation(), 302),
        (https(get("/.auth/jwks")), 403),
        (https(get("/.auth/nothing")), 404),
        (https(preflight), 403),
        (https(check), 401),
        (get("/public/x"), 400),
        (https(https(get("/public/x"))), 400),
        (get("/public/x").header("X-Forwarded-Proto", "gopher"), 400),
        (https(get("http://app.test/public/x")), 400),
        (https(get("/public/x")).header("Host", "app.test"), 400),
        (https(get("/public/x")).host("a b"), 400),
        (https(request("TRACE", "/public/x")), 405),
        (https(request("OPTIONS", "*")), 400),
        (https(get("/public/x")).header("Content-Length", "5").header("Content-Length", "6"), 400),
        (https(get("/x")).bearer(&issuer.token("ada")).bearer("x"), 400),
    ];
    for (asked, expected) in cases {
        let answer = asked.send(address).await;
        assert_eq!(answer.status, expected, "{asked:?}: {answer:?}");
    }
    let own = https(get("/.auth/jwks")).send(address).await;
    assert!(own.body.contains("own_answer_needed"), "{own:?}");
}

/// Strangers learn as much as from the door for sub-requests: 401 if they prove nothing, else 403.
#[tokio::test]
async fn strangers_are_turned_away() {
    let rest = ROUTES.replace("127.0.0.1/32", "192.0.2.1/32");
    let (issuer, _sidegate, address) = desk_with(&rest).await;
    let answer = https(get("/public/x")).send(address).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let asked = https(get("/public/x")).bearer(&issuer.token("ada"));
    let answer = asked.send(address).await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (403, Some("untrusted_peer")));
    assert_eq!(https(get("/public/x")).header("Cookie", "a=b").send(address).await.status, 403);
}

#[tokio::test]
async fn a_connection_is_used_again_and_ends_when_sidegate_does() {
    let (_issuer, sidegate, address) = desk().await;
    let mut connection = crate::support::raw::Connection::open(address).await;
    for _ in 0..3 {
        connection.send(&https(get("/public/x")).bytes()).await;
        assert_eq!(connection.answer().await.unwrap().status, 200);
    }
    let (ended, rest) = tokio::join!(sidegate.stop(), connection.rest());
    assert!(ended.success() && rest.is_empty());
}
