use super::*;
use crate::remote::error_text;
use crate::remote::http::ClientSettings;
use crate::remote::origin::{Answer, Origin};
use serde_json::json;

const DEADLINE: Duration = Duration::from_secs(10);

async fn discover_at(origin: &Origin, path: &str) -> Result<Metadata, DiscoveryError> {
    let client = Client::new(&ClientSettings::default()).unwrap();
    discover(&client, &format!("{}{path}", origin.issuer()), DEADLINE).await
}

fn local_metadata(origin: &Origin, path: &str) -> Answer {
    let issuer = format!("{}{path}", origin.issuer());
    Answer::json(&json!({ "issuer": issuer, "jwks_uri": origin.at("/jwks").as_str() }).to_string())
}

#[tokio::test]
async fn openid_metadata_is_preferred() {
    let origin = Origin::start().await;
    origin.on("/a/.well-known/openid-configuration", local_metadata(&origin, "/a"));
    let found = discover_at(&origin, "/a").await.unwrap();
    assert_eq!(
        (found.endpoints.jwks_uri, found.id_token_algorithms),
        (Some(origin.at("/jwks")), None)
    );
}

#[tokio::test]
async fn oauth_metadata_is_the_fallback() {
    let origin = Origin::start().await;
    origin.on("/.well-known/oauth-authorization-server/a", local_metadata(&origin, "/a"));
    assert!(discover_at(&origin, "/a").await.is_ok());
}

#[tokio::test]
async fn when_neither_exists_the_common_address_is_named() {
    let origin = Origin::start().await;
    let text = error_text(&discover_at(&origin, "/a").await.unwrap_err());
    assert!(text.contains("/a/.well-known/openid-configuration answers 404"), "{text}");
}

#[tokio::test]
async fn only_a_missing_document_leads_to_the_fallback() {
    let origin = Origin::start().await;
    origin.on("/.well-known/openid-configuration", Answer::status("500 Oops"));
    origin.on("/.well-known/oauth-authorization-server", local_metadata(&origin, ""));
    let text = error_text(&discover_at(&origin, "").await.unwrap_err());
    assert!(text.contains("answers 500"), "{text}");
}
