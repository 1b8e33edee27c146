//! A field as the line that it is in HTTP/1 ([RFC 9112 §5](https://www.rfc-editor.org/rfc/rfc9112#section-5)).

use http::header::{HeaderName, HeaderValue};

/// Adds the line of a field to `lines`. Neither type lets a line break through.
pub(crate) fn append(lines: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    append_checked(lines, name.as_str().as_bytes(), value.as_bytes());
}

/// How many bytes the line of a field has.
pub(crate) const fn length(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + b": \r\n".len()
}

/// Adds the line of a field to `lines`; somebody has looked for line breaks in `name` and `value`.
pub(crate) fn append_checked(lines: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    lines.reserve(length(name, value));
    for part in [name, b": ", value, b"\r\n"] {
        lines.extend_from_slice(part);
    }
}
