//! What may be told of a stored session without its key: whose it is, where and by what it began.

use crate::base::time::Timestamp;
use crate::session::SessionId;
use crate::session::codec::SessionError;
use crate::session::seal::{Nonce, Purpose, SealContext, SealingKeys};
use crate::session::wire::{DecodeError, Reader, Writer};

const VERSION: u8 = 1;

/// What a note's seal is for, beside the session's name.
const SCOPE: &str = "note";

/// See the module's text. Short: a store keeps one for each session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The provider's name of the person.
    pub subject: String,
    /// The host where it began.
    pub host: String,
    /// The browser and its system in a few words, as far as they tell.
    pub device: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// When it ends whatever comes.
    pub ends: Timestamp,
}

impl Note {
    /// The note as a store keeps it with the session called `id`. `nonce` must be random and new.
    pub fn seal(&self, keys: &SealingKeys, id: SessionId, nonce: Nonce) -> String {
        let mut out = Writer::new(VERSION);
        for text in [&self.provider, &self.subject, &self.host] {
            out.text(text);
        }
        out.option(self.device.as_deref(), Writer::text);
        out.time(self.started);
        out.time(self.ends);
        let name = id.text();
        keys.seal(&context(&name), nonce, &out.finish())
    }

    /// Reads what [`Self::seal`] wrote for the session of that `id`.
    ///
    /// # Errors
    /// [`SessionError`] for everything else.
    pub fn open(keys: &SealingKeys, id: SessionId, sealed: &str) -> Result<Self, SessionError> {
        let name = id.text();
        let plain = keys.open(&context(&name), sealed)?;
        let mut reader = Reader::new(&plain, VERSION)?;
        let note = read(&mut reader)?;
        reader.finish()?;
        Ok(note)
    }
}

fn read(reader: &mut Reader<'_>) -> Result<Note, DecodeError> {
    // Fields are read in the order in which they are written here, which is that of `seal`.
    Ok(Note {
        provider: reader.string()?,
        subject: reader.string()?,
        host: reader.string()?,
        device: reader.option(Reader::string)?,
        started: reader.time()?,
        ends: reader.time()?,
    })
}

const fn context(name: &str) -> SealContext<'_> {
    SealContext { purpose: Purpose::Body, name, scope: SCOPE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    fn keys(first: u8) -> SealingKeys {
        let key = std::array::from_fn(|index| first + u8::try_from(index).unwrap());
        SealingKeys::new(&[Secret::new(key)]).unwrap()
    }

    #[test]
    fn a_note_opens_for_its_session_and_by_our_keys_alone() {
        let note = Note {
            provider: "main".into(),
            subject: "ada".into(),
            host: "app.example.com".into(),
            device: Some("Firefox, Linux".into()),
            started: Timestamp::from_secs(5),
            ends: Timestamp::from_secs(9),
        };
        let (id, other) = (SessionId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        let sealed = note.seal(&keys(0), id, [3; 12]);
        assert_eq!(Note::open(&keys(0), id, &sealed), Ok(note));
        assert!(Note::open(&keys(0), other, &sealed).is_err());
        assert!(Note::open(&keys(1), id, &sealed).is_err());
        assert!(!sealed.contains("ada"));
    }
}
