//! The way to a session in a store: its id, and the key that its body is sealed with. The store sees neither key nor contents.

use std::fmt;

use crate::base::secret::Secret;
use crate::session::codec::SessionError;
use crate::session::cookie::CookieSpec;
use crate::session::seal::{self, Nonce, Purpose, SealingKeys};
use crate::session::wire::{Reader, Writer};
use crate::session::{Session, SessionId};

const VERSION: u8 = 1;

/// What the cookie holds when the session is in a store.
#[derive(Clone)]
pub struct Ticket {
    /// The session.
    pub id: SessionId,
    /// What its body is sealed with; random, and new with every id.
    pub key: Secret<[u8; 32]>,
}

impl Ticket {
    /// The value of the session's cookie `spec` for `host`. `nonce` must be random and new.
    pub fn seal(&self, keys: &SealingKeys, spec: &CookieSpec, host: &str, nonce: Nonce) -> String {
        let mut out = Writer::new(VERSION);
        out.raw(self.id.as_bytes());
        out.raw(self.key.expose());
        keys.seal(&spec.context(Purpose::Ticket, host), nonce, &out.finish())
    }

    /// Opens the value of the session's cookie `spec`, sent to `host`.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn open(
        keys: &SealingKeys,
        spec: &CookieSpec,
        host: &str,
        sealed: &str,
    ) -> Result<Self, SessionError> {
        let plain = keys.open(&spec.context(Purpose::Ticket, host), sealed)?;
        let mut reader = Reader::new(&plain, VERSION)?;
        let id = SessionId::from_bytes(reader.array()?);
        let ticket = Self { id, key: Secret::new(reader.array()?) };
        reader.finish()?;
        Ok(ticket)
    }

    /// The bytes that the store keeps of `session`, whose id is the ticket's. `nonce` must be random and new.
    pub fn seal_body(&self, session: &Session, nonce: Nonce) -> Vec<u8> {
        seal::seal_under(&self.key, &self.id.text(), nonce, &session.encode())
    }

    /// Opens what the store kept.
    ///
    /// # Errors
    /// [`SessionError`], also for the body of another session.
    pub fn open_body(&self, body: &[u8]) -> Result<Session, SessionError> {
        let plain = seal::open_under(&self.key, &self.id.text(), body)?;
        Ok(Session::decode(&plain)?)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
