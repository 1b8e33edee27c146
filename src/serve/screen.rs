//! Requests that no two servers read alike, or that are too large to read at all, end here: before any decision.

use http::header::{self, HeaderName};
use http::{HeaderMap, Method};

use crate::gate::Reason;
use crate::serve::settings::RequestLimits;

/// Refuses what must not be judged, let alone forwarded.
pub(crate) fn screen(
    method: &Method,
    target: &[u8],
    headers: &HeaderMap,
    limits: &RequestLimits,
) -> Result<(), Reason> {
    request_line(method, target, limits)?;
    fits(headers, limits)?;
    framing(headers)
}

/// Refuses methods that are never passed on, and targets that are too long.
pub(crate) fn request_line(
    method: &Method,
    target: &[u8],
    limits: &RequestLimits,
) -> Result<(), Reason> {
    if method == Method::TRACE
        || method == Method::CONNECT
        || !method.as_str().bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
    {
        return Err(Reason::MethodNotAllowed);
    }
    if target.len() > limits.target_bytes { Err(Reason::HeadersTooLarge) } else { Ok(()) }
}

fn fits(headers: &HeaderMap, limits: &RequestLimits) -> Result<(), Reason> {
    if headers.len() > limits.headers {
        return Err(Reason::HeadersTooLarge);
    }
    let (mut all, mut cookies) = (0, 0);
    for (name, value) in headers {
        all += name.as_str().len() + value.len() + 4;
        if name == header::COOKIE {
            cookies += value.len();
        }
    }
    if all > limits.header_bytes || cookies > limits.cookie_bytes {
        return Err(Reason::HeadersTooLarge);
    }
    Ok(())
}

/// One `Content-Length` of digits only, or one `Transfer-Encoding` that says `chunked` and nothing else
/// ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)): an upstream that reads another length than we
/// do takes the rest of the body for the next request. Other codings are not undone here, so they are not passed on.
fn framing(headers: &HeaderMap) -> Result<(), Reason> {
    let clear =
        match (only(headers, &header::CONTENT_LENGTH), only(headers, &header::TRANSFER_ENCODING)) {
            (None, None) => true,
            (Some(length), None) => {
                !length.is_empty() && length.len() <= 19 && length.iter().all(u8::is_ascii_digit)
            }
            (None, Some(coding)) => coding.trim_ascii().eq_ignore_ascii_case(b"chunked"),
            (Some(_), Some(_)) => false,
        };
    if clear { Ok(()) } else { Err(Reason::MalformedFraming) }
}

/// The value of the field `name`; an empty one where there are several.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut fields = headers.get_all(name).iter();
    let first = fields.next()?;
    Some(if fields.next().is_none() { first.as_bytes() } else { &[] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const LIMITS: RequestLimits =
        RequestLimits { header_bytes: 1_000, headers: 10, target_bytes: 100, cookie_bytes: 200 };

    fn verdict(method: &str, target: &str, fields: &[(&str, &str)]) -> Result<(), Reason> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        screen(
            &Method::from_bytes(method.as_bytes()).unwrap(),
            target.as_bytes(),
            &headers,
            &LIMITS,
        )
    }

    #[test]
    fn one_length_of_digits_passes() {
        assert_eq!(verdict("POST", "/", &[("content-length", "5")]), Ok(()));
    }

    /// Measured on pingora 0.9.1: these were forwarded unchanged, and a lax upstream lost step.
    #[test]
    fn several_or_strange_lengths_are_refused() {
        let twice: &[(&str, &str)] = &[("content-length", "5"), ("content-length", "5")];
        let both: &[(&str, &str)] = &[("content-length", "5"), ("transfer-encoding", "chunked")];
        for fields in [
            twice,
            both,
            &[("content-length", "5, 5")],
            &[("content-length", "+5")],
            &[("content-length", "")],
            &[("content-length", "0x5")],
        ] {
            assert_eq!(verdict("POST", "/", fields), Err(Reason::MalformedFraming), "{fields:?}");
        }
    }

    /// pingora 0.9.1 passes a list on as a plain `chunked`.
    #[test]
    fn only_plain_chunks_pass() {
        assert_eq!(verdict("POST", "/", &[("transfer-encoding", "Chunked")]), Ok(()));
        let twice: &[(&str, &str)] =
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        for fields in
            [twice, &[("transfer-encoding", "gzip, chunked")], &[("transfer-encoding", "")]]
        {
            assert_eq!(verdict("POST", "/", fields), Err(Reason::MalformedFraming), "{fields:?}");
        }
    }

    #[test]
    fn trace_connect_and_lower_case_methods_are_refused() {
        for method in ["TRACE", "CONNECT", "get", "Get"] {
            assert_eq!(verdict(method, "/", &[]), Err(Reason::MethodNotAllowed), "{method}");
        }
        assert_eq!(verdict("M-SEARCH", "/", &[]), Ok(()));
    }

    #[test]
    fn sizes_are_bounded() {
        let long = "x".repeat(991);
        assert_eq!(
            verdict("GET", &format!("/{}", "a".repeat(100)), &[]),
            Err(Reason::HeadersTooLarge)
        );
        assert_eq!(verdict("GET", "/", &[("x-long", &long)]), Err(Reason::HeadersTooLarge));
        assert_eq!(verdict("GET", "/", &[("cookie", &long[..201])]), Err(Reason::HeadersTooLarge));
        assert_eq!(verdict("GET", "/", &[("a", ""); 11]), Err(Reason::HeadersTooLarge));
    }
}
