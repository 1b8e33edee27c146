//! A signer that signs anything, and the judgement of what it signed.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sidegate::base::time::Timestamp;
use sidegate::token::{Algorithm, Claims, Jwt, KeySet, Rules, TokenError, TypeRule};
use std::sync::LazyLock;
use std::time::Duration;

pub(crate) const NOW: u64 = 1_700_000_000;
pub(crate) const KID: &str = "rsa-1";

static KEY: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Modulus and exponent of the provider's key.
pub(crate) fn public_numbers() -> (Vec<u8>, Vec<u8>) {
    let numbers = RsaPublicKeyComponents::<Vec<u8>>::from(KEY.public_key());
    (numbers.n, numbers.e)
}

/// The public key as DER, as it stands in PEM files.
pub(crate) fn public_der() -> Vec<u8> {
    KEY.public_key().as_ref().to_vec()
}

pub(crate) fn jwk() -> Value {
    let (n, e) = public_numbers();
    json!({ "kty": "RSA", "kid": KID, "n": encode(n), "e": encode(e) })
}

pub(crate) fn key_set() -> KeySet {
    set_of(&[jwk()])
}

pub(crate) fn set_of(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap().keys
}

pub(crate) fn rules() -> Rules {
    Rules {
        issuer: "https://login.example".into(),
        audiences: vec!["web".into()],
        clients: None,
        client_claims: Vec::new(),
        algorithms: Algorithm::ALL.into_iter().collect(),
        types: TypeRule::Any,
        leeway: Duration::from_secs(30),
    }
}

pub(crate) fn header() -> Value {
    json!({ "alg": "RS256", "kid": KID, "typ": "JWT" })
}

pub(crate) fn claims() -> Value {
    json!({ "iss": "https://login.example", "aud": "web", "sub": "ada", "exp": NOW + 60, "iat": NOW, "nbf": NOW })
}

/// `object` with `changes` on top.
pub(crate) fn with(mut object: Value, changes: &Value) -> Value {
    object.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    object
}

/// `object` without `name`.
pub(crate) fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name).unwrap();
    object
}

/// A token of these texts, truly signed by the provider.
pub(crate) fn signed(header: impl ToString, claims: impl ToString) -> String {
    let text = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let mut signature = vec![0; KEY.public_modulus_len()];
    KEY.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", encode(signature))
}

/// A token of these texts with this signature.
pub(crate) fn forged(
    header: impl ToString,
    claims: impl ToString,
    signature: impl AsRef<[u8]>,
) -> String {
    format!("{}.{}.{}", encode(header.to_string()), encode(claims.to_string()), encode(signature))
}

pub(crate) fn judge(token: &str) -> Result<Claims, TokenError> {
    judge_with(token, &key_set(), &rules())
}

pub(crate) fn judge_with(token: &str, keys: &KeySet, rules: &Rules) -> Result<Claims, TokenError> {
    let verified = Jwt::parse(token, 16 * 1024)?.verify(keys, rules, Timestamp::from_secs(NOW))?;
    Ok(verified.into_claims())
}

/// Why the token is refused.
pub(crate) fn refusal(token: &str) -> &'static str {
    judge(token).unwrap_err().label()
}
