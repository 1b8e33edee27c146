//! Sign-in and sessions when something fails: the provider is down, sidegate is killed, everybody comes at once.

use std::sync::Arc;

use serde_json::json;

use crate::support::person::{Page, Person, Visit};
use crate::support::signing_in::{PASSWORD, Setting, WANTED, soon};

/// How many requests of one session come at once.
const CROWD: usize = 1000;

/// The statuses of many requests at once, all with the cookies of `person`.
async fn crowd(setting: &Arc<Setting>, person: &Arc<Person>) -> Vec<Option<String>> {
    let asked: Vec<_> = (0..CROWD)
        .map(|_| {
            let (setting, person) = (Arc::clone(setting), Arc::clone(person));
            tokio::spawn(async move { setting.user(&person).await })
        })
        .collect();
    let mut users = Vec::new();
    for user in asked {
        users.push(user.await.unwrap());
    }
    users
}

fn are_all_ada(users: &[Option<String>]) {
    let others: Vec<_> = users.iter().filter(|user| user.as_deref() != Some("ada")).collect();
    assert!(others.is_empty(), "{} of {} requests failed", others.len(), users.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_of_one_session_renew_it_once() {
    let Some(setting) = Setting::start("", "", json!({})).await else { return };
    let (setting, person) = (Arc::new(setting), Arc::new(Person::new()));
    setting.provider.limit_access_tokens(8).await;
    let page = setting.sign_in(&person, "ada").await;
    setting.shows(&page, "ada");
    setting.provider.limit_access_tokens(3600).await;
    let old = Arc::new(person.twin());
    let before = setting.provider.requests("/token").await;
    soon(async || {
        are_all_ada(&crowd(&setting, &person).await);
        setting.provider.requests("/token").await > before
    })
    .await;
    // Those who have the renewed cookie, and those who missed it.
    are_all_ada(&crowd(&setting, &person).await);
    are_all_ada(&crowd(&setting, &old).await);
    assert_eq!(setting.provider.requests("/token").await, before + 1);
}

/// Asserts that `page` says that nobody can sign in at the moment, and when to try again.
fn is_unavailable(page: &Page) {
    let retry = page.header("retry-after").and_then(|value| value.parse::<u32>().ok());
    assert!(page.status == 503 && retry.is_some_and(|seconds| seconds > 0), "{page:#?}");
    assert!(page.body.contains("<!doctype html>"), "{page:#?}");
}

#[tokio::test]
async fn while_the_provider_is_down_nobody_signs_in_and_everybody_stays() {
    let Some(setting) = Setting::start("pushed_requests: always", "", json!({})).await else {
        return;
    };
    setting.provider.limit_access_tokens(1).await;
    let (person, begun) = (Person::new(), Person::new());
    let page = setting.sign_in(&person, "ada").await;
    setting.shows(&page, "ada");
    let login = begun.open(&setting.url(WANTED)).await;
    let stop = |visit: &Visit| visit.url.path().starts_with("/.auth/callback/");
    let typed = [("login", "bob"), ("password", PASSWORD)];
    let visit = crate::support::person::filled_in(&login, &typed);
    let crate::support::person::Stop::Before(answer) = begun.visit_until(visit, stop).await else {
        panic!("the provider does not answer")
    };
    let before = setting.provider.requests("/token").await;
    setting.provider.fail().await;
    is_unavailable(&Person::new().open(&setting.url(WANTED)).await);
    is_unavailable(&begun.visit(answer).await);
    assert_eq!(setting.user(&begun).await, None);
    // A renewal that fails ends nothing.
    soon(async || {
        assert_eq!(setting.user(&person).await.as_deref(), Some("ada"));
        setting.provider.requests("/token").await > before + 1
    })
    .await;
    setting.provider.recover().await;
    let page = setting.sign_in(&Person::new(), "bob").await;
    setting.shows(&page, "bob");
    assert_eq!(setting.user(&person).await.as_deref(), Some("ada"));
}

/// Metadata that is known from before is no reason to lead browsers to a login page that is not there.
#[tokio::test]
async fn nobody_is_led_to_a_provider_that_is_down() {
    let Some(setting) = Setting::start("", "", json!({})).await else { return };
    let page = Person::new().open(&setting.url(WANTED)).await;
    assert!(page.body.contains("Sign in at the provider"), "{page:#?}");
    setting.provider.fail().await;
    // What it said a moment ago still counts, for some seconds.
    let is_led_there = async || {
        let page = Person::new().open(&setting.url(WANTED)).await;
        (!page.url.as_str().starts_with(&setting.site), page)
    };
    soon(async || !is_led_there().await.0).await;
    for _ in 0..5 {
        let (is_led_there, page) = is_led_there().await;
        is_unavailable(&page);
        assert!(!is_led_there, "{page:#?}");
    }
    setting.provider.recover().await;
    let bob = Person::new();
    soon(async || bob.open(&setting.url(WANTED)).await.body.contains("Sign in at the provider"))
        .await;
    let page = setting.sign_in(&bob, "bob").await;
    setting.shows(&page, "bob");
}

#[tokio::test]
async fn a_crash_ends_no_session_and_no_sign_in() {
    let Some(setting) = Setting::start("", "", json!({})).await else { return };
    let (ada, bob) = (Person::new(), Person::new());
    let page = setting.sign_in(&ada, "ada").await;
    setting.shows(&page, "ada");
    let login = bob.open(&setting.url(WANTED)).await;
    let setting = setting.crash().await;
    assert_eq!(setting.user(&ada).await.as_deref(), Some("ada"));
    let page = bob.fill_in(&login, &[("login", "bob"), ("password", PASSWORD)]).await;
    setting.shows(&page, "bob");
    assert_eq!(setting.user(&Person::new()).await, None);
}

#[tokio::test]
async fn a_crash_while_the_provider_is_down_ends_no_session() {
    let Some(setting) = Setting::start("", "", json!({})).await else { return };
    let ada = Person::new();
    let page = setting.sign_in(&ada, "ada").await;
    setting.shows(&page, "ada");
    setting.provider.fail().await;
    let setting = setting.crash().await;
    assert_eq!(setting.user(&ada).await.as_deref(), Some("ada"));
    is_unavailable(&Person::new().open(&setting.url(WANTED)).await);
    setting.provider.recover().await;
    let bob = Person::new();
    soon(async || bob.open(&setting.url(WANTED)).await.body.contains("Sign in at the provider"))
        .await;
}
