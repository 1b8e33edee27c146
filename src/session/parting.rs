//! The `state` of a sign-out at a provider: that whoever comes back to the page for those who signed out was sent away from here
//! ([RP-Initiated Logout 1.0 §2](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout)).
//!
//! It ends no session and proves nothing about the browser: the session was ended before anybody was sent away.

use std::time::Duration;

use crate::base::time::Timestamp;
use crate::session::SessionId;
use crate::session::handover::HandoverError;
use crate::session::seal::{Nonce, Purpose, SealContext, SealingKeys};
use crate::session::wire::{Reader, Writer};

const VERSION: u8 = 1;

/// A person's way out by the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The session that was ended.
    pub session: SessionId,
    /// When the person was sent to the provider.
    pub created: Timestamp,
}

impl Parting {
    /// How long a person may take at the provider, which may ask.
    pub const LIFETIME: Duration = Duration::from_secs(600);

    /// The parameter, for a return to `host`. `nonce` must be random and new.
    pub fn seal(&self, keys: &SealingKeys, host: &str, nonce: Nonce) -> String {
        let mut out = Writer::new(VERSION);
        out.raw(self.session.as_bytes());
        out.time(self.created);
        keys.seal(&context(host), nonce, &out.finish())
    }

    /// Opens the parameter of a return to `host` at `now`.
    ///
    /// # Errors
    /// [`HandoverError`] for what we did not write for that host, or too long ago.
    pub fn open(
        keys: &SealingKeys,
        host: &str,
        sealed: &str,
        now: Timestamp,
    ) -> Result<Self, HandoverError> {
        let plain = keys.open(&context(host), sealed)?;
        let mut reader = Reader::new(&plain, VERSION)?;
        let session = SessionId::from_bytes(reader.array()?);
        let parting = Self { session, created: reader.time()? };
        reader.finish()?;
        let is_over = now >= parting.created + Self::LIFETIME;
        if is_over { Err(HandoverError::Expired) } else { Ok(parting) }
    }
}

const fn context(host: &str) -> SealContext<'_> {
    SealContext { purpose: Purpose::Parting, name: "state", scope: host }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::OpenError;
    use crate::session::tests::{HOST, at, keys};

    #[test]
    fn a_parting_is_for_one_host_and_for_ten_minutes() {
        let parting = Parting { session: SessionId::from_bytes([7; 16]), created: at(0) };
        let sealed = parting.seal(&keys(), HOST, [1; 12]);
        let open = |host, seconds| Parting::open(&keys(), host, &sealed, at(seconds));
        assert_eq!(open(HOST, 599), Ok(parting));
        assert_eq!(open(HOST, 600), Err(HandoverError::Expired));
        let forged = Err(HandoverError::Open(OpenError::Forged));
        assert_eq!(open("b.example.com", 0), forged);
        let state = SealContext { purpose: Purpose::State, ..context(HOST) };
        let state = keys().seal(&state, [1; 12], b"\x01");
        assert_eq!(Parting::open(&keys(), HOST, &state, at(0)), forged);
    }
}
