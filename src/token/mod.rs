//! JOSE: bytes in, verified claims out. Pure: keys and the time are parameters, nothing is fetched or remembered.
//!
//! A token enters as text, becomes a [`Jwt`] (parsed, believed in nothing), and by [`Jwt::verify`] a
//! [`VerifiedToken`], which nothing else can make. Stricter than the RFCs on purpose, see
//! [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725): one serialisation, asymmetric signatures alone, no extensions,
//! no encryption, and keys only from the provider's key set. What a token means for a request is decided elsewhere.

mod algorithm;
mod claims;
mod confirmation;
mod dpop;
mod error;
mod hash;
mod header;
mod json;
mod jwk;
mod nonce;
mod rules;
mod signature;
mod signing;

pub use algorithm::{Algorithm, AlgorithmSet, KeyKind, UnknownAlgorithm};
pub use claims::Claims;
pub use confirmation::{Confirmation, Thumbprint, UnknownConfirmation};
pub use dpop::{Proof, ProofDemand, ProofError};
pub use error::{Part, TokenError};
pub use hash::{half_hash, sha256_base64url};
pub use header::Header;
pub use json::object as distinct_object;
pub use jwk::{KeySet, KeySetError, ParsedKeys, PublicKey, SkippedKey};
pub use nonce::NonceKey;
pub use rules::{Rules, TypeRule};
pub use signing::{SigningError, SigningKey};

use crate::base::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A signed token in compact form: well-formed, but nothing of it may be believed yet.
pub struct Jwt<'a> {
    header: Header,
    claims: Claims,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    /// Reads the compact serialisation ([RFC 7515 §7.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.1)) from `text`,
    /// which may have `max_bytes` at most.
    ///
    /// # Errors
    ///
    /// [`TokenError`] for everything that is not exactly such a token: other lengths and numbers of parts, padding or
    /// stray bits in the encoding, JSON that is no object or repeats a name, an unknown algorithm, extensions.
    pub fn parse(text: &'a str, max_bytes: usize) -> Result<Self, TokenError> {
        if text.len() > max_bytes {
            return Err(TokenError::TooLong { found: text.len(), limit: max_bytes });
        }
        let [header, payload, signature] = split(text)?;
        let signed = &text[..header.len() + 1 + payload.len()];
        let header = Header::parse(&decode(header, Part::Header)?)?;
        let claims = json::object(&decode(payload, Part::Payload)?);
        let claims = claims.map(Claims::from).ok_or(TokenError::BadJson { part: Part::Payload })?;
        Ok(Self { header, claims, signed, signature: decode(signature, Part::Signature)? })
    }

    /// Who claims to have issued it: enough to choose the provider whose keys and rules are to judge it.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.text("iss")
    }

    /// What it says about its signature.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Whether its claims would pass if its signature held: if not, no key makes a difference. Nothing that a client
    /// may learn.
    pub fn claims_hold(&self, rules: &Rules, now: Timestamp) -> bool {
        rules.check_claims(&self.claims, now).is_ok()
    }

    /// Checks signature and claims against `keys` and `rules` at the time `now`.
    ///
    /// The signature comes before the claims: a bad one wins over an expired date, so that nobody learns by
    /// error messages what an unsigned claim would have done.
    ///
    /// # Errors
    ///
    /// [`TokenError`], the first reason found. [`TokenError::is_key_doubt`] tells whether newer keys could help.
    pub fn verify(
        self,
        keys: &KeySet,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenError> {
        self.verify_or_keep(keys, rules, now).map_err(|(_, error)| error)
    }

    /// Like [`verify`](Self::verify); what does not hold is given back, for whoever wants to look at it again.
    ///
    /// # Errors
    ///
    /// The token, and the first reason found.
    pub fn verify_or_keep(
        self,
        keys: &KeySet,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<VerifiedToken, (Box<Self>, TokenError)> {
        match self.expiry(keys, rules, now) {
            Ok(expires) => Ok(VerifiedToken { claims: self.claims, expires }),
            Err(error) => Err((Box::new(self), error)),
        }
    }

    /// When it ends, if it holds.
    fn expiry(
        &self,
        keys: &KeySet,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Timestamp, TokenError> {
        rules.check_origin(&self.header, &self.claims)?;
        keys.verify(&self.header, self.signed.as_bytes(), &self.signature)?;
        rules.check_claims(&self.claims, now)
    }

    /// Like [`verify`](Self::verify), for signed statements that are no credentials, such as logout tokens and signed user
    /// info: `exp` and `sub` may be missing. What is there must hold.
    ///
    /// # Errors
    ///
    /// [`TokenError`], the first reason found.
    pub fn verify_statement(
        self,
        keys: &KeySet,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<VerifiedStatement, TokenError> {
        rules.check_origin(&self.header, &self.claims)?;
        keys.verify(&self.header, self.signed.as_bytes(), &self.signature)?;
        let expires = rules.check_statement(&self.claims, now)?;
        Ok(VerifiedStatement { claims: self.claims, expires })
    }
}

/// Prints the header alone: the rest may be somebody's credential.
impl std::fmt::Debug for Jwt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwt").field("header", &self.header).finish_non_exhaustive()
    }
}

/// A token whose signature and claims hold. Only [`Jwt::verify`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    claims: Claims,
    expires: Timestamp,
}

impl VerifiedToken {
    /// What the issuer says.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What the issuer says, for keeping.
    pub fn into_claims(self) -> Claims {
        self.claims
    }

    /// Its `exp`, without leeway.
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }
}

/// A signed statement that holds, but is no credential. Only [`Jwt::verify_statement`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedStatement {
    claims: Claims,
    expires: Option<Timestamp>,
}

impl VerifiedStatement {
    /// What the issuer says.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What the issuer says, for keeping.
    pub fn into_claims(self) -> Claims {
        self.claims
    }

    /// Its `exp`, without leeway, if it has one.
    pub const fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

/// The three parts of a signed token. Looks at no more than six dots, however many there are.
fn split(text: &str) -> Result<[&str; 3], TokenError> {
    let mut parts = text.splitn(4, '.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None) => Ok([header, payload, signature]),
        (_, _, _, Some(rest)) if rest.splitn(3, '.').count() == 2 => Err(TokenError::Encrypted),
        _ => Err(TokenError::NotCompact),
    }
}

/// Unpadded base64url whose unused bits are zero, so that a token has one spelling
/// ([RFC 7515 §2](https://www.rfc-editor.org/rfc/rfc7515#section-2)).
fn decode(text: &str, part: Part) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::BadEncoding { part })
}

#[cfg(test)]
mod tests;
