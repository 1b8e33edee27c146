//! The JOSE header of a signed token, reduced to what is believed of it: algorithm, key id, type.
//!
//! Keys and addresses of keys in it (`jwk`, `jku`, `x5c`, `x5u`, `x5t`) are never looked at.

use crate::token::algorithm::Algorithm;
use crate::token::error::{Part, TokenError};
use crate::token::json;
use serde_json::{Map, Value};

/// The longest `kid`, in bytes: it is remembered when it is unknown, so it must not be a way to fill memory.
pub(super) const MAX_KID_BYTES: usize = 256;

/// The longest `typ`, in bytes.
const MAX_TYP_BYTES: usize = 128;

/// What a token says about itself before anything is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `alg`, one of those that exist here.
    pub algorithm: Algorithm,
    /// `kid`, at most 256 bytes.
    pub kid: Option<String>,
    /// `typ`, as it was written, at most 128 bytes.
    pub typ: Option<String>,
}

impl Header {
    /// Reads the decoded header.
    ///
    /// # Errors
    ///
    /// [`TokenError`] for what is no JSON object with distinct names, for an algorithm that is not accepted, and
    /// for `crit` ([RFC 7515 §4.1.11](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11): an extension
    /// that is not understood refuses the token), `b64`
    /// ([RFC 7797](https://www.rfc-editor.org/rfc/rfc7797)), `zip` and `enc`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        let mut members = json::object(bytes).ok_or(TokenError::BadJson { part: Part::Header })?;
        refuse_extensions(&members)?;
        let algorithm = algorithm(&members)?;
        let kid =
            short_string(&mut members, "kid", "a string of at most 256 bytes", MAX_KID_BYTES)?;
        let typ =
            short_string(&mut members, "typ", "a string of at most 128 bytes", MAX_TYP_BYTES)?;
        Ok(Self { algorithm, kid, typ })
    }
}

fn refuse_extensions(members: &Map<String, Value>) -> Result<(), TokenError> {
    if members.contains_key("enc") {
        return Err(TokenError::Encrypted);
    }
    if members.contains_key("crit") {
        return Err(TokenError::CriticalHeader);
    }
    match ["b64", "zip"].into_iter().find(|name| members.contains_key(*name)) {
        Some(name) => Err(TokenError::UnsupportedHeader { name }),
        None => Ok(()),
    }
}

fn algorithm(members: &Map<String, Value>) -> Result<Algorithm, TokenError> {
    match members.get("alg") {
        None => Err(TokenError::MissingAlgorithm),
        Some(Value::String(name)) => name.parse().map_err(|_| TokenError::UnsupportedAlgorithm),
        Some(_) => Err(TokenError::BadHeader { name: "alg", expected: "a string" }),
    }
}

fn short_string(
    members: &mut Map<String, Value>,
    name: &'static str,
    expected: &'static str,
    limit: usize,
) -> Result<Option<String>, TokenError> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= limit => Ok(Some(text)),
        Some(_) => Err(TokenError::BadHeader { name, expected }),
    }
}
