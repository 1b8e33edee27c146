//! Is there a person behind this request, who could be led to a login page?

use http::Method;
use http::header::{self, HeaderName};

use crate::gate::request::RequestView;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Whether `request` is a top-level navigation of a browser: only these are ever redirected.
///
/// Browsers say so in fetch metadata ([W3C](https://www.w3.org/TR/fetch-metadata/)); for those that send none,
/// accepting `text/html` is the sign.
pub(super) fn is_navigation(request: &RequestView<'_>) -> bool {
    let readable = request.method == Method::GET || request.method == Method::HEAD;
    if !readable || request.wants_upgrade() || request.headers.contains_key(X_REQUESTED_WITH) {
        return false;
    }
    if request.headers.contains_key(SEC_FETCH_MODE) {
        return request.text(SEC_FETCH_MODE) == Some("navigate");
    }
    request.headers.get_all(header::ACCEPT).iter().any(|accept| accepts_html(accept.as_bytes()))
}

fn accepts_html(accept: &[u8]) -> bool {
    accept.split(|b| *b == b',').any(|range| {
        let kind = range.split(|b| *b == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"text/html")
    })
}
