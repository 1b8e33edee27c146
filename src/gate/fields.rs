//! What tells an app who calls, written once for each caller: as fields, and as the lines that they are in HTTP/1.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};

use crate::base::field_line;

/// The identity headers of one caller on the routes of one plan. A clone is the same, not a copy.
#[derive(Clone, Debug)]
pub struct IdentityFields(Arc<Written>);

#[derive(Debug)]
struct Written {
    set: Vec<(HeaderName, HeaderValue)>,
    lines: Vec<u8>,
    unset: Box<[HeaderName]>,
}

impl IdentityFields {
    /// The headers that are `set`; `all` are those by which any route tells of anybody.
    pub(super) fn new(set: Vec<(HeaderName, HeaderValue)>, all: &[HeaderName]) -> Self {
        let length = |(name, value): &(HeaderName, HeaderValue)| {
            field_line::length(name.as_str().as_bytes(), value.as_bytes())
        };
        let mut lines = Vec::with_capacity(set.iter().map(length).sum());
        for (name, value) in &set {
            field_line::append(&mut lines, name, value);
        }
        let is_set = |name: &HeaderName| set.iter().any(|(known, _)| known == name);
        let unset = all.iter().filter(|name| !is_set(name)).cloned().collect();
        Self(Arc::new(Written { set, lines, unset }))
    }

    /// Nothing is known of anybody.
    pub fn nobody(all: &[HeaderName]) -> Self {
        Self::new(Vec::new(), all)
    }

    /// Those that have a value.
    pub fn set(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.set
    }

    /// [`set`](Self::set) as lines of HTTP/1 ([RFC 9112 §5](https://www.rfc-editor.org/rfc/rfc9112#section-5)).
    pub fn lines(&self) -> &[u8] {
        &self.0.lines
    }

    /// Those that have none here.
    pub fn unset(&self) -> &[HeaderName] {
        &self.0.unset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_set_or_unset() {
        let [user, email] = ["x-user", "x-email"].map(HeaderName::from_static);
        let all = [user.clone(), email.clone()];
        let set = vec![(user.clone(), HeaderValue::from_static("ada lovelace"))];
        let fields = IdentityFields::new(set, &all);
        assert_eq!(fields.set(), [(user, HeaderValue::from_static("ada lovelace"))]);
        assert_eq!(fields.lines(), b"x-user: ada lovelace\r\n");
        assert_eq!(fields.unset(), [email]);
        let nobody = IdentityFields::nobody(&all);
        assert!(nobody.set().is_empty() && nobody.lines().is_empty());
        assert_eq!(nobody.unset(), all);
    }
}
