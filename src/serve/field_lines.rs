//! Fields as the lines that they are in HTTP/1 ([RFC 9112 §5](https://www.rfc-editor.org/rfc/rfc9112#section-5)): what sidegate adds
//! to a header that pingora writes. A field set in pingora's header costs some 0.2 µs, a line next to nothing.

use http::header::HeaderName;
use pingora::{Error, ErrorType};

use crate::base::field_line;

/// A field's name, as it is written.
#[derive(Clone, Copy)]
pub(crate) enum Name<'a> {
    Fixed(&'static str),
    Given(&'a HeaderName),
    /// As somebody else wrote it.
    Written(&'a [u8]),
}

impl Name<'_> {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Fixed(name) => name.as_bytes(),
            Self::Given(name) => name.as_str().as_bytes(),
            Self::Written(name) => name,
        }
    }
}

/// Adds one line to `lines`, unless `value` could be more than one.
pub(crate) fn line(lines: &mut Vec<u8>, name: Name<'_>, value: &[u8]) -> pingora::Result<()> {
    // The octets of a field value (RFC 9110 §5.5), which every header value was checked for already.
    // All of them are looked at, which takes less time than looking for the first.
    if value.iter().fold(false, |found, b| found | ((*b < b' ') & (*b != b'\t')) | (*b == 0x7f)) {
        return Error::e_explain(ErrorType::InternalError, "a header value has control characters");
    }
    field_line::append_checked(lines, name.as_bytes(), value);
    Ok(())
}

/// The parts of `head`, the whole of a header, with `lines` behind its own; none if it is no whole header.
pub(crate) fn behind<'a>(head: &'a [u8], lines: &'a [u8]) -> Option<[&'a [u8]; 3]> {
    let own = head.strip_suffix(b"\r\n").filter(|own| own.ends_with(b"\r\n"))?;
    Some([own, lines, b"\r\n"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_and_a_value() {
        let mut lines = Vec::new();
        let name = HeaderName::from_static("x-auth-request-user");
        line(&mut lines, Name::Given(&name), b"jane doe").unwrap();
        line(&mut lines, Name::Fixed("X-Request-Id"), b"7").unwrap();
        assert_eq!(lines, b"x-auth-request-user: jane doe\r\nX-Request-Id: 7\r\n");
    }

    #[test]
    fn a_value_that_could_be_more_than_one_line_is_refused() {
        for value in [&b"jane\r\nx-auth-request-groups: admin"[..], b"\n", b"jane\0", b"\x7f"] {
            let mut lines = Vec::new();
            assert!(line(&mut lines, Name::Fixed("X-Request-Id"), value).is_err());
            assert!(lines.is_empty());
        }
    }

    #[test]
    fn lines_follow_those_of_a_whole_header() {
        let whole = behind(b"HTTP/1.1 200 OK\r\nDate: now\r\n\r\n", b"a: 1\r\nb: 2\r\n");
        assert_eq!(
            whole.map(|parts| parts.concat()).as_deref(),
            Some(&b"HTTP/1.1 200 OK\r\nDate: now\r\na: 1\r\nb: 2\r\n\r\n"[..])
        );
        for part in [&b""[..], b"\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\nbody"] {
            assert_eq!(behind(part, b"a: 1\r\n"), None);
        }
    }
}
