//! Native SSO into a web view: an app's tokens become a session of the device's browser.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::app::{App, HOME, Plan, later};
use super::okta::app;
use super::okta_native::{DEVICE_SECRET, EXCHANGE, ID_TOKEN, Phone, WITH_SECRET};
use crate::support::clock::Clock;
use crate::support::http::client;
use crate::support::person::{Person, Visit};
use crate::support::vendors::{Tenant, tenants};

const DRAFT_SECRET: &str = "urn:openid:params:token-type:device-secret";
const ALLOWED: &str = "audience: api://default\nexchange: { audience: api://default }\n";

/// An app that allows it, and a telephone on which Ada has signed in.
async fn stand(tenant: &Tenant, provider: &str, clock: Option<&Clock>) -> (App, Value) {
    let one = app("app1", tenant, Plan { provider, clock, ..Plan::default() }).await;
    let phone = Phone::new(tenant, "phone").await;
    let tokens = phone.sign_in("ada", WITH_SECRET).await;
    (one, tokens)
}

fn text<'t>(tokens: &'t Value, name: &str) -> &'t str {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name}: {tokens}"))
}

/// What a device sends.
fn asking(one: &App, form: &[(&str, &str)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    client()
        .post(one.url("/.auth/exchange"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

async fn by_access_token(one: &App, token: &str) -> (u16, Value) {
    answer(asking(one, &[("return_to", HOME)]).bearer_auth(token)).await
}

async fn by_device_secret(one: &App, tokens: &Value, kind: &str) -> (u16, Value) {
    let form = [
        ("grant_type", EXCHANGE),
        ("subject_token", text(tokens, "id_token")),
        ("subject_token_type", ID_TOKEN),
        ("actor_token", text(tokens, "device_secret")),
        ("actor_token_type", kind),
        ("return_to", HOME),
    ];
    answer(asking(one, &form)).await
}

/// The address signs one browser in, once; it says nothing of the token.
#[tokio::test]
async fn an_access_token_becomes_an_address_that_signs_in_once() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    for session in ["", "store: memory\n"] {
        let plan = Plan { provider: ALLOWED, session, ..Plan::default() };
        let one = app("app1", &okta, plan).await;
        let tokens = Phone::new(&okta, "phone").await.sign_in("ada", WITH_SECRET).await;
        let (status, told) = by_access_token(&one, text(&tokens, "access_token")).await;
        assert_eq!((status, &told["expires_in"]), (200, &json!(60)), "{told}");
        let view = Person::new();
        let page = view.open(text(&told, "url")).await;
        one.shows(&page, "00uada");
        assert_eq!(one.user(&view).await.as_deref(), Some("00uada"));
        for person in [Person::new(), view.twin()] {
            let page = person.open(text(&told, "url")).await;
            assert_eq!(page.status, 400, "{session} {page:#?}");
        }
        assert_eq!(one.user(&Person::new()).await, None);
        assert!(!one.logged(text(&told, "url").split("pass=").nth(1).unwrap()));
    }
}

/// A minute later it is of no use.
#[tokio::test]
async fn an_address_for_a_web_view_lasts_a_minute() {
    let Some(clock) = Clock::start() else { return };
    let Some([okta]) = tenants(["okta"]).await else { return };
    let (one, tokens) = stand(&okta, ALLOWED, Some(&clock)).await;
    let (_, told) = by_access_token(&one, text(&tokens, "access_token")).await;
    later(&clock, &okta, Duration::from_secs(61)).await;
    let view = Person::new();
    let page = view.open(text(&told, "url")).await;
    assert_eq!((page.status, one.user(&view).await), (400, None), "{page:#?}");
}

/// The session ends with the token.
#[tokio::test]
async fn a_session_by_an_access_token_ends_with_it() {
    let Some(clock) = Clock::start() else { return };
    let Some([okta]) = tenants(["okta"]).await else { return };
    let (one, tokens) = stand(&okta, ALLOWED, Some(&clock)).await;
    let (_, told) = by_access_token(&one, text(&tokens, "access_token")).await;
    let view = Person::new();
    one.shows(&view.open(text(&told, "url")).await, "00uada");
    later(&clock, &okta, Duration::from_secs(3500)).await;
    assert_eq!(one.user(&view).await.as_deref(), Some("00uada"));
    later(&clock, &okta, Duration::from_secs(3700)).await;
    assert_eq!(one.user(&view).await, None);
}

/// A token for another audience, one that is damaged, and no token at all get no address; nor does a browser's cookie.
#[tokio::test]
async fn only_a_token_that_opens_the_page_gets_an_address() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let (one, tokens) = stand(&okta, ALLOWED, None).await;
    let good = text(&tokens, "access_token");
    assert_eq!(answer(asking(&one, &[("return_to", HOME)])).await.0, 401);
    assert_eq!(by_access_token(&one, &good[..good.len() - 4]).await.0, 401);
    assert_eq!(by_access_token(&one, text(&tokens, "id_token")).await.0, 401);
    okta.set(json!({ "audience": "api://other" })).await;
    let other = Phone::new(&okta, "phone").await.sign_in("ada", WITH_SECRET).await;
    assert_eq!(by_access_token(&one, text(&other, "access_token")).await.0, 401);
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let cookies: Vec<String> =
        ada.jar().all().iter().map(|kept| format!("{}={}", kept.name, kept.value)).collect();
    let request = asking(&one, &[("return_to", HOME)]).header("cookie", cookies.join("; "));
    assert_eq!(answer(request).await.0, 401);
    for form in [[("grant_type", "password")], [("return_to", "https://elsewhere.test/")]] {
        let (status, told) = answer(asking(&one, &form).bearer_auth(good)).await;
        let leads_home = told["url"].as_str().is_some_and(|url| url.starts_with(&one.site));
        assert!(status == 400 || leads_home, "{form:?} {told}");
    }
}

/// Without a word in the configuration there is no such endpoint, and what is not allowed is refused.
#[tokio::test]
async fn only_providers_that_allow_it_exchange_tokens() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let (one, tokens) = stand(&okta, "audience: api://default\n", None).await;
    assert_eq!(by_access_token(&one, text(&tokens, "access_token")).await.0, 404);
    assert_eq!(by_device_secret(&one, &tokens, DEVICE_SECRET).await.0, 404);
    let (one, tokens) =
        stand(&okta, "audience: api://default\nexchange: { device_secrets: false }\n", None).await;
    assert_eq!(by_device_secret(&one, &tokens, DEVICE_SECRET).await.0, 400);
    assert_eq!(by_access_token(&one, text(&tokens, "access_token")).await.0, 200);
    let (one, tokens) =
        stand(&okta, "audience: api://default\nexchange: { access_tokens: false }\n", None).await;
    assert_eq!(by_access_token(&one, text(&tokens, "access_token")).await.0, 401);
}

/// By the device's secret there is a session of its own at the provider, which is renewed; both names of its type are known.
#[tokio::test]
async fn a_device_secret_becomes_an_address_that_signs_in_once() {
    let Some(clock) = Clock::start() else { return };
    let Some([okta]) = tenants(["okta"]).await else { return };
    let (one, tokens) = stand(&okta, ALLOWED, Some(&clock)).await;
    let (status, told) = by_device_secret(&one, &tokens, DEVICE_SECRET).await;
    assert_eq!(status, 200, "{told}\n{}", one.sidegate.program.output());
    let call = okta.last("token").await;
    assert_eq!((call.param("actor_token_type"), call.refused()), (Some(DEVICE_SECRET), None));
    let view = Person::new();
    one.shows(&view.open(text(&told, "url")).await, "00uada");
    let page = Person::new().open(text(&told, "url")).await;
    assert_eq!(page.status, 400, "{page:#?}");
    later(&clock, &okta, Duration::from_secs(7200)).await;
    assert_eq!(one.user(&view).await.as_deref(), Some("00uada"));
    // The draft's own name goes to the provider as it is; this one does not know it.
    let (status, told) = by_device_secret(&one, &tokens, DRAFT_SECRET).await;
    assert_eq!((status, &told["error"]), (400, &json!("invalid_grant")), "{told}");
    let (status, told) = by_device_secret(&one, &tokens, "urn:something:else").await;
    assert_eq!((status, &told["error"]), (400, &json!("invalid_request")), "{told}");
    let seen = okta.requests("token").await;
    let kinds: Vec<&str> = seen.iter().filter_map(|seen| seen.param("actor_token_type")).collect();
    assert_eq!(kinds, [DEVICE_SECRET, DRAFT_SECRET]);
}

/// A link of another site signs nobody in, and nobody's session is replaced by another person's.
#[tokio::test]
async fn an_address_for_a_web_view_is_of_no_use_to_other_sites() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let (one, tokens) = stand(&okta, ALLOWED, None).await;
    let elsewhere = url::Url::parse("https://elsewhere.test/").unwrap();
    let (_, told) = by_access_token(&one, text(&tokens, "access_token")).await;
    let victim = Person::new();
    let page = victim.visit(Visit::link(text(&told, "url"), &elsewhere)).await;
    assert_eq!((page.status, one.user(&victim).await), (400, None), "{page:#?}");
    let (_, told) = by_access_token(&one, text(&tokens, "access_token")).await;
    let bob = Person::new();
    one.sign_in(&bob, "bob").await;
    let page = bob.open(text(&told, "url")).await;
    assert_eq!(page.status, 400, "{page:#?}");
    assert_eq!(one.user(&bob).await.as_deref(), Some("00ubob"));
}
