//! Who looks after sessions, and people who look at their own.

use serde_json::Value;
use url::Url;

use super::fleet::{AT_MOST, Fleet, Sessions, soon};
use crate::support::command::{Finished, sidegate};
use crate::support::person::{Page, Person, Visit};
use crate::support::redis::Redis;

async fn fleet() -> Option<Fleet> {
    Fleet::start(Sessions::Stored, 2, Redis::durable()?, &[]).await
}

/// `sidegate sessions` with the configuration of the replicas.
async fn sessions(fleet: &Fleet, arguments: &[&str]) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.yaml"), &fleet.configuration).unwrap();
    let mut all = vec!["sessions"];
    all.extend(arguments);
    sidegate(directory.path(), &all).await
}

/// What it says; the warnings about secrets in the configuration are not of interest here.
fn said(finished: &Finished) -> &str {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    &finished.output
}

async fn listed(fleet: &Fleet, arguments: &[&str]) -> Vec<Value> {
    let mut all = vec!["list", "--json"];
    all.extend(arguments);
    let finished = sessions(fleet, &all).await;
    serde_json::from_str(said(&finished)).unwrap()
}

/// Posts a form of the page of one's own sessions.
async fn post(fleet: &Fleet, person: &Person, from: &str, form: (&str, &str)) -> Page {
    let form = vec![(form.0.to_owned(), form.1.to_owned())];
    let page = Url::parse(from).unwrap();
    person.step(&Visit::post(&fleet.url("/.auth/my-sessions"), &page, form)).await
}

#[tokio::test]
async fn an_operator_lists_and_ends_sessions() {
    let Some(fleet) = fleet().await else { return };
    let (ada, second, bob) =
        (fleet.signed_in("ada").await, fleet.signed_in("ada").await, fleet.signed_in("bob").await);
    let of = |all: &[Value]| {
        all.iter().filter_map(|one| one["subject"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let mut all = of(&listed(&fleet, &[]).await);
    all.sort();
    assert_eq!(all, ["ada", "ada", "bob"]);
    let hers = listed(&fleet, &["--subject", "ada"]).await;
    assert_eq!(of(&hers), ["ada", "ada"]);
    let text = sessions(&fleet, &["list", "--subject", "bob"]).await;
    assert!(said(&text).contains("bob") && said(&text).ends_with("1 sessions\n"), "{text:?}");
    let name = hers[0]["session"].as_str().unwrap();
    said(&sessions(&fleet, &["end", "--session", name]).await);
    assert_eq!(listed(&fleet, &["--subject", "ada"]).await.len(), 1);
    said(&sessions(&fleet, &["end", "--subject", "ada"]).await);
    for person in [&ada, &second] {
        let cookies = fleet.cookies(person);
        let took = soon(async || {
            let first = fleet.status(fleet.addresses[0], &cookies).await;
            first == 401 && fleet.status(fleet.addresses[1], &cookies).await == 401
        })
        .await;
        assert!(took <= AT_MOST, "it took {took:?}");
    }
    let cookies = fleet.cookies(&bob);
    assert_eq!(fleet.status(fleet.balancer, &cookies).await, 200);
    said(&sessions(&fleet, &["end", "--all"]).await);
    soon(async || fleet.status(fleet.balancer, &cookies).await == 401).await;
    assert!(listed(&fleet, &[]).await.is_empty());
    sessions(&fleet, &["end", "--subject", "ada", "--issuer", "https://other.example"])
        .await
        .badly(2, &["no provider has the issuer"]);
    sessions(&fleet, &["end", "--session", "00000000"]).await.badly(1, &["there is no session"]);
}

#[tokio::test]
async fn people_see_their_own_sessions_and_end_them() {
    let Some(fleet) = fleet().await else { return };
    let (here, there, bob) =
        (fleet.signed_in("ada").await, fleet.signed_in("ada").await, fleet.signed_in("bob").await);
    let address = fleet.url("/.auth/my-sessions");
    let page = here.open(&address).await;
    assert_eq!(page.status, 200, "{page:#?}");
    assert_eq!(page.body.matches("name=\"session\"").count(), 2, "{page:#?}");
    assert!(page.body.contains("app.test") && page.body.contains("this one"), "{page:#?}");
    let told: Value = serde_json::from_str(&here.fetch(&address).await.body).unwrap();
    let told = told["sessions"].as_array().unwrap().clone();
    let other = told.iter().find(|one| one["current"] == false).unwrap();
    let other = other["session"].as_str().unwrap();
    let foreign = post(&fleet, &here, "https://evil.test/", ("session", other)).await;
    assert!(foreign.status >= 400, "a page of another site: {foreign:#?}");
    assert_eq!(fleet.status(fleet.balancer, &fleet.cookies(&there)).await, 200);
    let not_his = post(&fleet, &bob, &address, ("session", other)).await;
    assert_eq!(not_his.status, 303, "{not_his:#?}");
    assert_eq!(fleet.status(fleet.balancer, &fleet.cookies(&there)).await, 200);
    let ended = post(&fleet, &here, &address, ("others", "1")).await;
    assert_eq!(ended.status, 303, "{ended:#?}");
    soon(async || fleet.status(fleet.balancer, &fleet.cookies(&there)).await == 401).await;
    assert_eq!(fleet.status(fleet.balancer, &fleet.cookies(&bob)).await, 200, "somebody else's");
    let told: Value = serde_json::from_str(&here.fetch(&address).await.body).unwrap();
    let own = told["sessions"][0]["session"].as_str().unwrap();
    let left = post(&fleet, &here, &address, ("session", own)).await;
    assert_eq!(
        (left.status, left.header("location")),
        (303, Some("/.auth/signed-out")),
        "{left:#?}"
    );
    assert_eq!(here.open(&address).await.status, 401);
}

#[tokio::test]
async fn sessions_in_cookies_have_no_list_but_an_end() {
    let Some(redis) = Redis::durable() else { return };
    let Some(fleet) = Fleet::start(Sessions::Coordinated, 2, redis, &[]).await else { return };
    let person = fleet.signed_in("ada").await;
    assert_eq!(person.open(&fleet.url("/.auth/my-sessions")).await.status, 404);
    sessions(&fleet, &["list"]).await.badly(1, &["in the cookies of browsers"]);
    let cookies = fleet.cookies(&person);
    assert_eq!(fleet.status(fleet.balancer, &cookies).await, 200);
    said(&sessions(&fleet, &["end", "--all"]).await);
    soon(async || {
        let first = fleet.status(fleet.addresses[0], &cookies).await;
        first == 401 && fleet.status(fleet.addresses[1], &cookies).await == 401
    })
    .await;
}

#[tokio::test]
async fn a_check_tries_the_store() {
    let Some(fleet) = fleet().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    std::fs::write(&file, &fleet.configuration).unwrap();
    let fine = sidegate(directory.path(), &["check", "--online"]).await;
    assert!(fine.output.contains("session store: answers"), "{fine:?}");
    fleet.redis.kill();
    let down = sidegate(directory.path(), &["check", "--online"]).await;
    assert_eq!(down.code, Some(1), "{down:?}");
    assert!(down.errors.contains("the session store is not available"), "{down:?}");
}
