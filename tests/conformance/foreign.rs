//! Tokens and keys that another library wrote, so that a misreading of ours cannot agree with itself.

use serde::Deserialize;
use serde_json::Value;
use sidegate::base::time::Timestamp;
use sidegate::token::{Algorithm, Jwt, KeySet, Rules, TokenError, TypeRule};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Deserialize)]
struct Foreign {
    now: u64,
    set: Value,
    tokens: BTreeMap<String, String>,
}

fn foreign() -> Foreign {
    serde_json::from_str(include_str!("vectors/foreign.json")).unwrap()
}

fn rules(algorithms: &[Algorithm]) -> Rules {
    Rules {
        issuer: "https://login.example".into(),
        audiences: vec!["web".into()],
        clients: None,
        client_claims: Vec::new(),
        algorithms: algorithms.iter().copied().collect(),
        types: TypeRule::Any,
        leeway: Duration::ZERO,
    }
}

fn key_set(set: &Value) -> KeySet {
    let parsed = KeySet::parse(set.to_string().as_bytes()).unwrap();
    assert_eq!(parsed.skipped, []);
    parsed.keys
}

#[test]
fn every_algorithm_of_another_library_is_accepted() {
    let Foreign { now, set, tokens } = foreign();
    let keys = key_set(&set);
    for algorithm in Algorithm::ALL {
        let jwt = Jwt::parse(&tokens[algorithm.name()], 4096).unwrap();
        let verified = jwt.verify(&keys, &rules(&[algorithm]), Timestamp::from_secs(now)).unwrap();
        assert_eq!(verified.claims().text("email"), Some("ada@example.com"));
        assert_eq!(verified.claims().get("groups").unwrap()[1], "café");
    }
}

#[test]
fn none_of_them_is_accepted_by_another_signature_or_pin() {
    let Foreign { now, set, tokens } = foreign();
    let keys = key_set(&set);
    for algorithm in Algorithm::ALL {
        let others: Vec<_> =
            Algorithm::ALL.into_iter().filter(|other| *other != algorithm).collect();
        let verify = |text: &str, algorithms: &[Algorithm]| {
            Jwt::parse(text, 4096)
                .unwrap()
                .verify(&keys, &rules(algorithms), Timestamp::from_secs(now))
                .unwrap_err()
        };
        let token = &tokens[algorithm.name()];
        assert_eq!(verify(token, &others), TokenError::AlgorithmNotAllowed { found: algorithm });
        for other in others {
            let (signed, _) = token.rsplit_once('.').unwrap();
            let (_, signature) = tokens[other.name()].rsplit_once('.').unwrap();
            assert_eq!(
                verify(&format!("{signed}.{signature}"), &Algorithm::ALL),
                TokenError::BadSignature
            );
        }
    }
}
