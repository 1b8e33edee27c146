//! The whole of a plain header as it goes upstream, written in one piece: what a client sent, less what stays here, and what
//! sidegate says. The same as [`rewrite`](super::rewrite) makes of it, without a copy to change.

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Version};
use pingora::http::RequestHeader;

use crate::gate::{ManagedNames, Permit, Policy};
use crate::serve::field_lines::{Name, line};
use crate::serve::forwarded::Origin;
use crate::serve::outbound::{
    Additions, SET_HERE, app_cookies, fields, is_foreign, kept_here, must_join,
};

/// Room for most headers.
const USUAL_BYTES: usize = 2048;

/// These ask for more than a plain exchange, or concern the connection alone ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)).
static NOT_PLAIN: [HeaderName; 12] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("sec-websocket-key"),
];

/// The lines behind the request line of a plain `request`, each with its line break.
pub(crate) fn lines(
    request: &RequestHeader,
    permit: &Permit,
    policy: &Policy,
    (forwarded_names, origin): (&ManagedNames, &Origin),
    additions: &Additions<'_>,
) -> pingora::Result<Vec<u8>> {
    let assertion = additions.assertion.as_ref().map(|(name, _)| name);
    let stays = |name: &HeaderName| {
        is_foreign(name, policy, forwarded_names, origin)
            || (origin.trusted && SET_HERE.contains(name))
            || assertion == Some(name)
            || kept_here(permit, policy).any(|kept| kept == name)
    };
    let mut lines = Vec::with_capacity(USUAL_BYTES);
    let written = request.case_header_iter().map(|(name, _)| name.as_slice());
    for (written, (name, value)) in written.zip(&request.headers) {
        if *name == header::CONNECTION || *name == header::COOKIE || stays(name) {
            continue;
        }
        match &additions.upstream_host {
            Some(host) if *name == header::HOST => {
                line(&mut lines, Name::Fixed("Host"), host.as_bytes())?;
            }
            _ => line(&mut lines, Name::Written(written), value.as_bytes())?,
        }
    }
    cookies(&mut lines, request, permit, policy)?;
    lines.extend_from_slice(permit.identity_lines());
    fields(origin, additions, |name, value| line(&mut lines, name, value))?;
    Ok(lines)
}

/// Whether `request` has no body, may be repeated, and says of its connection only how long it lasts.
pub(crate) fn is_plain(request: &RequestHeader) -> bool {
    matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS)
        && request.version == Version::HTTP_11
        && request.raw_path().first() == Some(&b'/')
        && request.has_case()
        && request.headers.contains_key(header::HOST)
        && !request.headers.keys().any(|name| NOT_PLAIN.contains(name))
        && request.headers.get_all(header::CONNECTION).iter().all(is_about_time)
}

/// Whether the value of a `Connection` field says only how long the connection lasts.
fn is_about_time(value: &HeaderValue) -> bool {
    let value = value.as_bytes();
    value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
}

fn cookies(
    lines: &mut Vec<u8>,
    request: &RequestHeader,
    permit: &Permit,
    policy: &Policy,
) -> pingora::Result<()> {
    let name = Name::Fixed("Cookie");
    match request.headers.get(header::COOKIE) {
        None => Ok(()),
        Some(_) if must_join(&request.headers, permit, policy) => {
            let joined = app_cookies(&request.headers, permit, policy);
            if joined.is_empty() { Ok(()) } else { line(lines, name, &joined) }
        }
        Some(value) => line(lines, name, value.as_bytes()),
    }
}
