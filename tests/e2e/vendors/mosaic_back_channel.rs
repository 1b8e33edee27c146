//! Mosaic: who may hand in a session, and whom it signs in.

use std::time::Duration;

use serde_json::json;

use super::app::later;
use super::mosaic_stand::{SECRET, Stand};
use crate::support::clock::Clock;
use crate::support::person::Person;

/// Only the login service hands in sessions and redeems handles.
#[tokio::test]
async fn s_t1_the_back_channel_is_for_the_login_service_alone() {
    let Some(stand) = Stand::start("", None).await else { return };
    let session = json!({ "provider": "app1", "session_id": "s1", "state": "x" });
    let handle = json!({ "provider": "app1", "handle": "x" });
    for (path, body) in [("sessions", &session), ("sessions/redeem", &handle)] {
        for secret in ["", "wrong", &SECRET[1..], &format!("{SECRET}x")] {
            assert_eq!(stand.say(path, secret, body).await.0, 401, "{path} {secret}");
        }
        let mut unknown = body.clone();
        unknown["provider"] = json!("app9");
        assert_eq!(stand.say(path, SECRET, &unknown).await.0, 401, "{path}");
    }
    assert_eq!(stand.say("sessions", SECRET, &session).await.0, 200);
    for (member, value) in [
        ("session_id", json!("a b")),
        ("session_id", json!("")),
        ("session_id", json!("x".repeat(513))),
        ("session_id", json!(7)),
        ("state", json!("")),
        ("state", json!(null)),
    ] {
        let mut wrong = session.clone();
        wrong[member] = value;
        let (status, told) = stand.say("sessions", SECRET, &wrong).await;
        assert_eq!((status, &told["error"]), (400, &json!("invalid_request")), "{wrong}");
    }
    assert_eq!(stand.say("sessions/redeem", SECRET, &handle).await.0, 400);
}

/// A handle is of use to the browser that began the sign-in, once, for a minute: nobody can be signed in as somebody else by a link.
#[tokio::test]
async fn s_t1_a_handle_is_of_use_once_to_the_browser_that_began() {
    let Some(clock) = Clock::start() else { return };
    let Some(stand) = Stand::start("", Some(&clock)).await else { return };
    let (ada, eve) = (Person::new(), Person::new());
    let adopt = stand.handle(&ada, "app1").await;
    let before = stand.asked().await;
    let page = eve.open(adopt.url.as_str()).await;
    assert_eq!((page.status, stand.status(&eve, "app1").await), (400, 401), "{page:#?}");
    // It is used up by that.
    let page = ada.visit(adopt).await;
    assert_eq!((page.status, stand.status(&ada, "app1").await), (400, 401), "{page:#?}");
    assert_eq!(stand.asked().await, before);
    let adopt = stand.handle(&ada, "app1").await;
    later(&clock, &stand.tenant, Duration::from_secs(61)).await;
    let page = ada.visit(adopt).await;
    assert_eq!((page.status, stand.status(&ada, "app1").await), (400, 401), "{page:#?}");
    assert_eq!(stand.asked().await, before);
    let adopt = stand.handle(&ada, "app1").await;
    let again = adopt.clone();
    stand.shows(&ada.visit(adopt).await, "app1");
    let eve = ada.twin();
    eve.change_jar(|jar| jar.forget(|kept| kept.name == "__Secure-sidegate"));
    let page = eve.visit(again).await;
    assert_eq!((page.status, stand.status(&eve, "app1").await), (400, 401), "{page:#?}");
}

/// A handle for the login service is none for a browser, and is redeemed once, for the app that it was made for.
#[tokio::test]
async fn s_t2_a_handle_of_the_step_up_is_redeemed_once_by_its_app() {
    let Some(stand) = Stand::start("", None).await else { return };
    let ada = Person::new();
    stand.sign_in(&ada, "app1").await;
    let login = stand.asks(&ada, "app3").await;
    let handle = login.url.query_pairs().find(|(name, _)| name == "handle").unwrap().1.into_owned();
    let adopted =
        ada.twin().open(&stand.url("app3", &format!("/.auth/adopt?handle={handle}"))).await;
    assert_eq!(adopted.status, 400, "{adopted:#?}");
    let redeem = |app: &str| json!({ "provider": app, "handle": handle });
    assert_eq!(stand.say("sessions/redeem", SECRET, &redeem("app1")).await.0, 400);
    let (status, told) = stand.say("sessions/redeem", SECRET, &redeem("app3")).await;
    let names = stand.tenant.session_ids().await;
    assert_eq!((status, told["session_id"].as_str()), (200, Some(names[0].as_str())));
    assert_eq!(stand.say("sessions/redeem", SECRET, &redeem("app3")).await.0, 400);
}

/// What Mosaic says must be for this app, of this tenant, by this issuer and of the same person.
#[tokio::test]
async fn s_t1_a_token_for_somebody_else_signs_nobody_in() {
    let Some(stand) = Stand::start("", None).await else { return };
    let ada = Person::new();
    stand.sign_in(&ada, "app1").await;
    let session = stand.tenant.session_ids().await.remove(0);
    for wrong in [
        json!({ "tid": "other" }),
        json!({ "tid": null }),
        json!({ "aud": "app2" }),
        json!({ "aud": ["app1", "app9"] }),
        json!({ "iss": "https://eu.userid.security" }),
        json!({ "exp": 1 }),
    ] {
        stand.tenant.set(json!({ "id_token": wrong })).await;
        let bob = Person::new();
        let adopt = stand.handed_in(&bob, "app1", &session).await;
        let page = bob.open(&adopt).await;
        assert_eq!(
            (page.status, stand.status(&bob, "app1").await),
            (502, 401),
            "{wrong}: {page:#?}"
        );
        assert_eq!(stand.status(&ada, "app3").await, 401, "{wrong}");
    }
    stand.tenant.set(json!({ "id_token": { "sub": "bob" } })).await;
    assert_eq!(stand.status(&ada, "app2").await, 401);
    stand.tenant.set(json!({ "id_token": null })).await;
    stand.knows(&ada, "app2").await;
}

/// Names of sessions that Mosaic does not know sign nobody in, and are asked about once.
#[tokio::test]
async fn s_t1_a_session_that_mosaic_does_not_know_is_none() {
    let Some(stand) = Stand::start("", None).await else { return };
    for _ in 0..3 {
        let eve = Person::new();
        let adopt = stand.handed_in(&eve, "app1", "made-up").await;
        let page = eve.open(&adopt).await;
        assert_eq!((page.status, stand.status(&eve, "app1").await), (403, 401), "{page:#?}");
    }
    assert_eq!(stand.asked().await, 1);
}
