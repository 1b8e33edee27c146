//! The resolver's verdict at the doors by which other proxies ask, and links of apps there.

use serde_json::json;

use crate::support::authgear::{App, Authgear, WEB};
use crate::support::check::{Asker, Question, status, values};
use crate::support::doors::Front;
use crate::support::raw::{Answer, get};

/// For the proxies that ask, on the machine's own network; people come by TLS, to them or to the listener beside.
const LISTENERS: &str = "  - { name: asked, address: '127.0.0.1:0', door: forward_auth }\n  - { name: authz, address: '127.0.0.1:0', door: ext_authz }\n";
const LINKS: &str = "app_links: { android: { text: '[]' }, paths: [/authorize] }\n";

async fn doors(rest: &str) -> Option<(Authgear, App)> {
    let authgear = Authgear::start().await?;
    authgear.register(WEB, &[], &json!({})).await;
    let rest = format!("trusted_proxies: [127.0.0.1/32]\n{LINKS}{rest}");
    let lines = "resolver: { RESOLVER }";
    let app = authgear.app_with(LISTENERS, "app1.edge.test", lines, &rest).await;
    Some((authgear, app))
}

/// The answer to the question of `front` about `target`, which came with `cookie`.
async fn asked(app: &App, front: Front, target: &str, cookie: &str) -> Answer {
    let original = get(target).host("app1.edge.test").header("Cookie", cookie);
    front.question(&original).send(app.sidegate.listener("asked").await).await
}

#[tokio::test]
async fn s_ag2_at_each_door_a_verdict_lets_pass_and_takes_the_cookie_that_does_not_hold() {
    let Some((authgear, app)) = doors("").await else { return };
    let session = format!("session={}", authgear.session("ada").await);
    for front in [Front::Nginx, Front::Traefik] {
        let fine = asked(&app, front, "/x", &session).await;
        assert_eq!(
            (fine.status, fine.header("x-authgear-user-id")),
            (200, Some("ada")),
            "{fine:?}"
        );
        assert_eq!(fine.values("set-cookie").len(), 0, "{fine:?}");
        let over = asked(&app, front, "/x", "session=made-up").await;
        assert_eq!(over.status, 401, "{over:?}");
        is_cleared(&over.values("set-cookie"));
    }
    let over = asked(&app, Front::Nginx, "/x", "session=made-up").await;
    is_cleared(&over.values("x-sidegate-set-cookie-1"));
    let envoy = Asker::at(app.sidegate.listener("authz").await).await;
    let about = |cookie: &str| Question::about("GET", "/x").header("cookie", cookie);
    let fine = envoy.allowed(about(&session)).await;
    assert_eq!(values(&fine.headers, "x-authgear-user-id"), ["ada"]);
    let (_, over) = envoy.denied(about("session=made-up")).await;
    assert_eq!(status(&over), 401);
    is_cleared(&values(&over.headers, "set-cookie"));
}

/// Guests go on to an optional route without what does not hold.
#[tokio::test]
async fn s_ag2_at_each_door_a_guest_loses_the_cookie_that_does_not_hold() {
    let rest = "routes: [{ name: all, match: { paths: /* }, access: optional }]\n";
    let Some((_authgear, app)) = doors(rest).await else { return };
    let guest = asked(&app, Front::Traefik, "/x", "session=made-up").await;
    assert_eq!((guest.status, guest.header("x-authgear-user-id")), (200, Some("")), "{guest:?}");
    is_cleared(&guest.values("set-cookie"));
    let envoy = Asker::at(app.sidegate.listener("authz").await).await;
    let question = Question::about("GET", "/x").header("cookie", "session=made-up");
    let guest = envoy.allowed(question).await;
    is_cleared(&values(&guest.response_headers_to_add, "set-cookie"));
}

fn is_cleared<S: AsRef<str>>(cookies: &[S]) {
    let [cookie] = cookies else { panic!("{} cookies", cookies.len()) };
    assert!(
        cookie.as_ref().starts_with("session=; Path=/; Domain=edge.test;"),
        "{}",
        cookie.as_ref()
    );
}

/// Whoever asks by HTTP cannot give an answer of ours, and must not take it for a permission; Envoy by gRPC gives it.
#[tokio::test]
async fn s_ag5_at_each_door_links_and_files_are_answered_here_or_refused() {
    let Some((authgear, app)) = doors("").await else { return };
    let session = format!("session={}", authgear.session("ada").await);
    let link = "/authorize?client_id=APP_B&code=s3cret";
    for target in [link, "/.well-known/assetlinks.json"] {
        for front in [Front::Nginx, Front::Traefik] {
            let answer = asked(&app, front, target, &session).await;
            assert_eq!((answer.status, answer.header("location")), (403, None), "{answer:?}");
        }
        let direct = get(target).host("app1.edge.test");
        let answer = direct.send(app.sidegate.listener("asked").await).await;
        assert_eq!((answer.status, answer.header("location")), (200, None), "{answer:?}");
        let envoy = Asker::at(app.sidegate.listener("authz").await).await;
        let question = Question::about("GET", target).header("cookie", &session);
        let (_, given) = envoy.denied(question).await;
        assert_eq!(status(&given), 200, "{given:?}");
        assert!(!given.body.contains("s3cret"));
    }
    assert_eq!(authgear.count("/_resolver/resolve").await, 0);
}

/// Envoy may tell two `Cookie` fields as one, joined by a comma: then the second session is no part of the first one's value.
#[tokio::test]
async fn s_ag2_two_sessions_that_envoy_joins_are_two() {
    let Some((authgear, app)) = doors("").await else { return };
    let (ada, bob) = (authgear.session("ada").await, authgear.session("bob").await);
    let envoy = Asker::at(app.sidegate.listener("authz").await).await;
    let joined = format!("session={ada},session={bob}");
    let (_, refused) = envoy.denied(Question::about("GET", "/x").header("cookie", &joined)).await;
    assert_eq!(status(&refused), 400, "{refused:?}");
    assert_eq!(authgear.count("/_resolver/resolve").await, 0);
}
