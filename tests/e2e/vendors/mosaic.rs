//! Mosaic: one session of the provider for all apps of a tenant, used by backends alone.

use std::time::Duration;

use serde_json::{Value, json};

use super::app::{HOME, HOUR, later};
use super::mosaic_stand::{APPS, Stand};
use crate::support::clock::Clock;
use crate::support::person::{Page, Person, Visit};
use crate::support::signing_in::soon;
use crate::support::vendors::is_asked;

const STORES: [&str; 2] = ["", "  store: memory\n"];

/// S-T1: who signed in at one app is known to the other by one call, without any redirect, and by no call from then on.
#[tokio::test]
async fn s_t1_a_login_at_one_app_is_known_to_the_other_silently() {
    for store in STORES {
        let Some(stand) = Stand::start(store, None).await else { return };
        let ada = Person::new();
        stand.sign_in(&ada, "app1").await;
        assert_eq!(stand.asked().await, 1, "{store}");
        stand.knows(&ada, "app2").await;
        assert_eq!(stand.asked().await, 2, "{store}");
        for _ in 0..5 {
            stand.knows(&ada, "app1").await;
            stand.knows(&ada, "app2").await;
        }
        assert_eq!(stand.asked().await, 2, "{store}");
        let call = stand.tenant.last("session_authenticate").await;
        let body: Value = serde_json::from_str(call.entry["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["session_id"], stand.tenant.session_ids().await[0]);
        assert_eq!((&body["resource"], call.refused()), (&json!("https://api.acme.test"), None));
        // Everybody else is a stranger at both.
        stand.asks(&Person::new(), "app2").await;
    }
}

/// S-T1: the login service is behind sidegate too, and says who has signed in by a header of its answer.
#[tokio::test]
async fn s_t1_a_login_service_behind_sidegate_names_the_session_in_a_header() {
    for store in STORES {
        let Some(stand) = Stand::start(store, None).await else { return };
        stand.tenant.set(json!({ "handover": "header" })).await;
        let (ada, home) = (Person::new(), stand.url("app1", HOME));
        let return_to: String = url::form_urlencoded::byte_serialize(home.as_bytes()).collect();
        let login = stand.url("login", &format!("/signin?app=app1&return_to={return_to}"));
        let login = ada.open(&login).await;
        let form = [("username", "ada"), ("password", "password")];
        let page = ada.fill_in(&login, &form).await;
        stand.shows(&page, "app1");
        assert_eq!(stand.asked().await, 1, "{store}");
        stand.knows(&ada, "app2").await;
        let cookie = ada.jar().named("__Secure-sidegate").cloned().unwrap();
        assert_eq!((cookie.domain.as_str(), cookie.http_only), ("edge.test", true));
    }
}

/// S-T1: only an upstream that is said to be a login service is one; of any other the header is taken away.
#[tokio::test]
async fn s_t1_no_other_upstream_signs_anybody_in() {
    let Some(stand) = Stand::start("", None).await else { return };
    let ada = Person::new();
    stand.sign_in(&ada, "app1").await;
    let before = (ada.jar().named("__Secure-sidegate").unwrap().value.clone(), stand.asked().await);
    let page = ada.open(&stand.url("app1", "/leaking")).await;
    assert_eq!((page.status, page.header("x-edge-session")), (200, None));
    let after = (ada.jar().named("__Secure-sidegate").unwrap().value.clone(), stand.asked().await);
    assert_eq!(before, after);
    soon(async || stand.log().contains("is no login service")).await;
}

/// S-T1: the name of the session is in nothing that a browser gets or that is logged.
#[tokio::test]
async fn s_t1_the_name_of_the_session_is_seen_by_nobody() {
    for handover in ["handle", "header"] {
        let Some(stand) = Stand::start("", None).await else { return };
        stand.tenant.set(json!({ "handover": handover })).await;
        let (ada, mut seen) = (Person::new(), String::new());
        let home = stand.url("app1", HOME);
        let return_to: String = url::form_urlencoded::byte_serialize(home.as_bytes()).collect();
        let begin = match handover {
            "header" => stand.url("login", &format!("/signin?app=app1&return_to={return_to}")),
            _ => home,
        };
        let login = walk(&ada, Visit::typed(&begin), &mut seen).await;
        let form = [("username", "ada"), ("password", "password")];
        let form = crate::support::person::filled_in(&login, &form);
        let page = walk(&ada, form, &mut seen).await;
        stand.shows(&page, "app1");
        for name in APPS {
            walk(&ada, Visit::typed(&stand.url(name, HOME)), &mut seen).await;
        }
        walk(&ada, Visit::typed(&stand.url("app2", "/.auth/session")), &mut seen).await;
        let names = stand.tenant.session_ids().await;
        assert_eq!(names.len(), 1);
        seen += &stand.log();
        assert!(seen.len() > 1000 && !seen.contains(&names[0]), "{handover}: {seen}");
    }
}

/// Where a visit leads; every byte of sidegate's answers on the way is added to `seen`.
async fn walk(person: &Person, mut visit: Visit, seen: &mut String) -> Page {
    loop {
        let page = person.step(&visit).await;
        *seen += &format!("{} {:?}\n{}\n", page.url, page.headers, page.body);
        let Some(location) = page.header("location").filter(|_| page.status / 100 == 3) else {
            return page;
        };
        let next = page.url.join(location).unwrap();
        visit = Visit::link(next.as_str(), &page.url);
    }
}

/// S-T2: an app that wants a second factor leads to the login service, which adds it to the same session. The others do not mind.
#[tokio::test]
async fn s_t2_a_second_factor_is_added_to_the_same_session() {
    for store in STORES {
        let Some(stand) = Stand::start(store, None).await else { return };
        let ada = Person::new();
        stand.sign_in(&ada, "app1").await;
        let sessions = stand.tenant.session_ids().await;
        let login = stand.asks(&ada, "app3").await;
        assert!(login.body.contains("passcode"), "{login:#?}");
        let page = ada.fill_in(&login, &[("passcode", "000000")]).await;
        assert_eq!(page.status, 401, "{page:#?}");
        assert_eq!(stand.status(&ada, "app3").await, 401);
        let login = stand.asks(&ada, "app3").await;
        let page = ada.fill_in(&login, &[("passcode", "123456")]).await;
        stand.shows(&page, "app3");
        assert_eq!(stand.tenant.session_ids().await, sessions, "{store}");
        for name in APPS {
            stand.knows(&ada, name).await;
        }
    }
}

/// S-T2: whoever comes from the login service without the second factor is told so, and not led in circles.
#[tokio::test]
async fn s_t2_a_login_that_is_too_weak_ends_with_a_page() {
    let Some(stand) = Stand::start("", None).await else { return };
    let ada = Person::new();
    let login = stand.asks(&ada, "app3").await;
    let page = ada.fill_in(&login, &[("username", "ada"), ("password", "password")]).await;
    assert_eq!((page.status, page.url.path()), (403, "/.auth/adopt"), "{page:#?}");
    assert_eq!(stand.status(&ada, "app3").await, 401);
    stand.knows(&ada, "app1").await;
}

/// S-T3: signing out at one app signs out at all of them, here and at Mosaic.
#[tokio::test]
async fn s_t3_signing_out_ends_the_session_for_all_apps() {
    for store in STORES {
        let Some(stand) = Stand::start(store, None).await else { return };
        let ada = Person::new();
        stand.sign_in(&ada, "app1").await;
        stand.knows(&ada, "app2").await;
        let stolen = ada.twin();
        let page = stand.sign_out(&ada, "app2").await;
        assert_eq!((page.status, page.url.path()), (200, "/.auth/signed-out"), "{page:#?}");
        // The cookie of before counts for nothing.
        for name in ["app1", "app2"] {
            stand.asks(&stolen, name).await;
            stand.asks(&ada, name).await;
        }
        soon(async || stand.tenant.session_ids().await.is_empty()).await;
        let call = stand.tenant.last("session_logout").await;
        assert_eq!(call.entry["status"], 204, "{store}");
    }
}

/// S-T3: another sidegate with the same session learns of the end when it asks anew, and lets nobody in from then on.
#[tokio::test]
async fn s_t3_another_sidegate_learns_of_the_end_at_its_next_renewal() {
    let Some(clock) = Clock::start() else { return };
    let Some(one) = Stand::start("", Some(&clock)).await else { return };
    let other = Stand::start_on(&one.tenant, "", Some(&clock)).await;
    let (ada, there) = (Person::new(), Person::new());
    other.sign_in(&there, "app1").await;
    let session = other.tenant.session_ids().await.remove(0);
    let adopt = one.handed_in(&ada, "app1", &session).await;
    one.shows(&ada.open(&adopt).await, "app1");
    other.sign_out(&there, "app2").await;
    soon(async || one.tenant.session_ids().await.is_empty()).await;
    one.knows(&ada, "app1").await;
    later(&clock, &one.tenant, HOUR + Duration::from_secs(60)).await;
    one.asks(&ada, "app1").await;
    assert_eq!(one.status(&ada, "app2").await, 401);
}

/// S-T3: Mosaic fails; the person is signed out here all the same, and Mosaic is told again.
#[tokio::test]
async fn s_t3_an_end_that_fails_at_mosaic_is_tried_again() {
    let Some(stand) = Stand::start("", None).await else { return };
    let ada = Person::new();
    stand.sign_in(&ada, "app1").await;
    stand.tenant.set(json!({ "logout_status": 500 })).await;
    stand.sign_out(&ada, "app1").await;
    soon(async || stand.tenant.count("session_logout").await == 1).await;
    stand.asks(&ada, "app1").await;
    stand.tenant.set(json!({ "logout_status": null })).await;
    soon(async || stand.tenant.session_ids().await.is_empty()).await;
    soon(async || stand.log().contains("could not be ended at the provider")).await;
}

/// Not a test of Mosaic alone: the stand-in's page is told from the apps'.
#[tokio::test]
async fn s_t1_a_wrong_password_signs_nobody_in() {
    let Some(stand) = Stand::start("", None).await else { return };
    let ada = Person::new();
    let login = stand.asks(&ada, "app1").await;
    let page = ada.fill_in(&login, &[("username", "ada"), ("password", "wrong")]).await;
    assert!(page.status == 401 && !is_asked(&page), "{page:#?}");
    assert_eq!(stand.status(&ada, "app1").await, 401);
}
