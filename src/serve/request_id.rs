//! Request ids: unique over time and machines, and cheap.

use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{HeaderName, HeaderValue};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Makes ids: a random prefix that is this process's own, and a count.
#[derive(Debug)]
pub(crate) struct RequestIds {
    prefix: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// Counts from zero behind `prefix`, which should be random.
    pub(crate) const fn new(prefix: u64) -> Self {
        Self { prefix, next: AtomicU64::new(0) }
    }

    /// The next id.
    pub(crate) fn next(&self) -> RequestId {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut text = [0; 32];
        hexadecimal(self.prefix, &mut text[..16]);
        hexadecimal(count, &mut text[16..]);
        RequestId(text)
    }
}

/// 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId([u8; 32]);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Digits, which no line ends at.
    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or(HeaderValue::from_static("-"))
    }
}

fn hexadecimal(number: u64, out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (digit, shift) in out.iter_mut().zip((0..16).rev()) {
        let nibble = (number >> (shift * 4)) & 0xf;
        *digit = DIGITS[usize::try_from(nibble).unwrap_or_default()];
    }
}

/// An id that a trusted proxy gave, if it is one that may stand in logs and headers.
pub(crate) fn acceptable(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let allowed = |b: &u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'=' | b'+' | b'/')
    };
    !bytes.is_empty() && bytes.len() <= 128 && bytes.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_distinct_and_printable() {
        let ids = RequestIds::new(0x0123_4567_89ab_cdef);
        assert_eq!(ids.next().as_str(), "0123456789abcdef0000000000000000");
        assert_eq!(ids.next().as_str(), "0123456789abcdef0000000000000001");
    }

    #[test]
    fn foreign_ids_must_be_short_and_plain() {
        for (text, fine) in [
            ("abc-1", true),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            (&*"a".repeat(129), false),
        ] {
            assert_eq!(acceptable(&HeaderValue::from_str(text).unwrap()), fine, "{text}");
        }
    }
}
