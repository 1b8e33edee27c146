use super::*;
use serde_json::{Value, json};

const ISSUER: &str = "https://login.example.com";

fn metadata(changes: &Value) -> String {
    let mut document = json!({
        "issuer": ISSUER,
        "jwks_uri": "https://login.example.com/jwks",
        "id_token_signing_alg_values_supported": ["RS256", "HS256"],
        "response_types_supported": ["code"],
    });
    document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    document.to_string()
}

/// An error with all its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let source = error.source().map(chain);
    format!("{error}: {}", source.unwrap_or_default())
}

/// Why the metadata is refused.
fn refusal(document: &str) -> String {
    chain(&parse(document.as_bytes(), ISSUER).unwrap_err())
}

fn refused_jwks_uri(text: &str) -> String {
    refusal(&metadata(&json!({ "jwks_uri": text })))
}

#[test]
fn good_metadata_is_read() {
    let found = parse(metadata(&json!({})).as_bytes(), ISSUER).unwrap();
    assert_eq!(found.issuer, ISSUER);
    assert_eq!(found.endpoints.jwks_uri.unwrap().as_str(), "https://login.example.com/jwks");
    assert_eq!(found.id_token_algorithms.unwrap(), ["RS256", "HS256"]);
}

// Row x002.
#[test]
fn the_issuer_must_be_equal_byte_for_byte_and_the_message_names_both() {
    for (other, hint) in [
        ("https://login.example.com/", "trailing slash"),
        ("https://Login.example.com", "upper and lower case"),
        ("https://evil.example", ""),
    ] {
        let text = refusal(&metadata(&json!({ "issuer": other })));
        assert!(
            text.contains(&format!("`{other}`")) && text.contains(&format!("`{ISSUER}`")),
            "{text}"
        );
        assert!(text.contains(hint), "{text}");
    }
}

// Row x004.
#[test]
fn keys_on_http_are_refused_if_the_issuer_is_on_https() {
    for uri in ["http://login.example.com/jwks", "http://127.0.0.1/jwks"] {
        assert!(refused_jwks_uri(uri).contains("expected https"), "{uri}");
    }
}

// Row x005, CVE-2026-41413.
#[test]
fn keys_on_link_local_loopback_and_unspecified_addresses_are_refused() {
    for uri in
        ["169.254.169.254", "[::ffff:169.254.169.254]", "0", "2130706433", "[fe80::1]", "[::]"]
    {
        let text = refused_jwks_uri(&format!("https://{uri}/jwks"));
        assert!(text.contains("may not point to"), "{uri}: {text}");
    }
}

#[test]
fn keys_at_other_strange_addresses_are_refused() {
    for (uri, reason) in [
        ("/jwks", "no absolute URL"),
        ("//evil.example/jwks", "no absolute URL"),
        ("file:///etc/keys", "scheme `file`"),
        ("data:application/json,{}", "scheme `data`"),
        ("https://user:secret@login.example.com/jwks", "user name or password"),
        ("https://login.example.com/jwks#x", "fragment"),
    ] {
        let text = refused_jwks_uri(uri);
        assert!(text.contains(reason) && !text.contains("secret"), "{uri}: {text}");
    }
}

// Row x006.
#[test]
fn a_provider_that_signs_with_nothing_of_ours_is_refused() {
    for list in [json!(["none"]), json!(["HS256"]), json!([])] {
        let text = refusal(&metadata(&json!({ "id_token_signing_alg_values_supported": list })));
        assert!(text.contains("offers only"), "{text}");
    }
}

// Row x008.
#[test]
fn malformed_documents_are_refused() {
    let deep = format!(
        "{{\"issuer\":\"{ISSUER}\",\"x\":{}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for (document, reason) in [
        ("", "EOF"),
        ("[]", "a JSON object"),
        ("<html>", "expected value"),
        ("{\"issuer\":", "EOF"),
        ("{}", "no `issuer`"),
        ("{\"a\":1,\"a\":1}", "occurs twice"),
        (&deep, "recursion limit"),
        (&metadata(&json!({ "issuer": 5 })), "`issuer` is a number, expected a string"),
        (&metadata(&json!({ "jwks_uri": ["x"] })), "`jwks_uri` is an array, expected a string"),
        (
            &metadata(&json!({ "id_token_signing_alg_values_supported": "RS256" })),
            "is a string, expected an array",
        ),
        (
            &metadata(&json!({ "id_token_signing_alg_values_supported": [1] })),
            "an array of other things",
        ),
    ] {
        let text = refusal(document);
        assert!(text.contains(reason), "{text}");
    }
}

#[test]
fn addresses_follow_both_standards() {
    for (issuer, openid, oauth) in [
        (ISSUER, "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
        (
            "https://login.example.com/realms/a/",
            "/realms/a/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server/realms/a",
        ),
    ] {
        let url = issuer_url(issuer).unwrap();
        assert_eq!((openid_address(&url).path(), oauth_address(&url).path()), (openid, oauth));
    }
}

#[test]
fn an_issuer_that_is_no_web_address_cannot_be_discovered() {
    for issuer in ["accounts", "urn:example:issuer", "https://a.example/?x", "https://a.example/#x"]
    {
        assert!(matches!(issuer_url(issuer), Err(MetadataError::BadIssuer { .. })), "{issuer}");
    }
}
