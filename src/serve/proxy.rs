//! The proxy door: pingora's phases, each one call into what decides or does.
//!
//! Fails closed: a request that is not permitted has no upstream, whatever phase asks for one.

mod judging;
mod listener;
mod outgoing;
mod returning;
mod short_way;

use std::any::Any;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use http::header;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::HttpPeer;
use pingora::protocols::Digest;
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::{Error, ErrorType, Result};

use crate::serve::answer::{asker, send};
use crate::serve::context::Context;
use crate::serve::failure::{Blame, blame, is_late};
use crate::serve::forward_auth::{self, Askers};
use crate::serve::hook::{Hook, done, over};
use crate::serve::inlet::{Inlet, take_connection};
use crate::serve::story::{self, Subject};
use crate::serve::upstream::{Destination, Wish};
use crate::telemetry::Door;

pub(crate) use judging::is_too_long;
pub(crate) use listener::Inline;

use outgoing::{prepare, time_left, upstream};
use returning::{brings_session, finish, take_session};

/// One listener's door.
#[derive(Clone)]
struct Proxy {
    inlet: Arc<Inlet>,
}

impl Proxy {
    /// Answers a request, or brings the answer the short way: whether it did.
    async fn take(&self, session: &mut ServerSession, ctx: &mut Context) -> Result<bool> {
        Ok(self.answer(session, ctx).await? || short_way::take(session, ctx).await?)
    }

    /// Answers what is ours to answer: whether it did. Otherwise, the request may pass.
    async fn answer(&self, session: &mut ServerSession, ctx: &mut Context) -> Result<bool> {
        if forward_auth::is_question(&ctx.runtime.policy, session.req_header()) {
            let place = self.inlet.place();
            Box::pin(forward_auth::answer(session, ctx, Askers::Listed, place)).await?;
            // It is told already.
            ctx.told = None;
            return Ok(true);
        }
        match self.judge(session, ctx).await {
            None => Ok(false),
            Some(reply) => {
                Box::pin(send(session, reply, ctx)).await?;
                Ok(true)
            }
        }
    }

    /// Tells the client of `error`, if it can be told; the status that it is told by.
    async fn fail(&self, session: &mut ServerSession, error: &Error, ctx: &Context) -> u16 {
        let blame = blame(error);
        if let (Some(kind), Ok((upstream, _))) = (blame.upstream(), upstream(ctx)) {
            upstream.metrics.failed(kind);
            story::upstream_failed(&upstream.settings.name, kind, error, &ctx.id);
        }
        let reply = match blame {
            Blame::Client => None,
            _ if session.response_written().is_some() => None,
            blame => Some(blame.reply(asker(&ctx.runtime.pages, session.req_header(), &ctx.id))),
        };
        let Some(reply) = reply else { return 0 };
        let status = reply.status.as_u16();
        // A client that is gone cannot be told.
        let _ = send(session, reply, ctx).await;
        status
    }

    /// A request is over.
    fn tell(&self, session: &ServerSession, ctx: &mut Context) {
        story::tell(self.inlet.place(), Door::Proxy, session, ctx, Subject::of);
        ctx.leave_memo();
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        self.inlet.begin()
    }

    /// No modules: compression is the upstream's business.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    fn on_connection_reuse(
        &self,
        _session: &mut Session,
        ctx: &mut Context,
        carried: Box<dyn Any + Send + Sync>,
    ) {
        match carried.downcast::<Context>() {
            // It was judged before.
            Ok(begun) => *ctx = *begun,
            Err(carried) => take_connection(ctx, carried),
        }
    }

    fn early_request_filter<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        _session: &'life1 mut Session,
        _ctx: &'life2 mut Context,
    ) -> Hook<'async_trait, Result<()>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        done(Ok(()))
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        self.inlet.limit(session);
        Ok(ctx.permit().is_none() && self.answer(session, ctx).await?)
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        ctx: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        let (upstream, timeout) = upstream(ctx)?;
        // A request that is tried again goes to the next server, whoever else takes turns meanwhile.
        let turn = ctx.turn.unwrap_or_else(|| upstream.take_turn());
        let left = time_left(ctx, timeout);
        let known_length = session.as_mut().is_body_empty()
            || session.req_header().headers.contains_key(header::CONTENT_LENGTH);
        let wish = Wish { left, known_length };
        let destination = upstream.destination(turn.wrapping_add(ctx.attempts), wish).await;
        ctx.turn = Some(turn);
        let Destination { peer, loan } =
            destination.ok_or_else(|| Error::new_up(ErrorType::ConnectNoRoute))?;
        ctx.loan = loan;
        Ok(peer)
    }

    fn connected_to_upstream<'life0, 'life1, 'life2, 'life3, 'life4, 'async_trait>(
        &'life0 self,
        _session: &'life1 mut Session,
        _reused: bool,
        _peer: &'life2 HttpPeer,
        _fd: RawFd,
        _digest: Option<&'life3 Digest>,
        _ctx: &'life4 mut Context,
    ) -> Hook<'async_trait, Result<()>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        'life4: 'async_trait,
        Self: 'async_trait,
    {
        done(Ok(()))
    }

    fn upstream_request_filter<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        session: &'life1 mut Session,
        request: &'life2 mut RequestHeader,
        ctx: &'life3 mut Context,
    ) -> Hook<'async_trait, Result<()>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        done(prepare(session, request, ctx))
    }

    fn request_body_filter<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        _session: &'life1 mut Session,
        body: &'life2 mut Option<Bytes>,
        _end_of_stream: bool,
        ctx: &'life3 mut Context,
    ) -> Hook<'async_trait, Result<()>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        done(ctx.count(body.as_ref()))
    }

    fn upstream_response_filter<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        session: &'life1 mut Session,
        answer: &'life2 mut ResponseHeader,
        ctx: &'life3 mut Context,
    ) -> Hook<'async_trait, Result<()>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        if let Ok((upstream, _)) = upstream(ctx) {
            upstream.metrics.answered(answer.status.as_u16());
        }
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            // Who only listens is no client that dawdles; the upstream's silence ends the connection.
            session.set_read_timeout(None);
        }
        done(Ok(()))
    }

    /// What concerns the upstream's connection stays there, and a client of HTTP/1.0, which knows no chunks, learns from the end
    /// of its connection where the body ends ([RFC 9112 §6.1](https://www.rfc-editor.org/rfc/rfc9112#section-6.1)). pingora
    /// leaves both to us.
    fn response_filter<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        session: &'life1 mut Session,
        answer: &'life2 mut ResponseHeader,
        ctx: &'life3 mut Context,
    ) -> Hook<'async_trait, Result<()>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        if !brings_session(answer) {
            return done(finish(session, answer, ctx));
        }
        Box::pin(async move {
            take_session(session, answer, ctx).await;
            finish(session, answer, ctx)
        })
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        _end_of_stream: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        ctx.check_deadline()?;
        ctx.check_session().map(|()| None)
    }

    /// Nothing was sent yet: any request may be tried elsewhere.
    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let retries = upstream(ctx).map_or(0, |(upstream, _)| upstream.settings.retries);
        ctx.attempts += 1;
        error.set_retry(ctx.attempts <= retries);
        error
    }

    /// Something may have been sent: only what is safe to repeat is repeated, and only where a kept connection turned out dead
    /// ([RFC 9110 §9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2)).
    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        ctx: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        let reused = reused || ctx.loan.as_ref().is_some_and(|loan| loan.is_reused());
        let again = session.req_header().method.is_safe() && !is_late(&error);
        if again && !session.as_ref().retry_buffer_truncated() {
            error.retry.decide_reuse(reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Context,
    ) -> FailToProxy {
        let error_code = self.fail(session, error, ctx).await;
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    fn logging<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        session: &'life1 mut Session,
        _error: Option<&'life2 Error>,
        ctx: &'life3 mut Context,
    ) -> Hook<'async_trait, ()>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        self.tell(session, ctx);
        over()
    }

    /// pingora's own error log would repeat what clients send; ours says what matters.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Context, _error: &Error) -> bool {
        true
    }

    fn request_summary(&self, _session: &Session, ctx: &Context) -> String {
        ctx.id.as_str().to_owned()
    }
}
