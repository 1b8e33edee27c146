//! A session on its way from a device's app to a browser on the same device: in an address that is good once, for a minute.

use std::time::Duration;

use crate::base::time::Timestamp;
use crate::session::handover::HandoverError;
use crate::session::return_to::ReturnTo;
use crate::session::seal::{Nonce, Purpose, SealContext, SealingKeys};
use crate::session::wire::{Reader, Writer};
use crate::session::{Session, Tokens};

const VERSION: u8 = 1;

/// The longest text, in bytes: servers in front take lines of 8 KiB.
const MAX_TEXT: usize = 7000;

/// See the module's text.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Names it, so that it is used once.
    pub id: [u8; 16],
    /// When it was made.
    pub created: Timestamp,
    /// Where the browser goes, on the host it is for.
    pub return_to: ReturnTo,
    /// What the browser gets.
    pub session: Session,
}

impl Pass {
    /// How long it may be on its way.
    pub const LIFETIME: Duration = Duration::from_secs(60);

    /// The text, for the host at `origin`; of the session's tokens, only what renews it goes along. `nonce` must be random and new.
    ///
    /// # Errors
    /// [`HandoverError::TooLong`].
    pub fn seal(
        &self,
        keys: &SealingKeys,
        origin: &str,
        nonce: Nonce,
    ) -> Result<String, HandoverError> {
        let tokens = Tokens { refresh: self.session.tokens.refresh.clone(), ..Tokens::default() };
        let session = Session { tokens, ..self.session.clone() };
        let mut out = Writer::new(VERSION);
        out.raw(&self.id);
        out.time(self.created);
        out.text(self.return_to.as_str());
        out.bytes(&session.encode());
        let text = keys.seal(&context(origin), nonce, &out.finish());
        if text.len() > MAX_TEXT { Err(HandoverError::TooLong(text.len())) } else { Ok(text) }
    }

    /// Opens the text of a request to `origin`, however old it is.
    ///
    /// # Errors
    /// [`HandoverError`] for what we did not write for that host.
    pub fn open(keys: &SealingKeys, origin: &str, text: &str) -> Result<Self, HandoverError> {
        let plain = keys.open(&context(origin), text)?;
        let mut reader = Reader::new(&plain, VERSION)?;
        let pass = Self {
            id: reader.array()?,
            created: reader.time()?,
            return_to: reader.string().map(ReturnTo::from_sealed)?,
            session: Session::decode(reader.bytes()?)?,
        };
        reader.finish()?;
        Ok(pass)
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

const fn context(origin: &str) -> SealContext<'_> {
    SealContext { purpose: Purpose::Pass, name: "parameter", scope: origin }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::session::SessionId;
    use crate::token::Claims;

    const HERE: &str = "https://app.example.com";

    fn keys() -> SealingKeys {
        let mut key = [9; 32];
        key[0] = 1;
        SealingKeys::new(&[Secret::new(key)]).unwrap()
    }

    fn pass(claims: Claims) -> Pass {
        let at = Timestamp::from_secs;
        let secret = |text: &str| Some(Secret::new(text.to_owned()));
        let session = Session {
            id: SessionId::from_bytes([7; 16]),
            provider: "okta".to_owned(),
            client: "web".to_owned(),
            issuer: "https://login.example.com".to_owned(),
            subject: "ada".to_owned(),
            sid: None,
            claims,
            started: at(1000),
            idle_until: at(2000),
            ends: at(3000),
            renewal: None,
            persistent: false,
            tokens: Tokens { refresh: secret("r"), access: secret("a"), id: secret("i") },
            renewals: 0,
        };
        Pass { id: [5; 16], created: at(1000), return_to: ReturnTo::root(), session }
    }

    #[test]
    fn it_opens_at_its_host_alone_and_has_what_renews_the_session() {
        let text = pass(Claims::from(serde_json::Map::new())).seal(&keys(), HERE, [2; 12]).unwrap();
        let found = Pass::open(&keys(), HERE, &text).unwrap();
        assert_eq!((found.id, found.session.subject.as_str()), ([5; 16], "ada"));
        let Tokens { refresh, access, id } = found.session.tokens;
        assert_eq!(refresh.unwrap().expose(), "r");
        assert!(access.is_none() && id.is_none());
        assert!(Pass::open(&keys(), "https://other.example.com", &text).is_err());
    }

    #[test]
    fn it_lasts_a_minute_and_fits_into_an_address() {
        let at = Timestamp::from_secs;
        let mut members = serde_json::Map::new();
        let pass_of_nobody = pass(Claims::from(members.clone()));
        assert!(!pass_of_nobody.is_over(at(1059)) && pass_of_nobody.is_over(at(1060)));
        let noise: Vec<String> =
            (0..4000_u32).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9))).collect();
        members.insert("groups".to_owned(), noise.into());
        let error = pass(Claims::from(members)).seal(&keys(), HERE, [2; 12]).unwrap_err();
        assert!(matches!(error, HandoverError::TooLong(_)), "{error}");
    }
}
