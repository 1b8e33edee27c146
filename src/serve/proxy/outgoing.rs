//! What goes to the upstream in place of what came: the request of a permit, and of nothing else.

use std::time::Duration;

use http::header::HeaderValue;
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use crate::serve::context::Context;
use crate::serve::outbound::{Additions, rewrite};
use crate::serve::upstream::Upstream;
use crate::serve::view;

/// Nobody let this request through: a phase asked for what only a permit yields.
const NOT_PERMITTED: &str = "request was not permitted";

/// Makes `request` what the upstream gets.
pub(super) fn prepare(session: &Session, request: &mut RequestHeader, ctx: &Context) -> Result<()> {
    let runtime = &ctx.runtime;
    let (Some(permit), Some(origin)) = (ctx.permit(), ctx.origin.as_ref()) else {
        return Error::e_explain(ErrorType::InternalError, NOT_PERMITTED);
    };
    let received = session.req_header();
    if request.raw_path().first() != Some(&b'/') {
        let judged = view::target(received)
            .map_err(|_| Error::explain(ErrorType::InternalError, NOT_PERMITTED))?;
        request.set_raw_path(judged.as_bytes())?;
    }
    let assertion = runtime
        .assertion(permit, ctx.now)
        .map_err(|_| Error::explain(ErrorType::InternalError, "assertion could not be signed"))?;
    let given_id = ctx.given_request_id(received).map(HeaderValue::as_bytes);
    let additions = Additions {
        peer: view::peer(session),
        host: view::host(received).ok(),
        request_id: given_id.unwrap_or(ctx.id.as_str().as_bytes()),
        assertion,
        upstream_host: permit
            .route()
            .upstream
            .and_then(|id| runtime.upstream(id))
            .and_then(Upstream::host),
        received: &received.headers,
    };
    let forwarding = (&runtime.forwarded_names, origin);
    rewrite(request, permit, &runtime.policy, forwarding, &additions, ctx.loan.as_deref())
}

/// Where a permitted request goes, and how long the whole exchange may take.
pub(super) fn upstream(ctx: &Context) -> Result<(&Upstream, Option<Duration>)> {
    let permit =
        ctx.permit().ok_or_else(|| Error::explain(ErrorType::InternalError, NOT_PERMITTED))?;
    let upstream = permit.route().upstream.and_then(|id| ctx.runtime.upstream(id));
    let upstream = upstream
        .ok_or_else(|| Error::explain(ErrorType::InternalError, "route has no upstream"))?;
    Ok((upstream, permit.route().timeout))
}
