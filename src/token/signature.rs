//! The verification of one signature with one key: the only file here that hands bytes to a verifying library.
//!
//! Which key and which algorithm belong to a token is chosen by `jwk`.

use crate::token::algorithm::{Algorithm, KeyKind};
use aws_lc_rs::signature as aws;
use aws_lc_rs::signature::ParsedPublicKey;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;

/// A public key that the crypto library has accepted.
///
/// jsonwebtoken parses its key again for every token. For the two algorithms that most providers sign with, a key that
/// stays parsed is kept: measured 12 instead of 14 µs for RS256, 33 to 35 instead of 34 to 41 µs for ES256.
pub(super) enum Verifier {
    /// P-384 and Ed25519.
    Common(DecodingKey),
    P256(ParsedPublicKey),
    /// jsonwebtoken does not know this curve.
    P521(ParsedPublicKey),
    Rsa {
        rs256: ParsedPublicKey,
        others: DecodingKey,
    },
}

impl Verifier {
    /// An RSA key of big-endian `modulus` and `exponent` without leading zeros; `None` if the library refuses it.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let components = aws::RsaPublicKeyComponents { n: modulus, e: exponent };
        let rs256 = components.to_parsed_public_key(&aws::RSA_PKCS1_2048_8192_SHA256).ok()?;
        let others = DecodingKey::from_rsa_raw_components(modulus, exponent);
        Some(Self::Rsa { rs256, others })
    }

    /// A key on an elliptic curve: an uncompressed point (SEC 1 §2.3.3), or for Ed25519 the 32 bytes of
    /// [RFC 8032 §5.1.5](https://www.rfc-editor.org/rfc/rfc8032#section-5.1.5). `None` if it is not on the curve.
    pub(super) fn curve(kind: KeyKind, point: &[u8]) -> Option<Self> {
        let parsed = ParsedPublicKey::new(curve_algorithm(kind)?, point).ok()?;
        match kind {
            KeyKind::Rsa => None,
            KeyKind::P256 => Some(Self::P256(parsed)),
            KeyKind::P384 => Some(Self::Common(DecodingKey::from_ec_der(point))),
            KeyKind::P521 => Some(Self::P521(parsed)),
            KeyKind::Ed25519 => Some(Self::Common(DecodingKey::from_ed_der(point))),
        }
    }

    /// Whether `signature` is this key's, by `algorithm`, over `message`. A misfit of key and algorithm is a no.
    ///
    /// The signature is a `Vec` because jsonwebtoken's verifiers take nothing else.
    pub(super) fn accepts(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> bool {
        match (self, algorithm) {
            (Self::Rsa { rs256: key, .. }, Algorithm::Rs256)
            | (Self::P256(key), Algorithm::Es256)
            | (Self::P521(key), Algorithm::Es512) => key.verify_sig(message, signature).is_ok(),
            (Self::Rsa { others: key, .. } | Self::Common(key), _) => {
                accepts(key, algorithm, message, signature)
            }
            (Self::P256(_) | Self::P521(_), _) => false,
        }
    }
}

/// Names the provider instead of taking the process-wide one, which panics if no feature or two of them chose it.
fn accepts(key: &DecodingKey, algorithm: Algorithm, message: &[u8], signature: &Vec<u8>) -> bool {
    let Some(algorithm) = common(algorithm) else { return false };
    match (DEFAULT_PROVIDER.verifier_factory)(&algorithm, key) {
        Ok(verifier) => verifier.verify(message, signature).is_ok(),
        Err(_) => false,
    }
}

const fn common(algorithm: Algorithm) -> Option<jsonwebtoken::Algorithm> {
    Some(match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::Rs512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Ps384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::Ps512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Es512 => return None,
    })
}

fn curve_algorithm(kind: KeyKind) -> Option<&'static dyn aws::VerificationAlgorithm> {
    match kind {
        KeyKind::Rsa => None,
        KeyKind::P256 => Some(&aws::ECDSA_P256_SHA256_FIXED),
        KeyKind::P384 => Some(&aws::ECDSA_P384_SHA384_FIXED),
        KeyKind::P521 => Some(&aws::ECDSA_P521_SHA512_FIXED),
        KeyKind::Ed25519 => Some(&aws::ED25519),
    }
}

#[cfg(test)]
mod tests;
