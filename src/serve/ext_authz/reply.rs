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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_of_ours_looks_like_a_permission() {
        for (status, expected) in [(200, 403), (204, 403), (302, 302), (401, 401), (503, 503)] {
            let reply = Reply::empty(StatusCode::from_u16(status).unwrap());
            assert_eq!(answer(reply).status(), expected, "{status}");
        }
    }

    #[test]
    fn fields_to_remove_are_listed_and_set_to_nothing() {
        let name = HeaderName::from_static("x_auth_user");
        let handed = Handed { remove: vec![name.clone(), header::COOKIE], ..Handed::default() };
        let answer = pass(handed);
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()[TO_REMOVE], "x_auth_user,cookie");
        assert!([name, header::COOKIE].iter().all(|name| answer.headers()[name].is_empty()));
        assert!(!pass(Handed::default()).headers().contains_key(TO_REMOVE));
    }
}
