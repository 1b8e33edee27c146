use super::*;
use crate::oidc::fixture::{CLIENT, ISSUER, NOW, chain, es256, set_of, with};
use crate::token::{Algorithm, SigningKey};
use serde_json::{Value, json};

fn claims(changes: Value) -> Value {
    let base = json!({
        "iss": ISSUER, "aud": CLIENT, "sub": "ada", "sid": "s1", "jti": "j1",
        "iat": NOW.as_secs(), "exp": NOW.as_secs() + 120, "events": { EVENT: {} },
    });
    with(base, changes)
}

fn demands() -> LogoutRules {
    LogoutRules::new(ISSUER, CLIENT, es256(), Duration::from_secs(60))
}

fn judge_as(typ: &str, changes: Value, demands: &LogoutRules) -> Result<LogoutToken, LogoutError> {
    let key = SigningKey::generate().unwrap();
    let token = key.sign(&claims(changes), typ).unwrap();
    verify(&token, &set_of(&key), demands, NOW)
}

fn judge(changes: Value) -> Result<LogoutToken, LogoutError> {
    judge_as("logout+jwt", changes, &demands())
}

#[test]
fn a_good_token_tells_whose_sessions_end() {
    let token = judge(json!({})).unwrap();
    assert_eq!((token.subject.as_deref(), token.sid.as_deref()), (Some("ada"), Some("s1")));
    assert_eq!((token.issuer.as_str(), token.jti.as_str()), (ISSUER, "j1"));
    assert_eq!((token.issued, token.expires), (NOW, Some(NOW + Duration::from_secs(120))));
}

// Rows x061 to x066 as far as the token goes, x069, and the back-channel modules.
#[test]
fn every_bad_token_is_refused() {
    for (changes, reason) in [
        (json!({ "iss": format!("{ISSUER}INVALID") }), "somebody else"),
        (json!({ "aud": format!("{CLIENT}INVALID") }), "another audience"),
        (json!({ "aud": [CLIENT, "other"] }), "not trusted"),
        (json!({ "aud": null }), "`aud` is missing"),
        (json!({ "exp": NOW.as_secs() - 60 }), "expired"),
        (json!({ "exp": null }), "`exp` is missing"),
        (json!({ "iat": null }), "`iat` is missing"),
        (json!({ "iat": NOW.as_secs() - 86_400 }), "was issued 86400 s ago"),
        (json!({ "iat": NOW.as_secs() - 361 }), "was issued 361 s ago"),
        (json!({ "iat": NOW.as_secs() + 61 }), "in the future"),
        (json!({ "jti": null }), "`jti` is missing"),
        (json!({ "jti": "" }), "`jti` is empty"),
        (json!({ "jti": "x".repeat(1025) }), "too long"),
        (json!({ "jti": 7 }), "`jti` is not a string"),
        (json!({ "sub": null, "sid": null }), "neither"),
        (json!({ "sub": "" }), "`sub`"),
        (json!({ "sid": "" }), "`sid`"),
        (json!({ "nonce": "n" }), "`nonce`"),
        (json!({ "nonce": "" }), "`nonce`"),
        (json!({ "events": null }), "`events` is missing"),
        (json!({ "events": {} }), "`events`"),
        (json!({ "events": { "http://schemas.openid.net/event/other": {} } }), "`events`"),
        (json!({ "events": { EVENT: true } }), "`events`"),
        (json!({ "events": [EVENT] }), "`events`"),
        (json!({ "events": EVENT }), "`events`"),
    ] {
        let Err(error) = judge(changes.clone()) else { panic!("accepted with {changes}") };
        let text = chain(&error);
        assert!(text.contains(reason), "{changes}: {text}");
    }
}

#[test]
fn null_is_not_the_absence_of_a_nonce() {
    let key = SigningKey::generate().unwrap();
    let mut claims = claims(json!({}));
    claims["nonce"] = Value::Null;
    let token = key.sign(&claims, "logout+jwt").unwrap();
    let error = verify(&token, &set_of(&key), &demands(), NOW).unwrap_err();
    assert_eq!(error, LogoutError::HasNonce);
}

#[test]
fn one_of_subject_and_session_is_enough() {
    assert_eq!(judge(json!({ "sid": null })).unwrap().sid, None);
    assert_eq!(judge(json!({ "sub": null })).unwrap().subject, None);
    assert!(judge(json!({ "iat": NOW.as_secs() - 360 })).is_ok());
    assert!(judge(json!({ "events": { EVENT: {}, "urn:other": {} } })).is_ok());
}

// Row x067.
#[test]
fn the_type_is_recommended_unless_it_is_demanded() {
    for (typ, lax, strict) in [
        ("logout+jwt", true, true),
        ("application/logout+jwt", true, true),
        ("JWT", true, false),
        ("at+jwt", false, false),
        ("dpop+jwt", false, false),
    ] {
        assert_eq!(judge_as(typ, json!({}), &demands()).is_ok(), lax, "{typ}");
        let strictly = demands().strictly_typed();
        assert_eq!(judge_as(typ, json!({}), &strictly).is_ok(), strict, "{typ}");
    }
}

// Row x062, for providers of an early version of the standard.
#[test]
fn the_end_may_be_missing_only_by_configuration() {
    let optional = LogoutRules { expiry: ExpiryRule::Optional, ..demands() };
    let verdict = judge_as("JWT", json!({ "exp": null }), &optional);
    assert_eq!(verdict.unwrap().expires, None);
    let expired = json!({ "exp": NOW.as_secs() - 60 });
    assert!(judge_as("JWT", expired, &optional).is_err());
}

// The modules on the algorithm, and row x070: what may cause a look at newer keys.
#[test]
fn the_signature_is_of_a_key_of_the_provider_and_a_pinned_algorithm() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let token = key.sign(&claims(json!({})), "JWT").unwrap();
    let unknown = verify(&token, &set_of(&other), &demands(), NOW).unwrap_err();
    assert!(unknown.key_doubt());
    let mut pinned = demands();
    pinned.rules.algorithms = [Algorithm::Rs256].into_iter().collect();
    let error = verify(&token, &set_of(&key), &pinned, NOW).unwrap_err();
    assert!(!error.key_doubt() && chain(&error).contains("signed with ES256"));
    let unsigned = format!("eyJhbGciOiJub25lIn0{}", &token[token.find('.').unwrap()..]);
    let error = verify(&unsigned, &set_of(&key), &demands(), NOW).unwrap_err();
    assert_eq!(error, LogoutError::Token(TokenError::UnsupportedAlgorithm));
}

// Row x068.
#[test]
fn the_body_is_a_form_with_one_token() {
    let token = parse_body(b"logout_token=a.b.c&state=x").unwrap();
    assert_eq!(token.expose(), "a.b.c");
    for body in ["", "logout_token=", "token=a", "{\"logout_token\":\"a\"}"] {
        let missing = LogoutError::Missing("logout_token");
        assert_eq!(parse_body(body.as_bytes()).unwrap_err(), missing, "{body}");
    }
    assert_eq!(
        parse_body(b"logout_token=a&logout_token=b").unwrap_err(),
        LogoutError::Parameters(ParameterError::Duplicate)
    );
    let large = format!("logout_token={}", "x".repeat(1 << 20));
    assert_eq!(
        parse_body(large.as_bytes()).unwrap_err(),
        LogoutError::Parameters(ParameterError::TooLarge)
    );
    assert!(parse_body(b"logout_token=\xff").is_err());
}

#[test]
fn a_front_channel_request_names_a_whole_session_or_none() {
    assert_eq!(parse_front_channel("").unwrap(), FrontChannelLogout::Browser);
    assert_eq!(parse_front_channel("x=1").unwrap(), FrontChannelLogout::Browser);
    let found = parse_front_channel("iss=https%3A%2F%2Flogin.example.com&sid=s1").unwrap();
    let (issuer, sid) = (ISSUER.to_owned(), "s1".to_owned());
    assert_eq!(found, FrontChannelLogout::Session { issuer, sid });
    for query in ["iss=x", "sid=x", "iss=x&sid=", "iss=&sid=x"] {
        assert_eq!(parse_front_channel(query), Err(LogoutError::HalfSession), "{query}");
    }
    for query in ["iss=x&sid=a&sid=b", "iss=x&iss=y&sid=a"] {
        let duplicate = LogoutError::Parameters(ParameterError::Duplicate);
        assert_eq!(parse_front_channel(query), Err(duplicate), "{query}");
    }
    let long = format!("iss=x&sid={}", "s".repeat(1025));
    assert_eq!(parse_front_channel(&long), Err(LogoutError::BadValue("sid")));
    assert_eq!(parse_front_channel("iss=%0D&sid=s"), Err(LogoutError::BadValue("iss")));
}

#[test]
fn the_browser_is_sent_to_sign_out_with_what_the_provider_needs() {
    let endpoint = Url::parse("https://login.example.com/end?p=1").unwrap();
    let hint = Secret::new("a.b.c".to_owned());
    let extra = [("client_id", "evil"), ("federated", "")];
    let extra = extra.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let full = LogoutRequest {
        id_token_hint: Some(&hint),
        client_id: CLIENT,
        post_logout_redirect_uri: Some("https://app.example.com/.auth/bye"),
        state: Some("s"),
        extra: &extra,
    };
    assert_eq!(
        sign_out_url(LogoutStyle::Standard, ISSUER, Some(&endpoint), &full).unwrap(),
        "https://login.example.com/end?p=1&id_token_hint=a.b.c&client_id=edge&post_logout_redirect_uri=https%3A%2F%2Fapp.example.com%2F.auth%2Fbye&state=s&federated="
    );
    assert!(!format!("{full:?}").contains("a.b.c"));
    let bare = LogoutRequest {
        id_token_hint: None,
        post_logout_redirect_uri: None,
        state: None,
        extra: &[],
        ..full
    };
    assert_eq!(
        sign_out_url(LogoutStyle::Standard, ISSUER, Some(&endpoint), &bare).unwrap(),
        "https://login.example.com/end?p=1&client_id=edge"
    );
}

/// Layers two and three of its sign-out: its own session, and that of the identity provider behind it.
#[test]
fn auth0_without_an_endpoint_of_the_standard_has_one_of_its_own() {
    let issuer = "https://tenant.eu.auth0.com/";
    let extra = [("federated".to_owned(), String::new())];
    let request = LogoutRequest {
        id_token_hint: None,
        client_id: "APP1",
        post_logout_redirect_uri: Some("https://app1.example.com/bye"),
        state: Some("s"),
        extra: &extra,
    };
    let own = "https://tenant.eu.auth0.com/v2/logout?client_id=APP1&returnTo=https%3A%2F%2Fapp1.example.com%2Fbye&federated";
    assert_eq!(sign_out_url(LogoutStyle::Auth0, issuer, None, &request).as_deref(), Some(own));
    let named = Url::parse("https://login.example.com/v2/logout").unwrap();
    let url = sign_out_url(LogoutStyle::Auth0, issuer, Some(&named), &request).unwrap();
    assert!(
        url.starts_with("https://login.example.com/v2/logout?client_id=APP1&returnTo="),
        "{url}"
    );
    let standard = Url::parse("https://tenant.eu.auth0.com/oidc/logout").unwrap();
    let url = sign_out_url(LogoutStyle::Auth0, issuer, Some(&standard), &request).unwrap();
    assert!(url.contains("/oidc/logout?client_id=APP1&post_logout_redirect_uri="), "{url}");
    assert_eq!(sign_out_url(LogoutStyle::Standard, issuer, None, &request), None);
}
