//! A ruling in the words of HTTP: 200 lets the request pass, anything else is the answer to its caller.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::serve::ext_authz::handed::Handed;
use crate::serve::ext_authz::judge::Ruling;
use crate::serve::reply::Reply;

/// By which Envoy learns which fields of the request to remove.
const TO_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// What Envoy is told of `ruling`.
pub(super) fn of(ruling: Ruling) -> Response<Bytes> {
    match ruling {
        Ruling::Answer { reply, .. } => answer(reply),
        Ruling::Pass { handed, .. } => pass(handed),
    }
}

/// `reply` as it is, but for a 200: whatever that was to say, here it would say that the request may pass.
pub(super) fn answer(reply: Reply) -> Response<Bytes> {
    let success = reply.status.is_success();
    let mut answer = Response::new(reply.body);
    *answer.status_mut() = if success { StatusCode::FORBIDDEN } else { reply.status };
    for (name, value) in reply.headers {
        answer.headers_mut().append(name, value);
    }
    answer
}

fn pass(handed: Handed) -> Response<Bytes> {
    let Handed { set, remove, cookies } = handed;
    let mut answer = Response::new(Bytes::new());
    let fields = answer.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(names) = list(&remove) {
        fields.insert(TO_REMOVE, names);
    }
    // Who does not know that field finds an empty value to set instead.
    let empty = remove.into_iter().map(|name| (name, HeaderValue::from_static("")));
    for (name, value) in set.into_iter().chain(empty) {
        fields.insert(name, value);
    }
    for cookie in cookies {
        fields.append(header::SET_COOKIE, cookie);
    }
    answer
}

fn list(names: &[HeaderName]) -> Option<HeaderValue> {
    if names.is_empty() {
        return None;
    }
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    HeaderValue::try_from(names.join(",")).ok()
}
