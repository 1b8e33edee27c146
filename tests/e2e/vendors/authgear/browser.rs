//! Signing in by Authgear's cookie, and by a sign-in of an app, in a real browser.

use serde_json::json;

use crate::support::authgear::{App, Authgear, WEB};
use crate::support::signing_in::soon;
use crate::support::webdriver::Browser;

const BY_COOKIE: &str = "client_id: WEB1\nresponse_type: none\nsso_enabled: true\nresolver: { RESOLVER, cache: 1s, cache_invalid: 1s }";
const NATIVE: &str = "NATIVE";

async fn sign_in(app: &App, browser: &Browser, path: &str) {
    browser.open(&app.url(path)).await;
    fill_in(browser).await;
    arrives(app, browser, path).await;
}

async fn fill_in(browser: &Browser) {
    browser.fill_in("input[name=login]", "ada").await;
    browser.click("button").await;
}

async fn arrives(app: &App, browser: &Browser, path: &str) {
    browser.arrives(&app.url(path), || app.log()).await;
}

async fn body(browser: &Browser) -> String {
    browser.run("return document.body.innerText").await.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn s_ag1_in_a_browser_one_cookie_signs_in_at_two_apps_until_it_is_ended() {
    let Some(browser) = Browser::start().await else { return };
    let Some(authgear) = Authgear::start().await else { return };
    let one = authgear.app("app1.edge.test", BY_COOKIE, "").await;
    let two = authgear.app("app2.edge.test", BY_COOKIE, "").await;
    authgear.register(WEB, &[&one.site, &two.site], &json!({})).await;
    sign_in(&one, &browser, "/reports?id=7#row").await;
    assert!(body(&browser).await.starts_with("ada|pwd|"));
    let asked = authgear.count("/oauth2/authorize").await;
    browser.open(&two.url("/other")).await;
    arrives(&two, &browser, "/other").await;
    assert!(body(&browser).await.starts_with("ada|pwd|"));
    assert_eq!(authgear.count("/oauth2/authorize").await, asked, "nobody was sent anywhere");
    browser.open(&one.url("/.auth/logout")).await;
    browser.click("button").await;
    let end = one.url("/.auth/signed-out");
    browser.reaches(|url| url.starts_with(&end)).await;
    soon(async || {
        browser.open(&two.url("/other")).await;
        browser.current_url().await.starts_with(&authgear.issuer)
    })
    .await;
    browser.has("input[name=login]").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// A cookie for the login service's own host alone: the sign-in ends on a page that says so, and does not begin again.
#[tokio::test]
async fn s_ag1_in_a_browser_a_cookie_that_does_not_come_is_explained() {
    let Some(browser) = Browser::start().await else { return };
    let Some(authgear) = Authgear::start().await else { return };
    let app = authgear.app("app1.edge.test", BY_COOKIE, "").await;
    authgear.register(WEB, &[&app.site], &json!({})).await;
    authgear.tell("settings", &json!({ "cookie_domain": "" })).await;
    browser.open(&app.url("/reports")).await;
    fill_in(&browser).await;
    let callback = app.url("/.auth/callback/authgear");
    browser.reaches(|url| url.starts_with(&callback)).await;
    assert!(body(&browser).await.contains("did not reach this application"));
    assert_eq!(authgear.count("/oauth2/authorize").await, 1);
}

/// An app signs in in the system's browser; a web app below another domain is then signed in unasked, unless it wants none of that.
#[tokio::test]
async fn s_ag4_in_a_browser_the_sign_in_of_an_app_is_that_of_a_web_app_elsewhere() {
    for sso in [true, false] {
        let Some(browser) = Browser::start().await else { return };
        let Some(authgear) = Authgear::start().await else { return };
        let lines = format!("client_id: WEB1\nclient_secret: {{ value: s }}\nsso_enabled: {sso}");
        let app = authgear.app("app.other.test", &lines, "").await;
        authgear.register(WEB, &[&app.site], &json!({ "client_secret": "s" })).await;
        let done = format!("{}/done", authgear.issuer);
        authgear.register(NATIVE, &[], &json!({ "redirect_uris": [done] })).await;
        browser.open(&native_sign_in(&authgear, &done)).await;
        fill_in(&browser).await;
        browser.reaches(|url| url.starts_with(&done) && url.contains("code=")).await;
        browser.open(&app.url("/reports")).await;
        if sso {
            arrives(&app, &browser, "/reports").await;
            assert!(body(&browser).await.starts_with("ada|pwd|"));
        } else {
            browser.has("input[name=login]").await;
            assert!(browser.current_url().await.starts_with(&authgear.issuer));
        }
    }
}

/// Where an app sends the system's browser.
fn native_sign_in(authgear: &Authgear, redirect_uri: &str) -> String {
    let mut url = url::Url::parse(&format!("{}/oauth2/authorize", authgear.issuer)).unwrap();
    url.query_pairs_mut().extend_pairs([
        ("client_id", NATIVE),
        ("response_type", "code"),
        ("redirect_uri", redirect_uri),
        ("scope", "openid offline_access"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("x_sso_enabled", "true"),
    ]);
    url.into()
}
