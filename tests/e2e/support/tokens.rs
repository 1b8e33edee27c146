//! Tokens as a login service makes them, and as no login service would: any header, any claims, a real signature.
//!
//! Signed with ES256 by a key that the configuration is given inline, so that a test needs no provider to run. What
//! depends on how keys are fetched uses the real one.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use sidegate::clock::Clock;
use sidegate::token::SigningKey;

/// The issuer identifier.
pub(crate) const ISSUER: &str = "https://login.test";
/// The audience that is accepted.
pub(crate) const AUDIENCE: &str = "web";

/// A key and what it signs.
pub(crate) struct Issuer {
    key: EcdsaKeyPair,
    jwk: Value,
}

impl Issuer {
    /// One with a key of its own.
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate().unwrap();
        let pem = key.to_pem().unwrap();
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der());
        Self { key: pair.unwrap(), jwk: key.public_jwk() }
    }

    /// The public key.
    pub(crate) fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// The key set.
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk] })
    }

    /// The header that a good token has.
    pub(crate) fn header(&self) -> Value {
        json!({ "alg": "ES256", "kid": self.jwk["kid"], "typ": "JWT" })
    }

    /// A good token for `user`, who has a mail address and is in no group but `staff`.
    pub(crate) fn token(&self, user: &str) -> String {
        self.sign(&self.header(), &claims(user))
    }

    /// A good token, but for what `change` does to its claims.
    pub(crate) fn token_with(&self, user: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = claims(user);
        change(&mut claims);
        self.sign(&self.header(), &claims)
    }

    /// Any token, with a signature that holds.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Claims that are accepted.
pub(crate) fn claims(user: &str) -> Value {
    let now = Clock::system().now().as_secs();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + 600,
        "email": format!("{user}@example.test"), "groups": ["staff"], "preferred_username": user,
    })
}

/// A part of a token.
pub(crate) fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
