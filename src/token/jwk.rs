//! Key sets ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)): parsed leniently, selected strictly.
//!
//! One key that is of no use does not spoil the others; it is skipped, with the reason. Fetching a set, keeping
//! the last good one and its age are somebody else's.

use crate::token::algorithm::{Algorithm, AlgorithmSet, KeyKind};
use crate::token::error::TokenError;
use crate::token::header::{Header, MAX_KID_BYTES};
use crate::token::signature::Verifier;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;

/// The largest set that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The largest number of keys in a set.
const MAX_KEYS: usize = 100;

/// How many keys are tried for a token that names none.
const MAX_TRIES: usize = 8;

/// The public keys of one provider, each with the algorithms it may be used with.
#[derive(PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

/// A key set, and what was left out of it.
#[derive(Debug)]
pub struct ParsedKeys {
    /// At least one key.
    pub keys: KeySet,
    /// The keys that cannot be used.
    pub skipped: Vec<SkippedKey>,
}

/// A key that is left out of its set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its `kid`, if it has a usable one.
    pub kid: Option<String>,
    /// Why, in words for an operator.
    pub why: &'static str,
}

/// Why a key set is refused as a whole; whoever has an older one keeps it.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    #[error("key set has no usable key; it has {skipped} that were skipped")]
    NoUsableKey { skipped: usize },
    #[error("key set is not a JSON object with an array `keys`")]
    NotKeySet(#[source] serde_json::Error),
    #[error("key set has {found} bytes, more than the {limit} that are accepted")]
    TooLong { found: usize, limit: usize },
    #[error("key set has {found} keys, more than the {limit} that are accepted")]
    TooManyKeys { found: usize, limit: usize },
}

/// One public key of a set.
pub struct PublicKey {
    kid: Option<String>,
    kind: KeyKind,
    algorithms: AlgorithmSet,
    material: Vec<u8>,
    verifier: Verifier,
}

impl KeySet {
    /// Reads a JWK set ([RFC 7517 §5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
    ///
    /// Used are RSA keys of 2048 to 8192 bits, points on P-256, P-384 and P-521, and Ed25519; if they are for
    /// signatures (`use`, `key_ops`) and their `alg`, if they have one, fits them. Symmetric keys are never used.
    /// Two different keys of one `kid` and algorithm refuse each other.
    ///
    /// # Errors
    ///
    /// [`KeySetError`] if this is no key set, has more than 1 MiB or 100 keys, or nothing usable in it.
    pub fn parse(json: &[u8]) -> Result<ParsedKeys, KeySetError> {
        let written = written_keys(json)?;
        let mut keys = Vec::with_capacity(written.len());
        let mut skipped = Vec::new();
        for jwk in &written {
            match PublicKey::parse(jwk) {
                Ok(key) => keys.push(key),
                Err(why) => skipped.push(SkippedKey { kid: usable_kid(jwk), why }),
            }
        }
        drop_repeated(&mut keys);
        drop_rivals(&mut keys, &mut skipped);
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey { skipped: skipped.len() });
        }
        Ok(ParsedKeys { keys: Self { keys }, skipped })
    }

    /// How many keys there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "a key set is never empty")]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys, in written order.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter()
    }

    /// Whether a key that `header` selects made `signature` over `signed`.
    ///
    /// # Errors
    ///
    /// [`TokenError::UnknownKey`] if the header selects none, [`TokenError::BadSignature`] if none of them did it.
    pub(super) fn verify(
        &self,
        header: &Header,
        signed: &[u8],
        signature: &Vec<u8>,
    ) -> Result<(), TokenError> {
        let mut doubt = TokenError::UnknownKey;
        for key in self.select(header).take(MAX_TRIES) {
            if key.verifier.accepts(header.algorithm, signed, signature) {
                return Ok(());
            }
            doubt = TokenError::BadSignature;
        }
        Err(doubt)
    }

    /// The keys for a token: of its `kid`, or all if it has none, as far as they may be used with its algorithm.
    fn select(&self, header: &Header) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().filter(|key| {
            let named = header.kid.is_none() || header.kid == key.kid;
            named && key.algorithms.contains(header.algorithm)
        })
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

impl PublicKey {
    /// Its name in the set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What kind of key it is.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The algorithms it may be used with.
    pub const fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    /// Whether this key made `signature` over `signed`, by an algorithm it may be used with.
    pub(super) fn accepts(&self, algorithm: Algorithm, signed: &[u8], signature: &Vec<u8>) -> bool {
        self.algorithms.contains(algorithm) && self.verifier.accepts(algorithm, signed, signature)
    }

    /// Reads one key; if it is of no use, says why.
    pub(super) fn parse(jwk: &Value) -> Result<Self, &'static str> {
        let jwk = jwk.as_object().ok_or("it is not a JSON object")?;
        let kid = kid(jwk)?;
        let kind = kind(jwk)?;
        check_purpose(jwk)?;
        let algorithms = algorithms(jwk, kind)?;
        let (material, verifier) = if kind == KeyKind::Rsa { rsa(jwk)? } else { curve(jwk, kind)? };
        Ok(Self { kid, kind, algorithms, material, verifier })
    }

    fn same_name(&self, other: &Self) -> bool {
        self.kid.is_some() && self.kid == other.kid
    }

    /// Whether a token could mean either of two different keys.
    fn is_rival(&self, other: &Self) -> bool {
        self.same_name(other)
            && self.algorithms.overlaps(other.algorithms)
            && self.material != other.material
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.kid, self.kind, self.algorithms, &self.material)
            == (&other.kid, other.kind, other.algorithms, &other.material)
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kid, kind, algorithms, .. } = self;
        f.debug_struct("PublicKey")
            .field("kid", kid)
            .field("kind", kind)
            .field("algorithms", algorithms)
            .finish_non_exhaustive()
    }
}

fn written_keys(json: &[u8]) -> Result<Vec<Value>, KeySetError> {
    #[derive(Deserialize)]
    struct Written {
        keys: Vec<Value>,
    }
    if json.len() > MAX_BYTES {
        return Err(KeySetError::TooLong { found: json.len(), limit: MAX_BYTES });
    }
    let Written { keys } = serde_json::from_slice(json).map_err(KeySetError::NotKeySet)?;
    if keys.len() > MAX_KEYS {
        return Err(KeySetError::TooManyKeys { found: keys.len(), limit: MAX_KEYS });
    }
    Ok(keys)
}

/// Keys that are written twice, word for word, count once.
fn drop_repeated(keys: &mut Vec<PublicKey>) {
    let mut kept: Vec<PublicKey> = Vec::with_capacity(keys.len());
    for key in keys.drain(..) {
        if !kept.contains(&key) {
            kept.push(key);
        }
    }
    *keys = kept;
}

/// Different keys that a token could mean by one `kid`: neither can be trusted to be the right one. Keys of one `kid`
/// and different kinds are fine ([RFC 7517 §4.5](https://www.rfc-editor.org/rfc/rfc7517#section-4.5)).
fn drop_rivals(keys: &mut Vec<PublicKey>, skipped: &mut Vec<SkippedKey>) {
    let doubtful: Vec<bool> =
        keys.iter().map(|key| keys.iter().any(|other| key.is_rival(other))).collect();
    let mut doubtful = doubtful.into_iter();
    keys.retain(|key| {
        let rival = doubtful.next().unwrap_or(true);
        if rival {
            skipped.push(SkippedKey {
                kid: key.kid.clone(),
                why: "another key has the same kid and algorithm",
            });
        }
        !rival
    });
}

fn usable_kid(jwk: &Value) -> Option<String> {
    jwk.as_object().and_then(|jwk| kid(jwk).ok()).flatten()
}

fn kid(jwk: &Map<String, Value>) -> Result<Option<String>, &'static str> {
    match jwk.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if kid.len() <= MAX_KID_BYTES => Ok(Some(kid.clone())),
        Some(_) => Err("its kid is not a string of at most 256 bytes"),
    }
}

/// The kind of a key by `kty` and `crv` ([RFC 7518 §6](https://www.rfc-editor.org/rfc/rfc7518#section-6),
/// [RFC 8037 §2](https://www.rfc-editor.org/rfc/rfc8037#section-2)).
fn kind(jwk: &Map<String, Value>) -> Result<KeyKind, &'static str> {
    let text = |name| jwk.get(name).and_then(Value::as_str);
    match (text("kty"), text("crv")) {
        (Some("RSA"), _) => Ok(KeyKind::Rsa),
        (Some("EC"), Some("P-256")) => Ok(KeyKind::P256),
        (Some("EC"), Some("P-384")) => Ok(KeyKind::P384),
        (Some("EC"), Some("P-521")) => Ok(KeyKind::P521),
        (Some("OKP"), Some("Ed25519")) => Ok(KeyKind::Ed25519),
        (Some("EC" | "OKP"), _) => Err("its curve is not P-256, P-384, P-521 or Ed25519"),
        (Some("oct"), _) => Err("it is a symmetric key"),
        _ => Err("its kty is not RSA, EC or OKP"),
    }
}

/// `use` and `key_ops` ([RFC 7517 §4.2](https://www.rfc-editor.org/rfc/rfc7517#section-4.2) and §4.3), and that
/// it is a public key: one whose private half is published could be anybody's.
fn check_purpose(jwk: &Map<String, Value>) -> Result<(), &'static str> {
    if !jwk.get("use").is_none_or(|purpose| purpose == "sig") {
        return Err("its use is not `sig`");
    }
    let verifies = |operations: &Value| {
        operations.as_array().is_some_and(|names| names.iter().any(|name| name == "verify"))
    };
    if !jwk.get("key_ops").is_none_or(verifies) {
        return Err("its key_ops do not include `verify`");
    }
    if jwk.contains_key("d") {
        return Err(
            "it is a private key; the provider must publish the public one, and replace it",
        );
    }
    Ok(())
}

/// What the key may be used with: its `alg`, or all that fit it.
fn algorithms(jwk: &Map<String, Value>, kind: KeyKind) -> Result<AlgorithmSet, &'static str> {
    let fitting = kind.algorithms();
    let Some(name) = jwk.get("alg") else { return Ok(fitting) };
    let algorithm: Option<Algorithm> = name.as_str().and_then(|name| name.parse().ok());
    match algorithm {
        Some(algorithm) if fitting.contains(algorithm) => Ok([algorithm].into_iter().collect()),
        Some(_) => Err("its alg does not fit its kty and crv"),
        None => Err("its alg is not an accepted signature algorithm"),
    }
}

fn rsa(jwk: &Map<String, Value>) -> Result<(Vec<u8>, Verifier), &'static str> {
    let modulus = number(jwk, "n").ok_or("its n is not unpadded base64url")?;
    let exponent = number(jwk, "e").ok_or("its e is not unpadded base64url")?;
    if !(2048..=8192).contains(&bits(&modulus)) {
        return Err("its modulus does not have 2048 to 8192 bits");
    }
    if !is_odd(&modulus) {
        return Err("its modulus is even");
    }
    if !is_odd(&exponent) || !(2..=33).contains(&bits(&exponent)) {
        return Err("its exponent is not an odd number from 3 to 2^33");
    }
    let verifier = Verifier::rsa(&modulus, &exponent).ok_or("it is not a valid RSA key")?;
    Ok(([modulus, exponent].concat(), verifier))
}

fn curve(jwk: &Map<String, Value>, kind: KeyKind) -> Result<(Vec<u8>, Verifier), &'static str> {
    let coordinate = |name| octets(jwk, name).filter(|bytes| bytes.len() == coordinate_bytes(kind));
    let x = coordinate("x").ok_or("its x is not base64url of the length of the curve")?;
    let point = match kind {
        KeyKind::Ed25519 => x,
        _ => [
            vec![4],
            x,
            coordinate("y").ok_or("its y is not base64url of the length of the curve")?,
        ]
        .concat(),
    };
    let verifier = Verifier::curve(kind, &point).ok_or("it is not a point on its curve")?;
    Ok((point, verifier))
}

/// Coordinates have their full length, leading zeros included
/// ([RFC 7518 §6.2.1.2](https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1.2)).
const fn coordinate_bytes(kind: KeyKind) -> usize {
    match kind {
        KeyKind::Rsa => 0,
        KeyKind::P256 | KeyKind::Ed25519 => 32,
        KeyKind::P384 => 48,
        KeyKind::P521 => 66,
    }
}

fn octets(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok()
}

/// A `Base64urlUInt` without the leading zeros that some providers write against
/// [RFC 7518 §2](https://www.rfc-editor.org/rfc/rfc7518#section-2).
fn number(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    let mut bytes = octets(jwk, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    Some(bytes)
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last & 1 == 1)
}

#[cfg(test)]
mod tests;
