//! A session as bytes, and sealed as the value of its cookie.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
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
        out.bytes(&packed(&self.claims));
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

/// Longer claims are packed, in bytes: lists of groups shrink to a fraction, and a cookie has no room to spare.
const PACK_FROM: usize = 512;

/// The most that packed claims may unfold to, in bytes. Only we can have packed them; a mistake of ours shall cost no memory.
const MOST_CLAIMS: u64 = 256 << 10;

/// What packed claims begin with; plain ones begin with a brace.
const PACKED: u8 = 1;

/// Claims as JSON, packed if they are long ([RFC 1951](https://www.rfc-editor.org/rfc/rfc1951)). Tokens are never packed along
/// with them: the length of a cookie says nothing of a secret.
fn packed(claims: &Claims) -> Zeroizing<Vec<u8>> {
    let json = Zeroizing::new(Value::Object(claims.as_map().clone()).to_string().into_bytes());
    if json.len() < PACK_FROM {
        return json;
    }
    let mut encoder = DeflateEncoder::new(vec![PACKED], Compression::best());
    let packed = encoder.write_all(&json).and_then(|()| encoder.finish());
    packed.map_or(json, Zeroizing::new)
}

fn claims(bytes: &[u8]) -> Result<Claims, DecodeError> {
    let Some(packed) = bytes.strip_prefix(&[PACKED]) else { return parsed(bytes) };
    let mut json = Zeroizing::new(Vec::new());
    let mut decoder = DeflateDecoder::new(packed).take(MOST_CLAIMS + 1);
    decoder.read_to_end(&mut json).map_err(|_| DecodeError::Malformed)?;
    parsed(&json)
}

fn parsed(json: &[u8]) -> Result<Claims, DecodeError> {
    let members: Map<String, Value> =
        serde_json::from_slice(json).map_err(|_| DecodeError::Malformed)?;
    Ok(Claims::from(members))
}
