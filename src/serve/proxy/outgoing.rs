//! What goes to the upstream in place of what came: the request of a permit, and of nothing else.

use std::time::Duration;

use http::header::HeaderValue;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorType, Result};

use crate::gate::Permit;
use crate::serve::context::Context;
use crate::serve::forwarded::Origin;
use crate::serve::outbound::{Additions, lines, rewrite};
use crate::serve::upstream::Upstream;
use crate::serve::view;

/// How much longer than its exchange a connection may take, so that its client can be told why it ends.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Nobody let this request through: a phase asked for what only a permit yields.
const NOT_PERMITTED: &str = "request was not permitted";

/// Makes `request` what the upstream gets.
pub(super) fn prepare(
    session: &ServerSession,
    request: &mut RequestHeader,
    ctx: &Context,
) -> Result<()> {
    let received = session.req_header();
    if request.raw_path().first() != Some(&b'/') {
        let judged = view::target(received)
            .map_err(|_| Error::explain(ErrorType::InternalError, NOT_PERMITTED))?;
        request.set_raw_path(judged.as_bytes())?;
    }
    let (permit, origin) = permitted(ctx)?;
    let forwarding = (&ctx.runtime.forwarded_names, origin);
    let additions = additions(session, ctx)?;
    rewrite(request, permit, &ctx.runtime.policy, forwarding, &additions, ctx.loan.as_deref())
}

/// The same as lines behind a request line, for a plain request.
pub(super) fn plain(session: &ServerSession, ctx: &Context) -> Result<Vec<u8>> {
    let (permit, origin) = permitted(ctx)?;
    let forwarding = (&ctx.runtime.forwarded_names, origin);
    let additions = additions(session, ctx)?;
    lines(session.req_header(), permit, &ctx.runtime.policy, forwarding, &additions)
}

fn permitted(ctx: &Context) -> Result<(&Permit, &Origin)> {
    match (ctx.permit(), ctx.origin.as_ref()) {
        (Some(permit), Some(origin)) => Ok((permit, origin)),
        _ => Error::e_explain(ErrorType::InternalError, NOT_PERMITTED),
    }
}

fn additions<'a>(session: &'a ServerSession, ctx: &'a Context) -> Result<Additions<'a>> {
    let (permit, _) = permitted(ctx)?;
    let (received, runtime) = (session.req_header(), &ctx.runtime);
    let assertion = runtime
        .assertion(permit, ctx.now)
        .map_err(|_| Error::explain(ErrorType::InternalError, "assertion could not be signed"))?;
    let given_id = ctx.given_request_id(received).map(HeaderValue::as_bytes);
    let upstream = permit.route().upstream.and_then(|id| runtime.upstream(id));
    Ok(Additions {
        peer: view::peer(session),
        host: view::host(received).ok(),
        request_id: given_id.unwrap_or(ctx.id.as_bytes()),
        assertion,
        upstream_host: upstream.and_then(Upstream::host),
        received: &received.headers,
    })
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

/// How much of the time for the whole exchange is left, if that is limited.
pub(super) fn time_left(ctx: &Context, timeout: Option<Duration>) -> Option<Duration> {
    let left = timeout?.saturating_sub(ctx.started.elapsed()).max(Duration::from_millis(1));
    if let Some(connection) = &ctx.connection {
        connection.finish_within(left + LAST_WORDS);
    }
    Some(left)
}
