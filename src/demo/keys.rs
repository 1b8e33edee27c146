//! The login service's keys: one that signs, and the ones that signed before it. They live in memory only.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::token::{SigningError, SigningKey};

/// Retired keys which are still published: rotating in a loop must not grow the key set without end.
const MAX_RETIRED: usize = 8;

/// What a rotation does with the keys it retires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retired {
    /// Withdraw them: tokens that they signed stop being valid.
    Forget,
    /// Keep them published, as a provider should until the last token they signed has expired.
    Keep,
}

/// The signing key and its predecessors.
#[derive(Debug)]
pub(super) struct Keys(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    signing: SigningKey,
    retired: VecDeque<Value>,
}

impl Keys {
    /// One new key.
    pub(super) fn generate() -> Result<Self, SigningError> {
        Ok(Self(Mutex::new(Ring { signing: SigningKey::generate()?, retired: VecDeque::new() })))
    }

    /// Signs `claims` with the present key.
    pub(super) fn sign(&self, claims: &Value, typ: &str) -> Result<String, SigningError> {
        self.0.lock().signing.sign(claims, typ)
    }

    /// Signs with a new key from now on; returns its name.
    pub(super) fn rotate(&self, retired: Retired) -> Result<String, SigningError> {
        let new = SigningKey::generate()?;
        let kid = new.kid().to_owned();
        let mut ring = self.0.lock();
        let old = std::mem::replace(&mut ring.signing, new);
        ring.retire(&old, retired);
        Ok(kid)
    }

    /// The public halves ([RFC 7517 §5](https://www.rfc-editor.org/rfc/rfc7517#section-5)), the signing key's first.
    pub(super) fn document(&self) -> Value {
        let ring = self.0.lock();
        let keys: Vec<Value> = std::iter::once(ring.signing.public_jwk())
            .chain(ring.retired.iter().cloned())
            .collect();
        json!({ "keys": keys })
    }
}

impl Ring {
    fn retire(&mut self, old: &SigningKey, retired: Retired) {
        if retired == Retired::Forget {
            self.retired.clear();
            return;
        }
        self.retired.push_front(old.public_jwk());
        self.retired.truncate(MAX_RETIRED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(keys: &Keys) -> Vec<String> {
        let document = keys.document();
        document["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn rotation_puts_the_new_key_first_and_keeps_the_old_one() {
        let keys = Keys::generate().unwrap();
        let old = published(&keys);
        let new = keys.rotate(Retired::Keep).unwrap();
        assert_eq!(published(&keys), [new, old[0].clone()]);
    }

    #[test]
    fn forgetting_leaves_the_new_key_alone() {
        let keys = Keys::generate().unwrap();
        keys.rotate(Retired::Keep).unwrap();
        let new = keys.rotate(Retired::Forget).unwrap();
        assert_eq!(published(&keys), [new]);
    }

    #[test]
    fn key_set_stays_small_however_often_keys_rotate() {
        let keys = Keys::generate().unwrap();
        for _ in 0..MAX_RETIRED + 3 {
            keys.rotate(Retired::Keep).unwrap();
        }
        assert_eq!(published(&keys).len(), MAX_RETIRED + 1);
    }
}
