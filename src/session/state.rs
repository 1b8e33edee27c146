//! The `state` parameter: what a callback knows although the attempt's cookie is gone
//! ([RFC 6749 §10.12](https://www.rfc-editor.org/rfc/rfc6749#section-10.12)). It is no proof that the browser began the sign-in:
//! that is the cookie's part.

use std::time::Duration;

use crate::base::time::Timestamp;
use crate::session::attempt::{Attempt, AttemptId};
use crate::session::return_to::ReturnTo;
use crate::session::seal::{Nonce, OpenError, Purpose, SealContext, SealingKeys};
use crate::session::wire::{DecodeError, Reader, Writer};

const VERSION: u8 = 1;

/// Some providers refuse long requests; the attempt's cookie has the whole address.
const MAX_RETURN_TO: usize = 512;

/// A state younger than this should find its attempt's cookie: browsers do not lose them so soon.
const FRESH: Duration = Duration::from_secs(60);

/// Which attempt a callback belongs to, and how to begin anew without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The attempt.
    pub attempt: AttemptId,
    /// The provider's name in the configuration.
    pub provider: String,
    /// Where the person goes afterwards, shortened to its path if it is long.
    pub return_to: ReturnTo,
    /// When the attempt was begun.
    pub created: Timestamp,
    /// Whether the attempt was a second one already.
    pub restarted: bool,
}

/// Why a parameter is no state of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// It opens, but another version wrote it.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl State {
    /// The state of `attempt`.
    pub fn of(attempt: &Attempt) -> Self {
        Self {
            attempt: attempt.id,
            provider: attempt.provider.clone(),
            return_to: attempt.return_to.shortened(MAX_RETURN_TO),
            created: attempt.created,
            restarted: attempt.restarted,
        }
    }

    /// Whether so little time has passed that the attempt's cookie cannot have run out.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.created.until(now) < FRESH
    }

    /// The parameter, for callbacks to `host`. `nonce` must be random and new.
    pub fn seal(&self, keys: &SealingKeys, host: &str, nonce: Nonce) -> String {
        let mut out = Writer::new(VERSION);
        out.raw(self.attempt.as_bytes());
        out.text(&self.provider);
        out.text(self.return_to.as_str());
        out.time(self.created);
        out.flag(self.restarted);
        keys.seal(&context(host), nonce, &out.finish())
    }

    /// Opens the parameter of a callback to `host`, however old it is.
    ///
    /// # Errors
    /// [`StateError`] for what we did not write.
    pub fn open(keys: &SealingKeys, host: &str, sealed: &str) -> Result<Self, StateError> {
        let plain = keys.open(&context(host), sealed)?;
        let mut reader = Reader::new(&plain, VERSION)?;
        let state = Self {
            attempt: AttemptId::from_bytes(reader.array()?),
            provider: reader.string()?,
            return_to: reader.string().map(ReturnTo::from_sealed)?,
            created: reader.time()?,
            restarted: reader.flag()?,
        };
        reader.finish()?;
        Ok(state)
    }
}

const fn context(host: &str) -> SealContext<'_> {
    SealContext { purpose: Purpose::State, name: "state", scope: host }
}

#[cfg(test)]
mod tests;
