//! What stands between a listening socket and an HTTP app: limits, TLS, deadlines, the drain.
//!
//! pingora has a deadline per read only, none for idle keep-alive connections, no cap on
//! connections, and a fixed 60 s for a handshake. Here each connection has one timer that knows
//! what the connection is waiting for. What a request means is not looked at.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{
    HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp as _,
};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::protocols::l4::stream::Stream as Socket;
use pingora::protocols::{ALPN, Stream};
use pingora::server::ShutdownWatch;
use tokio::time::{self, Instant};

use crate::serve::drain::Drain;
use crate::serve::tls::ListenerTls;
use crate::telemetry::metrics::{ListenerMetrics, Refusal};

mod admission;
mod alongside;
mod connection;
mod entry;
mod patient;
mod stream;

pub use admission::Admission;
pub use connection::ConnectionContext;
pub(crate) use entry::{Entry, client};
pub use stream::StreamContext;

use alongside::{First, alongside};
use connection::{Connection, Phase};
use patient::{Arrival, Patient};
use stream::until_cut;

/// Limits of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Connections at once on this listener.
    pub max_connections: usize,
    /// From the accept to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the accept, or the end of the handshake, to the first byte of a request.
    pub first_byte: Duration,
    /// From the first byte of a request to the end of its header.
    pub header: Duration,
    /// Between two requests. For HTTP/2, without a stream.
    pub idle: Duration,
    /// Requests per HTTP/1 connection; none means any number.
    pub max_requests: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            handshake: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            header: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            max_requests: None,
        }
    }
}

/// What all listeners of a process share.
#[derive(Clone)]
pub struct Process {
    /// The cap on connections, of all listeners together.
    pub admission: Admission,
    /// The end of service.
    pub drain: Drain,
}

/// An HTTP app behind the limits of one listener.
///
/// The app must report each HTTP/1 request whose header is complete by
/// [`ConnectionContext::header_complete`], or the header deadline ends the connection.
pub struct Guard<A> {
    shared: Arc<Shared<A>>,
}

struct Shared<A> {
    app: Arc<A>,
    settings: Settings,
    options: HttpServerOptions,
    entry: Entry,
    epoch: Instant,
}

/// Why the timer ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Drained,
    Late(Phase),
}

impl<A: HttpServerApp + Send + Sync + 'static> Guard<A> {
    /// Puts `app` behind `settings`; over TLS if there is `tls`. `process` is shared by all listeners.
    pub fn new(
        app: Arc<A>,
        settings: Settings,
        tls: Option<Arc<ListenerTls>>,
        process: &Process,
        metrics: ListenerMetrics,
    ) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(settings.idle);
        let entry = Entry::new(&settings, tls, process, metrics);
        let shared = Shared { app, settings, options, entry, epoch: Instant::now() };
        Self { shared: Arc::new(shared) }
    }
}

impl<A> Shared<A> {
    /// Returns when `connection` has to be closed.
    async fn watch(&self, connection: &Connection) -> Ended {
        tokio::select! {
            late = self.deadline(connection) => Ended::Late(late),
            () = drained(self.entry.drain(), connection) => Ended::Drained,
        }
    }

    /// Returns what `connection` waited for too long.
    async fn deadline(&self, connection: &Connection) -> Phase {
        loop {
            let now = Instant::now();
            let (phase, since) = connection.waits_for();
            let end = self.patience(phase).map(|patience| since + patience);
            if end.is_some_and(|end| end <= now) {
                return phase;
            }
            // It may begin to wait for something else right now, and only a limited request says so.
            let soonest = now + self.settings.header.min(self.settings.idle);
            tokio::select! {
                () = time::sleep_until(end.map_or(soonest, |end| end.min(soonest))) => {}
                () = connection.hurried() => {}
            }
        }
    }

    const fn patience(&self, phase: Phase) -> Option<Duration> {
        match phase {
            Phase::First => Some(self.settings.first_byte),
            Phase::Header => Some(self.settings.header),
            Phase::Idle => Some(self.settings.idle),
            Phase::Limited => Some(Duration::ZERO),
            Phase::Busy | Phase::Streams => None,
        }
    }

    fn count(&self, ended: Ended) {
        match ended {
            Ended::Late(Phase::First) => self.entry.refused(Refusal::FirstByteDeadline),
            Ended::Late(Phase::Header) => self.entry.refused(Refusal::HeaderDeadline),
            Ended::Late(Phase::Busy | Phase::Idle | Phase::Limited | Phase::Streams)
            | Ended::Drained => {}
        }
    }
}

/// Returns when the drain has begun and `connection` has rested for a while.
async fn drained(drain: &Drain, connection: &Connection) {
    // The sender outlives the connections: it is in the settings that they share.
    let _ = drain.watch().wait_for(|begun| *begun).await;
    loop {
        let before = connection.waits_for();
        time::sleep(drain.linger()).await;
        if connection.rests() && connection.waits_for() == before {
            return;
        }
    }
}

impl<A: HttpServerApp + Send + Sync + 'static> Guard<A> {
    /// Serves `socket` in a task of its own, unless there are too many already.
    pub(super) fn serve(&self, socket: Socket) {
        let shared = Arc::clone(&self.shared);
        if let Some(place) = shared.entry.admit(&socket) {
            tokio::spawn(async move {
                shared.serve(socket).await;
                drop(place);
            });
        }
    }

    /// Leaves connections that are idle when the drain begins the time to send one more request.
    pub(super) async fn linger(&self) {
        time::sleep(self.shared.entry.drain().linger()).await;
    }
}

impl<A: HttpServerApp + Send + Sync + 'static> Shared<A> {
    async fn serve(self: Arc<Self>, socket: Socket) {
        let Some(stream) = self.entry.secure(socket).await else { return };
        let connection = Arc::new(Connection::new(self.epoch));
        let speaks_http2 = stream.selected_alpn_proto() == Some(ALPN::H2);
        let stream = Box::new(Patient::new(stream, Arc::clone(&connection)));
        let served = async {
            if speaks_http2 {
                self.serve_http2(stream, &connection).await;
            } else {
                self.serve_http1(stream, &connection).await;
            }
        };
        if let First::Second(ended) = alongside(served, self.watch(&connection)).await {
            self.count(ended);
        }
        if connection.was_unreadable() {
            self.entry.refused(Refusal::Unreadable);
        }
    }

    /// One request after the other. What pingora does for an app, but that nothing is allocated
    /// for a request before its first bytes are here.
    async fn serve_http1(&self, mut stream: Box<Patient>, connection: &Arc<Connection>) {
        let shutdown = self.entry.drain().watch();
        let mut kept = None;
        while stream.arrival().await == Arrival::Bytes {
            connection.header_begun();
            let session = self.session(stream, kept, connection, &shutdown);
            let reusable = self.app.process_new_http(session, &shutdown).await;
            let Some((next, settings)) = reusable.map(ReusedHttpStream::consume) else { return };
            // It is the stream that the session was made of.
            let Ok(next) = next.into_any().downcast() else { return };
            (stream, kept) = (next, settings);
            connection.idle();
        }
    }

    fn session(
        &self,
        mut stream: Box<Patient>,
        kept: Option<HttpPersistentSettings>,
        connection: &Arc<Connection>,
        shutdown: &ShutdownWatch,
    ) -> ServerSession {
        let arrived = stream.take_arrived();
        let mut session = ServerSession::new_http1(stream);
        match kept {
            Some(settings) => settings.apply_to_session(&mut session),
            // pingora counts the requests that may follow.
            None => session.set_keepalive_reuses_remaining(
                self.settings.max_requests.map(|requests| requests.saturating_sub(1)),
            ),
        }
        // Zero is for ever: for how long is the timer's to say.
        let keepalive = if *shutdown.borrow() { None } else { Some(0) };
        session.set_keepalive(keepalive);
        let context = ConnectionContext::new(Arc::clone(connection), &arrived);
        session.set_connection_user_context(Some(Box::new(context)));
        // As if it had come with the last request: pingora parses it where it is.
        session.set_pipelined_prefix(arrived);
        session
    }

    async fn serve_http2(self: &Arc<Self>, stream: Stream, connection: &Arc<Connection>) {
        // Until the first stream is opened, the deadline of a header holds.
        connection.header_begun();
        let app = Arc::new(Http2 { shared: Arc::clone(self), connection: Arc::clone(connection) });
        app.process_new(stream, &self.entry.drain().watch()).await;
    }
}

/// The app of one HTTP/2 connection: counts its streams, each of which can be cut.
struct Http2<A> {
    shared: Arc<Shared<A>>,
    connection: Arc<Connection>,
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Http2<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let _stream = self.connection.stream();
        let _live = self.shared.entry.drain().enter();
        until_cut(self.shared.app.process_new_http(session, shutdown)).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(self.shared.app.h2_options().unwrap_or_else(default_h2_options))
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.shared.options)
    }
}

#[cfg(test)]
mod tests;
