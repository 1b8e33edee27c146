//! Real tenants, where environment variables name them: what can be checked without a person. CONTRIBUTING.md says how.
//!
//! The same checks run with the stand-ins, and with tenants that are set up wrongly, so that they are known to find something.

use serde_json::json;

use super::tenant_checks::{CALLBACK_HOST, Candidate, findings};
use crate::support::authgear::Authgear;
use crate::support::peer::report_skipped;
use crate::support::tunnel;
use crate::support::vendors::{Tenant, tenants};

const SECRET: &str = "a secret of the client";

/// The tenant that the environment names, if it does.
fn named(vendor: &'static str, title: &str) -> Option<Candidate> {
    let names = ["ISSUER", "CLIENT_ID", "CLIENT_SECRET"]
        .map(|what| format!("SIDEGATE_TENANT_{}_{what}", vendor.to_uppercase()));
    let values = names.each_ref().map(|name| std::env::var(name).unwrap_or_default());
    if values.iter().all(String::is_empty) {
        report_skipped(&format!("no tenant of {title}: set {}", names.join(", ")));
        return None;
    }
    for (name, value) in names.iter().zip(&values) {
        assert!(!value.is_empty(), "{name} is not set, but others of {names:?} are");
    }
    let [issuer, client_id, client_secret] = values;
    let section = format!("type: {vendor}, issuer: \"{issuer}\", {}", by_form(vendor));
    let (visitor, environment) = (reqwest::Client::builder(), Vec::new());
    Some(Candidate { vendor, section, issuer, client_id, client_secret, visitor, environment })
}

/// How clients of that vendor prove themselves, as its page of the documents has it.
fn by_form(vendor: &str) -> &'static str {
    if matches!(vendor, "auth0" | "mosaic") { "client_auth: post" } else { "client_auth: basic" }
}

/// A stand-in as a tenant: `section` says what the document of the real one would.
fn standing_in(vendor: &'static str, issuer: &str, section: &str) -> Candidate {
    Candidate {
        vendor,
        section: format!("type: {vendor}, issuer: \"{issuer}\", {}{section}", by_form(vendor)),
        issuer: issuer.to_owned(),
        client_id: "app1".to_owned(),
        client_secret: SECRET.to_owned(),
        visitor: crate::support::http::builder(),
        environment: tunnel::environment().to_vec(),
    }
}

async fn register(tenant: &Tenant, vendor: &str) {
    let method = if vendor == "okta" { "client_secret_basic" } else { "client_secret_post" };
    let registration = json!({
        "client_id": "app1",
        "client_secret": SECRET,
        "token_endpoint_auth_method": method,
        "redirect_uris": [format!("https://{CALLBACK_HOST}/.auth/callback/{vendor}")],
        "post_logout_redirect_uris": [format!("https://{CALLBACK_HOST}/.auth/signed-out")],
    });
    tenant.register(registration).await;
}

fn auth0(tenant: &Tenant) -> Candidate {
    standing_in("auth0", &format!("{}/", tenant.origin), "")
}

async fn is_fine(candidate: Option<Candidate>) {
    let Some(candidate) = candidate else { return };
    assert_eq!(findings(candidate).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_tenant_of_auth0_is_understood() {
    is_fine(named("auth0", "Auth0")).await;
}

#[tokio::test]
async fn a_project_of_authgear_is_understood() {
    is_fine(named("authgear", "Authgear")).await;
}

#[tokio::test]
async fn a_tenant_of_mosaic_is_understood() {
    is_fine(named("mosaic", "Mosaic")).await;
}

#[tokio::test]
async fn an_organization_of_okta_is_understood() {
    is_fine(named("okta", "Okta")).await;
}

#[tokio::test]
async fn the_stand_in_of_auth0_passes_for_a_tenant() {
    let Some([tenant]) = tenants(["auth0"]).await else { return };
    register(&tenant, "auth0").await;
    is_fine(Some(auth0(&tenant))).await;
    // Tenants of before November 2023.
    tenant.set(json!({ "end_session_discovery": false })).await;
    is_fine(Some(auth0(&tenant))).await;
    assert_eq!((tenant.count("end_session").await, tenant.count("v2_logout").await), (1, 1));
}

#[tokio::test]
async fn the_stand_in_of_authgear_passes_for_a_project() {
    let Some(authgear) = Authgear::start().await else { return };
    let site = format!("https://{CALLBACK_HOST}");
    authgear.register("app1", &[&site], &json!({ "client_secret": SECRET })).await;
    is_fine(Some(standing_in("authgear", &authgear.issuer, ""))).await;
}

#[tokio::test]
async fn the_stand_in_of_mosaic_passes_for_a_tenant() {
    let Some([tenant]) = tenants(["mosaic"]).await else { return };
    register(&tenant, "mosaic").await;
    let at = |path: &str| format!("{}{path}", tenant.origin);
    let section = format!(
        ", jwks_uri: \"{}\", endpoints: {{ authorization: \"{}\", token: \"{}\" }}",
        at("/cis/oidc/jwks"),
        at("/cis/oidc/auth"),
        at("/oidc/token"),
    );
    is_fine(Some(standing_in("mosaic", "https://userid.security", &section))).await;
    assert_eq!(tenant.count("session_logout").await, 1);
}

#[tokio::test]
async fn the_stand_in_of_okta_passes_for_an_organization() {
    let Some([tenant]) = tenants(["okta"]).await else { return };
    register(&tenant, "okta").await;
    for issuer in [format!("{}/oauth2/default", tenant.origin), tenant.origin.clone()] {
        is_fine(Some(standing_in("okta", &issuer, ""))).await;
    }
}

/// Each mistake is found, and found to be that one.
#[tokio::test]
async fn a_tenant_that_is_set_up_wrongly_is_told() {
    let Some([tenant]) = tenants(["auth0"]).await else { return };
    let told = async |candidate: Candidate, words: &str| {
        let findings = findings(candidate).await;
        assert!(findings.iter().any(|finding| finding.contains(words)), "{words}: {findings:#?}");
    };
    // Before anybody has registered the client, there is no page to sign in on.
    told(auth0(&tenant), "the authorization request is answered by 400").await;
    register(&tenant, "auth0").await;
    let wrong = Candidate { client_secret: "another".to_owned(), ..auth0(&tenant) };
    told(wrong, "expected invalid_grant").await;
    told(standing_in("auth0", &tenant.origin, ""), "ends with a slash").await;
    tenant.set(json!({ "error": "server_error" })).await;
    told(auth0(&tenant), "comes back with error=server_error").await;
    tenant.set(json!({ "error": null, "down": true })).await;
    told(auth0(&tenant), "gave no keys").await;
}
