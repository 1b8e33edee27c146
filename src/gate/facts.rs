//! What the gate is told about the world, and what it may ask of it. Fetching is somebody else's job.

use std::sync::Arc;

use crate::token::KeySet;

/// The place of a provider in the policy, in written order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId(pub u16);

/// What is known of one provider's keys.
#[derive(Clone)]
pub enum KeyState {
    /// The set in use.
    Loaded(Arc<KeySet>),
    /// No set was ever had.
    NotLoaded,
}

/// The keys of all providers, as they were at one moment.
pub struct KeyRing(Vec<KeyState>);

impl KeyRing {
    /// A ring of the given states, by provider number.
    pub const fn new(states: Vec<KeyState>) -> Self {
        Self(states)
    }

    /// The state of one provider; a number that is not of this ring has no keys.
    pub fn state(&self, provider: ProviderId) -> &KeyState {
        self.0.get(usize::from(provider.0)).unwrap_or(&KeyState::NotLoaded)
    }
}

/// Why the keys at hand may not be the right ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyDoubt {
    /// The key with this id did not make the signature.
    BadSignature,
    /// There are no keys at all.
    NotLoaded,
    /// No key has this id.
    UnknownKid,
}

/// Asks whether a provider has newer keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyQuestion {
    /// Whose keys.
    pub provider: ProviderId,
    /// The key id that the token names.
    pub kid: Option<String>,
    /// What is wrong with those at hand.
    pub why: KeyDoubt,
}

/// The answer to a [`KeyQuestion`].
pub enum KeyAnswer {
    /// A set that may be newer than the one judged by.
    Fresh(Arc<KeySet>),
    /// No set could be had.
    Unavailable,
    /// There is nothing newer.
    Unchanged,
}
