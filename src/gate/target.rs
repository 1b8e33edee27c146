//! The request target, as it will be forwarded byte for byte.

use crate::gate::reason::Reason;

/// An origin-form request target ([RFC 9112 §3.2.1](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.1)):
/// an absolute path and perhaps a query, in the very bytes that go upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    written: &'a str,
    path: &'a str,
}

impl<'a> Target<'a> {
    /// Reads `written`; refuses what is not origin-form, and bytes that no URI may have.
    pub fn parse(written: &'a str) -> Result<Self, Reason> {
        if !written.starts_with('/') {
            return Err(Reason::MalformedTarget);
        }
        let strange = |b: u8| b <= b' ' || b == 0x7f || b == b'#' || b >= 0x80;
        if written.bytes().any(strange) {
            return Err(Reason::MalformedTarget);
        }
        let path = written.split('?').next().unwrap_or(written);
        if !percent_triplets_are_whole(path) {
            return Err(Reason::MalformedTarget);
        }
        Ok(Self { written, path })
    }

    /// Path and query as written.
    pub const fn written(&self) -> &'a str {
        self.written
    }

    /// The path as written, without the query.
    pub const fn path(&self) -> &'a str {
        self.path
    }

    /// Whether every upstream reads this path in the one same way.
    pub fn has_one_reading(&self) -> bool {
        let mut last = 0;
        for b in self.path.bytes() {
            let odd = match b {
                b'%' | b'\\' | b';' => true,
                b'/' => matches!(last, b'/' | b'.'),
                _ => false,
            };
            if odd {
                return false;
            }
            last = b;
        }
        last != b'.'
    }
}

/// A `%` that two hexadecimal digits do not follow is read differently by every server
/// ([RFC 3986 §2.1](https://www.rfc-editor.org/rfc/rfc3986#section-2.1)).
fn percent_triplets_are_whole(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes();
        digits.len() >= 2 && digits[..2].iter().all(u8::is_ascii_hexdigit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_is_not_part_of_the_path() {
        let target = Target::parse("/admin?/public").unwrap();
        assert_eq!((target.path(), target.written()), ("/admin", "/admin?/public"));
    }

    #[test]
    fn only_origin_form_passes() {
        for text in
            ["", "*", "admin", "http://app/admin", "ftp://app/admin", "\\admin", "?x", "%20/admin"]
        {
            assert_eq!(Target::parse(text), Err(Reason::MalformedTarget), "{text}");
        }
    }

    #[test]
    fn bytes_that_no_uri_may_have_are_refused() {
        for text in
            ["/a#b", "/a b", "/a\tb", "/a\0", "/caf\u{e9}", "/100%", "/%zz", "/a%2", "/%u002e"]
        {
            assert_eq!(Target::parse(text), Err(Reason::MalformedTarget), "{text:?}");
        }
    }

    #[test]
    fn most_paths_have_one_reading() {
        for text in ["/", "/a/b.html", "/a.b/..c/", "/.well-known/x", "/x?y=%2e%2e/..;//"] {
            assert!(Target::parse(text).unwrap().has_one_reading(), "{text}");
        }
        for text in ["//a", "/a//b", "/./a", "/a/..", "/a.", "/a./b", "/a;b", "/a%20b", "/a\\b"] {
            assert!(!Target::parse(text).unwrap().has_one_reading(), "{text}");
        }
    }
}
