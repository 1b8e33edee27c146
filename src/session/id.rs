//! The name of a session.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// 128 random bits. With stores it is half of what opens the session, so it is never written to logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// Takes in `bytes`, which must be fresh from the system's random generator for a new session.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// 22 characters of base64url.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads what [`Self::text`] wrote; `None` for any other spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == bytes.len()).then_some(Self(bytes))
    }

    /// What logs may call it: eight hexadecimal digits that lead nowhere.
    pub fn alias(&self) -> String {
        let hash = digest(&SHA256, &self.0);
        hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}…)", self.alias())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_back_in_its_one_spelling() {
        let id = SessionId::from_bytes([0xa5; 16]);
        let text = id.text();
        assert_eq!((text.len(), SessionId::parse(&text)), (22, Some(id)));
        for other in ["", "AA", &text[1..], &format!("{text}A"), &format!("{text}=="), "é"] {
            assert_eq!(SessionId::parse(other), None, "{other}");
        }
        let stray_bits = format!("{}R", &text[..21]);
        assert_eq!(SessionId::parse(&stray_bits), None);
    }

    #[test]
    fn debug_text_is_no_way_to_the_session() {
        let id = SessionId::from_bytes([7; 16]);
        let shown = format!("{id:?}");
        assert!(!shown.contains(&id.text()) && !shown.contains("07070707"), "{shown}");
        assert_ne!(id.alias(), SessionId::from_bytes([8; 16]).alias());
    }
}
