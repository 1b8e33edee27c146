//! One-time references to a session that a provider keeps for backends: a browser carries them between sidegate and a login service,
//! and neither reads nor can use them. Sealed, so that any replica knows them and nothing is kept while they are on their way.

use std::time::Duration;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::session::handover::HandoverError;
use crate::session::seal::{Nonce, Purpose, SealContext, SealingKeys};
use crate::session::wire::{Reader, Writer};

const VERSION: u8 = 1;

/// Which way a reference goes. One does not open as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandleKind {
    /// From a login service to us: here is somebody who signed in.
    Adopt,
    /// From us to a login service: whoever this is needs a stronger proof.
    StepUp,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Names it, so that it is used once.
    pub id: [u8; 16],
    /// When it was made.
    pub created: Timestamp,
    /// The provider's name in the configuration.
    pub provider: String,
    /// The provider's name of the session.
    pub session_id: Secret<String>,
    /// The `state` of the sign-in that it ends; empty where it begins one.
    pub state: String,
}

impl Handle {
    /// How long it may be on its way.
    pub const LIFETIME: Duration = Duration::from_secs(60);

    /// The longest state that is taken along, in bytes: ours are shorter.
    pub const MAX_STATE: usize = 2048;

    /// The text. `nonce` must be random and new.
    pub fn seal(&self, keys: &SealingKeys, kind: HandleKind, nonce: Nonce) -> String {
        let mut out = Writer::new(VERSION);
        out.raw(&self.id);
        out.time(self.created);
        out.text(&self.provider);
        out.text(self.session_id.expose());
        out.text(&self.state);
        keys.seal(&context(kind), nonce, &out.finish())
    }

    /// Opens the text, however old it is.
    ///
    /// # Errors
    /// [`HandoverError`] for what we did not write, or not for that.
    pub fn open(keys: &SealingKeys, kind: HandleKind, text: &str) -> Result<Self, HandoverError> {
        let plain = keys.open(&context(kind), text)?;
        let mut reader = Reader::new(&plain, VERSION)?;
        let handle = Self {
            id: reader.array()?,
            created: reader.time()?,
            provider: reader.string()?,
            session_id: reader.string().map(Secret::new)?,
            state: reader.string()?,
        };
        reader.finish()?;
        Ok(handle)
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.ends()
    }

    /// The first moment at which it is over.
    pub fn ends(&self) -> Timestamp {
        self.created + Self::LIFETIME
    }
}

const fn context(kind: HandleKind) -> SealContext<'static> {
    let name = match kind {
        HandleKind::Adopt => "adopt",
        HandleKind::StepUp => "step_up",
    };
    SealContext { purpose: Purpose::Handle, name, scope: "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> SealingKeys {
        let mut key = [9; 32];
        key[0] = 1;
        SealingKeys::new(&[Secret::new(key)]).unwrap()
    }

    fn handle() -> Handle {
        Handle {
            id: [5; 16],
            created: Timestamp::from_secs(1000),
            provider: "app1".to_owned(),
            session_id: Secret::new("xfPMUgRmcNQ".to_owned()),
            state: "state".to_owned(),
        }
    }

    #[test]
    fn it_opens_as_what_it_is_and_as_nothing_else() {
        let text = handle().seal(&keys(), HandleKind::Adopt, [2; 12]);
        let found = Handle::open(&keys(), HandleKind::Adopt, &text).unwrap();
        assert_eq!((found.id, found.session_id.expose()), ([5; 16], handle().session_id.expose()));
        assert_eq!((found.provider.as_str(), found.state.as_str()), ("app1", "state"));
        assert!(Handle::open(&keys(), HandleKind::StepUp, &text).is_err());
        assert!(!text.contains("xfPM") && !format!("{found:?}").contains("xfPM"));
    }

    #[test]
    fn it_lasts_a_minute() {
        let at = Timestamp::from_secs;
        assert!(!handle().is_over(at(1059)) && handle().is_over(at(1060)));
    }
}
