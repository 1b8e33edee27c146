//! Nonces for DPoP proofs ([RFC 9449 §9](https://www.rfc-editor.org/rfc/rfc9449#section-9)), kept nowhere: a nonce is the
//! number of a span of time and an HMAC over it. Processes with the same key accept each other's.
//!
//! A nonce says that the proof was made lately, not that it is used once.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;

/// How long one nonce is given out, in seconds; it is accepted for as long again.
const SPAN: u64 = 300;

/// Keeps other uses of the same secret apart.
const PURPOSE: &[u8] = b"sidegate dpop nonce 1";

/// The key that nonces are made and known by.
pub struct NonceKey(hmac::Key);

impl NonceKey {
    /// Makes the key from `secret`.
    pub fn new(secret: &Secret<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose()))
    }

    /// The nonce to give out at `now`.
    pub fn nonce(&self, now: Timestamp) -> String {
        let span = now.as_secs() / SPAN;
        let mut bytes = span.to_be_bytes().to_vec();
        bytes.extend_from_slice(hmac::sign(&self.0, &message(span)).as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether `nonce` was given out in this span of time or the one before; or by a clock that is ahead, in the next.
    pub fn accepts(&self, nonce: &str, now: Timestamp) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let Some((span, tag)) = bytes.split_first_chunk::<8>() else { return false };
        let span = u64::from_be_bytes(*span);
        let near = span.abs_diff(now.as_secs() / SPAN) <= 1;
        near && hmac::verify(&self.0, &message(span), tag).is_ok()
    }
}

fn message(span: u64) -> Vec<u8> {
    [PURPOSE, &span.to_be_bytes()].concat()
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> NonceKey {
        NonceKey::new(&Secret::new([byte; 32]))
    }

    const GIVEN: Timestamp = Timestamp::from_secs(3_000);

    #[test]
    fn a_nonce_is_good_for_this_span_of_time_and_the_next() {
        let nonce = key(1).nonce(GIVEN);
        assert_eq!(nonce, key(1).nonce(Timestamp::from_secs(3_299)));
        for (now, good) in
            [(2_699, false), (2_700, true), (3_000, true), (3_599, true), (3_600, false)]
        {
            assert_eq!(key(1).accepts(&nonce, Timestamp::from_secs(now)), good, "{now}");
        }
    }

    #[test]
    fn nobody_else_can_make_one() {
        let nonce = key(1).nonce(GIVEN);
        assert!(!key(2).accepts(&nonce, GIVEN));
        let mut bytes = URL_SAFE_NO_PAD.decode(&nonce).unwrap();
        for index in 0..bytes.len() {
            bytes[index] ^= 1;
            assert!(!key(1).accepts(&URL_SAFE_NO_PAD.encode(&bytes), GIVEN), "{index}");
            bytes[index] ^= 1;
        }
        for text in ["", "AAAA", "!", &nonce[..nonce.len() - 2], &format!("{nonce}AA")] {
            assert!(!key(1).accepts(text, GIVEN), "{text}");
        }
    }
}
