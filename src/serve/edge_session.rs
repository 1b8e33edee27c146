//! The header by which a login service behind us says who has signed in. It never reaches a browser, whoever sends it: the name of a
//! session in it is a secret.

use http::header::{HeaderName, HeaderValue};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;

use crate::serve::answer::asker;
use crate::serve::context::Context;
use crate::serve::own::{Visit, by_header};
use crate::serve::view::Parts;

/// The header.
pub(crate) const EDGE_SESSION: HeaderName = HeaderName::from_static("x-edge-session");

/// Takes the header out of the answer. From a login service, the session in it is brought to the browser by a cookie of ours.
pub(crate) async fn take(
    session: &ServerSession,
    answer: &mut ResponseHeader,
    (ctx, is_login_service): (&mut Context, bool),
) {
    let values: Vec<HeaderValue> = answer.headers.get_all(&EDGE_SESSION).iter().cloned().collect();
    answer.remove_header(&EDGE_SESSION);
    let [value] = &values[..] else {
        tracing::error!("an upstream hands in several sessions at once: none is taken");
        return;
    };
    if !is_login_service {
        tracing::error!("an upstream hands in a session and is no login service: it is not taken");
        return;
    }
    let cookies = cookies(session, ctx, value).await;
    if !cookies.is_empty() {
        ctx.cookies = cookies;
    }
}

async fn cookies(session: &ServerSession, ctx: &Context, value: &HeaderValue) -> Vec<HeaderValue> {
    let runtime = &ctx.runtime;
    let header = session.req_header();
    let (Some(origin), Some(desk), Some(sessions), Ok(parts)) =
        (ctx.origin.as_ref(), &runtime.desk, &runtime.policy.sessions, Parts::of(header))
    else {
        return Vec::new();
    };
    let asker = asker(&runtime.pages, header, &ctx.id);
    let request = parts.view(header, origin, None);
    let visit = Visit { runtime, desk, sessions, request, now: ctx.now, asker, body: &[] };
    by_header(&visit, value).await
}
