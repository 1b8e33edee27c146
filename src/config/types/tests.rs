use serde_json::json;

use super::*;
use crate::config::problem::Report;
use crate::config::{schema, structure};

fn filled(mut file: Value) -> (Value, Vec<Filled>) {
    let filled = fill(&mut file);
    (file, filled)
}

/// A page that says what no configuration may say would be refused in words that point nowhere.
#[test]
fn every_page_is_good_configuration() {
    for (r#type, issuer) in [
        ("auth0", "https://acme.eu.auth0.com/"),
        ("authgear", "https://auth.example.com"),
        ("mosaic", "https://eu.userid.security"),
        ("okta", "https://acme.okta.com/oauth2/default"),
        ("okta", "https://acme.okta.com"),
    ] {
        let pages = pages(r#type, issuer);
        assert!(!pages.is_empty(), "{type}");
        for page in pages {
            let mut provider = page;
            provider["issuer"] = json!(issuer);
            provider["type"] = json!(r#type);
            let file = json!({"listen": "127.0.0.1:0", "provider": provider});
            let mut report = Report::default();
            structure::check(&schema::SCHEMA, &file, &mut report);
            assert!(report.is_clean(), "{type}: {:?}", report.into_parts().0);
        }
    }
}

#[test]
fn what_is_written_stays() {
    let (file, filled) = filled(json!({"providers": [{
        "name": "people", "type": "okta", "issuer": "https://acme.okta.com/oauth2/default",
        "leeway": "30s", "claims": {"user": "email"},
    }]}));
    let provider = &file["providers"][0];
    assert_eq!(
        (&provider["leeway"], &provider["claims"]["user"]),
        (&json!("30s"), &json!("email"))
    );
    assert_eq!(provider["claims"]["scopes"], json!(["scp", "scope"]));
    let [filled] = &filled[..] else { panic!("one provider") };
    assert_eq!((filled.provider.as_str(), filled.r#type.as_str()), ("people", "okta"));
    let keys: Vec<&str> = filled.keys.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["claims.client", "claims.scopes", "logout.id_token_hint", "scopes"]);
}

#[test]
fn a_key_by_its_other_name_is_written_too() {
    let written = json!({"provider": {
        "type": "authgear", "issuer": "https://auth.example.com", "audiences": ["https://api.example.com"],
    }});
    let (file, _) = filled(written);
    assert!(file["provider"].get("audience").is_none());
}

#[test]
fn places_are_filled_in() {
    let (file, _) =
        filled(json!({"provider": {"type": "authgear", "issuer": "https://auth.example.com"}}));
    assert_eq!(file["provider"]["audience"], json!("https://auth.example.com"));
    let (file, _) =
        filled(json!({"provider": {"type": "mosaic", "issuer": "https://eu.userid.security"}}));
    let token = &file["provider"]["endpoints"]["token"];
    assert_eq!(token, "https://api.eu.transmitsecurity.io/oidc/token");
}

/// Nobody but the organization can read its own access tokens.
#[test]
fn okta_organizations_are_asked_about_tokens() {
    let of = |issuer: &str| filled(json!({"provider": {"type": "okta", "issuer": issuer}})).0;
    assert_eq!(of("https://acme.okta.com")["provider"]["introspection"]["tokens"], json!("always"));
    assert_eq!(of("https://acme.okta.com/oauth2/aus1")["provider"].get("introspection"), None);
}

#[test]
fn other_types_set_nothing() {
    let plain = json!({"provider": {"issuer": "https://login.example.com"}});
    assert_eq!(filled(plain.clone()), (plain, Vec::new()));
}
