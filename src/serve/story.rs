//! Tells what happened: metrics of the request, its line in the log, failures of upstreams.

use std::time::Duration;

use http::{Method, header};
use pingora::Error;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use tracing::warn;

use crate::serve::context::{Context, Told};
use crate::serve::request_id::RequestId;
use crate::serve::view;
use crate::telemetry::Door;
use crate::telemetry::audit::{Moment, Path, RequestLine, Text, milliseconds};
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

/// Where a request came in, and where its line goes.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The listener's name.
    pub(crate) listener: &'a str,
    pub(crate) lines: &'a LineWriter,
}

/// The request that was judged: the one that came in, or the one that was asked about.
pub(crate) struct Subject<'a> {
    pub(crate) method: Method,
    pub(crate) host: Option<&'a str>,
    pub(crate) target: &'a [u8],
}

impl<'a> Subject<'a> {
    /// The request that came in.
    pub(crate) fn of(request: &'a RequestHeader) -> Self {
        let host = view::host(request).ok();
        Self { method: request.method.clone(), host, target: request.raw_path() }
    }
}

/// A request is over that came in by `door`. What was its `subject` is asked only where there will be a line about it.
pub(crate) fn tell<'a>(
    place: Place<'_>,
    door: Door,
    session: &'a ServerSession,
    ctx: &Context,
    subject: impl FnOnce(&'a RequestHeader) -> Subject<'a>,
) {
    let Some(told) = &ctx.told else { return };
    let took = ctx.started.elapsed();
    ctx.runtime.metrics.answered(door, told.outcome, took);
    if ctx.runtime.requests.wants(told.outcome) {
        let subject = subject(session.req_header());
        line(place.listener, (door, &subject), session, (ctx, took), told).write(place.lines);
    }
}

fn line<'a>(
    listener: &'a str,
    (door, subject): (Door, &'a Subject<'a>),
    session: &'a ServerSession,
    (ctx, took): (&'a Context, Duration),
    told: &'a Told,
) -> RequestLine<'a> {
    let policy = &ctx.runtime.policy;
    let upstream = ctx.permit().and_then(|permit| permit.route().upstream);
    let upstream = upstream.and_then(|id| ctx.runtime.upstream(id));
    let caller = told.caller.as_deref();
    let provider = caller.and_then(|caller| policy.provider(caller.provider()));
    let user_agent = session.req_header().headers.get(header::USER_AGENT);
    RequestLine {
        time: Moment { unix_millis: ctx.began_millis },
        door,
        listener,
        request_id: ctx.id.as_str(),
        method: Text(subject.method.as_str().as_bytes()),
        host: subject.host.map(|host| Text(host.as_bytes())),
        path: Path::of(subject.target),
        route: told.route.as_deref().map(|route| &*route.name),
        outcome: told.outcome,
        reason: told.reason.label(),
        status: session.response_written().map(|answer| answer.status.as_u16()),
        subject: caller.map(|caller| caller.identity().subject()),
        provider: provider.map(|provider| &*provider.name),
        upstream: upstream.map(|upstream| upstream.settings.name.as_str()),
        duration_ms: milliseconds(took),
        bytes_in: ctx.body_bytes,
        bytes_out: u64::try_from(session.body_bytes_sent()).unwrap_or(u64::MAX),
        client: ctx.origin.and_then(|origin| origin.client),
        user_agent: user_agent.map(|agent| Text(agent.as_bytes())),
    }
}
