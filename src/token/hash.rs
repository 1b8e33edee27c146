//! The digests that OAuth and OpenID Connect bind one value to another with, as they are written in messages.

use crate::token::algorithm::Algorithm;
use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The base64url of the left half of the digest of `text`, by the hash function of the ID token's signature: `at_hash`
/// ([OpenID Connect Core 1.0 §3.1.3.6](https://openid.net/specs/openid-connect-core-1_0.html#CodeIDToken)). For Ed25519 it
/// is SHA-512, the one inside ([RFC 8032 §5.1](https://www.rfc-editor.org/rfc/rfc8032#section-5.1)).
pub fn half_hash(algorithm: Algorithm, text: &str) -> String {
    let function = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &SHA384,
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 | Algorithm::EdDSA => &SHA512,
    };
    let whole = digest(function, text.as_bytes());
    let whole = whole.as_ref();
    URL_SAFE_NO_PAD.encode(&whole[..whole.len() / 2])
}

/// The base64url of the SHA-256 of `text`: the `S256` challenge of
/// [RFC 7636 §4.2](https://www.rfc-editor.org/rfc/rfc7636#section-4.2).
pub fn sha256_base64url(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_the_one_of_the_standard() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(sha256_base64url(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    // The example of OpenID Connect Core 1.0, appendix A.3.
    #[test]
    fn the_half_hash_is_the_one_of_the_standard() {
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(half_hash(Algorithm::Rs256, token), "77QmUPtjPfzWtF2AnpK9RQ");
    }

    #[test]
    fn the_half_is_as_long_as_the_algorithm_says() {
        for (algorithm, characters) in
            [(Algorithm::Es256, 22), (Algorithm::Ps384, 32), (Algorithm::EdDSA, 43)]
        {
            assert_eq!(half_hash(algorithm, "x").len(), characters);
        }
    }
}
