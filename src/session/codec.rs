//! A session as bytes, and sealed as the value of its cookie.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::base::secret::Secret;
use crate::session::cookie::CookieSpec;
use crate::session::seal::{Nonce, OpenError, Purpose, SealingKeys};
use crate::session::wire::{DecodeError, Reader, Writer};
use crate::session::{Renewal, Session, SessionId, Tokens};
use crate::token::Claims;

/// Raised whenever the layout changes; the version before stays readable for one release.
const VERSION: u8 = 1;

/// Why a cookie holds no session. None of these says that the person is not signed in elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// It opens, but another version wrote it.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Session {
    /// The session as bytes, wiped when dropped.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Writer::new(VERSION);
        out.raw(self.id.as_bytes());
        for text in [&self.provider, &self.client, &self.issuer, &self.subject] {
            out.text(text);
        }
        out.option(self.sid.as_deref(), Writer::text);
        out.text(&Value::Object(self.claims.as_map().clone()).to_string());
        for time in [self.started, self.idle_until, self.ends] {
            out.time(time);
        }
        out.option(self.renewal, |out, renewal| {
            out.time(renewal.due);
            out.time(renewal.by);
        });
        out.flag(self.persistent);
        for token in [&self.tokens.refresh, &self.tokens.access, &self.tokens.id] {
            out.option(token.as_ref(), |out, token| out.text(token.expose()));
        }
        out.number(self.renewals.into());
        out.finish()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`] for everything else; never panics, whatever the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, VERSION)?;
        let session = read(&mut reader)?;
        reader.finish()?;
        Ok(session)
    }

    /// The value of the cookie `spec` for `host`: the whole session, sealed. `nonce` must be random and new.
    pub fn seal(&self, keys: &SealingKeys, spec: &CookieSpec, host: &str, nonce: Nonce) -> String {
        keys.seal(&spec.context(Purpose::Session, host), nonce, &self.encode())
    }

    /// Opens the value of the cookie `spec`, sent to `host`.
    ///
    /// # Errors
    /// [`SessionError`]: there is no session in it, and no reason to answer differently for one cause or another.
    pub fn open(
        keys: &SealingKeys,
        spec: &CookieSpec,
        host: &str,
        sealed: &str,
    ) -> Result<Self, SessionError> {
        let plain = keys.open(&spec.context(Purpose::Session, host), sealed)?;
        Ok(Self::decode(&plain)?)
    }
}

fn read(reader: &mut Reader<'_>) -> Result<Session, DecodeError> {
    // Fields are read in the order they are written here, which is the order of `encode`.
    Ok(Session {
        id: SessionId::from_bytes(reader.array()?),
        provider: reader.string()?,
        client: reader.string()?,
        issuer: reader.string()?,
        subject: reader.string()?,
        sid: reader.option(Reader::string)?,
        claims: claims(reader.bytes()?)?,
        started: reader.time()?,
        idle_until: reader.time()?,
        ends: reader.time()?,
        renewal: reader.option(|reader| Ok(Renewal { due: reader.time()?, by: reader.time()? }))?,
        persistent: reader.flag()?,
        tokens: Tokens {
            refresh: reader.option(secret)?,
            access: reader.option(secret)?,
            id: reader.option(secret)?,
        },
        renewals: u32::try_from(reader.number()?).map_err(|_| DecodeError::Malformed)?,
    })
}

fn secret(reader: &mut Reader<'_>) -> Result<Secret<String>, DecodeError> {
    reader.string().map(Secret::new)
}

fn claims(json: &[u8]) -> Result<Claims, DecodeError> {
    let members: Map<String, Value> =
        serde_json::from_slice(json).map_err(|_| DecodeError::Malformed)?;
    Ok(Claims::from(members))
}
