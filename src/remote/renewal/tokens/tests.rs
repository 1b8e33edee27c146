use serde_json::{Value, json};

use super::*;
use crate::base::secret::Secret;
use crate::identity::ClaimPath;
use crate::oidc::grant::TokenType;
use crate::remote::renewal::tests;
use crate::session::Renewal;
use crate::token::{Algorithm, AlgorithmSet, SigningKey};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn rules() -> RefreshRules {
    let algorithms: AlgorithmSet = [Algorithm::Es256].into_iter().collect();
    let issuer = &tests::session().issuer;
    RefreshRules {
        id_token: id_token::rules(issuer, "app", algorithms, Duration::ZERO),
        max_iat_age: Duration::from_secs(3600),
        keep: Keep { paths: vec![ClaimPath::Name("role".to_owned())], values: Vec::new() },
        schedule: Schedule::default(),
    }
}

fn response(id_token: Option<String>) -> TokenResponse {
    TokenResponse {
        access_token: Secret::new("a1".to_owned()),
        token_type: TokenType::Bearer,
        expires_in: Some(Duration::from_secs(300)),
        refresh_token: Some(Secret::new("r1".to_owned())),
        id_token: id_token.map(Secret::new),
        scope: None,
    }
}

/// What the answer with an ID token of these claims makes of the session.
fn read(changes: &[(&str, Value)]) -> Result<Refreshed, IdTokenError> {
    let key = SigningKey::generate().unwrap();
    let session = tests::session();
    let mut claims = json!({
        "iss": session.issuer, "sub": session.subject, "aud": "app", "role": "second", "other": "dropped",
        "iat": NOW.as_secs(), "exp": NOW.as_secs() + 300,
    });
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    let id_token = key.sign(&claims, "JWT").unwrap();
    rules().read(&session, &response(Some(id_token)), &set_of(&key), NOW)
}

fn set_of(key: &SigningKey) -> KeySet {
    let set = json!({ "keys": [key.public_jwk()] }).to_string();
    KeySet::parse(set.as_bytes()).unwrap().keys
}

#[test]
fn an_id_token_of_the_same_person_brings_its_claims() {
    let refreshed = read(&[]).unwrap();
    let claims = refreshed.claims.unwrap();
    assert_eq!((claims.text("role"), claims.text("other")), (Some("second"), None));
    assert_eq!(refreshed.tokens.refresh.unwrap().expose(), "r1");
    assert!(refreshed.tokens.id.is_some());
    assert_eq!(
        refreshed.renewal,
        Some(Renewal { due: NOW + Duration::from_secs(240), by: NOW + Duration::from_secs(300) })
    );
}

/// [OpenID Connect Core §12.2](https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse).
#[test]
fn an_id_token_of_anybody_else_is_refused() {
    for (name, value) in [
        ("sub", json!("eve")),
        ("iss", json!("https://evil.example")),
        ("aud", json!("other")),
        ("exp", json!(NOW.as_secs() - 1)),
        ("iat", json!(NOW.as_secs() - 7200)),
    ] {
        let error = read(&[(name, value)]).unwrap_err();
        assert!(!error.key_doubt(), "{name}: {error}");
    }
}

#[test]
fn without_an_id_token_the_claims_stay() {
    let keys = set_of(&SigningKey::generate().unwrap());
    let refreshed = rules().read(&tests::session(), &response(None), &keys, NOW).unwrap();
    assert!(refreshed.claims.is_none() && refreshed.tokens.id.is_none());
    assert_eq!(refreshed.tokens.access.unwrap().expose(), "a1");
}

/// Newer keys may do; until they are had, the new refresh token must not be lost.
#[test]
fn an_id_token_of_an_unknown_key_is_a_doubt_about_keys() {
    let (ours, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let session = tests::session();
    let claims = json!({ "iss": session.issuer, "sub": "ada", "aud": "app", "iat": 1, "exp": 2 });
    let response = response(Some(other.sign(&claims, "JWT").unwrap()));
    let error = rules().read(&session, &response, &set_of(&ours), NOW).unwrap_err();
    assert!(error.key_doubt(), "{error}");
    let refreshed = rules().unidentified(&response, NOW);
    assert_eq!(refreshed.tokens.refresh.unwrap().expose(), "r1");
    assert!(refreshed.claims.is_none() && refreshed.tokens.id.is_none());
}
