//! What the tests of several messages share: a provider's key, the time, claims with changes.

use serde_json::{Value, json};

use crate::base::time::Timestamp;
use crate::oidc::grant::Answer;
use crate::token::{Algorithm, AlgorithmSet, KeySet, SigningKey};

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
pub(super) const ISSUER: &str = "https://login.example.com";
pub(super) const CLIENT: &str = "edge";

pub(super) fn es256() -> AlgorithmSet {
    [Algorithm::Es256].into_iter().collect()
}

pub(super) fn set_of(key: &SigningKey) -> KeySet {
    let document = json!({ "keys": [key.public_jwk()] }).to_string();
    KeySet::parse(document.as_bytes()).unwrap().keys
}

/// `base` with `changes` on top; `null` takes a member away.
pub(super) fn with(mut base: Value, changes: Value) -> Value {
    let members = base.as_object_mut().unwrap();
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        match value {
            Value::Null => drop(members.remove(&name)),
            value => drop(members.insert(name, value)),
        }
    }
    base
}

pub(super) const fn json_answer(status: u16, body: &str) -> Answer<'_> {
    let content_type = Some("application/json;charset=UTF-8");
    Answer { status, content_type, retry_after: None, body: body.as_bytes() }
}

/// An error with all its sources.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let source = error.source().map(chain);
    format!("{error}: {}", source.unwrap_or_default())
}
