//! Auth0: access tokens that programs send, and apps of several domains.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::app::{App, Plan};
use super::auth0::{head, post};
use crate::support::person::Person;
use crate::support::vendors::{Tenant, tenants};

const ROLES: &str = "https://app.example.com/roles";
const ROUTES: &str = "
routes:
  - { name: reports, match: { paths: /reports/* }, require: { scopes_all: [read:reports], roles_any: [admin] } }
  - { name: rest, match: { paths: /* } }
";

/// An app whose sign-ins bring access tokens with these scopes for the API called `audience`, and which takes those for ours.
async fn app(name: &str, tenant: &Tenant, audience: &str, scopes: &str) -> App {
    let lines = format!(
        "audience: https://api.edge.test\nscopes: [{scopes}]\nclaims: {{ roles: \"{ROLES}\" }}\n{}",
        if audience.is_empty() {
            String::new()
        } else {
            format!("authorize_params: {{ audience: {audience} }}\n")
        }
    );
    let plan = Plan { provider: &lines, rest: ROUTES, registration: post(), ..Plan::default() };
    App::start(name, tenant, &head(tenant), plan).await
}

/// The access token of a new sign-in of `user` at `app`.
async fn token(app: &App, tenant: &Tenant, user: &str) -> String {
    app.sign_in(&Person::new(), user).await;
    tenant.access_token().await
}

fn typ(token: &str) -> Value {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["typ"].clone()
}

/// S-Z3: both profiles of access tokens count, by their scopes and by claims whose names are URLs.
#[tokio::test]
async fn s_z3_access_tokens_of_both_profiles_are_accepted() {
    for (profile, kind) in [("auth0", "JWT"), ("rfc9068", "at+jwt")] {
        let Some([auth0]) = tenants(["auth0"]).await else { return };
        auth0.set(json!({ "profile": profile })).await;
        auth0.person(json!({ "sub": "ada", "custom": { ROLES: ["admin"] } })).await;
        auth0.person(json!({ "sub": "bob", "custom": { ROLES: ["staff"] } })).await;
        let api = "https://api.edge.test";
        let one = app("app1", &auth0, api, "openid, \"read:reports\"").await;
        let two = app("app2", &auth0, api, "openid").await;
        for (app, user, status) in [(&one, "ada", 200), (&two, "ada", 403), (&one, "bob", 403)] {
            let token = token(app, &auth0, user).await;
            assert_eq!(typ(&token), kind);
            let told = one.with_token_at("/reports/x", &token).await;
            assert_eq!(told.0, status, "{profile} {user} by {}: {told:?}", app.name);
            let (status, who) = one.with_token(&token).await;
            let name = format!("auth0|{user}");
            assert_eq!((status, who.split(';').next()), (200, Some(name.as_str())), "{profile}");
        }
    }
}

/// S-Z3: tokens for another API, opaque ones, which are for Auth0 alone, and ID tokens open nothing; Auth0 is not asked about any.
#[tokio::test]
async fn s_z3_tokens_that_are_not_for_the_api_open_nothing() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    auth0.set(json!({ "apis": ["https://api.edge.test", "https://other.edge.test"] })).await;
    let one = app("app1", &auth0, "https://api.edge.test", "openid").await;
    let two = app("app2", &auth0, "https://other.edge.test", "openid").await;
    let three = app("app3", &auth0, "", "openid").await;
    let good = token(&one, &auth0, "ada").await;
    let id_token = auth0.logout_token(json!({ "replay": true })).await;
    let (other, opaque) = (token(&two, &auth0, "ada").await, token(&three, &auth0, "ada").await);
    assert!(!opaque.contains('.'), "{opaque}");
    let before = auth0.log().await.len();
    for (what, token) in [("another API", &other), ("opaque", &opaque), ("ID token", &id_token)] {
        assert_eq!(one.with_token(token).await.0, 401, "{what}");
    }
    assert_eq!(one.with_token(&good).await.0, 200);
    assert_eq!(auth0.log().await.len(), before);
}

/// S-Z1: apps of different sites, which share no cookie, share the session at Auth0.
#[tokio::test]
async fn s_z1_apps_of_different_domains_share_the_session_at_auth0() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let plan = Plan { registration: post(), ..Plan::default() };
    let one = App::start("app1", &auth0, &head(&auth0), plan.clone()).await;
    let plan = Plan { domain: Some("other.test"), ..plan };
    let two = App::start("app2", &auth0, &head(&auth0), plan).await;
    assert!(two.site.starts_with("https://app2.other.test:"));
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    two.knows(&ada, "auth0|ada").await;
    assert_eq!(auth0.count("login").await, 1);
}
