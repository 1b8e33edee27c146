//! The last touches to an answer that Envoy gives in place of the app.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use crate::gate::Reason;
use crate::serve::ext_authz::judge::{Case, speaks_grpc};
use crate::serve::reply::{Asker, Reply};
use crate::serve::request_id::X_REQUEST_ID;

/// `reply`, given for `reason`, as the caller of `case` may get it.
pub(super) fn finished(mut reply: Reply, reason: Reason, case: &Case<'_>) -> Reply {
    make_absolute(&mut reply, case);
    if speaks_grpc(&case.asked.headers) {
        // Envoy makes it the message of a gRPC status.
        reply.body = Bytes::from_static(reason.public_text().as_bytes());
        reply = reply.replacing(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    if case.asked.method == Method::HEAD.as_str() {
        reply.body = Bytes::new();
    }
    reply.with(X_REQUEST_ID, case.id.header())
}

/// Makes a path that the reply leads to an address: whoever passes it on may be elsewhere.
fn make_absolute(reply: &mut Reply, case: &Case<'_>) {
    let asked = case.asked;
    for (_, value) in reply.headers.iter_mut().filter(|(name, _)| *name == header::LOCATION) {
        let Ok(path) = value.to_str() else { continue };
        if path.starts_with('/') && !path.starts_with("//") {
            let whole = format!("{}://{}{path}", asked.origin.scheme.as_str(), asked.host);
            if let Ok(whole) = HeaderValue::try_from(whole) {
                *value = whole;
            }
        }
    }
}

/// The answer to who may not ask: 401 where nothing proves anything, so that a client which could do better learns that.
pub(super) fn stranger(headers: &HeaderMap, asker: Asker<'_>) -> Reply {
    let reply = Reply::refusal(Reason::UntrustedPeer, asker);
    let offers =
        [header::AUTHORIZATION, header::COOKIE].iter().any(|name| headers.contains_key(name));
    if offers {
        return reply;
    }
    let challenge = HeaderValue::from_static("Bearer realm=\"sidegate\"");
    reply.with_status(StatusCode::UNAUTHORIZED).with(header::WWW_AUTHENTICATE, challenge)
}
