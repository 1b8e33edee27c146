//! Users who are disabled or deleted at Authgear are signed out here.

use std::fmt::Write;

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use crate::support::authgear::{App, Authgear, WEB};
use crate::support::person::Person;
use crate::support::raw::{Answer, request};

const LINES: &str = "client_id: WEB1\nclient_secret: { value: s }\nid_token_algorithms: [RS256]\nwebhook_secret: { value: hook }";

fn signature(secret: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    tag.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

async fn send(app: &App, name: &str, body: &str, signatures: &[&str]) -> Answer {
    let path = format!("/.auth/webhook/{name}");
    let mut post = request("POST", &path);
    for signature in signatures {
        post = post.header("x-authgear-body-signature", signature);
    }
    app.ask(post.body(body)).await
}

fn event(kind: &str, user: &str) -> String {
    let event: Value = json!({ "id": "1", "seq": 1, "type": kind, "payload": { "user": { "id": user } }, "context": {} });
    event.to_string()
}

#[tokio::test]
async fn s_ag8_a_signed_webhook_ends_the_sessions_of_a_user_who_is_gone() {
    let Some(authgear) = Authgear::start().await else { return };
    let app = authgear.app("app1.edge.test", LINES, "").await;
    authgear.register(WEB, &[&app.site], &json!({ "client_secret": "s" })).await;
    let (ada, bob) = (Person::new(), Person::new());
    for (person, name) in [(&ada, "ada"), (&bob, "bob")] {
        let page = app.sign_in(person, "/reports", name).await;
        assert_eq!(page.status, 200, "{page:#?}\n{}", app.log());
    }
    let api = app.url("/api");
    let gone = event("user.disabled", "ada");
    let good = signature("hook", &gone);
    for signatures in [&[][..], &["00"], &[&signature("other", &gone)], &[&good, &good]] {
        assert_eq!(send(&app, "authgear", &gone, signatures).await.status, 400, "{signatures:?}");
    }
    assert_eq!(send(&app, "nobody", &gone, &[&good]).await.status, 404);
    let other = event("user.reenabled", "ada");
    assert_eq!(send(&app, "authgear", &other, &[&signature("hook", &other)]).await.status, 200);
    let broken = "{";
    assert_eq!(send(&app, "authgear", broken, &[&signature("hook", broken)]).await.status, 400);
    assert_eq!(ada.fetch(&api).await.status, 200);
    assert_eq!(send(&app, "authgear", &gone, &[&good]).await.status, 200, "{}", app.log());
    assert_eq!((ada.fetch(&api).await.status, bob.fetch(&api).await.status), (401, 200));
    // It may come again.
    assert_eq!(send(&app, "authgear", &gone, &[&good]).await.status, 200);
}
