//! Signing in by Authgear's own cookie, and what becomes of it where that does not come.

use serde_json::json;

use crate::support::authgear::{App, Authgear, WEB};
use crate::support::person::{Page, Person, Visit};
use crate::support::signing_in::soon;

/// People sign in for a cookie, which the resolver knows.
const BY_COOKIE: &str = "client_id: WEB1\nresponse_type: none\nsso_enabled: true\nresolver: { RESOLVER, cache: 1s, cache_invalid: 1s }";

async fn two_apps() -> Option<(Authgear, App, App)> {
    let authgear = Authgear::start().await?;
    let one = authgear.app("app1.edge.test", BY_COOKIE, "").await;
    let two = authgear.app("app2.edge.test", BY_COOKIE, "").await;
    authgear.register(WEB, &[&one.site, &two.site], &json!({})).await;
    Some((authgear, one, two))
}

async fn one_app(lines: &str, rest: &str) -> Option<(Authgear, App)> {
    let authgear = Authgear::start().await?;
    let app = authgear.app("app1.edge.test", lines, rest).await;
    authgear.register(WEB, &[&app.site], &json!({})).await;
    Some((authgear, app))
}

fn path_of(page: &Page) -> (u16, String) {
    let query = page.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    (page.status, format!("{}{query}", page.url.path()))
}

#[tokio::test]
async fn s_ag1_one_cookie_signs_in_at_two_apps() {
    let Some((_authgear, one, two)) = two_apps().await else { return };
    let ada = Person::new();
    let page = one.sign_in(&ada, "/reports?id=7", "ada").await;
    assert_eq!(path_of(&page), (200, "/reports?id=7".to_owned()), "{page:#?}\n{}", one.log());
    assert!(page.body.starts_with("ada|pwd|"), "{page:#?}");
    let page = ada.open(&two.url("/other")).await;
    assert_eq!((page.status, page.trail.len()), (200, 1), "{page:#?}\n{}", two.log());
    assert!(page.body.starts_with("ada|"), "{page:#?}");
    // Nothing of sidegate's own is left behind but the hint of the last sign-in.
    let jar = ada.jar();
    let own: Vec<_> = jar.all().iter().filter(|kept| kept.name.contains("sidegate")).collect();
    assert!(own.iter().all(|kept| !kept.name.contains("session")), "{own:?}");
}

/// The golden request: nothing of a code is asked for.
#[tokio::test]
async fn s_ag1_the_sign_in_asks_for_nothing_but_a_session() {
    let Some((_authgear, one, _two)) = two_apps().await else { return };
    let page = Person::new().open(&one.url("/reports?id=7")).await;
    let query: Vec<(String, String)> = page.url.query_pairs().into_owned().collect();
    let names: Vec<&str> = query.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["response_type", "client_id", "redirect_uri", "state", "x_sso_enabled"]);
    assert_eq!((query[0].1.as_str(), query[4].1.as_str()), ("none", "true"));
    assert_eq!(query[2].1, one.url("/.auth/callback/authgear"));
}

#[tokio::test]
async fn s_ag1_programs_are_told_where_to_sign_in() {
    let Some((_authgear, one, _two)) = two_apps().await else { return };
    let page = Person::new().fetch(&one.url("/api")).await;
    assert_eq!(page.status, 401, "{page:#?}");
    assert!(page.body.contains("/.auth/login"), "{page:#?}");
}

#[tokio::test]
async fn s_ag1_a_cookie_of_a_domain_that_is_too_narrow_is_explained_and_ends_there() {
    for domain in ["auth.edge.test", ""] {
        let Some((authgear, app)) = one_app(BY_COOKIE, "").await else { return };
        authgear.tell("settings", &json!({ "cookie_domain": domain })).await;
        let ada = Person::new();
        let page = app.sign_in(&ada, "/reports", "ada").await;
        assert_eq!(path_of(&page).0, 400, "{page:#?}");
        assert!(page.body.contains("did not reach this application"), "{page:#?}");
        assert!(page.trail.len() <= 2, "{page:#?}");
        let told = |line: &str| {
            (line.contains("sso_cookie_missing") && line.contains("http.cookie_domain"))
                .then_some(())
        };
        app.sidegate.program.wait_for(told).await;
    }
}

#[tokio::test]
async fn s_ag1_a_prefix_that_is_not_configured_is_named() {
    let Some((authgear, app)) = one_app(BY_COOKIE, "").await else { return };
    authgear.tell("settings", &json!({ "cookie_prefix": "p_" })).await;
    let page = app.sign_in(&Person::new(), "/reports", "ada").await;
    assert_eq!(page.status, 400, "{page:#?}");
    let told = |line: &str| line.contains("cookie_prefix: p_").then_some(());
    app.sidegate.program.wait_for(told).await;
}

#[tokio::test]
async fn s_ag1_cookies_with_a_prefix_count_where_it_is_configured() {
    let lines = BY_COOKIE.replace("RESOLVER", "RESOLVER, cookie_prefix: p_");
    let Some((authgear, app)) = one_app(&lines, "").await else { return };
    authgear.tell("settings", &json!({ "cookie_prefix": "p_" })).await;
    let page = app.sign_in(&Person::new(), "/reports", "ada").await;
    assert_eq!(page.status, 200, "{page:#?}\n{}", app.log());
    assert!(page.body.starts_with("ada|"), "{page:#?}");
}

#[tokio::test]
async fn s_ag1_a_secure_cookie_over_http_is_explained() {
    let Some(authgear) = Authgear::start().await else { return };
    let listener = "  - { name: plain, address: '127.0.0.1:0' }\n";
    let app = authgear.app_with(listener, "app1.edge.test", BY_COOKIE, "").await;
    let port = app.sidegate.listener("plain").await.port();
    let plain = format!("http://app1.edge.test:{port}");
    authgear.register(WEB, &[&plain], &json!({})).await;
    let ada = Person::new();
    let login = ada.open(&format!("{plain}/reports")).await;
    let page = ada.fill_in(&login, &[("login", "ada")]).await;
    assert_eq!(page.status, 400, "{page:#?}");
    assert!(page.body.contains("only comes over https"), "{page:#?}");
    let told = |line: &str| line.contains("sso_cookie_insecure").then_some(());
    app.sidegate.program.wait_for(told).await;
}

#[tokio::test]
async fn s_ag1_a_session_that_was_ended_leads_to_sign_in_and_its_cookie_goes() {
    let Some((authgear, app)) = one_app(BY_COOKIE, "").await else { return };
    let ada = Person::new();
    app.sign_in(&ada, "/reports", "ada").await;
    let session = ada.jar().named("session").unwrap().value.clone();
    authgear.tell("end", &json!({ "session": session })).await;
    let url = app.url("/reports");
    soon(async || ada.step(&Visit::typed(&url)).await.status == 302).await;
    assert!(ada.jar().named("session").is_none(), "{:?}", ada.jar());
    let page = ada.open(&url).await;
    assert!(page.body.contains("Authgear login"), "{page:#?}");
}

#[tokio::test]
async fn s_ag1_an_answer_that_was_not_asked_for_here_signs_nobody_in() {
    let Some((authgear, app)) = one_app(BY_COOKIE, "").await else { return };
    let session = authgear.session("ada").await;
    let before = authgear.count("/_resolver/resolve").await;
    for query in ["state=made-up", "state=made-up&code=stolen", "", "code=stolen"] {
        let url = app.url(&format!("/.auth/callback/authgear?{query}"));
        let page = Person::new().open(&url).await;
        assert_eq!(page.status, 400, "{query}: {page:#?}");
    }
    assert_eq!(authgear.count("/_resolver/resolve").await, before, "{session}");
}

#[tokio::test]
async fn s_ag8_signing_out_ends_the_session_at_authgear() {
    let Some((_authgear, app)) = one_app(BY_COOKIE, "").await else { return };
    let ada = Person::new();
    app.sign_in(&ada, "/reports", "ada").await;
    let confirm = ada.open(&app.url("/.auth/logout")).await;
    let page = ada.fill_in(&confirm, &[]).await;
    assert_eq!(page.url.path(), "/.auth/signed-out", "{page:#?}\n{}", app.log());
    assert!(page.trail.iter().any(|url| url.path() == "/oauth2/end_session"), "{page:#?}");
    assert!(ada.jar().named("session").is_none(), "{:?}", ada.jar());
    soon(async || ada.open(&app.url("/reports")).await.body.contains("Authgear login")).await;
}

/// With tokens, signing out withdraws the refresh token, and the whole group with it.
#[tokio::test]
async fn s_ag8_signing_out_of_an_app_with_tokens_withdraws_them() {
    let Some(authgear) = Authgear::start().await else { return };
    let lines = "client_id: WEB1\nclient_secret: { value: s }\nsso_enabled: true";
    let app = authgear.app("app1.edge.test", lines, "").await;
    authgear.register(WEB, &[&app.site], &json!({ "client_secret": "s" })).await;
    let ada = Person::new();
    let page = app.sign_in(&ada, "/reports", "ada").await;
    assert!(page.status == 200 && page.body.starts_with("ada|"), "{page:#?}");
    let confirm = ada.open(&app.url("/.auth/logout")).await;
    let page = ada.fill_in(&confirm, &[]).await;
    assert_eq!(page.url.path(), "/.auth/signed-out", "{page:#?}\n{}", app.log());
    let end = page.trail.iter().find(|url| url.path() == "/oauth2/end_session").unwrap();
    assert!(end.query_pairs().any(|(name, _)| name == "id_token_hint"), "{end}");
    soon(async || authgear.count("/oauth2/revoke").await == 1).await;
    let log = authgear.tell("log", &json!({})).await;
    let asked = log.as_array().unwrap().iter().find(|seen| seen["endpoint"] == "/oauth2/revoke");
    let form = asked.unwrap()["body"].as_str().unwrap();
    let form: Vec<(String, String)> =
        url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let token = &form.iter().find(|(name, _)| name == "token").unwrap().1;
    let again = [
        ("grant_type", "refresh_token"),
        ("client_id", WEB),
        ("client_secret", "s"),
        ("refresh_token", token.as_str()),
    ];
    assert_eq!(authgear.token(&again).await["error"], "invalid_grant");
    let page = ada.open(&app.url("/reports")).await;
    assert!(page.body.contains("Authgear login"), "{page:#?}");
}

/// A route may ask for a newer sign-in: Authgear is asked to make one, and is believed by its resolver alone.
#[tokio::test]
async fn s_ag8_a_route_that_asks_for_more_leads_to_a_stronger_sign_in() {
    let rest = "routes:\n  - { name: strong, match: { paths: /strong }, require: { amr_any: mfa }, sign_in: { prompt: login } }\n  - { name: rest, match: { paths: /* } }\n";
    let Some((authgear, app)) = one_app(BY_COOKIE, rest).await else { return };
    let ada = Person::new();
    app.sign_in(&ada, "/reports", "ada").await;
    let asked = ada.open(&app.url("/strong")).await;
    assert!(asked.body.contains("Authgear login"), "{asked:#?}");
    let weak = ada.fill_in(&asked, &[("login", "ada")]).await;
    assert_eq!(weak.status, 403, "{weak:#?}");
    authgear.tell("user", &json!({ "sub": "ada", "amr": ["pwd", "otp", "mfa"] })).await;
    let asked = ada.open(&app.url("/strong")).await;
    let strong = ada.fill_in(&asked, &[("login", "ada")]).await;
    assert_eq!(strong.status, 200, "{strong:#?}\n{}", app.log());
    assert!(strong.body.starts_with("ada|pwd otp mfa|"), "{strong:#?}");
}
