//! A real Envoy before an app: what is let through arrives as it should, and nothing else arrives.

use crate::ext_authz::scene::{Scene, Way};
use crate::support::raw::{get, request};
use crate::support::upstream::Upstream;

const GROUPS: &str = "
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: guests, match: { paths: /guests/* }, access: optional }
  - { name: admins, match: { paths: /admin/* }, require: { groups_any: [admins] } }
  - { name: rest, match: { paths: /* } }
";

#[tokio::test]
async fn who_may_pass_reaches_the_app_with_an_identity_and_nobody_else_does() {
    for way in Way::ALL {
        let Some(scene) = Scene::start(way, GROUPS).await else { return };
        let token = scene.issuer.token("ada");
        let arrived = scene.forwarded(get("/x?y=%2F").bearer(&token)).await;
        assert_eq!(arrived.target(), "/x?y=%2F", "{way:?}");
        assert_eq!(arrived.values("x-forwarded-user"), ["ada"], "{way:?}");
        assert_eq!(arrived.values("x-forwarded-email"), ["ada@example.test"], "{way:?}");
        assert_eq!(arrived.values("x-forwarded-groups"), ["staff"], "{way:?}");
        let api = scene.refused(get("/x")).await;
        assert_eq!(api.status, 401, "{way:?}: {api:?}");
        assert_eq!(api.header("www-authenticate"), Some("Bearer realm=\"sidegate\""));
        assert_eq!(api.json()["error"], "login_required", "{way:?}");
        let forbidden = scene.refused(get("/admin/x").bearer(&token)).await;
        assert_eq!(forbidden.status, 403, "{way:?}: {forbidden:?}");
        let person = scene.refused(get("/x?a=b").navigation()).await;
        let location = "https://login.test/signin?rd=http%3A%2F%2Fapp%2Etest%2Fx%3Fa%3Db";
        assert_eq!((person.status, person.header("location")), (302, Some(location)), "{way:?}");
        let bad = scene.refused(get("/x").bearer("garbage").navigation()).await;
        assert_eq!(bad.status, 401, "{way:?}: {bad:?}");
        let public = scene.forwarded(get("/public/x")).await;
        assert_eq!(public.values("x-forwarded-user"), Vec::<String>::new(), "{way:?}");
    }
}

#[tokio::test]
async fn callers_of_grpc_get_a_status_of_grpc() {
    for way in Way::ALL {
        let Some(scene) = Scene::start(way, GROUPS).await else { return };
        let grpc = |path: &str| {
            request("POST", path)
                .header("Content-Type", "application/grpc")
                .header("Content-Length", "0")
        };
        let ada = scene.issuer.token("ada");
        for (asked, status) in
            [(grpc("/app.Greeter/Hello"), "16"), (grpc("/admin/Greeter").bearer(&ada), "7")]
        {
            let before = scene.upstream.requests().len();
            let answer = scene.ask(asked).await;
            assert_eq!(answer.header("grpc-status"), Some(status), "{way:?}: {answer:?}");
            assert_eq!(scene.upstream.requests().len(), before, "{way:?}");
            let message = answer.header("grpc-message").unwrap();
            assert!(!message.contains('{'), "{way:?}: {message}");
        }
        let arrived = scene.forwarded(grpc("/app.Greeter/Hello").bearer(&ada)).await;
        assert_eq!(arrived.values("x-forwarded-user"), ["ada"], "{way:?}");
    }
}

#[tokio::test]
async fn nobody_passes_while_sidegate_is_away() {
    for way in Way::ALL {
        let Some(Scene { envoy, sidegate, upstream, issuer, directory: _directory }) =
            Scene::start(way, GROUPS).await
        else {
            return;
        };
        let asked = || get("/x").bearer(&issuer.token("ada"));
        assert_eq!(asked().send(envoy.address).await.status, 200, "{way:?}");
        assert!(sidegate.stop().await.success());
        for asked in [asked(), get("/public/x"), get("/x").navigation()] {
            let answer = asked.send(envoy.address).await;
            assert_eq!(answer.status, 503, "{way:?}: {answer:?}");
        }
        assert_eq!(upstream.requests().len(), 1, "{way:?}");
    }
}

const SOCKETS: &str = "
routes:
  - { name: socket, match: { paths: /ws/* }, upgrades: [websocket] }
  - { name: rest, match: { paths: /* } }
";

#[tokio::test]
async fn websockets_are_opened_where_the_route_has_them_and_by_its_own_pages_alone() {
    let switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    for way in Way::ALL {
        let upstream = Upstream::answering(|_| switching.as_bytes().to_vec()).await;
        let Some(scene) = Scene::before(way, upstream, SOCKETS, &[]).await else { return };
        let ada = scene.issuer.token("ada");
        let own = get("/ws/x").websocket().cookie(&ada).header("Origin", "http://app.test");
        let answer = scene.ask(own).await;
        assert_eq!(answer.status, 101, "{way:?}: {answer:?}\n{}", scene.logs());
        assert_eq!(scene.upstream.only_request().values("x-forwarded-user"), ["ada"], "{way:?}");
        let foreign = get("/ws/x").websocket().cookie(&ada).header("Origin", "https://evil.test");
        for (asked, status) in [
            (foreign, 403),
            (get("/ws/x").websocket(), 401),
            (get("/x").websocket().bearer(&ada), 403),
        ] {
            let answer = scene.refused(asked).await;
            assert_eq!(answer.status, status, "{way:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn cookies_of_our_own_and_credentials_that_stay_here_do_not_arrive() {
    let rest = "
identity: { cookie: remove, authorization: remove }
routes: [{ name: rest, match: { paths: /* } }]
";
    for way in Way::ALL {
        let Some(scene) = Scene::start(way, rest).await else { return };
        let ada = scene.issuer.token("ada");
        let cookies = format!("a=b,c; sso={ada}; \u{e9}=1");
        let arrived = scene.forwarded(get("/x").header("Cookie", &cookies)).await;
        let left = arrived.values("cookie");
        assert!(left.len() == 1 && left[0].starts_with("a=b,c; "), "{way:?}: {left:?}");
        assert!(!left[0].contains("sso="), "{way:?}: {left:?}");
        let arrived = scene.forwarded(get("/x").cookie(&ada)).await;
        assert!(arrived.values("cookie").concat().is_empty(), "{way:?}");
        let arrived = scene.forwarded(get("/x").bearer(&ada)).await;
        assert!(arrived.values("authorization").concat().is_empty(), "{way:?}");
    }
}

/// What a line of the log says of a request is what the client of Envoy asked, and by Envoy's id.
#[tokio::test]
async fn the_log_tells_of_the_request_by_the_id_of_envoy() {
    for way in Way::ALL {
        let Some(scene) = Scene::start(way, GROUPS).await else { return };
        let arrived = scene.forwarded(get("/x?secret=1").bearer(&scene.issuer.token("ada"))).await;
        let id = arrived.values("x-request-id");
        assert_eq!(id.len(), 1, "{way:?}: {arrived:?}");
        let line = scene.told(&id[0]).await;
        let told = ["door", "listener", "path", "host", "subject"]
            .map(|name| line[name].as_str().unwrap_or_default().to_owned());
        assert_eq!(told, ["ext_authz", "authz", "/x", "app.test", "ada"], "{way:?}");
        // Elsewhere the client is on this machine as Envoy is, so that it is believed what it says of its own client.
        let client = line["client"].as_str().unwrap_or_default();
        assert!(way != Way::Socket || client == "127.0.0.1", "{line}");
    }
}
