//! From what a client sent to the decision about it, and to the answer where it may not pass.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{self, HeaderValue};
use pingora::protocols::http::ServerSession;

use crate::gate::{Decision, Reason};
use crate::serve::answer::asker;
use crate::serve::context::{Context, Progress, Told};
use crate::serve::gatekeeper::{Verdict, decide};
use crate::serve::proxy::Proxy;
use crate::serve::reception::{bring_session, receive};
use crate::serve::reply::Reply;
use crate::serve::screen::screen;
use crate::serve::view::{self, Parts};
use crate::telemetry::Door;

impl Proxy {
    /// Judges the request: nothing where it may go upstream, else the answer.
    pub(super) async fn judge(
        &self,
        session: &mut ServerSession,
        ctx: &mut Context,
    ) -> Option<Reply> {
        let verdict = self.verdict(session, ctx).await;
        let reply = match &verdict.decision {
            Decision::OwnEndpoint => {
                let at = (&ctx.id, ctx.now);
                // Rare, and larger than all the rest: in a place of its own.
                Some(Box::pin(receive(session, &ctx.runtime, ctx.origin.as_ref(), at)).await)
            }
            Decision::Allow(_) => None,
            decision => {
                let asker = asker(&ctx.runtime.pages, session.req_header(), &ctx.id);
                Reply::to(decision, asker).map(|reply| reply.with_cookies(verdict.cookies.clone()))
            }
        };
        let told = Told::of(&verdict);
        let route = ctx.runtime.route_metrics(told.route.as_deref());
        ctx.runtime.metrics.decided(
            Door::Proxy,
            route,
            told.outcome,
            told.reason.label(),
            ctx.started.elapsed(),
        );
        ctx.told = Some(told);
        ctx.progress = match (verdict.decision, &reply) {
            (Decision::Allow(permit), None) => Progress::Permitted(permit),
            _ => Progress::Answered,
        };
        ctx.cookies = verdict.cookies;
        if ctx.permit().is_some_and(|permit| permit.session().is_some()) {
            let brought = Box::pin(cookies(session, ctx)).await;
            ctx.cookies.extend(brought);
        }
        reply
    }

    async fn verdict(&self, session: &ServerSession, ctx: &mut Context) -> Verdict {
        let request = session.req_header();
        let runtime = Arc::clone(&ctx.runtime);
        let screened =
            screen(&request.method, request.raw_path(), &request.headers, &runtime.limits);
        let parts = match screened.and_then(|()| Parts::of(request)) {
            Ok(parts) => parts,
            Err(reason) => return Verdict::refused(reason),
        };
        let scheme = view::connection_scheme(session);
        let origin = runtime.trusted.origin(view::peer(session), scheme, &request.headers);
        let certificate = view::client_certificate(session);
        let view = parts.view(request, &origin, certificate);
        let verdict = decide(&runtime, view, ctx.memo.get_or_insert_default(), ctx.now).await;
        ctx.origin = Some(origin);
        match &verdict.decision {
            Decision::Allow(permit)
                if is_too_long(&request.headers, permit.route().max_body_bytes) =>
            {
                Verdict { decision: Decision::Refuse(Reason::BodyTooLarge), ..verdict }
            }
            _ => verdict,
        }
    }
}

/// What brings the browser its session as it went on.
async fn cookies(session: &ServerSession, ctx: &Context) -> Vec<HeaderValue> {
    let (Some(permit), Some(origin)) = (ctx.permit(), ctx.origin.as_ref()) else {
        return Vec::new();
    };
    let request = session.req_header();
    let Ok(parts) = Parts::of(request) else { return Vec::new() };
    bring_session(&ctx.runtime, permit, &parts.view(request, origin, None), ctx.now).await
}

/// Whether the request announces a longer body than the route takes.
pub(crate) fn is_too_long(headers: &HeaderMap, limit: Option<u64>) -> bool {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    limit.is_some_and(|limit| length.is_some_and(|length| length > limit))
}
