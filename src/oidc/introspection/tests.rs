use super::*;
use crate::oidc::fixture::{ISSUER, NOW, json_answer, with};
use serde_json::json;

// Transcript G7.
fn good(changes: Value) -> String {
    let base = json!({
        "active": true, "scope": "openid profile", "username": "alice@acme.test",
        "exp": NOW.as_secs() + 3600, "iat": NOW.as_secs(), "sub": "alice@acme.test",
        "aud": "https://api.example.com", "iss": ISSUER, "jti": "AT.abc", "token_type": "Bearer",
        "client_id": "0oaFIRST", "uid": "00uALICE",
    });
    with(base, changes).to_string()
}

fn checks() -> Checks {
    Checks {
        issuer: ISSUER.to_owned(),
        audiences: Some(vec!["https://api.example.com".to_owned()]),
        leeway: Duration::from_secs(30),
    }
}

fn judge(changes: Value) -> Result<Introspected, IntrospectionError> {
    parse(&json_answer(200, &good(changes)), &checks(), NOW)
}

#[test]
fn an_active_token_brings_its_claims() {
    let Introspected::Active(claims) = judge(json!({})).unwrap() else { panic!("inactive") };
    assert_eq!(claims.text("uid"), Some("00uALICE"));
    assert_eq!(
        parse(&json_answer(200, r#"{"active":false}"#), &checks(), NOW),
        Ok(Introspected::Inactive)
    );
}

// Row x077.
#[test]
fn only_the_boolean_true_is_a_yes() {
    for active in [json!("true"), json!(1), json!([true]), json!({})] {
        assert!(judge(json!({ "active": active })).is_err(), "{active}");
    }
    assert!(judge(json!({ "active": null })).is_err());
    assert!(parse(&json_answer(200, r#"{"active":null}"#), &checks(), NOW).is_err());
    let doubled = r#"{"active":false,"active":true}"#;
    assert!(parse(&json_answer(200, doubled), &checks(), NOW).is_err());
    let html = Answer { content_type: Some("text/html"), ..json_answer(200, "<html>") };
    assert!(parse(&html, &checks(), NOW).is_err());
}

// Row x077.
#[test]
fn what_else_is_said_must_hold() {
    for (changes, error) in [
        (json!({ "iss": "https://evil.example" }), TokenError::WrongIssuer),
        (json!({ "aud": "https://other.example" }), TokenError::WrongAudience),
        (json!({ "aud": ["a", 5] }), TokenError::WrongAudience),
        (json!({ "aud": null }), TokenError::MissingClaim { name: "aud" }),
        (json!({ "nbf": NOW.as_secs() + 31 }), TokenError::NotYetValid),
        (json!({ "iat": NOW.as_secs() + 31 }), TokenError::IssuedInFuture),
    ] {
        assert_eq!(judge(changes.clone()), Err(error.into()), "{changes}");
    }
    assert!(judge(json!({ "exp": "soon" })).is_err());
    for changes in [
        json!({ "iss": null }),
        json!({ "aud": ["x", "https://api.example.com"] }),
        json!({ "exp": null, "iat": null }),
        json!({ "nbf": NOW.as_secs() + 30 }),
        json!({ "exp": NOW.as_secs() - 29 }),
    ] {
        assert!(matches!(judge(changes.clone()), Ok(Introspected::Active(_))), "{changes}");
    }
    let anybody = Checks { audiences: None, ..checks() };
    let body = good(json!({ "aud": null }));
    assert!(parse(&json_answer(200, &body), &anybody, NOW).is_ok());
}

#[test]
fn expired_and_other_tokens_are_inactive() {
    for changes in [
        json!({ "exp": NOW.as_secs() - 30 }),
        json!({ "token_type": "refresh_token" }),
        json!({ "token_type": "N_A" }),
        json!({ "token_type": 5 }),
        json!({ "typ": "Refresh" }),
        json!({ "typ": "ID" }),
        json!({ "typ": "Offline" }),
    ] {
        assert_eq!(judge(changes.clone()), Ok(Introspected::Inactive), "{changes}");
    }
    for changes in
        [json!({ "typ": "Bearer" }), json!({ "token_type": "DPoP" }), json!({ "token_type": null })]
    {
        assert!(matches!(judge(changes), Ok(Introspected::Active(_))));
    }
}

#[test]
fn our_own_credentials_being_wrong_says_nothing_of_the_token() {
    for (status, body) in
        [(401, r#"{"error":"invalid_client"}"#), (401, ""), (403, "{}"), (500, "")]
    {
        let verdict = parse(&json_answer(status, body), &checks(), NOW);
        assert!(matches!(verdict, Err(IntrospectionError::Answer(_))), "{status}");
    }
    // Even if the body claims otherwise.
    let verdict = parse(&json_answer(401, r#"{"active":false}"#), &checks(), NOW);
    assert!(matches!(verdict, Err(IntrospectionError::Answer(_))));
}

#[test]
fn the_form_asks_about_an_access_token() {
    let body = form(&Secret::new("a/b".to_owned())).encode();
    assert_eq!(body.expose(), "token=a%2Fb&token_type_hint=access_token");
}
