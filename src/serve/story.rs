//! Tells what happened: metrics of the request, its line in the log, failures of upstreams.

use http::header;
use pingora::Error;
use pingora::proxy::Session;
use tracing::warn;

use crate::serve::context::{Context, Told};
use crate::serve::request_id::RequestId;
use crate::serve::view;
use crate::telemetry::Door;
use crate::telemetry::audit::{Moment, Path, RequestLine, Text};
use crate::telemetry::metrics::UpstreamError;
use crate::telemetry::writer::LineWriter;

/// An upstream did not answer a permitted request.
pub(crate) fn upstream_failed(upstream: &str, kind: UpstreamError, error: &Error, id: &RequestId) {
    let kind = kind.label();
    warn!(
        upstream,
        kind,
        request_id = id.as_str(),
        error = error.etype().as_str(),
        "upstream failed"
    );
}

/// A request is over.
pub(crate) fn told(listener: &str, lines: &LineWriter, session: &Session, ctx: &Context) {
    let Some(told) = &ctx.told else { return };
    ctx.runtime.metrics.answered(Door::Proxy, told.outcome, ctx.started.elapsed());
    if ctx.runtime.requests.wants(told.outcome) {
        line(listener, session, ctx, told).write(lines);
    }
}

fn line<'a>(
    listener: &'a str,
    session: &'a Session,
    ctx: &'a Context,
    told: &'a Told,
) -> RequestLine<'a> {
    let request = session.req_header();
    let policy = &ctx.runtime.policy;
    let upstream = ctx.permit().and_then(|permit| permit.route().upstream);
    let upstream = upstream.and_then(|id| ctx.runtime.upstream(id));
    let caller = told.caller.as_deref();
    let provider = caller.and_then(|caller| policy.provider(caller.provider()));
    RequestLine {
        time: Moment { unix_millis: ctx.began_millis },
        door: Door::Proxy,
        listener,
        request_id: ctx.id.as_str(),
        method: Text(request.method.as_str().as_bytes()),
        host: view::host(request).ok().map(|host| Text(host.as_bytes())),
        path: Path::of(request.raw_path()),
        route: told.route.as_deref().map(|route| &*route.name),
        outcome: told.outcome,
        reason: told.reason.label(),
        status: session.response_written().map(|answer| answer.status.as_u16()),
        subject: caller.map(|caller| caller.identity().subject()),
        provider: provider.map(|provider| &*provider.name),
        upstream: upstream.map(|upstream| upstream.settings.name.as_str()),
        duration_ms: ctx.started.elapsed().as_secs_f64() * 1000.0,
        bytes_in: ctx.body_bytes,
        bytes_out: u64::try_from(session.body_bytes_sent()).unwrap_or(u64::MAX),
        client: ctx.origin.and_then(|origin| origin.client),
        user_agent: request.headers.get(header::USER_AGENT).map(|agent| Text(agent.as_bytes())),
    }
}
