//! The few kinds of answer that are no page.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

/// Text for whoever sits at a terminal.
pub(super) fn plain(status: StatusCode, text: String) -> Response<Vec<u8>> {
    with_type(status, text, "text/plain; charset=utf-8")
}

/// JSON that may be kept for some minutes: metadata and keys.
pub(super) fn public_json(document: &Value) -> Response<Vec<u8>> {
    let response = with_type(StatusCode::OK, document.to_string(), "application/json");
    with_header(response, header::CACHE_CONTROL, "public, max-age=300")
}

/// JSON that is for the one who asked, and for nobody's disk.
pub(super) fn private_json(status: StatusCode, document: &Value) -> Response<Vec<u8>> {
    with_type(status, document.to_string(), "application/json")
}

/// Leads on, by GET.
pub(super) fn see_other(location: &str) -> Response<Vec<u8>> {
    let location = location.parse().expect("a serialized URL is visible ASCII");
    let mut response = plain(StatusCode::SEE_OTHER, String::new());
    response.headers_mut().remove(header::CONTENT_TYPE);
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// What is said where a token cannot be signed or named.
pub(super) fn library_failed() -> Response<Vec<u8>> {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "the crypto library failed\n".into())
}

/// `response` with one more header.
pub(super) fn with_header(
    mut response: Response<Vec<u8>>,
    name: HeaderName,
    value: &'static str,
) -> Response<Vec<u8>> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

fn with_type(status: StatusCode, text: String, media_type: &'static str) -> Response<Vec<u8>> {
    let mut response = Response::new(text.into_bytes());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
