//! The proxy door: pingora's phases, each one call into what decides or does.
//!
//! Fails closed: a request that is not permitted has no upstream, whatever phase asks for one.

use std::any::Any;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::HttpPeer;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::{Error, ErrorType, Result};

use crate::clock::Clock;
use crate::gate::{Decision, Reason};
use crate::serve::answer::{asker, send};
use crate::serve::callers::Memo;
use crate::serve::context::{Context, Progress, Told};
use crate::serve::edge_session::{self, EDGE_SESSION};
use crate::serve::failure::{Blame, blame, is_late};
use crate::serve::forward_auth::{self, Askers};
use crate::serve::gatekeeper::{Verdict, decide};
use crate::serve::guard::ConnectionContext;
use crate::serve::hook::{Hook, done, go_on, over};
use crate::serve::outbound::{Additions, rewrite};
use crate::serve::reception::{bring_session, receive};
use crate::serve::reply::Reply;
use crate::serve::request_id::RequestIds;
use crate::serve::runtime::Runtime;
use crate::serve::screen::screen;
use crate::serve::settings::GuardSettings;
use crate::serve::story::{self, Place, Subject};
use crate::serve::upstream::{Destination, Upstream, Wish};
use crate::serve::view::{self, Parts};
use crate::telemetry::Door;
use crate::telemetry::writer::LineWriter;

/// One listener's proxy.
pub(crate) struct Proxy {
    pub(crate) live: Arc<ArcSwap<Runtime>>,
    pub(crate) clock: Clock,
    pub(crate) ids: Arc<RequestIds>,
    pub(crate) guard: GuardSettings,
    pub(crate) listener: String,
    pub(crate) lines: LineWriter,
}

/// Of one connection only ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)).
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How much longer than its exchange a connection may take, so that its client can be told why it ends.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Nobody let this request through: a phase asked for what only a permit yields.
const NOT_PERMITTED: &str = "request was not permitted";

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.live.load_full(), &self.clock, self.ids.next())
    }

    /// No modules: compression is the upstream's business.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    fn on_connection_reuse(
        &self,
        _session: &mut Session,
        ctx: &mut Context,
        carried: Box<dyn Any + Send + Sync>,
    ) {
        let Ok(connection) = carried.downcast::<ConnectionContext>() else { return };
        connection.header_complete();
        ctx.memo = connection.take_memo().and_then(|memo| memo.downcast::<Memo>().ok());
        ctx.connection = Some(connection);
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
        self.limit(session);
        if forward_auth::is_question(&ctx.runtime.policy, session.req_header()) {
            let place = self.place();
            forward_auth::answer(session, ctx, Askers::Listed, place).await?;
            // It is told already.
            ctx.told = None;
            return Ok(true);
        }
        match self.judge(session, ctx).await {
            None => Ok(false),
            Some(reply) => {
                send(session, reply, &ctx.id).await?;
                Ok(true)
            }
        }
    }

    fn proxy_upstream_filter<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        _session: &'life1 mut Session,
        _ctx: &'life2 mut Context,
    ) -> Hook<'async_trait, Result<bool>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        go_on()
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        ctx: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        let (upstream, timeout) = upstream(ctx)?;
        // A request that is tried again goes to the next server, whoever else takes turns meanwhile.
        let turn = ctx.turn.unwrap_or_else(|| upstream.take_turn());
        let left = timeout.map(|timeout| {
            timeout.saturating_sub(ctx.started.elapsed()).max(Duration::from_millis(1))
        });
        let known_length = session.as_mut().is_body_empty()
            || session.req_header().headers.contains_key(header::CONTENT_LENGTH);
        let wish = Wish { left, known_length };
        let destination = upstream.destination(turn.wrapping_add(ctx.attempts), wish).await;
        ctx.turn = Some(turn);
        let Destination { peer, loan } =
            destination.ok_or_else(|| Error::new_up(ErrorType::ConnectNoRoute))?;
        ctx.loan = loan;
        if let (Some(left), Some(connection)) = (left, &ctx.connection) {
            connection.finish_within(left + LAST_WORDS);
        }
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
        if !answer.headers.contains_key(&EDGE_SESSION) {
            return done(finish(session, answer, ctx));
        }
        let trusted = upstream(ctx).is_ok_and(|(upstream, _)| upstream.settings.is_login_service);
        Box::pin(async move {
            edge_session::take(session, answer, (&mut *ctx, trusted)).await;
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
        let error_code = reply.as_ref().map_or(0, |reply| reply.status.as_u16());
        if let Some(reply) = reply {
            // A client that is gone cannot be told.
            let _ = send(session, reply, &ctx.id).await;
        }
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
        let subject = Subject::of(Door::Proxy, session.req_header());
        story::tell(self.place(), subject, session, ctx);
        ctx.leave_memo();
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

impl Proxy {
    fn place(&self) -> Place<'_> {
        Place { listener: &self.listener, lines: &self.lines }
    }

    /// Deadlines that pingora leaves open. Idle connections are the guard's: a timer of pingora's would cost every request.
    fn limit(&self, session: &mut Session) {
        session.set_read_timeout(Some(self.guard.body_deadline));
        session.set_write_timeout(Some(self.guard.body_deadline));
    }

    /// Judges the request: nothing where it may go upstream, else the answer.
    async fn judge(&self, session: &mut Session, ctx: &mut Context) -> Option<Reply> {
        #[expect(clippy::disallowed_methods, reason = "how long a decision takes is measured here")]
        let started = Instant::now();
        let verdict = self.verdict(session, ctx).await;
        let reply = match &verdict.decision {
            Decision::OwnEndpoint => {
                let at = (&ctx.id, ctx.now);
                Some(receive(session, &ctx.runtime, ctx.origin.as_ref(), at).await)
            }
            Decision::Allow(_) => None,
            decision => {
                Reply::to(decision, asker(&ctx.runtime.pages, session.req_header(), &ctx.id))
            }
        };
        let told = Told::of(&verdict);
        let route = ctx.runtime.route_metrics(told.route.as_deref());
        ctx.runtime.metrics.decided(
            Door::Proxy,
            route,
            told.outcome,
            told.reason.label(),
            started.elapsed(),
        );
        ctx.told = Some(told);
        ctx.progress = match (verdict.decision, &reply) {
            (Decision::Allow(permit), None) => Progress::Permitted(permit),
            _ => Progress::Answered,
        };
        if ctx.permit().is_some_and(|permit| permit.session().is_some()) {
            ctx.cookies = cookies(session, ctx).await;
        }
        reply
    }

    async fn verdict(&self, session: &Session, ctx: &mut Context) -> Verdict {
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
                Verdict { decision: Decision::Refuse(Reason::BodyTooLarge), route: verdict.route }
            }
            _ => verdict,
        }
    }
}

/// What brings the browser its session as it went on.
async fn cookies(session: &Session, ctx: &Context) -> Vec<HeaderValue> {
    let (Some(permit), Some(origin)) = (ctx.permit(), ctx.origin.as_ref()) else {
        return Vec::new();
    };
    let request = session.req_header();
    let Ok(parts) = Parts::of(request) else { return Vec::new() };
    bring_session(&ctx.runtime, permit, &parts.view(request, origin, None), ctx.now).await
}

/// Makes `request` what the upstream gets.
fn prepare(session: &Session, request: &mut RequestHeader, ctx: &Context) -> Result<()> {
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

/// Makes `answer` what the client gets.
fn finish(session: &mut Session, answer: &mut ResponseHeader, ctx: &mut Context) -> Result<()> {
    answer.remove_header(&KEEP_ALIVE);
    set_cookies(answer, ctx)?;
    if is_long_lived(answer) {
        ctx.watch();
    }
    if session.req_header().version == Version::HTTP_10
        && answer.remove_header(&header::TRANSFER_ENCODING).is_some()
    {
        session.set_keepalive(None);
    }
    Ok(())
}

/// Brings the browser its session as it went on, save with answers that caches may share.
fn set_cookies(answer: &mut ResponseHeader, ctx: &mut Context) -> Result<()> {
    if ctx.cookies.is_empty() || is_for_everyone(answer) {
        return Ok(());
    }
    for cookie in std::mem::take(&mut ctx.cookies) {
        answer.append_header(header::SET_COOKIE, cookie)?;
    }
    Ok(())
}

/// Whether shared caches may keep the answer ([RFC 9111 §5.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2)).
fn is_for_everyone(answer: &ResponseHeader) -> bool {
    let directives = answer.headers.get_all(header::CACHE_CONTROL).iter();
    directives.filter_map(|value| value.to_str().ok()).any(|value| {
        let mut words = value.split(',').map(|word| word.trim().to_ascii_lowercase());
        words.any(|word| word == "public" || word.starts_with("s-maxage"))
    })
}

/// Whether the answer goes on for as long as both sides like: a WebSocket, or a stream of events.
fn is_long_lived(answer: &ResponseHeader) -> bool {
    let events = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/event-stream");
    answer.status == StatusCode::SWITCHING_PROTOCOLS
        || answer.headers.get(header::CONTENT_TYPE).is_some_and(events)
}

fn upstream(ctx: &Context) -> Result<(&Upstream, Option<Duration>)> {
    let permit =
        ctx.permit().ok_or_else(|| Error::explain(ErrorType::InternalError, NOT_PERMITTED))?;
    let upstream = permit.route().upstream.and_then(|id| ctx.runtime.upstream(id));
    let upstream = upstream
        .ok_or_else(|| Error::explain(ErrorType::InternalError, "route has no upstream"))?;
    Ok((upstream, permit.route().timeout))
}

/// Whether the request announces a longer body than the route takes.
pub(crate) fn is_too_long(headers: &HeaderMap, limit: Option<u64>) -> bool {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    limit.is_some_and(|limit| length.is_some_and(|length| length > limit))
}
