//! The `forward_auth` door: a proxy in front asks about a request, and passes it on itself if the answer is 2xx.
//!
//! The question tells another request in fields that anybody could send, so only trusted proxies are heard. What they tell is
//! judged by the same gate as a request of our own; then the decision is put into words that the proxy knows.

mod answer;
mod compatible;
mod dialect;
mod listener;
mod original;
mod told;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use url::form_urlencoded;

use crate::gate::{AUTHGEAR_COPIED, Decision, Policy, Reason, Terms, is_authgears};
use crate::serve::answer::{asker, send};
use crate::serve::context::{Context, Told};
use crate::serve::forwarded::Origin;
use crate::serve::gatekeeper::{Verdict, decide};
use crate::serve::reception::bring_session;
use crate::serve::reply::{Reply, UpstreamFailure};
use crate::serve::runtime::Runtime;
use crate::serve::screen::{request_line, screen};
use crate::serve::story::{self, Place, Subject};
use crate::serve::terms;
use crate::serve::view;
use crate::telemetry::Door;

pub use dialect::Dialect;
pub(crate) use listener::ForwardAuth;
pub use original::{Original, SubRequest};

use dialect::Question;

/// Who may ask at a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Askers {
    /// Trusted proxies.
    Listed,
    /// These, and whoever may open its unix socket, which is there for nothing else.
    ListedAndLocal,
}

impl Askers {
    /// Who is behind the peer of `session`.
    fn origin(self, runtime: &Runtime, session: &ServerSession) -> Origin {
        let (peer, scheme) = (view::peer(session), view::connection_scheme(session));
        let headers = &session.req_header().headers;
        match self {
            Self::ListedAndLocal if peer.is_none() => runtime.trusted.told(peer, scheme, headers),
            _ => runtime.trusted.origin(peer, scheme, headers),
        }
    }
}

/// Whether `request` is a question of a front proxy.
pub(crate) fn is_question(policy: &Policy, request: &RequestHeader) -> bool {
    Question::of(policy, request.raw_path()).is_some()
}

/// Answers a question, and tells of it. Where it came in is `place`; `askers` may ask there.
pub(crate) async fn answer(
    session: &mut ServerSession,
    ctx: &mut Context,
    askers: Askers,
    place: Place<'_>,
) -> pingora::Result<()> {
    let reply = judge(session, ctx, askers).await;
    let sent = send(session, reply, ctx).await;
    let policy = &ctx.runtime.policy;
    story::tell(place, Door::ForwardAuth, session, ctx, |request| subject(policy, request));
    sent
}

/// The request that was asked about; the question itself where that could not be read.
fn subject<'a>(policy: &Policy, request: &'a RequestHeader) -> Subject<'a> {
    let question = Question::of(policy, request.raw_path());
    let original = question.and_then(|asked| original(policy, &sub_request(asked, request)).ok());
    match original {
        Some(original) => Subject {
            method: original.method().clone(),
            host: Some(original.authority().written()),
            target: original.target().written().as_bytes(),
        },
        None => Subject::of(request),
    }
}

/// Judges the request that is asked about, and counts the decision.
async fn judge(session: &ServerSession, ctx: &mut Context, askers: Askers) -> Reply {
    let runtime = Arc::clone(&ctx.runtime);
    let mut origin = askers.origin(&runtime, session);
    let (verdict, reply) = answer_to(session, ctx, &runtime, &mut origin).await;
    ctx.origin = Some(origin);
    let told = Told::of(&verdict);
    let route = runtime.route_metrics(told.route.as_deref());
    let took = ctx.started.elapsed();
    runtime.metrics.decided(Door::ForwardAuth, route, told.outcome, told.reason.label(), took);
    ctx.told = Some(told);
    reply
}

async fn answer_to(
    session: &ServerSession,
    ctx: &mut Context,
    runtime: &Runtime,
    origin: &mut Origin,
) -> (Verdict, Reply) {
    let request = session.req_header();
    let id = ctx.id;
    let asker = || asker(&runtime.pages, request, &id);
    if !origin.trusted {
        let reply = answer::untrusted(&request.headers, asker());
        return (Verdict::refused(Reason::UntrustedPeer), reply);
    }
    let dialect = Question::of(&runtime.policy, request.raw_path()).map(|asked| asked.dialect);
    let dialect = dialect.unwrap_or(Dialect::Plain);
    let (original, terms) = match read(runtime, request) {
        Ok(read) => read,
        Err(reason) => {
            let verdict = Verdict::refused(reason);
            let reply = answer::turn_away(&verdict.decision, dialect, None, asker());
            return (verdict, reply);
        }
    };
    origin.scheme = original.scheme();
    let view = original.view(&request.headers, origin.client, terms.as_ref());
    let memo = ctx.memo.get_or_insert_default();
    let verdict = answerable(decide(runtime, view, memo, ctx.now).await);
    let reply = match &verdict.decision {
        decision if dialect == Dialect::Authgear => answer::resolved(decision, asker()),
        Decision::Allow(permit) => {
            let reply = answer::allow(runtime, permit, (&view, dialect), ctx.now);
            reply.unwrap_or_else(|_| Reply::upstream_failed(UpstreamFailure::Internal, asker()))
        }
        decision => answer::turn_away(decision, dialect, Some(&original), asker()),
    };
    let mut cookies = verdict.cookies.clone();
    if let Decision::Allow(permit) = &verdict.decision
        && permit.session().is_some()
    {
        cookies.extend(Box::pin(bring_session(runtime, permit, &view, ctx.now)).await);
    }
    (verdict, answer::with_cookies(reply, dialect, cookies))
}

/// The request that is asked about, and the terms, once nothing speaks against either.
fn read<'a>(
    runtime: &Runtime,
    request: &'a RequestHeader,
) -> Result<(Original<'a>, Option<Terms>), Reason> {
    let (policy, limits) = (&runtime.policy, &runtime.limits);
    let question = Question::of(policy, request.raw_path()).ok_or(Reason::NoRoute)?;
    // With Envoy, the target of the question is that of the request, and the address of the question before it.
    let own_target =
        if question.dialect == Dialect::Envoy { question.rest } else { request.raw_path() };
    screen(&request.method, own_target, &request.headers, limits)?;
    let (words, route) = asked(policy, &sub_request(question, request))?;
    request_line(&words.method, words.target.as_bytes(), limits)?;
    let original = words.read()?;
    if has_reserved(runtime, question.dialect, &request.headers) {
        return Err(Reason::ReservedField);
    }
    let terms = match question.query() {
        b"" => None,
        query => terms::read(form_urlencoded::parse(query))?,
    };
    Ok((original, on_route(terms, route)))
}

/// What is told of the request, and the name of its route where that is told instead of the target.
fn asked<'a>(
    policy: &Policy,
    sub_request: &SubRequest<'a>,
) -> Result<compatible::Asked<'a>, Reason> {
    match sub_request.dialect {
        Dialect::Authgear => compatible::authgear(sub_request, policy),
        Dialect::Oauth2Proxy => compatible::oauth2_proxy(sub_request, policy),
        _ => sub_request.words().map(|words| (words, None)),
    }
}

fn original<'a>(policy: &Policy, sub_request: &SubRequest<'a>) -> Result<Original<'a>, Reason> {
    asked(policy, sub_request)?.0.read()
}

/// The terms for the route, unless they name one.
fn on_route(terms: Option<Terms>, route: Option<String>) -> Option<Terms> {
    let Some(route) = route else { return terms };
    let terms = terms.unwrap_or_default();
    Some(Terms { route: terms.route.or(Some(route)), ..terms })
}

fn sub_request<'a>(question: Question<'a>, request: &'a RequestHeader) -> SubRequest<'a> {
    SubRequest {
        dialect: question.dialect,
        method: &request.method,
        host: view::host(request).ok(),
        headers: &request.headers,
        rest: question.rest,
    }
}

/// Whether a field is there that the app must not get. Inline it would be removed; a front proxy is told which fields to set, not
/// which to drop. It replaces those that carry an identity in their plain spelling, and no other that servers take for the same
/// (CVE-2025-64484, CVE-2026-54763). What was made for Authgear's resolver replaces the names of its documents, and no others.
fn has_reserved(runtime: &Runtime, dialect: Dialect, headers: &HeaderMap) -> bool {
    let plain = &runtime.policy.identity_headers;
    let is_reserved = |name: &HeaderName| match dialect {
        Dialect::Authgear if is_authgears(name) => !AUTHGEAR_COPIED.contains(&name.as_str()),
        _ => runtime.reserved_names.contains(name) && !plain.contains(name),
    };
    headers.keys().any(is_reserved)
}

/// What only sidegate itself can answer is a refusal here: the front proxy would pass a 2xx on to the app.
fn answerable(verdict: Verdict) -> Verdict {
    match verdict.decision {
        Decision::OwnEndpoint | Decision::Preflight(_) => {
            Verdict { decision: Decision::Refuse(Reason::OwnAnswerNeeded), ..verdict }
        }
        _ => verdict,
    }
}
