//! The keys of a provider at which people sign in, for the tokens that it has just signed.

use std::sync::Arc;

use crate::gate::{KeyAnswer, KeyDoubt, KeyQuestion, KeyState, ProviderId};
use crate::remote::jwks::KeyKeeper;
use crate::token::{Jwt, KeySet};

/// The longest token whose header is read for the name of its key, in bytes.
const MAX_TOKEN_BYTES: usize = 64 << 10;

/// The keys of one provider, for what it has just signed: those at hand, and once more after asking for newer ones.
pub(crate) struct PartyKeys {
    keeper: Arc<KeyKeeper>,
    provider: ProviderId,
}

impl PartyKeys {
    /// Those of `provider`.
    pub(crate) const fn new(keeper: Arc<KeyKeeper>, provider: ProviderId) -> Self {
        Self { keeper, provider }
    }

    /// The set at hand, or the one that comes if there is none yet.
    pub(crate) async fn current(&self) -> Option<Arc<KeySet>> {
        match self.keeper.ring().state(self.provider) {
            KeyState::Loaded(keys) => Some(Arc::clone(keys)),
            KeyState::NotLoaded => self.ask(None, KeyDoubt::NotLoaded).await,
        }
    }

    /// A set newer than the one at hand, for a `token` that it does not fit; none if there is none, or was not a moment ago.
    pub(crate) async fn newer_for(&self, token: &str) -> Option<Arc<KeySet>> {
        let jwt = Jwt::parse(token, MAX_TOKEN_BYTES).ok()?;
        self.ask(jwt.header().kid.clone(), KeyDoubt::UnknownKid).await
    }

    async fn ask(&self, kid: Option<String>, why: KeyDoubt) -> Option<Arc<KeySet>> {
        match self.keeper.answer(&KeyQuestion { provider: self.provider, kid, why }).await {
            KeyAnswer::Fresh(keys) => Some(keys),
            KeyAnswer::Unavailable | KeyAnswer::Unchanged => None,
        }
    }
}
