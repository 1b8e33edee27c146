//! A listener of the proxy door. Plain requests are served here, from their first byte to their last; the rest, by pingora's proxy.
//!
//! pingora's proxy is for everything: bodies and upgrades that flow in both directions at once, new connections, other versions of
//! HTTP, second attempts. What it may need takes 14 KiB for each request. Most requests need none of it: they are a header
//! that came in one piece, and all they want is an answer of ours or one that the short way brings.

use std::any::Any;
use std::sync::Arc;

use bytes::BytesMut;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;

use crate::serve::guard::ConnectionContext;
use crate::serve::hook::Hook;
use crate::serve::inlet::{Inlet, go_on, is_readable, take_connection};
use crate::serve::outbound::is_plain;
use crate::serve::proxy::Proxy;

/// One listener's app.
pub(crate) struct Inline {
    door: Proxy,
    rest: Arc<HttpProxy<Proxy>>,
}

/// What became of a request.
enum Served {
    /// It is answered.
    Answered,
    /// Its connection has to end.
    Over,
    /// It is for pingora's proxy, which gets this along with it.
    Left(Box<dyn Any + Send + Sync>),
}

impl Inline {
    /// The app of the listener whose requests begin at `inlet`.
    pub(crate) fn new(inlet: Inlet) -> Self {
        let door = Proxy { inlet: Arc::new(inlet) };
        let mut rest = HttpProxy::new(door.clone(), Arc::new(ServerConf::default()));
        rest.handle_init_modules();
        rest.server_options = Some(HttpServerOptions::default());
        Self { door, rest: Arc::new(rest) }
    }

    async fn serve(
        &self,
        session: &mut ServerSession,
        carried: Box<ConnectionContext>,
        shutdown: &ShutdownWatch,
    ) -> Served {
        if !is_readable(session).await {
            session.shutdown().await;
            return Served::Over;
        }
        if !is_plain(session.req_header()) {
            return Served::Left(carried);
        }
        let mut ctx = self.door.inlet.begin();
        take_connection(&mut ctx, carried);
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }
        self.door.inlet.limit(session);
        match self.door.take(session, &mut ctx).await {
            Ok(true) => {
                self.door.tell(session, &mut ctx);
                Served::Answered
            }
            Ok(false) => Served::Left(Box::new(ctx)),
            Err(error) => {
                self.door.fail(session, &error, &ctx).await;
                self.door.tell(session, &mut ctx);
                Served::Over
            }
        }
    }
}

impl HttpServerApp for Inline {
    /// Not an `async fn`: what goes to pingora's proxy at once needs no future of ours.
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
        let connection = match whole(session.take_connection_user_context()) {
            Ok(connection) => connection,
            Err(carried) => {
                session.set_connection_user_context(carried);
                return self.rest.process_new_http(session, shutdown);
            }
        };
        Box::pin(async move {
            match self.serve(&mut session, connection, shutdown).await {
                Served::Answered => go_on(session).await,
                Served::Over => None,
                Served::Left(carried) => {
                    let session = unread(session, carried)?;
                    self.rest.process_new_http(session, shutdown).await
                }
            }
        })
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.rest.server_options()
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.rest.h2_options()
    }
}

type Carried = Option<Box<dyn Any + Send + Sync>>;

/// What `carried` says of its connection, if that is one of HTTP/1 and the request's header came in one piece, with nothing behind it.
fn whole(carried: Carried) -> Result<Box<ConnectionContext>, Carried> {
    let connection = carried.ok_or(None)?.downcast::<ConnectionContext>().map_err(Some)?;
    if connection.came_whole() { Ok(connection) } else { Err(Some(connection)) }
}

/// A session that is about to read the header of `session` once more, and gets `carried` with it.
fn unread(session: ServerSession, carried: Box<dyn Any + Send + Sync>) -> Option<ServerSession> {
    let ServerSession::H1(read) = session else { return None };
    let header = BytesMut::from(&*read.get_headers_raw_bytes());
    let reuses_remaining = read.get_keepalive_reuses_remaining();
    let mut session = ServerSession::new_http1(read.into_inner());
    session.set_keepalive(Some(0));
    session.set_keepalive_reuses_remaining(reuses_remaining);
    session.set_connection_user_context(Some(carried));
    session.set_pipelined_prefix(header);
    Some(session)
}
