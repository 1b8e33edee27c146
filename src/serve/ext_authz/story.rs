//! Tells what became of a question: metrics, and the request's line in the log.

use std::time::Duration;

use http::StatusCode;
use http::header;

use crate::serve::context::Told;
use crate::serve::ext_authz::judge::{Case, Judge, Ruling};
use crate::serve::reply::Reply;
use crate::telemetry::Door;
use crate::telemetry::audit::{Moment, Path, RequestLine, Text, milliseconds};

/// `ruling` was made of `case` in `took`.
pub(super) fn tell(judge: &Judge, case: &Case<'_>, told: &Told, ruling: &Ruling, took: Duration) {
    match ruling {
        Ruling::Answer { reply, .. } => answered(judge, case, told, reply, took),
        Ruling::Pass { .. } => ended(judge, case, told, (StatusCode::OK, 0), took),
    }
}

/// `reply` is given to `case` after `took`.
pub(super) fn answered(judge: &Judge, case: &Case<'_>, told: &Told, reply: &Reply, took: Duration) {
    ended(judge, case, told, (reply.status, reply.body.len()), took);
}

fn ended(judge: &Judge, case: &Case<'_>, told: &Told, answer: (StatusCode, usize), took: Duration) {
    let runtime = case.runtime;
    let route = runtime.route_metrics(told.route.as_deref());
    runtime.metrics.decided(Door::ExtAuthz, route, told.outcome, told.reason.label(), took);
    runtime.metrics.answered(Door::ExtAuthz, told.outcome, took);
    if runtime.requests.wants(told.outcome) {
        line(judge, case, told, answer, took).write(&judge.lines);
    }
}

fn line<'a>(
    judge: &'a Judge,
    case: &'a Case<'_>,
    told: &'a Told,
    (status, length): (StatusCode, usize),
    took: Duration,
) -> RequestLine<'a> {
    let Case { runtime, asked, id, began, .. } = case;
    let caller = told.caller.as_deref();
    let provider = caller.and_then(|caller| runtime.policy.provider(caller.provider()));
    RequestLine {
        time: Moment { unix_millis: *began },
        door: Door::ExtAuthz,
        listener: &judge.listener,
        request_id: id.as_str(),
        method: Text(asked.method.as_bytes()),
        host: Some(Text(asked.host.as_bytes())).filter(|host| !host.0.is_empty()),
        path: Path::of(asked.target.as_bytes()),
        route: told.route.as_deref().map(|route| &*route.name),
        outcome: told.outcome,
        reason: told.reason.label(),
        status: Some(status.as_u16()),
        subject: caller.map(|caller| caller.identity().subject()),
        provider: provider.map(|provider| &*provider.name),
        upstream: None,
        duration_ms: milliseconds(took),
        bytes_in: u64::try_from(asked.body.len()).unwrap_or(u64::MAX),
        bytes_out: u64::try_from(length).unwrap_or(u64::MAX),
        client: asked.origin.client,
        user_agent: asked.headers.get(header::USER_AGENT).map(|agent| Text(agent.as_bytes())),
    }
}
