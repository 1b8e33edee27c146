//! The same in a real browser.

use serde_json::json;

use super::app::{App, HOME, Plan};
use crate::support::signing_in::soon;
use crate::support::vendors::tenants;
use crate::support::webdriver::Browser;

async fn sign_in(app: &App, browser: &Browser) {
    browser.open(&app.url(HOME)).await;
    browser.fill_in("#username", "ada").await;
    browser.fill_in("#password", "password").await;
    browser.click("button").await;
    greets(app, browser).await;
}

async fn greets(app: &App, browser: &Browser) {
    browser.arrives(&app.url(HOME), || app.sidegate.program.output()).await;
}

async fn opens(app: &App, browser: &Browser) {
    browser.open(&app.url(HOME)).await;
    greets(app, browser).await;
}

async fn sign_out(app: &App, browser: &Browser) {
    browser.open(&app.url("/.auth/logout")).await;
    browser.click("button").await;
    let end = app.url("/.auth/signed-out");
    browser.reaches(|url| url.starts_with(&end)).await;
}

/// Whether somebody is signed in, told to a script of the app.
async fn is_known(app: &App, browser: &Browser) -> bool {
    browser.open(&app.url("/.auth/session")).await;
    browser
        .run("return document.body.innerText")
        .await
        .as_str()
        .unwrap()
        .contains("\"authenticated\":true")
}

#[tokio::test]
async fn s_z3_in_a_browser_signing_out_of_one_app_signs_out_of_the_other() {
    let Some(browser) = Browser::start().await else { return };
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let head = super::auth0::head(&auth0);
    let plan = Plan { registration: super::auth0::post(), ..Plan::default() };
    let one = App::start("app1", &auth0, &head, plan.clone()).await;
    let two = App::start("app2", &auth0, &head, plan).await;
    sign_in(&one, &browser).await;
    opens(&two, &browser).await;
    assert_eq!(auth0.count("login").await, 1);
    sign_out(&one, &browser).await;
    soon(async || !is_known(&two, &browser).await).await;
    browser.open(&two.url(HOME)).await;
    browser.has("#username").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn s_k1_in_a_browser_that_is_closed_and_opened_again() {
    for persistent in [true, false] {
        let Some(browser) = Browser::start().await else { return };
        let Some([okta]) = tenants(["okta"]).await else { return };
        okta.set(json!({ "persistent": persistent })).await;
        let head = super::okta::head(&okta);
        let one = App::start("app1", &okta, &head, Plan::default()).await;
        sign_in(&one, &browser).await;
        let browser = browser.restart().await;
        browser.open(&one.url(HOME)).await;
        if persistent {
            greets(&one, &browser).await;
        } else {
            browser.has("#username").await;
        }
        assert_eq!(okta.count("login").await, 1);
    }
}

#[tokio::test]
async fn s_k4_in_a_browser_the_frames_of_oktas_page_sign_out_of_the_other_app() {
    let Some(browser) = Browser::start().await else { return };
    let Some([okta]) = tenants(["okta"]).await else { return };
    let head = super::okta::head(&okta);
    let org = format!("logout: {{ frontchannel_issuers: [\"{}\"] }}\n", okta.origin);
    let plan = Plan { provider: &org, ..Plan::default() };
    let one = App::start("app1", &okta, &head, plan.clone()).await;
    let two = App::start("app2", &okta, &head, plan).await;
    sign_in(&one, &browser).await;
    opens(&two, &browser).await;
    sign_out(&one, &browser).await;
    assert!(!is_known(&two, &browser).await);
    browser.open(&two.url(HOME)).await;
    browser.has("#username").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
