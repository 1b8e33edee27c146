//! Sidegate behind each proxy, by the configuration that `deploy/` ships for it, and inline: the same scenarios by every door.
//!
//! A test runs all scenarios by one door, names all that differ, and compares the door's line of `docs/doors.md` with what
//! it saw; `UPDATE=1` rewrites the line instead. Another door is one more [`Front`] and one more test below.

mod answers;
mod front;
mod questions;
mod report;
mod scenarios;
mod spoofing;
mod stand;

use std::rc::Rc;

use tokio::task::{JoinError, LocalSet, spawn_local};

use self::front::Front;
use self::report::Outcome;
use self::scenarios::SCENARIOS;
use self::stand::Stand;
use crate::support::ports::free_address;
use crate::support::raw::get;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn caddy() {
    run(Front::Caddy).await;
}

#[tokio::test]
async fn envoy() {
    run(Front::Envoy).await;
}

#[tokio::test]
async fn haproxy() {
    run(Front::Haproxy).await;
}

#[tokio::test]
async fn inline() {
    run(Front::Inline).await;
}

#[tokio::test]
async fn nginx() {
    run(Front::Nginx).await;
}

#[tokio::test]
async fn traefik() {
    run(Front::Traefik).await;
}

/// `deploy/haproxy/sidegate.lua`: HAProxy goes on with a request whose script has failed, so the configuration must not.
#[tokio::test]
async fn haproxy_refuses_where_its_script_fails() {
    let front = Front::Haproxy;
    if !front.is_installed() {
        return;
    }
    let (app, address) = (Upstream::start().await, free_address());
    let replaced = [
        ("127.0.0.1:3000", app.address.to_string()),
        ("app.example.com", "localhost".to_owned()),
        ("core.httpclient()", "no_such_function()".to_owned()),
    ];
    let Some(_running) = front.start(address, &replaced).await else { return };
    for path in ["/wanted", "/public/x"] {
        let answer = get(path).host("localhost").send(address).await;
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    assert!(app.requests().is_empty(), "the app hears of a request that nobody judged");
}

/// Runs every scenario by one door, the last of which ends sidegate.
async fn run(front: Front) {
    let Some(stand) = Stand::start(front).await else { return };
    let outcomes = LocalSet::new().run_until(all(Rc::new(stand))).await;
    if let Some(outcomes) = outcomes {
        report::settle(front, &outcomes);
    }
}

/// What becomes of each scenario; nothing if one needs a program that is missing.
async fn all(stand: Rc<Stand>) -> Option<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for scenario in SCENARIOS {
        let stand = Rc::clone(&stand);
        // A task of its own: a panic is a result, too.
        let done = spawn_local(async move { (scenario.check)(&stand).await }).await;
        outcomes.push(match done {
            Ok(Some(())) => Outcome::Holds,
            Ok(None) => return None,
            Err(error) => Outcome::Differs(message(error)),
        });
    }
    Some(outcomes)
}

fn message(error: JoinError) -> String {
    let panic = error.into_panic();
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
