//! DPoP ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)): a proof, made anew for each request, that who sends a token
//! owns the key it is bound to.
//!
//! All of §4.3 is checked here but two things that only the gate can know: that the token is bound to this key, and that
//! the proof was not used before.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::base::host::Authority;
use crate::base::time::Timestamp;
use crate::token::confirmation::Thumbprint;
use crate::token::error::Part;
use crate::token::header::Header;
use crate::token::jwk::PublicKey;
use crate::token::nonce::NonceKey;
use crate::token::rules::same_type;
use crate::token::{Claims, TokenError, decode, json, split};

/// The longest proof that is read, in bytes: an RSA key of 8192 bits and its signature take 3 KiB.
const MAX_BYTES: usize = 6 * 1024;

/// The longest `jti`, in bytes.
const MAX_ID_BYTES: usize = 256;

/// How old a proof may be, leeway apart.
const MAX_AGE: Duration = Duration::from_secs(60);

/// Members that only a private or a symmetric key has
/// ([RFC 7518 §6](https://www.rfc-editor.org/rfc/rfc7518#section-6)).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "dp", "dq", "k", "oth", "p", "q", "qi"];

/// A proof that holds. Only [`Proof::verify`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    key: Thumbprint,
    id: [u8; 32],
    usable_until: Timestamp,
}

/// What a proof must be for: the request it came with, and what else is demanded.
#[derive(Clone, Copy, Debug)]
pub struct ProofDemand<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The scheme the client used, in lower case.
    pub scheme: &'a str,
    /// The host the client asked for.
    pub authority: &'a Authority<'a>,
    /// The path, as it was written.
    pub path: &'a str,
    /// The access token that came along.
    pub token: &'a str,
    /// How far the client's clock may be wrong.
    pub leeway: Duration,
    /// Whose nonces the proof must contain, if it must contain one.
    pub nonces: Option<&'a NonceKey>,
}

/// Why a proof is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("claim `{name}` is missing or not {expected}")]
    BadClaim { name: &'static str, expected: &'static str },
    #[error("header parameter `jwk` is no public key that can be used: {why}")]
    BadKey { why: &'static str },
    #[error("claim `nonce` is not one that was given out lately")]
    NonceWanted,
    #[error("proof is no signed token")]
    NoToken(#[from] TokenError),
    #[error("header parameter `typ` is not `dpop+jwt`")]
    WrongType,
}

impl Proof {
    /// Checks `text`, the value of the only `DPoP` field, by
    /// [RFC 9449 §4.3](https://www.rfc-editor.org/rfc/rfc9449#section-4.3). The numbers in the code are those of its list.
    ///
    /// Stricter than the RFC: `jti` has 256 bytes at most, and the path of `htu` is compared octet for octet, percent
    /// encodings without regard to case.
    ///
    /// # Errors
    ///
    /// [`ProofError`]; [`ProofError::NonceWanted`] only where all else holds.
    pub fn verify(
        text: &str,
        demand: &ProofDemand<'_>,
        now: Timestamp,
    ) -> Result<Self, ProofError> {
        let (key, claims) = signed(text)?;
        let id = id(&claims)?;
        check_request(&claims, demand)?;
        let issued = check_time(&claims, demand.leeway, now)?;
        check_token(&claims, demand.token)?;
        check_nonce(&claims, demand.nonces, now)?;
        let usable_until = issued + MAX_AGE + demand.leeway + Duration::from_secs(1);
        Ok(Self { key, id: scoped(&key, id), usable_until })
    }

    /// The thumbprint of its key ([RFC 7638](https://www.rfc-editor.org/rfc/rfc7638)).
    pub const fn key(&self) -> &Thumbprint {
        &self.key
    }

    /// What must not be seen twice: SHA-256 of key and `jti`.
    pub const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// The moment from which it is too old.
    pub const fn usable_until(&self) -> Timestamp {
        self.usable_until
    }
}

/// Points 2, 4 to 7: a signed token of the right type, whose own key made the signature.
fn signed(text: &str) -> Result<(Thumbprint, Claims), ProofError> {
    if text.len() > MAX_BYTES {
        return Err(TokenError::TooLong { found: text.len(), limit: MAX_BYTES }.into());
    }
    let [header, payload, signature] = split(text)?;
    let message = &text[..header.len() + 1 + payload.len()];
    let header = decode(header, Part::Header)?;
    let jwk = public_jwk(&header)?;
    let header = Header::parse(&header)?;
    if !header.typ.as_deref().is_some_and(|typ| same_type(typ, "dpop+jwt")) {
        return Err(ProofError::WrongType);
    }
    let key = PublicKey::parse(&jwk).map_err(|why| ProofError::BadKey { why })?;
    let signature = decode(signature, Part::Signature)?;
    if !key.accepts(header.algorithm, message.as_bytes(), &signature) {
        return Err(TokenError::BadSignature.into());
    }
    let claims = json::object(&decode(payload, Part::Payload)?);
    let claims = claims.map(Claims::from).ok_or(TokenError::BadJson { part: Part::Payload })?;
    Ok((thumbprint(&jwk).ok_or(ProofError::BadKey { why: "it has no thumbprint" })?, claims))
}

fn public_jwk(header: &[u8]) -> Result<Value, ProofError> {
    let members = json::object(header).ok_or(TokenError::BadJson { part: Part::Header })?;
    let jwk = members.get("jwk").and_then(Value::as_object);
    let jwk = jwk.ok_or(ProofError::BadKey { why: "it is missing or not an object" })?;
    if PRIVATE_MEMBERS.iter().any(|name| jwk.contains_key(*name)) {
        return Err(ProofError::BadKey { why: "it has private members" });
    }
    Ok(Value::Object(jwk.clone()))
}

/// SHA-256 of the required members in lexicographic order, without white space
/// ([RFC 7638 §3](https://www.rfc-editor.org/rfc/rfc7638#section-3)).
fn thumbprint(jwk: &Value) -> Option<Thumbprint> {
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    // As JSON writes strings; base64url and names of curves have nothing to escape.
    let member =
        |name: &&str| Some(format!("\"{name}\":{}", Value::from(jwk.get(*name)?.as_str()?)));
    let members = names.iter().map(member).collect::<Option<Vec<_>>>()?;
    let canonical = format!("{{{}}}", members.join(","));
    digest(&SHA256, canonical.as_bytes()).as_ref().try_into().ok()
}

/// Point 3: `jti`.
fn id(claims: &Claims) -> Result<&str, ProofError> {
    let id = claims.text("jti").filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()));
    id.ok_or(ProofError::BadClaim { name: "jti", expected: "a string of 1 to 256 bytes" })
}

/// Points 8 and 9: `htm` and `htu`.
fn check_request(claims: &Claims, demand: &ProofDemand<'_>) -> Result<(), ProofError> {
    if claims.text("htm") != Some(demand.method) {
        return Err(ProofError::BadClaim { name: "htm", expected: "the method of the request" });
    }
    if claims.text("htu").is_some_and(|address| is_address(address, demand)) {
        return Ok(());
    }
    Err(ProofError::BadClaim { name: "htu", expected: "the address of the request" })
}

/// Whether `address` is that of the request, query and fragment apart.
fn is_address(address: &str, demand: &ProofDemand<'_>) -> bool {
    let address = address.split(['?', '#']).next().unwrap_or(address);
    let Some((scheme, rest)) = address.split_once("://") else { return false };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    let Some(authority) = Authority::parse(authority) else { return false };
    let port = |authority: &Authority<'_>| authority.port().or_else(|| default_port(demand.scheme));
    scheme.eq_ignore_ascii_case(demand.scheme)
        && authority.host() == demand.authority.host()
        && port(&authority) == port(demand.authority)
        && same_path(path.as_bytes(), demand.path.as_bytes())
}

const fn default_port(scheme: &str) -> Option<u16> {
    match scheme.as_bytes() {
        b"https" => Some(443),
        b"http" => Some(80),
        _ => None,
    }
}

/// The case of hexadecimal digits behind a `%` does not matter
/// ([RFC 3986 §6.2.2.1](https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2.1)).
fn same_path(one: &[u8], other: &[u8]) -> bool {
    let is_digit = |index: usize| one[index.saturating_sub(2)..index].contains(&b'%');
    let same = |(index, (a, b)): (usize, (&u8, &u8))| {
        a == b || (is_digit(index) && a.eq_ignore_ascii_case(b))
    };
    one.len() == other.len() && one.iter().zip(other).enumerate().all(same)
}

/// Point 11: `iat`.
fn check_time(claims: &Claims, leeway: Duration, now: Timestamp) -> Result<Timestamp, ProofError> {
    let issued = claims.date("iat")?;
    let recent =
        |issued: &Timestamp| *issued <= now + leeway && issued.until(now) <= MAX_AGE + leeway;
    let expected = "a moment of the last minute";
    issued.filter(recent).ok_or(ProofError::BadClaim { name: "iat", expected })
}

/// Point 12: `ath`.
fn check_token(claims: &Claims, token: &str) -> Result<(), ProofError> {
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
    if claims.text("ath") == Some(&hash) {
        return Ok(());
    }
    Err(ProofError::BadClaim { name: "ath", expected: "the hash of the token" })
}

/// Point 10: `nonce`.
fn check_nonce(
    claims: &Claims,
    nonces: Option<&NonceKey>,
    now: Timestamp,
) -> Result<(), ProofError> {
    let Some(key) = nonces else { return Ok(()) };
    let fresh = claims.text("nonce").is_some_and(|nonce| key.accepts(nonce, now));
    if fresh { Ok(()) } else { Err(ProofError::NonceWanted) }
}

fn scoped(key: &Thumbprint, id: &str) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(key);
    hash.update(id.as_bytes());
    let mut scoped = [0; 32];
    scoped.copy_from_slice(hash.finish().as_ref());
    scoped
}

#[cfg(test)]
mod tests;
