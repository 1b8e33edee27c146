//! The stand-ins are not made for us alone: Apache's mod_auth_openidc signs in at them, too.

use serde_json::{Value, json};

use crate::support::apache::{Apache, CLIENT_ID, CLIENT_SECRET};
use crate::support::authgear::Authgear;
use crate::support::person::{Page, Person};
use crate::support::signing_in::soon;
use crate::support::vendors::{Tenant, is_asked, sign_in_on, tenants};

fn user(page: &Page) -> Option<&str> {
    page.header("x-user").filter(|user| !user.is_empty())
}

/// The client of the provider that has this discovery document.
async fn by_discovery(document: &str) -> Option<Apache> {
    Apache::start(&format!("OIDCProviderMetadataURL {document}")).await
}

fn registration(apache: &Apache) -> Value {
    json!({
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [format!("{}/oidc", apache.site)],
        "post_logout_redirect_uris": [format!("{}/", apache.site)],
        "backchannel_logout_uri": format!("{}/oidc?logout=backchannel", apache.site),
        "frontchannel_logout_uri": format!("{}/oidc?logout=get", apache.site),
    })
}

/// Where signing out begins, to come back to the first page.
fn sign_out(apache: &Apache) -> String {
    let back: String =
        url::form_urlencoded::byte_serialize(format!("{}/", apache.site).as_bytes()).collect();
    format!("{}/oidc?logout={back}", apache.site)
}

/// Asserts that `page`, and the one after, is for `named`.
async fn knows(apache: &Apache, person: &Person, page: &Page, named: &str) {
    assert_eq!(user(page), Some(named), "{page:#?}");
    let page = person.open(&format!("{}/", apache.site)).await;
    assert_eq!((user(&page), page.trail.len()), (Some(named), 1), "{page:#?}");
}

async fn signs_in(apache: &Apache, tenant: &Tenant, person: &Person, named: &str) {
    let login = person.open(&format!("{}/", apache.site)).await;
    let page = sign_in_on(&login, person, "ada").await;
    knows(apache, person, &page, named).await;
    for seen in tenant.log().await {
        assert_eq!(seen.refused(), None, "{seen:#?}");
    }
}

#[tokio::test]
async fn an_independent_client_signs_in_at_auth0_and_obeys_its_logout_tokens() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let document = format!("{}/.well-known/openid-configuration", auth0.origin);
    let Some(apache) = by_discovery(&document).await else { return };
    auth0.register(registration(&apache)).await;
    let ada = Person::new();
    signs_in(&apache, &auth0, &ada, "auth0|ada").await;
    auth0.end("ada").await;
    soon(async || !auth0.logouts().await.is_empty()).await;
    assert_eq!(auth0.logouts().await, [json!({ "client": CLIENT_ID, "status": 200 })]);
    let page = ada.open(&format!("{}/", apache.site)).await;
    assert!(is_asked(&page), "{page:#?}");
}

#[tokio::test]
async fn an_independent_client_signs_in_and_out_at_okta() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let document = format!("{}/oauth2/default/.well-known/openid-configuration", okta.origin);
    let Some(apache) = by_discovery(&document).await else { return };
    okta.register(registration(&apache)).await;
    let ada = Person::new();
    signs_in(&apache, &okta, &ada, "00uada").await;
    let page = ada.open(&sign_out(&apache)).await;
    let asked = okta.last("end_session").await;
    assert_eq!(asked.refused(), None, "{asked:#?}");
    assert!(asked.param("id_token_hint").is_some());
    assert_eq!(okta.sessions().await, 0);
    assert!(is_asked(&page), "{page:#?}");
}

#[tokio::test]
async fn an_independent_client_signs_in_and_out_at_authgear() {
    let Some(authgear) = Authgear::start().await else { return };
    let document = format!("{}/.well-known/openid-configuration", authgear.issuer);
    let Some(apache) = by_discovery(&document).await else { return };
    authgear.tell("client", &registration(&apache)).await;
    let ada = Person::new();
    let login = ada.open(&format!("{}/", apache.site)).await;
    let page = ada.fill_in(&login, &[("login", "ada")]).await;
    knows(&apache, &ada, &page, "ada").await;
    let page = ada.open(&sign_out(&apache)).await;
    assert_eq!(authgear.count("/oauth2/end_session").await, 1);
    assert!(page.body.contains("Authgear login"), "{page:#?}");
}

/// Mosaic's discovery document names an issuer that is not where it is: this client, too, has to be told where everything is.
#[tokio::test]
async fn an_independent_client_signs_in_at_mosaic() {
    let Some([mosaic]) = tenants(["mosaic"]).await else { return };
    let at = |name: &str, path: &str| format!("OIDCProvider{name} {}{path}\n", mosaic.origin);
    let directives = [
        "OIDCProviderIssuer https://userid.security\n".to_owned(),
        "OIDCProviderTokenEndpointAuth client_secret_post\n".to_owned(),
        at("AuthorizationEndpoint", "/cis/oidc/auth"),
        at("TokenEndpoint", "/oidc/token"),
        at("JwksUri", "/cis/oidc/jwks"),
        at("UserInfoEndpoint", "/cis/me"),
    ];
    let Some(apache) = Apache::start(&directives.concat()).await else { return };
    let mut registration = registration(&apache);
    registration["token_endpoint_auth_method"] = json!("client_secret_post");
    mosaic.register(registration).await;
    signs_in(&apache, &mosaic, &Person::new(), "ada").await;
}
