//! Requests that no two servers read alike, or that are too large to read at all, end here: before any decision.

use http::header;
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
    if method == Method::TRACE
        || method == Method::CONNECT
        || !method.as_str().bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
    {
        return Err(Reason::MethodNotAllowed);
    }
    if target.len() > limits.target_bytes || headers.len() > limits.headers {
        return Err(Reason::HeadersTooLarge);
    }
    fits(headers, limits)?;
    framing(headers)
}

fn fits(headers: &HeaderMap, limits: &RequestLimits) -> Result<(), Reason> {
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

/// One `Content-Length` of digits only, and not beside `Transfer-Encoding`
/// ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)): an upstream that reads another length than we
/// do takes the rest of the body for the next request.
fn framing(headers: &HeaderMap) -> Result<(), Reason> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else {
        return Ok(());
    };
    let digits = !length.is_empty()
        && length.len() <= 19
        && length.as_bytes().iter().all(u8::is_ascii_digit);
    let alone = lengths.next().is_none() && !headers.contains_key(header::TRANSFER_ENCODING);
    if digits && alone { Ok(()) } else { Err(Reason::MalformedFraming) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::HeaderName;

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
