//! Signs assertions for upstreams, and publishes the keys they are checked with.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use parking_lot::RwLock;
use serde_json::{Value, json};

use crate::base::time::Timestamp;
use crate::gate::{AssertionSpec, Caller, Permit};
use crate::identity::assertion;
use crate::token::{SigningError, SigningKey};

/// How long a key of our own making signs before the next one does.
const KEY_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// A remembered assertion must be good for this part of its lifetime still.
const FRESH_PART: u32 = 2;

/// The keys. Those of the configuration stay; those of our own making follow each other day by day, and stay published one day
/// longer than they sign.
pub(crate) struct SigningKeys {
    state: RwLock<State>,
    own: bool,
}

struct State {
    current: Arc<SigningKey>,
    others: Vec<Arc<SigningKey>>,
    since: Timestamp,
}

impl SigningKeys {
    /// `keys` from the configuration: the first signs. With none, one is made.
    pub(crate) fn new(keys: Vec<SigningKey>, now: Timestamp) -> Result<Self, SigningError> {
        let own = keys.is_empty();
        let mut keys = keys.into_iter().map(Arc::new);
        let current = match keys.next() {
            Some(first) => first,
            None => Arc::new(SigningKey::generate()?),
        };
        let state = RwLock::new(State { current, others: keys.collect(), since: now });
        Ok(Self { state, own })
    }

    /// The public keys, as a key set ([RFC 7517 §5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
    pub(crate) fn public(&self) -> Value {
        let state = self.state.read();
        let keys: Vec<Value> =
            [&state.current].into_iter().chain(&state.others).map(|key| key.public_jwk()).collect();
        json!({ "keys": keys })
    }

    fn current(&self, now: Timestamp) -> Result<Arc<SigningKey>, SigningError> {
        let due = |state: &State| self.own && state.since.until(now) >= KEY_LIFETIME;
        {
            let state = self.state.read();
            if !due(&state) {
                return Ok(Arc::clone(&state.current));
            }
        }
        let next = Arc::new(SigningKey::generate()?);
        let mut state = self.state.write();
        if due(&state) {
            let last = std::mem::replace(&mut state.current, next);
            state.others = vec![last];
            state.since = now;
        }
        Ok(Arc::clone(&state.current))
    }
}

/// Signs for one runtime.
pub(crate) struct Assertions {
    issuer: String,
    keys: Arc<SigningKeys>,
}

impl Assertions {
    pub(crate) const fn new(issuer: String, keys: Arc<SigningKeys>) -> Self {
        Self { issuer, keys }
    }

    /// The public keys.
    pub(crate) fn public(&self) -> Value {
        self.keys.public()
    }

    /// The assertion of `permit`'s caller for its route; signed anew when the last one is half used up.
    pub(crate) fn header(
        &self,
        permit: &Permit,
        caller: &Caller,
        spec: &AssertionSpec,
        now: Timestamp,
    ) -> Result<HeaderValue, SigningError> {
        let needed = (now + spec.lifetime / FRESH_PART).min(caller.identity().expires());
        if let Some(value) = caller.assertion(permit.route().id, needed) {
            return Ok(value);
        }
        let claims =
            assertion::claims(caller.identity(), &self.issuer, &spec.audience, now, spec.lifetime);
        let token = self.keys.current(now)?.sign(&claims, assertion::TYPE)?;
        let value = HeaderValue::try_from(token).map_err(|_| SigningError::Library)?;
        let until = (now + spec.lifetime).min(caller.identity().expires());
        caller.keep_assertion(permit.route().id, until, value.clone());
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn kids(keys: &SigningKeys) -> Vec<String> {
        let set = keys.public();
        set["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_key_of_our_own_making_is_followed_by_another_and_stays_published() {
        let keys = SigningKeys::new(Vec::new(), NOW).unwrap();
        let first = keys.current(NOW).unwrap().kid().to_owned();
        assert_eq!(keys.current(NOW + KEY_LIFETIME - Duration::from_secs(1)).unwrap().kid(), first);
        let second = keys.current(NOW + KEY_LIFETIME).unwrap().kid().to_owned();
        assert_ne!(first, second);
        assert_eq!(kids(&keys), [second, first]);
    }

    #[test]
    fn keys_of_the_configuration_stay() {
        let given = vec![SigningKey::generate().unwrap(), SigningKey::generate().unwrap()];
        let expected: Vec<String> = given.iter().map(|key| key.kid().to_owned()).collect();
        let keys = SigningKeys::new(given, NOW).unwrap();
        assert_eq!(keys.current(NOW + 2 * KEY_LIFETIME).unwrap().kid(), expected[0]);
        assert_eq!(kids(&keys), expected);
    }
}
