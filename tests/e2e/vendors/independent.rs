//! The stand-ins are not made for us alone: Apache's mod_auth_openidc signs in at them, too.

use serde_json::json;

use crate::support::apache::{Apache, CLIENT_ID, CLIENT_SECRET};
use crate::support::person::{Page, Person};
use crate::support::signing_in::soon;
use crate::support::vendors::{Tenant, is_asked, sign_in_on, tenants};

fn user(page: &Page) -> Option<&str> {
    page.header("x-user").filter(|user| !user.is_empty())
}

async fn register(tenant: &Tenant, apache: &Apache) {
    let registration = json!({
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [format!("{}/oidc", apache.site)],
        "post_logout_redirect_uris": [format!("{}/", apache.site)],
        "backchannel_logout_uri": format!("{}/oidc?logout=backchannel", apache.site),
        "frontchannel_logout_uri": format!("{}/oidc?logout=get", apache.site),
    });
    tenant.register(registration).await;
}

async fn signs_in(apache: &Apache, tenant: &Tenant, person: &Person, named: &str) {
    let login = person.open(&format!("{}/", apache.site)).await;
    let page = sign_in_on(&login, person, "ada").await;
    assert_eq!(user(&page), Some(named), "{page:#?}");
    let page = person.open(&format!("{}/", apache.site)).await;
    assert_eq!((user(&page), page.trail.len()), (Some(named), 1), "{page:#?}");
    for seen in tenant.log().await {
        assert_eq!(seen.refused(), None, "{seen:#?}");
    }
}

#[tokio::test]
async fn an_independent_client_signs_in_at_auth0_and_obeys_its_logout_tokens() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let discovery = format!("{}/.well-known/openid-configuration", auth0.origin);
    let Some(apache) = Apache::start(&discovery, "").await else { return };
    register(&auth0, &apache).await;
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
    let discovery = format!("{}/oauth2/default/.well-known/openid-configuration", okta.origin);
    let Some(apache) = Apache::start(&discovery, "").await else { return };
    register(&okta, &apache).await;
    let ada = Person::new();
    signs_in(&apache, &okta, &ada, "00uada").await;
    let back: String =
        url::form_urlencoded::byte_serialize(format!("{}/", apache.site).as_bytes()).collect();
    let page = ada.open(&format!("{}/oidc?logout={back}", apache.site)).await;
    let asked = okta.last("end_session").await;
    assert_eq!(asked.refused(), None, "{asked:#?}");
    assert!(asked.param("id_token_hint").is_some());
    assert_eq!(okta.sessions().await, 0);
    assert!(is_asked(&page), "{page:#?}");
}
