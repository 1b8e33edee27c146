//! Sidegate's own endpoints, under the prefix of the configuration.

use http::Method;
use http::header::{self, HeaderValue};

use crate::gate::Reason;
use crate::serve::reply::{Asker, Reply};
use crate::serve::runtime::Runtime;

/// Answers `method` on `path`, which begins behind the prefix.
pub(crate) fn own_endpoint(
    runtime: &Runtime,
    method: &Method,
    path: &[u8],
    asker: Asker<'_>,
) -> Reply {
    match path {
        b"/jwks" if is_read(method) => {
            let maximum_age = HeaderValue::from_static("public, max-age=300");
            let mut reply = Reply::json(runtime.assertions.public().to_string());
            // Public keys are the same for everyone.
            reply.headers.retain(|(name, _)| *name != header::CACHE_CONTROL);
            reply.with(header::CACHE_CONTROL, maximum_age)
        }
        b"/jwks" => Reply::refusal(Reason::MethodNotAllowed, asker),
        _ => Reply::not_found(asker),
    }
}

fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}
