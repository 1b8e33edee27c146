//! Mosaic: how seldom it is asked, and what happens when it does not answer.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::app::{DAY, HOUR, later};
use super::mosaic_stand::Stand;
use crate::support::clock::Clock;
use crate::support::person::Person;
use crate::support::signing_in::soon;

const MINUTE: Duration = Duration::from_secs(60);
/// Longer than Mosaic's own sessions.
const LONG: &str = "  idle: 20d\n  absolute: 60d\n";

/// S-T4: a thousand requests when the tokens have run out are one call, at either app.
#[tokio::test]
async fn s_t4_a_thousand_requests_at_expiry_are_one_call() {
    let Some(clock) = Clock::start() else { return };
    for store in ["", "  store: memory\n"] {
        clock.set(Duration::ZERO);
        let Some(stand) = Stand::start(store, Some(&clock)).await else { return };
        let ada = Person::new();
        stand.sign_in(&ada, "app1").await;
        stand.knows(&ada, "app2").await;
        later(&clock, &stand.tenant, HOUR + MINUTE).await;
        for name in ["app1", "app2"] {
            let before = stand.asked().await;
            let all = join_all((0..1_000).map(|_| stand.status(&ada, name))).await;
            assert!(all.iter().all(|status| *status == 200), "{name}: {all:?}\n{}", stand.log());
            assert_eq!(stand.asked().await, before + 1, "{name} {store}");
        }
    }
}

/// S-T4: one token of the client serves all calls of an hour; one that Mosaic forgot is replaced, once.
#[tokio::test]
async fn s_t4_one_client_token_an_hour() {
    let Some(clock) = Clock::start() else { return };
    let Some(stand) = Stand::start("", Some(&clock)).await else { return };
    let (ada, bob) = (Person::new(), Person::new());
    stand.sign_in(&ada, "app1").await;
    stand.sign_in(&bob, "app1").await;
    // The login service gets a token for each login; what is more is ours.
    assert_eq!(stand.tenant.count("token").await, 2 + 1);
    // The sessions are renewed when their tokens are nearly over, before the client's token is.
    later(&clock, &stand.tenant, 50 * MINUTE).await;
    for person in [&ada, &bob] {
        stand.knows(person, "app1").await;
    }
    soon(async || stand.asked().await == 4).await;
    assert_eq!(stand.tenant.count("token").await, 2 + 1);
    stand.tenant.forget_client_tokens().await;
    later(&clock, &stand.tenant, 2 * HOUR).await;
    stand.knows(&ada, "app1").await;
    assert_eq!(stand.tenant.count("token").await, 2 + 2);
}

/// S-T4: a token of the client that Mosaic refuses is replaced and the call made once more, not more often.
#[tokio::test]
async fn s_t4_a_refused_client_token_is_replaced_once() {
    let Some(stand) = Stand::start("", None).await else { return };
    let ada = Person::new();
    stand.sign_in(&ada, "app1").await;
    stand.knows(&ada, "app2").await;
    let before = (stand.asked().await, stand.tenant.count("token").await);
    stand.tenant.forget_client_tokens().await;
    let bob = Person::new();
    let session = stand.tenant.session_ids().await.remove(0);
    let adopt = stand.handed_in(&bob, "app1", &session).await;
    stand.shows(&bob.open(&adopt).await, "app1");
    let after = (stand.asked().await, stand.tenant.count("token").await);
    assert_eq!(after, (before.0 + 2, before.1 + 1));
    stand.tenant.set(json!({ "session_status": 401 })).await;
    let (carol, before) = (Person::new(), stand.asked().await);
    let adopt = stand.handed_in(&carol, "app1", &session).await;
    let page = carol.open(&adopt).await;
    assert_eq!((page.status, stand.asked().await), (503, before + 2), "{page:#?}");
    assert_eq!(stand.status(&carol, "app1").await, 401);
}

/// S-T4: Mosaic says that it is asked too often. It is left alone for as long as it wants; who has tokens that are good goes on, and
/// everybody else is told to come back.
#[tokio::test]
async fn s_t4_too_many_requests_are_heeded() {
    let Some(clock) = Clock::start() else { return };
    let Some(stand) = Stand::start("", Some(&clock)).await else { return };
    let ada = Person::new();
    stand.sign_in(&ada, "app1").await;
    stand.knows(&ada, "app2").await;
    stand.tenant.set(json!({ "rate": 0, "retry_after": 300 })).await;
    later(&clock, &stand.tenant, 58 * MINUTE).await;
    let before = stand.asked().await;
    for name in ["app1", "app2"] {
        for _ in 0..10 {
            stand.knows(&ada, name).await;
        }
    }
    soon(async || stand.asked().await == before + 2).await;
    later(&clock, &stand.tenant, 61 * MINUTE).await;
    for name in ["app1", "app2"] {
        let page = stand.open(&ada, name).await;
        assert_eq!(
            (page.status, page.headers.contains_key("retry-after")),
            (503, true),
            "{page:#?}"
        );
    }
    assert_eq!(stand.asked().await, before + 2);
    stand.tenant.set(json!({ "rate": null })).await;
    later(&clock, &stand.tenant, 64 * MINUTE).await;
    stand.knows(&ada, "app1").await;
    stand.knows(&ada, "app2").await;
}

/// S-T4: Mosaic fails when it must be asked: nobody passes, and nobody is signed out.
#[tokio::test]
async fn s_t4_an_outage_lets_nobody_in_and_signs_nobody_out() {
    let Some(clock) = Clock::start() else { return };
    let Some(stand) = Stand::start("", Some(&clock)).await else { return };
    let ada = Person::new();
    stand.sign_in(&ada, "app1").await;
    stand.tenant.set(json!({ "session_status": 503 })).await;
    assert_eq!(stand.status(&ada, "app2").await, 503);
    later(&clock, &stand.tenant, HOUR + MINUTE).await;
    for name in ["app1", "app2"] {
        assert_eq!(stand.status(&ada, name).await, 503);
    }
    stand.tenant.set(json!({ "session_status": null })).await;
    later(&clock, &stand.tenant, HOUR + 3 * MINUTE).await;
    for name in ["app1", "app2"] {
        stand.knows(&ada, name).await;
    }
}

/// S-T4: each use gives the session another two weeks; without any, it is over, and is not asked about again for a minute.
#[tokio::test]
async fn s_t4_two_weeks_begin_anew_with_each_use() {
    let Some(clock) = Clock::start() else { return };
    let Some(stand) = Stand::start(LONG, Some(&clock)).await else { return };
    let ada = Person::new();
    stand.sign_in(&ada, "app1").await;
    for days in [13, 26] {
        later(&clock, &stand.tenant, days * DAY).await;
        stand.knows(&ada, "app1").await;
    }
    later(&clock, &stand.tenant, 41 * DAY).await;
    let before = stand.asked().await;
    for _ in 0..5 {
        stand.asks(&ada, "app1").await;
        assert_eq!(stand.status(&ada, "app2").await, 401);
    }
    assert!(stand.asked().await <= before + 2);
}

/// Mosaic's documents do not say whether a session keeps its name: both are lived with, and an answer without one.
#[tokio::test]
async fn s_t4_a_session_that_gets_another_name_goes_on() {
    let Some(clock) = Clock::start() else { return };
    for naming in [json!("new"), json!(null)] {
        clock.set(Duration::ZERO);
        let Some(stand) = Stand::start("", Some(&clock)).await else { return };
        let ada = Person::new();
        stand.sign_in(&ada, "app1").await;
        stand.tenant.set(json!({ "names_session": naming })).await;
        stand.knows(&ada, "app2").await;
        for hours in 1..4 {
            later(&clock, &stand.tenant, hours * HOUR + hours * MINUTE).await;
            stand.knows(&ada, "app1").await;
            stand.knows(&ada, "app2").await;
        }
    }
}
