//! Refresh tokens that are good once, and replicas that all want to use them (x046, multi-replica, refresh-storm).

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::fleet::{Fleet, Sessions, soon};
use crate::support::person::Person;
use crate::support::redis::Redis;

/// How many requests come at once.
const AT_ONCE: usize = 1000;

/// How often all of it happens; another number by `SIDEGATE_STORMS`.
const STORMS: usize = 2;

fn storms() -> usize {
    std::env::var("SIDEGATE_STORMS").ok().and_then(|text| text.parse().ok()).unwrap_or(STORMS)
}

/// Somebody whose session is due for renewal, and whose renewal brings tokens that live long.
async fn due(fleet: &Fleet) -> Person {
    fleet.provider.limit_access_tokens(1).await;
    let person = fleet.signed_in("ada").await;
    // Where signing in took longer than the tokens live, they are being renewed already: what that brings must be over too.
    let mut before = None;
    while before != Some(fleet.exchanges().await) {
        before = Some(fleet.exchanges().await);
        let begun = Instant::now();
        soon(async || begun.elapsed() > Duration::from_secs(2)).await;
    }
    fleet.provider.limit_access_tokens(3600).await;
    person
}

async fn storm(fleet: &Arc<Fleet>) {
    let person = due(fleet).await;
    let (cookies, before) = (fleet.cookies(&person), fleet.exchanges().await);
    let mut requests = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (fleet, cookies) = (Arc::clone(fleet), cookies.clone());
        requests.spawn(async move {
            let answer = fleet.ask(fleet.balancer, &cookies).await;
            let status = answer.status().as_u16();
            (status, answer.text().await.unwrap())
        });
    }
    let answers = requests.join_all().await;
    let failed: Vec<_> = answers.iter().filter(|seen| **seen != (200, "ada".into())).collect();
    assert!(failed.is_empty(), "{} failed: {:?}\n{}", failed.len(), failed[0], fleet.logs());
    soon(async || fleet.exchanges().await > before).await;
    // Every replica is asked with the old cookie until it gives the new one.
    for address in &fleet.addresses {
        soon(async || {
            let answer = fleet.ask(*address, &cookies).await;
            assert_eq!(answer.status(), 200, "{}", fleet.logs());
            let stored = !fleet.configuration.contains("coordination");
            stored || answer.headers().contains_key("set-cookie")
        })
        .await;
    }
    assert_eq!(fleet.exchanges().await, before + 1, "one request for tokens\n{}", fleet.logs());
    assert!(!fleet.logs().contains("renewal_refused"), "{}", fleet.logs());
}

async fn storms_of(sessions: Sessions) {
    let Some(redis) = Redis::on_port() else { return };
    let Some(fleet) = Fleet::patient(sessions, redis).await else { return };
    let fleet = Arc::new(fleet);
    for _ in 0..storms() {
        storm(&fleet).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_on_a_stored_session_cause_one_renewal() {
    storms_of(Sessions::Stored).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_on_a_sealed_session_cause_one_renewal() {
    storms_of(Sessions::Coordinated).await;
}
