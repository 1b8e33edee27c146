//! The key that signs our own statements: ES256, made here or read from a PEM file.
//!
//! What is stated, and for how long, is not decided here.

use crate::base::secret::Secret;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::fmt;

/// Why a signing key cannot be made, read, written or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    #[error("crypto library failed to generate, write or use a P-256 key")]
    Library,
    #[error(
        "private key is not on P-256; make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
    )]
    NotP256,
    #[error(
        "no PKCS#8 `PRIVATE KEY` block found; convert other forms with `openssl pkcs8 -topk8 -nocrypt`"
    )]
    NotPkcs8,
}

/// A private P-256 key that signs with ES256 ([RFC 7518 §3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)).
pub struct SigningKey {
    pair: EcdsaKeyPair,
    kid: String,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// [`SigningError::Library`] if there is no randomness to be had.
    pub fn generate() -> Result<Self, SigningError> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map(Self::new)
            .map_err(|_| SigningError::Library)
    }

    /// Reads the first PKCS#8 private key of `pem` ([RFC 7468 §10](https://www.rfc-editor.org/rfc/rfc7468#section-10)).
    ///
    /// # Errors
    ///
    /// [`SigningError::NotPkcs8`] or [`SigningError::NotP256`].
    pub fn from_pem(pem: &str) -> Result<Self, SigningError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| SigningError::NotPkcs8)?;
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der())
            .map(Self::new)
            .map_err(|_| SigningError::NotP256)
    }

    /// The key as PEM, for [`from_pem`](Self::from_pem).
    ///
    /// # Errors
    ///
    /// [`SigningError::Library`] if the key cannot be written.
    pub fn to_pem(&self) -> Result<Secret<String>, SigningError> {
        let der = self.pair.to_pkcs8v1().map_err(|_| SigningError::Library)?;
        let body = Secret::new(STANDARD.encode(der.as_ref()));
        let mut pem = String::with_capacity(body.expose().len() + 64);
        pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        for line in body.expose().as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(Secret::new(pem))
    }

    /// The name of the key: its thumbprint ([RFC 7638 §3](https://www.rfc-editor.org/rfc/rfc7638#section-3)).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs `claims` as a token of type `typ`.
    ///
    /// # Errors
    ///
    /// [`SigningError::Library`] if the library fails.
    pub fn sign(&self, claims: &Value, typ: &str) -> Result<String, SigningError> {
        self.sign_under(&json!({ "alg": "ES256", "kid": self.kid, "typ": typ }), claims)
    }

    /// Signs `claims` under a `header` that is written by the caller: proofs carry their key in it.
    ///
    /// # Errors
    ///
    /// [`SigningError::Library`] if the library fails.
    pub fn sign_under(&self, header: &Value, claims: &Value) -> Result<String, SigningError> {
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = self
            .pair
            .sign(&SystemRandom::new(), token.as_bytes())
            .map_err(|_| SigningError::Library)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The public half, for a key set ([RFC 7517 §4](https://www.rfc-editor.org/rfc/rfc7517#section-4)).
    pub fn public_jwk(&self) -> Value {
        let (x, y) = coordinates(&self.pair);
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256", "use": "sig", "kid": self.kid })
    }

    fn new(pair: EcdsaKeyPair) -> Self {
        let (x, y) = coordinates(&pair);
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
        Self { pair, kid }
    }
}

/// Prints the public name alone.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The public point as two base64url coordinates: it is written `04 ‖ x ‖ y`, 32 bytes each.
fn coordinates(pair: &EcdsaKeyPair) -> (String, String) {
    let point = &pair.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of [RFC 7515 §A.3](https://www.rfc-editor.org/rfc/rfc7515#appendix-A.3), written by OpenSSL.
    const RFC_7515_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff
H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp
7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt
-----END PRIVATE KEY-----
";

    #[test]
    fn a_key_survives_its_pem_form() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_pem(key.to_pem().unwrap().expose()).unwrap();
        assert_eq!(again.kid(), key.kid());
        assert_eq!(again.public_jwk(), key.public_jwk());
    }

    #[test]
    fn a_pem_of_openssl_is_read_and_written_alike() {
        let key = SigningKey::from_pem(RFC_7515_KEY).unwrap();
        assert_eq!(key.public_jwk()["x"], "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        assert_eq!(key.public_jwk()["y"], "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        assert_eq!(key.to_pem().unwrap().expose(), RFC_7515_KEY);
    }

    #[test]
    fn the_key_id_is_the_thumbprint_that_other_libraries_compute() {
        let key = SigningKey::from_pem(RFC_7515_KEY).unwrap();
        assert_eq!(key.kid(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
        assert_eq!(key.public_jwk()["kid"], key.kid());
    }

    #[test]
    fn two_new_keys_differ() {
        let keys = [SigningKey::generate().unwrap(), SigningKey::generate().unwrap()];
        assert_ne!(keys[0].kid(), keys[1].kid());
    }

    #[test]
    fn other_pem_forms_and_curves_are_refused_with_a_remedy() {
        for text in [
            "",
            "jpsQnnGQmL",
            "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n",
        ] {
            assert_eq!(SigningKey::from_pem(text).unwrap_err(), SigningError::NotPkcs8);
        }
        let p384 =
            EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let body = STANDARD.encode(p384.to_pkcs8v1().unwrap().as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        assert_eq!(SigningKey::from_pem(&pem).unwrap_err(), SigningError::NotP256);
        assert!(SigningError::NotPkcs8.to_string().contains("openssl"));
    }

    #[test]
    fn debug_text_shows_the_public_name_alone() {
        let key = SigningKey::from_pem(RFC_7515_KEY).unwrap();
        let expected = r#"SigningKey { kid: "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U", .. }"#;
        assert_eq!(format!("{key:?}"), expected);
    }

    #[test]
    fn the_public_key_has_no_private_part() {
        let key = SigningKey::generate().unwrap();
        assert!(key.public_jwk().get("d").is_none());
    }
}
