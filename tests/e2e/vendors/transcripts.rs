//! The golden transcripts of Auth0 and Okta: what is on the wire, to the letter where the letter counts.
//!
//! Where ours differs on purpose the test says so: the realm is `sidegate`, what was wrong with a token or would have been enough of its scopes
//! is not told, the path to a sign-in leads over our own endpoint, and the cookie of a probe is called `sidegate_probe`. G5 is not of one
//! system: `possession` has it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::app::{App, Plan};
use super::auth0::{head, post};
use super::okta::org_head;
use super::okta_native::Phone;
use crate::support::http::client;
use crate::support::person::{Page, Person, Stop, Visit};
use crate::support::vendors::tenants;

const ROUTES: &str = "
routes:
  - { name: reports, match: { paths: /reports/* }, require: { scopes_all: [read:reports] } }
  - name: strong
    match: { paths: /strong/* }
    require: { acr_any: [\"http://schemas.openid.net/pape/policies/2007/06/multi-factor\"], max_auth_age: 5m }
  - { name: open, match: { paths: /open/* }, access: optional, sign_in: { silent: probe } }
  - { name: rest, match: { paths: /* } }
";

fn challenge(response: &reqwest::Response) -> &str {
    response.headers()["www-authenticate"].to_str().unwrap()
}

/// G1 to G4: what APIs are told.
#[tokio::test]
async fn g1_to_g4_what_apis_are_told() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let lines =
        "audience: https://api.edge.test\nauthorize_params: { audience: https://api.edge.test }\n";
    let plan = Plan { provider: lines, rest: ROUTES, registration: post(), ..Plan::default() };
    let one = App::start("app1", &auth0, &head(&auth0), plan).await;
    let at = |path: &str| client().get(one.url(path)).header("accept", "application/json");
    let response = at("/api/x").send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(challenge(&response), "Bearer realm=\"sidegate\"");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = crate::support::http::json(response).await;
    assert_eq!(body["login_url"], one.url("/.auth/login?return_to=%2F"));
    let response = at("/api/x").bearer_auth("a.b.c").send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(challenge(&response), "Bearer realm=\"sidegate\", error=\"invalid_token\"");
    one.sign_in(&Person::new(), "ada").await;
    let token = auth0.access_token().await;
    let response = at("/reports/x").bearer_auth(&token).send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(challenge(&response), "Bearer realm=\"sidegate\", error=\"insufficient_scope\"");
    let response = at("/strong/x").bearer_auth(&token).send().await.unwrap();
    assert_eq!(response.status(), 401);
    let wanted = "Bearer realm=\"sidegate\", error=\"insufficient_user_authentication\", \
                  acr_values=\"http://schemas.openid.net/pape/policies/2007/06/multi-factor\", max_age=\"300\"";
    assert_eq!(challenge(&response), wanted);
    assert_eq!(at("/api/x").bearer_auth(&token).send().await.unwrap().status(), 200);
}

/// G6: a code is redeemed by a form, the client named by HTTP Basic, both parts form-encoded before.
#[tokio::test]
async fn g6_a_code_is_redeemed() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let one = super::okta::app("app1", &okta, Plan::default()).await;
    one.sign_in(&Person::new(), "ada").await;
    let asked = okta.last("token").await;
    let basic = STANDARD.encode("app1:a+secret+of+the+client");
    assert_eq!(asked.entry["authorization"], format!("Basic {basic}"));
    assert_eq!(asked.entry["content_type"], "application/x-www-form-urlencoded");
    assert_eq!(asked.param("grant_type"), Some("authorization_code"));
    assert_eq!(asked.param("redirect_uri"), Some(one.url("/.auth/callback/okta").as_str()));
    assert!(asked.param("code_verifier").is_some_and(|verifier| verifier.len() >= 43));
    assert_eq!(asked.param("client_secret"), None);
}

/// G7: introspection at the organization.
#[tokio::test]
async fn g7_a_token_of_the_organization_is_asked_about() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let lines = format!("audience: {}\n", okta.origin);
    let plan = Plan { provider: &lines, ..Plan::default() };
    let one = App::start("app1", &okta, &org_head(&okta), plan).await;
    let token = Phone::at_organization(&okta, "first").await.access_token("ada").await;
    assert_eq!(one.with_token(&token).await.0, 200);
    let asked = okta.last("introspection").await;
    assert_eq!(asked.entry["target"], "/oauth2/v1/introspect");
    assert!(asked.entry["authorization"].as_str().unwrap().starts_with("Basic "));
    assert_eq!(asked.entry["body"], format!("token={token}&token_type_hint=access_token"));
}

/// G8: back-channel logout, good and bad.
#[tokio::test]
async fn g8_logout_tokens_are_answered() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let plan = Plan { registration: post(), ..Plan::default() };
    let one = App::start("app1", &auth0, &head(&auth0), plan).await;
    one.sign_in(&Person::new(), "ada").await;
    let good = json!({ "client_id": "app1", "sub": "ada", "sid": auth0.sid().await });
    let mut bad = good.clone();
    bad["claims"] = json!({ "nonce": "n" });
    let answer = auth0.deliver("app1", &auth0.logout_token(bad).await).await;
    let seen = (&answer["status"], &answer["headers"]["cache-control"]);
    assert_eq!(seen, (&json!(400), &json!("no-store")));
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["error"], "invalid_request");
    assert!(body["error_description"].as_str().unwrap().contains("nonce"), "{body}");
    let answer = auth0.deliver("app1", &auth0.logout_token(good).await).await;
    let seen = (&answer["status"], &answer["headers"]["cache-control"], &answer["body"]);
    assert_eq!(seen, (&json!(200), &json!("no-store"), &json!("")));
}

/// G9: a frame of Okta's, without a cookie.
#[tokio::test]
async fn g9_a_frame_signs_out() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let one = super::okta::app("app1", &okta, Plan::default()).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let issuer: String =
        url::form_urlencoded::byte_serialize(format!("{}/oauth2/default", okta.origin).as_bytes())
            .collect();
    let query = format!("iss={issuer}&sid={}", okta.sid().await);
    let url = one.url(&format!("/.auth/frontchannel-logout/okta?{query}"));
    let response = client().get(url).header("sec-fetch-dest", "iframe").send().await.unwrap();
    let field = |name: &str| response.headers()[name].to_str().unwrap();
    assert_eq!((response.status().as_u16(), field("cache-control")), (200, "no-store"));
    assert!(field("content-type").starts_with("text/html"), "{response:?}");
    let policy = format!("default-src 'none'; frame-ancestors {}", okta.origin);
    assert_eq!(field("content-security-policy"), policy);
    assert_eq!(one.user(&ada).await, None);
}

/// G10: an answer at Auth0's callback with the state that is for Okta; nobody is shown the code.
#[tokio::test]
async fn g10_an_answer_for_another_provider_is_refused() {
    let Some([auth0, okta]) = tenants(["auth0", "okta"]).await else { return };
    let section = |head: String| {
        let lines: Vec<&str> = head.lines().collect();
        format!("  - {{ {}, client_id: app1, client_secret: {{ value: s }} }}\n", lines.join(", "))
    };
    let both = [section(head(&auth0)), section(super::okta::head(&okta))].concat();
    let one = App::run("app1", &format!("providers:\n{both}"), &Plan::default()).await;
    okta.register(one.registration("okta", &json!({}))).await;
    let ada = Person::new();
    let login = ada.open(&one.url("/.auth/login?provider=okta&return_to=%2Fhome")).await;
    let fields = [("username", "ada"), ("password", "password")];
    let form = crate::support::person::filled_in(&login, &fields);
    let stop = |visit: &Visit| visit.url.path() == "/.auth/callback/okta";
    let Stop::Before(mut answer) = ada.visit_until(form, stop).await else { panic!("no answer") };
    answer.url.set_path("/.auth/callback/auth0");
    let page = ada.visit(answer).await;
    assert_eq!((page.status, page.trail.len()), (400, 1), "{page:#?}");
    for tenant in [&auth0, &okta] {
        let asked = tenant.requests("token").await;
        assert!(asked.iter().all(|seen| seen.param("code").is_none()), "{asked:#?}");
    }
    assert_eq!(one.user(&ada).await, None);
}

/// G11: a probe that finds nobody, request by request.
#[tokio::test]
async fn g11_a_probe_that_finds_nobody() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let plan = Plan { rest: ROUTES, registration: post(), ..Plan::default() };
    let one = App::start("app1", &auth0, &head(&auth0), plan).await;
    let guest = Person::new();
    let go = |url: String| Visit::typed(&url);
    let onward = |page: &Page| {
        page.url.join(page.header("location").unwrap_or_else(|| panic!("{page:#?}"))).unwrap()
    };
    let page = guest.step(&go(one.url("/open/x"))).await;
    // The answer to a GET may be 302 as well: the method stays.
    assert_eq!((page.status, onward(&page).path()), (302, "/.auth/login"));
    let page = guest.step(&go(onward(&page).into())).await;
    let there = onward(&page);
    assert_eq!((page.status, there.path()), (303, "/authorize"));
    assert!(there.query_pairs().any(|pair| pair == ("prompt".into(), "none".into())), "{there}");
    let page = guest.step(&go(there.into())).await;
    let back = onward(&page);
    assert!(
        back.query_pairs().any(|pair| pair == ("error".into(), "login_required".into())),
        "{back}"
    );
    let page = guest.step(&go(back.into())).await;
    assert_eq!((page.status, onward(&page).as_str()), (303, one.url("/open/x").as_str()));
    let cookies: Vec<_> = page.headers.get_all("set-cookie").into_iter().collect();
    let probe = "sidegate_probe=1; Path=/; Max-Age=900; HttpOnly; SameSite=Lax; Secure";
    assert!(cookies.iter().any(|cookie| cookie.as_bytes() == probe.as_bytes()), "{cookies:?}");
    let page = guest.step(&go(one.url("/open/x"))).await;
    assert_eq!((page.status, page.body.as_str()), (200, ";;;"));
}
