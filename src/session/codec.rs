//! A session as bytes, and sealed as the value of its cookie.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde_json::{Map, Value};
use smallvec::SmallVec;
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
            write_token(&mut out, token.as_ref());
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
        tokens: Tokens { refresh: token(reader)?, access: token(reader)?, id: token(reader)? },
        renewals: u32::try_from(reader.number()?).map_err(|_| DecodeError::Malformed)?,
    })
}

/// What a token is kept as: there is none, its text, or what its parts decode to.
const NO_TOKEN: u8 = 0;
const TOKEN_TEXT: u8 = 1;
const TOKEN_PARTS: u8 = 2;

/// The most parts a token is taken apart into: encrypted ones have five ([RFC 7516 §3.1](https://www.rfc-editor.org/rfc/rfc7516#section-3.1)).
const MOST_PARTS: usize = 5;

/// Most tokens are base64url in parts with a dot in between, which decode to three quarters of the room. Others are kept as they are.
fn write_token(out: &mut Writer, token: Option<&Secret<String>>) {
    let Some(token) = token.map(Secret::expose) else { return out.byte(NO_TOKEN) };
    match decoded(token) {
        Some(parts) => {
            out.byte(TOKEN_PARTS);
            out.list(&parts, |out, part| out.bytes(part));
        }
        None => {
            out.byte(TOKEN_TEXT);
            out.text(token);
        }
    }
}

/// The parts, if encoding them again gives the same text, as decoding without leniency makes sure.
fn decoded(token: &str) -> Option<SmallVec<[Zeroizing<Vec<u8>>; MOST_PARTS]>> {
    let parts = token.split('.').take(MOST_PARTS + 1).map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        Some(Zeroizing::new(bytes))
    });
    let parts: SmallVec<_> = parts.collect::<Option<_>>()?;
    (parts.len() <= MOST_PARTS).then_some(parts)
}

fn token(reader: &mut Reader<'_>) -> Result<Option<Secret<String>>, DecodeError> {
    match reader.byte()? {
        NO_TOKEN => Ok(None),
        TOKEN_TEXT => reader.string().map(|text| Some(Secret::new(text))),
        TOKEN_PARTS => encoded(reader).map(|text| Some(Secret::new(text))),
        _ => Err(DecodeError::Malformed),
    }
}

fn encoded(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let parts = reader.list(MOST_PARTS as u64, Reader::bytes)?;
    let length: usize = parts.iter().map(|part| part.len() * 4 / 3 + 2).sum();
    // Room for all of it: growing would leave copies that nobody wipes.
    let mut text = String::with_capacity(length);
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            text.push('.');
        }
        URL_SAFE_NO_PAD.encode_string(part, &mut text);
    }
    Ok(text)
}

/// Longer claims are packed, in bytes: lists of groups shrink to a fraction, and a cookie has no room to spare.
const PACK_FROM: usize = 192;

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
