use super::*;
use serde_json::json;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn rules() -> Rules {
    Rules {
        issuer: "https://login.example".into(),
        audiences: vec!["web".into()],
        clients: None,
        algorithms: [Algorithm::Es256].into_iter().collect(),
        types: TypeRule::Any,
        leeway: Duration::from_secs(30),
    }
}

#[test]
fn a_token_of_the_provider_is_accepted() {
    let key = SigningKey::generate().unwrap();
    let set = json!({ "keys": [key.public_jwk()] }).to_string();
    let keys = KeySet::parse(set.as_bytes()).unwrap().keys;
    let claims = json!({ "iss": "https://login.example", "aud": "web", "sub": "ada", "exp": NOW.as_secs() + 60 });
    let token = key.sign(&claims, "JWT").unwrap();
    let verified = Jwt::parse(&token, 4096).unwrap().verify(&keys, &rules(), NOW).unwrap();
    assert_eq!(verified.claims().text("sub"), Some("ada"));
    assert_eq!(verified.expires(), NOW + Duration::from_secs(60));
}
