//! A listener that only front proxies and, through them, browsers reach: questions, and our own endpoints. No request goes on
//! from here, so it is no proxy, and costs less than one.

use std::sync::Arc;

use http::Method;
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;

use crate::gate::{Decision, Reason};
use crate::serve::answer::{asker, send};
use crate::serve::context::{Context, Told};
use crate::serve::forward_auth::{Askers, answer, is_question};
use crate::serve::gatekeeper::Verdict;
use crate::serve::hook::Hook;
use crate::serve::inlet::{Inlet, go_on, is_readable, take_connection};
use crate::serve::reception::receive;
use crate::serve::reply::Reply;
use crate::serve::runtime::Runtime;
use crate::serve::screen::screen;
use crate::serve::story::{self, Subject};
use crate::telemetry::Door;

/// One listener's app.
pub(crate) struct ForwardAuth {
    pub(crate) inlet: Inlet,
}

impl HttpServerApp for ForwardAuth {
    /// An `async fn` would keep the session twice: as what it was given, and as what it works on.
    fn process_new_http<'life0, 'life1, 'async_trait>(
        self: &'life0 Arc<Self>,
        mut session: ServerSession,
        shutdown: &'life1 ShutdownWatch,
    ) -> Hook<'async_trait, Option<ReusedHttpStream>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let answered = self.answer_one(&mut session, shutdown).await;
            if answered { go_on(session).await } else { None }
        })
    }
}

impl ForwardAuth {
    /// Reads one request and answers it; whether another one may follow.
    async fn answer_one(&self, session: &mut ServerSession, shutdown: &ShutdownWatch) -> bool {
        let connection = session.take_connection_user_context();
        if !is_readable(session).await {
            session.shutdown().await;
            return false;
        }
        let mut ctx = self.inlet.begin();
        if let Some(connection) = connection {
            take_connection(&mut ctx, connection);
        }
        self.limit(session, shutdown);
        let served = self.serve(session, &mut ctx).await;
        ctx.leave_memo();
        served.is_ok()
    }
}

impl ForwardAuth {
    fn limit(&self, session: &mut ServerSession, shutdown: &ShutdownWatch) {
        self.inlet.limit(session);
        // What follows the header of a CONNECT is no request (RFC 9110 §9.3.6).
        if *shutdown.borrow() || session.req_header().method == Method::CONNECT {
            session.set_keepalive(None);
        }
    }

    async fn serve(&self, session: &mut ServerSession, ctx: &mut Context) -> pingora::Result<()> {
        let place = self.inlet.place();
        if is_question(&ctx.runtime.policy, session.req_header()) {
            return answer(session, ctx, Askers::ListedAndLocal, place).await;
        }
        // Rare, and larger than all the rest together: in a place of its own.
        let reply = Box::pin(receive_visit(session, ctx)).await;
        let sent = send(session, reply, ctx).await;
        story::tell(place, Door::ForwardAuth, session, ctx, Subject::of);
        sent
    }
}

/// Answers at an endpoint of our own; there is nothing else here.
async fn receive_visit(session: &mut ServerSession, ctx: &mut Context) -> Reply {
    let runtime = Arc::clone(&ctx.runtime);
    let origin = Askers::ListedAndLocal.origin(&runtime, session);
    ctx.origin = Some(origin);
    let verdict = Verdict::early(place(session, &runtime));
    let told = Told::of(&verdict);
    let (outcome, reason) = (told.outcome, told.reason.label());
    ctx.told = Some(told);
    let reply = match &verdict.decision {
        Decision::Refuse(reason) => {
            Reply::refusal(*reason, asker(&runtime.pages, session.req_header(), &ctx.id))
        }
        _ => receive(session, &runtime, Some(&origin), (&ctx.id, ctx.now)).await,
    };
    let route = runtime.route_metrics(None);
    runtime.metrics.decided(Door::ForwardAuth, route, outcome, reason, ctx.started.elapsed());
    reply
}

/// Whether the request is for an endpoint of ours. As nothing is passed on, nobody could read its path in another way.
fn place(session: &ServerSession, runtime: &Runtime) -> Decision {
    let request = session.req_header();
    match screen(&request.method, request.raw_path(), &request.headers, &runtime.limits) {
        Err(reason) => Decision::Refuse(reason),
        Ok(()) if is_ours(path(request.raw_path()), runtime) => Decision::OwnEndpoint,
        Ok(()) => Decision::Refuse(Reason::NoRoute),
    }
}

/// Whether there is anything at `path`: an endpoint, or what phones and browsers are answered about links of apps.
fn is_ours(path: &[u8], runtime: &Runtime) -> bool {
    let links = &runtime.app_links;
    runtime.policy.is_own(path) || std::str::from_utf8(path).is_ok_and(|path| links.has(path))
}

/// The path of an origin-form target.
fn path(target: &[u8]) -> &[u8] {
    target.split(|b| *b == b'?').next().unwrap_or(target)
}
