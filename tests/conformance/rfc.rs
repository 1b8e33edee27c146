//! Examples of the RFCs that a gate must refuse, and the key set of RFC 7517.
//!
//! The signed examples are tested beside the verification: most of them are no JSON Web Tokens.

use crate::support::{NOW, rules};
use serde_json::Value;
use sidegate::base::time::Timestamp;
use sidegate::token::{Algorithm, Jwt, KeyKind, KeySet, Rules, TokenError};
use std::collections::BTreeMap;

#[test]
fn examples_that_are_not_signed_for_us_are_refused() {
    let examples: BTreeMap<String, String> =
        serde_json::from_str(include_str!("vectors/rfc_refused.json")).unwrap();
    let expected = BTreeMap::from([
        ("HMAC (RFC 7515 A.1)", "token_unsupported_algorithm"),
        ("JSON serialisation (RFC 7515 A.6)", "token_not_compact"),
        ("critical header (RFC 7515 E)", "token_critical_header"),
        ("encrypted (RFC 7516 A.1)", "token_encrypted"),
        ("flattened JSON serialisation (RFC 7515 A.7)", "token_not_compact"),
        ("unsecured (RFC 7515 A.5)", "token_unsupported_algorithm"),
    ]);
    let found = examples
        .iter()
        .map(|(name, text)| (name.as_str(), Jwt::parse(text, 4096).unwrap_err().label()));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
}

/// [RFC 7517 §A.1](https://www.rfc-editor.org/rfc/rfc7517#appendix-A.1): a key for encryption and one for RS256.
#[test]
fn the_key_set_of_rfc_7517_has_one_key_for_us() {
    let example: Value = serde_json::from_str(include_str!("vectors/rfc_set.json")).unwrap();
    let parsed = KeySet::parse(example["set"].to_string().as_bytes()).unwrap();
    let key = parsed.keys.iter().next().unwrap();
    assert_eq!((key.kid(), key.kind()), (Some("2011-04-29"), KeyKind::Rsa));
    assert_eq!(key.algorithms(), [Algorithm::Rs256].into_iter().collect());
    assert_eq!((parsed.keys.len(), parsed.skipped.len()), (1, 1));
    assert_eq!(
        (parsed.skipped[0].kid.as_deref(), parsed.skipped[0].why),
        (Some("1"), "its use is not `sig`")
    );
}

/// [RFC 7515 §A.2](https://www.rfc-editor.org/rfc/rfc7515#appendix-A.2) and §A.3: the signature holds, and
/// then the missing subject and audience are found.
#[test]
fn a_signed_example_gets_as_far_as_its_claims() {
    let examples: Vec<Value> =
        serde_json::from_str(include_str!("vectors/rfc_signed.json")).unwrap();
    let judge = |example: &Value, now| {
        let set = serde_json::json!({ "keys": [example["key"]] }).to_string();
        let keys = KeySet::parse(set.as_bytes()).unwrap().keys;
        let rules = Rules { issuer: "joe".into(), ..rules() };
        let jwt = Jwt::parse(example["token"].as_str().unwrap(), 4096).unwrap();
        jwt.verify(&keys, &rules, Timestamp::from_secs(now)).unwrap_err()
    };
    for example in &examples[..2] {
        assert_eq!(judge(example, 1_300_819_379), TokenError::MissingClaim { name: "sub" });
        assert_eq!(judge(example, NOW), TokenError::Expired);
    }
}
