use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const LIMIT: usize = 16 * 1024;

fn rules() -> Rules {
    Rules {
        issuer: "https://login.example".into(),
        audiences: vec!["web".into()],
        clients: None,
        client_claims: Vec::new(),
        algorithms: [Algorithm::Es256].into_iter().collect(),
        types: TypeRule::Any,
        leeway: Duration::ZERO,
    }
}

fn claims() -> Value {
    json!({ "iss": "https://login.example", "aud": "web", "sub": "ada", "exp": NOW.as_secs() + 60 })
}

fn set_of(keys: &[&SigningKey]) -> KeySet {
    let jwks: Vec<Value> = keys.iter().map(|key| key.public_jwk()).collect();
    KeySet::parse(json!({ "keys": jwks }).to_string().as_bytes()).unwrap().keys
}

/// A token with this header and payload, and a signature nobody made.
fn unsigned(header: &str, payload: &str) -> String {
    [header, payload, "signature"].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

fn parse_error(text: &str) -> TokenError {
    Jwt::parse(text, LIMIT).unwrap_err()
}

fn header_error(header: &str) -> TokenError {
    parse_error(&unsigned(header, "{}"))
}

#[test]
fn a_token_of_the_provider_is_accepted() {
    let key = SigningKey::generate().unwrap();
    let token = key.sign(&claims(), "JWT").unwrap();
    let jwt = Jwt::parse(&token, LIMIT).unwrap();
    assert_eq!(jwt.issuer(), Some("https://login.example"));
    assert_eq!(jwt.header().kid.as_deref(), Some(key.kid()));
    let verified = jwt.verify(&set_of(&[&key]), &rules(), NOW).unwrap();
    assert_eq!(verified.claims().text("sub"), Some("ada"));
    assert_eq!(verified.expires(), NOW + Duration::from_secs(60));
    assert_eq!(Value::from(verified.into_claims().as_map().clone()), claims());
}

#[test]
fn a_key_that_is_not_in_the_set_is_a_doubt() {
    let (ours, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let token = other.sign(&claims(), "JWT").unwrap();
    let error =
        Jwt::parse(&token, LIMIT).unwrap().verify(&set_of(&[&ours]), &rules(), NOW).unwrap_err();
    assert_eq!(error, TokenError::UnknownKey);
    assert!(error.is_key_doubt() && TokenError::BadSignature.is_key_doubt());
    assert!(!TokenError::Expired.is_key_doubt());
}

/// [CVE-2024-51744](https://github.com/advisories/GHSA-29wx-vh33-7x7r): which of two errors is told.
#[test]
fn a_bad_signature_wins_over_bad_claims() {
    let key = SigningKey::generate().unwrap();
    let mut expired = claims();
    expired["exp"] = json!(0);
    let token = key.sign(&expired, "JWT").unwrap();
    let verify = |text: &str| {
        Jwt::parse(text, LIMIT).unwrap().verify(&set_of(&[&key]), &rules(), NOW).unwrap_err()
    };
    assert_eq!(verify(&token), TokenError::Expired);
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(
        verify(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode([1; 64]))),
        TokenError::BadSignature
    );
}

#[test]
fn length_is_bounded_before_anything_is_read() {
    let token = unsigned(r#"{"alg":"RS256"}"#, "{}");
    assert!(Jwt::parse(&token, token.len()).is_ok());
    let limit = token.len() - 1;
    assert_eq!(
        Jwt::parse(&token, limit).unwrap_err(),
        TokenError::TooLong { found: token.len(), limit }
    );
}

#[test]
fn a_token_has_three_parts() {
    for text in ["", ".", "a", "a.b", "a.b.c.d", "a.b.c.d.e.f", "{}"] {
        assert_eq!(parse_error(text), TokenError::NotCompact, "{text}");
    }
    assert_eq!(parse_error("a.b.c.d.e"), TokenError::Encrypted);
    assert_eq!(parse_error(".."), TokenError::BadJson { part: Part::Header });
}

/// [CVE-2025-30204](https://github.com/advisories/GHSA-mh63-6h87-95cp) and its kin: dots cost memory.
#[test]
fn many_dots_are_no_token() {
    assert_eq!(Jwt::parse(&".".repeat(65_536), usize::MAX).unwrap_err(), TokenError::NotCompact);
}

#[test]
fn an_encoding_that_is_not_canonical_is_refused() {
    let token = unsigned(r#"{"alg":"RS256"}"#, "{}");
    let [header, payload, signature] = split(&token).unwrap();
    let broken = |text: String, part| {
        assert_eq!(parse_error(&text), TokenError::BadEncoding { part }, "{text}")
    };
    broken(format!("{header}=.{payload}.{signature}"), Part::Header);
    broken(format!("{header}.{payload}=.{signature}"), Part::Payload);
    broken(format!("{header}.e31.{signature}"), Part::Payload);
    broken(format!("{header}.{payload}.{signature}="), Part::Signature);
    broken(format!("{header}.{payload}.{signature} "), Part::Signature);
    broken(format!("{header}.{payload}.ab+/"), Part::Signature);
    broken(format!(" {header}.{payload}.{signature}"), Part::Header);
    broken(format!("{header}.{payload}.AB"), Part::Signature);
}

#[test]
fn header_and_payload_are_objects_with_distinct_names() {
    for text in ["", "[]", "null", r#"{"alg":"RS256","alg":"RS256"}"#, r#"{"alg":"RS256"}{}"#] {
        assert_eq!(header_error(text), TokenError::BadJson { part: Part::Header }, "{text}");
    }
    for text in
        ["", "[]", "text", r#"{"sub":"a","sub":"b"}"#, r#"{"x":1,"x":1}"#, r#"{"a":{"b":1,"b":2}}"#]
    {
        let error = parse_error(&unsigned(r#"{"alg":"RS256"}"#, text));
        assert_eq!(error, TokenError::BadJson { part: Part::Payload }, "{text}");
    }
}

#[test]
fn extensions_are_refused_whatever_they_say() {
    for value in ["null", "[]", r#"["exp"]"#, r#"["b64"]"#, "1"] {
        let error = header_error(&format!(r#"{{"alg":"RS256","crit":{value}}}"#));
        assert_eq!(error, TokenError::CriticalHeader, "{value}");
    }
    let with = |member: &str| header_error(&format!(r#"{{"alg":"RS256",{member}}}"#));
    assert_eq!(with(r#""b64":true"#), TokenError::UnsupportedHeader { name: "b64" });
    assert_eq!(with(r#""zip":"DEF""#), TokenError::UnsupportedHeader { name: "zip" });
    assert_eq!(with(r#""enc":"A256GCM""#), TokenError::Encrypted);
}

#[test]
fn an_algorithm_is_named_exactly() {
    assert_eq!(header_error("{}"), TokenError::MissingAlgorithm);
    for name in ["none", "None", "nOnE", "HS256", "rs256", "", "RS257", "ES256K", "RSA-OAEP"] {
        let error = header_error(&json!({ "alg": name }).to_string());
        assert_eq!(error, TokenError::UnsupportedAlgorithm, "{name}");
    }
    for value in ["null", "[\"RS256\"]", "256"] {
        assert_eq!(header_error(&format!(r#"{{"alg":{value}}}"#)).label(), "token_bad_header");
    }
}

#[test]
fn key_id_and_type_are_short_strings() {
    let header = |name: &str, value: Value| json!({ "alg": "RS256", name: value }).to_string();
    for (name, limit) in [("kid", 256), ("typ", 128)] {
        let longest = unsigned(&header(name, json!("x".repeat(limit))), "{}");
        assert!(Jwt::parse(&longest, LIMIT).is_ok());
        for bad in [json!("x".repeat(limit + 1)), json!(7), json!(null), json!(["a"])] {
            assert_eq!(header_error(&header(name, bad)).label(), "token_bad_header");
        }
    }
}

#[test]
fn debug_text_shows_no_claim_and_no_signature() {
    let token = unsigned(r#"{"alg":"RS256"}"#, r#"{"sub":"ada"}"#);
    let text = format!("{:?}", Jwt::parse(&token, LIMIT).unwrap());
    assert_eq!(text, "Jwt { header: Header { algorithm: Rs256, kid: None, typ: None }, .. }");
}

#[test]
fn labels_are_stable_words() {
    for error in [
        TokenError::BadSignature,
        TokenError::WrongClient,
        TokenError::TooLong { found: 2, limit: 1 },
    ] {
        assert!(error.label().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        assert!(error.label().starts_with("token_"));
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,300}") {
        drop(Jwt::parse(&text, LIMIT));
    }

    #[test]
    fn no_three_parts_panic(header in "[ -~]{0,80}", payload in "[ -~é]{0,80}") {
        drop(Jwt::parse(&unsigned(&header, &payload), LIMIT));
    }

    #[test]
    fn no_claims_panic(exp in any::<f64>(), nbf in any::<i64>(), aud in prop::collection::vec(any::<String>(), 0..4), sub in any::<String>()) {
        let claims = json!({ "iss": "https://login.example", "aud": aud, "sub": sub, "exp": exp, "nbf": nbf });
        let claims = Claims::from(claims.as_object().unwrap().clone());
        drop(rules().check_claims(&claims, NOW));
    }

    #[test]
    fn no_change_of_one_character_is_accepted(at in 0_usize..1000, letter in "[A-Za-z0-9_.-]") {
        let key = SigningKey::generate().unwrap();
        let token = key.sign(&claims(), "JWT").unwrap();
        let at = at % token.len();
        prop_assume!(token[at..=at] != letter);
        let changed = [&token[..at], &letter, &token[at + 1..]].concat();
        let verdict = Jwt::parse(&changed, LIMIT).and_then(|jwt| jwt.verify(&set_of(&[&key]), &rules(), NOW));
        prop_assert!(verdict.is_err());
    }
}
