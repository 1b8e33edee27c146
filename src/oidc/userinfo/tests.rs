use super::*;
use crate::oidc::fixture::{CLIENT, ISSUER, NOW, es256, json_answer, set_of};
use crate::oidc::id_token;
use crate::token::SigningKey;
use serde_json::json;
use std::time::Duration;

fn judge(answer: &Answer<'_>, key: &SigningKey) -> Result<UserInfo, UserInfoError> {
    let rules = id_token::rules(ISSUER, CLIENT, es256(), Duration::from_secs(60));
    parse(answer, "ada", &set_of(key), &rules, NOW)
}

fn plain(status: u16, body: &str) -> Result<UserInfo, UserInfoError> {
    judge(&json_answer(status, body), &SigningKey::generate().unwrap())
}

fn id_claims() -> Claims {
    let claims =
        json!({ "sub": "ada", "iss": ISSUER, "email": "old@example.com", "acr": "bronze" });
    Claims::from(claims.as_object().unwrap().clone())
}

#[test]
fn claims_about_the_subject_join_those_of_the_id_token() {
    let body = r#"{"sub":"ada","email":"new@example.com","groups":["a"]}"#;
    let merged = plain(200, body).unwrap().merge(&id_claims());
    assert_eq!(merged.text("email"), Some("new@example.com"));
    assert_eq!(merged.get("groups"), Some(&json!(["a"])));
    assert_eq!((merged.text("sub"), merged.text("acr")), (Some("ada"), Some("bronze")));
}

#[test]
fn what_an_id_token_alone_can_say_is_neither_changed_nor_added() {
    let mut body = json!({ "sub": "ada" });
    // Written out here too: a name that goes from the list must be missed.
    for name in [
        "_claim_names",
        "_claim_sources",
        "acr",
        "act",
        "amr",
        "at_hash",
        "aud",
        "auth_time",
        "azp",
        "c_hash",
        "client_id",
        "cnf",
        "exp",
        "iat",
        "iss",
        "jti",
        "nbf",
        "nonce",
        "sid",
    ] {
        body[name] = json!("evil");
    }
    let merged = plain(200, &body.to_string()).unwrap().merge(&id_claims());
    assert_eq!(merged, id_claims());
}

// Row x076 and the module on the subject.
#[test]
fn user_info_of_another_or_nobody_is_refused() {
    for (body, error) in [
        (r#"{"sub":"adainvalid"}"#, UserInfoError::WrongSubject),
        (r#"{"sub":"Ada"}"#, UserInfoError::WrongSubject),
        (r#"{"sub":["ada"]}"#, UserInfoError::WrongSubject),
        (r#"{"sub":null}"#, UserInfoError::MissingSubject),
        (r#"{"email":"ada@example.com"}"#, UserInfoError::MissingSubject),
    ] {
        assert_eq!(plain(200, body).unwrap_err(), error, "{body}");
    }
}

// Row x075.
#[test]
fn what_is_no_object_is_no_claims() {
    for (status, body) in [
        (200, r#"[{"sub":"ada"}]"#),
        (200, "<html>"),
        (200, ""),
        (200, r#"{"sub":"ada","sub":"ada"}"#),
        (401, r#"{"sub":"ada"}"#),
        (403, r#"{"sub":"ada"}"#),
        (500, ""),
        (204, r#"{"sub":"ada"}"#),
    ] {
        assert!(matches!(plain(status, body), Err(UserInfoError::Answer(_))), "{status} {body}");
    }
    let html = Answer { content_type: Some("text/html"), ..json_answer(200, r#"{"sub":"ada"}"#) };
    assert!(judge(&html, &SigningKey::generate().unwrap()).is_err());
}

// Aggregated and distributed claims: nothing is fetched, nothing of them is kept.
#[test]
fn claims_from_elsewhere_are_dropped() {
    let body = r#"{"sub":"ada","_claim_names":{"x":"s"},"_claim_sources":{"s":{"endpoint":"http://169.254.169.254/"}}}"#;
    let merged = plain(200, body).unwrap().merge(&id_claims());
    assert!(merged.get("_claim_sources").is_none() && merged.get("_claim_names").is_none());
}

fn signed(key: &SigningKey, claims: &Value) -> String {
    key.sign(claims, "JWT").unwrap()
}

fn jwt_answer(body: &str) -> Answer<'_> {
    Answer { content_type: Some("application/jwt"), ..json_answer(200, body) }
}

// Row x075 and the module on signed user info.
#[test]
fn signed_user_info_is_verified() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let good = json!({ "iss": ISSUER, "aud": CLIENT, "sub": "ada", "email": "a@example.com" });
    let body = signed(&key, &good);
    let info = judge(&jwt_answer(&body), &key).unwrap();
    assert_eq!(info.merge(&id_claims()).text("email"), Some("a@example.com"));
    assert!(judge(&jwt_answer(&body), &other).unwrap_err().key_doubt());
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("other")),
        ("sub", json!("eve")),
        ("exp", json!(NOW.as_secs() - 60)),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        assert!(judge(&jwt_answer(&signed(&key, &claims)), &key).is_err(), "{name}");
    }
    // The media type says how to read it: a token called JSON is none.
    assert!(judge(&json_answer(200, &body), &key).is_err());
}
