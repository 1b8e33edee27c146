use super::*;
use crate::oidc::fixture::{ISSUER, chain};
use serde_json::{Value, json};

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

const EVERY_ADDRESS: [&str; 8] = [
    "authorization_endpoint",
    "end_session_endpoint",
    "introspection_endpoint",
    "jwks_uri",
    "pushed_authorization_request_endpoint",
    "revocation_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
];

#[test]
fn every_address_and_ability_is_read() {
    let mut changes = json!({
        "require_pushed_authorization_requests": true,
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "response_modes_supported": ["query", "form_post"],
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "frontchannel_logout_supported": true,
    });
    for member in EVERY_ADDRESS {
        changes[member] = json!(format!("https://login.example.com/{member}"));
    }
    let found = parse(metadata(&changes).as_bytes(), ISSUER).unwrap();
    let ends_in = |url: &Option<Url>, member: &str| url.as_ref().unwrap().path().ends_with(member);
    let own = &found.endpoints;
    assert!(ends_in(&own.authorization, "authorization_endpoint"));
    assert!(ends_in(&own.end_session, "end_session_endpoint"));
    assert!(ends_in(&own.introspection, "introspection_endpoint"));
    assert!(ends_in(&own.pushed_authorization_request, "pushed_authorization_request_endpoint"));
    assert!(ends_in(&own.revocation, "revocation_endpoint"));
    assert!(ends_in(&own.token, "token_endpoint"));
    assert!(ends_in(&own.userinfo, "userinfo_endpoint"));
    assert!(found.requires_pushed_requests && found.iss_parameter && found.frontchannel_logout);
    assert!(found.backchannel_logout && found.backchannel_logout_session);
    assert_eq!(found.token_auth_methods.unwrap(), ["private_key_jwt"]);
    assert_eq!(found.response_modes.unwrap(), ["query", "form_post"]);
}

// Rows x003 and x004.
#[test]
fn no_address_may_be_strange() {
    for member in EVERY_ADDRESS {
        for uri in [
            "",
            "/relative",
            "//evil.example/",
            "data:text/html,x",
            "file:///etc/passwd",
            "ftp://login.example.com/",
            "http://login.example.com/",
            "http://127.0.0.1/",
            "https://login.example.com/#x",
            "https://user:secret@login.example.com/",
            "javascript:alert(1)",
        ] {
            let text = refusal(&metadata(&json!({ member: uri })));
            assert!(text.contains(member) && !text.contains("secret"), "{uri}: {text}");
        }
    }
}

// Row x005: what we connect to ourselves, in contrast to where a browser goes.
#[test]
fn only_browsers_may_be_sent_to_this_machine() {
    let elsewhere = "https://127.0.0.1/x";
    for member in EVERY_ADDRESS {
        let browser = matches!(member, "authorization_endpoint" | "end_session_endpoint");
        let document = metadata(&json!({ member: elsewhere }));
        assert_eq!(parse(document.as_bytes(), ISSUER).is_ok(), browser, "{member}");
    }
}

// Row x009.
#[test]
fn what_is_said_of_challenges_does_not_matter() {
    for methods in [json!(["plain"]), json!([]), json!("plain")] {
        let document = metadata(&json!({ "code_challenge_methods_supported": methods }));
        assert!(parse(document.as_bytes(), ISSUER).is_ok());
    }
}

// Row x010.
#[test]
fn optional_members_may_be_missing_or_null_but_not_of_another_type() {
    let found = parse(metadata(&json!({ "end_session_endpoint": null })).as_bytes(), ISSUER);
    assert_eq!(found.unwrap().endpoints.end_session, None);
    for changes in [
        json!({ "end_session_endpoint": 5 }),
        json!({ "require_pushed_authorization_requests": "true" }),
        json!({ "response_modes_supported": "query" }),
    ] {
        assert!(refusal(&metadata(&changes)).contains("expected"), "{changes}");
    }
}

#[test]
fn keys_alone_are_not_lost_to_a_strange_endpoint() {
    let document = metadata(&json!({ "end_session_endpoint": "" }));
    assert!(parse(document.as_bytes(), ISSUER).is_err());
    assert!(parse_keys(document.as_bytes(), ISSUER).is_ok());
    let document = metadata(&json!({ "jwks_uri": null }));
    let missing = parse_keys(document.as_bytes(), ISSUER).unwrap_err();
    assert!(matches!(missing, MetadataError::Missing("jwks_uri")));
}

#[test]
fn configured_addresses_replace_discovered_ones() {
    let url = |text: &str| Some(Url::parse(text).unwrap());
    let found = parse(metadata(&json!({})).as_bytes(), ISSUER).unwrap();
    let configured = Endpoints { token: url("https://a.example/token"), ..Endpoints::default() };
    let merged = found.merge(&configured);
    assert_eq!(merged.endpoints.token, configured.token);
    assert_eq!(merged.endpoints.jwks_uri, url("https://login.example.com/jwks"));
}
