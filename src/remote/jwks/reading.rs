//! Reading what a provider has just signed for us: by the keys at hand, and by newer ones if it does not fit these.

use std::sync::Arc;

use crate::gate::{KeyAnswer, KeyDoubt, KeyQuestion, KeyState, ProviderId};
use crate::remote::jwks::KeyKeeper;
use crate::token::{Jwt, KeySet};

/// The longest token whose header is read for the name of its key, in bytes.
const MAX_TOKEN_BYTES: usize = 64 << 10;

/// Why a token was not read.
#[derive(Debug)]
pub enum Unread<E> {
    /// There are no keys, and none can be had now.
    NoKeys,
    /// It does not hold, and no key would change that.
    Refused(E),
    /// It does not hold by the keys at hand, and these are the newest.
    Unchanged(E),
}

impl KeyKeeper {
    /// Has `token` read by the keys of `provider`. Where `doubts` says of an error that newer keys might cure it, these are asked for,
    /// and the token is read once more. With what was read come the keys that it was read by.
    ///
    /// # Errors
    /// [`Unread`]
    pub async fn read<T, E>(
        &self,
        provider: ProviderId,
        token: &str,
        read: impl Fn(&KeySet) -> Result<T, E>,
        doubts: impl Fn(&E) -> bool,
    ) -> Result<(T, Arc<KeySet>), Unread<E>> {
        let at_hand = match self.ring().state(provider) {
            KeyState::Loaded(keys) => Some(Arc::clone(keys)),
            KeyState::NotLoaded => None,
        };
        let (why, doubt) = match at_hand.map(|keys| (read(&keys), keys)) {
            Some((Ok(found), keys)) => return Ok((found, keys)),
            Some((Err(error), _)) if doubts(&error) => (KeyDoubt::UnknownKid, Some(error)),
            Some((Err(error), _)) => return Err(Unread::Refused(error)),
            None => (KeyDoubt::NotLoaded, None),
        };
        let question = KeyQuestion { provider, kid: kid(token), why };
        match (self.answer(&question).await, doubt) {
            (KeyAnswer::Fresh(keys), _) => {
                read(&keys).map(|found| (found, keys)).map_err(Unread::Refused)
            }
            (KeyAnswer::Unavailable, _) | (_, None) => Err(Unread::NoKeys),
            (KeyAnswer::Unchanged, Some(error)) => Err(Unread::Unchanged(error)),
        }
    }
}

fn kid(token: &str) -> Option<String> {
    Jwt::parse(token, MAX_TOKEN_BYTES).ok()?.header().kid.clone()
}
