//! What stands between a listening socket and an HTTP app: limits, TLS, deadlines, the drain.
//!
//! pingora has a deadline per read only, none for idle keep-alive connections, no cap on
//! connections, and a fixed 60 s for a handshake. Here each connection has one timer that knows
//! what the connection is waiting for. What a request means is not looked at.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::ShutdownWatch;
use tokio::time::{self, Instant};

use crate::serve::drain::{Drain, Live};
use crate::serve::tls::ListenerTls;
use crate::telemetry::metrics::{ListenerMetrics, Refusal};

mod admission;
mod alongside;
mod connection;
mod watched;

pub use admission::Admission;
pub use connection::ConnectionContext;

use admission::Permit;
use alongside::{First, alongside};
use connection::{Connection, Phase};
use watched::Watched;

/// How long an idle connection may still send a request after the drain began. Whoever sends
/// requests back to back gets an answer that says `Connection: close` instead of a reset.
const LINGER: Duration = Duration::from_millis(250);

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
    tls: Option<Arc<ListenerTls>>,
    process: Process,
    listener: Admission,
    metrics: ListenerMetrics,
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
        options.keepalive_request_limit = settings.max_requests;
        let listener = Admission::new(settings.max_connections);
        let shared = Shared {
            app,
            settings,
            options,
            tls,
            process: process.clone(),
            listener,
            metrics,
            epoch: Instant::now(),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl<A> Shared<A> {
    /// A place for the connection, in the process and in the listener.
    fn admit(&self, stream: &Stream) -> Option<(Permit, Permit)> {
        let process = self.process.admission.admit(client(stream))?;
        Some((process, self.listener.admit(None)?))
    }

    /// The stream over which HTTP is spoken, or none if the handshake failed or took too long.
    async fn secure(&self, stream: Stream) -> Option<Stream> {
        let Some(tls) = &self.tls else { return Some(stream) };
        let shaken = time::timeout(self.settings.handshake, tls.accept(stream)).await;
        if let Ok(Some(stream)) = shaken {
            return Some(stream);
        }
        self.metrics.refused(Refusal::Handshake);
        None
    }

    /// Returns when `connection` has to be closed.
    async fn watch(&self, connection: &Connection) -> Ended {
        let mut drain = self.process.drain.watch();
        tokio::select! {
            late = self.deadline(connection) => Ended::Late(late),
            () = drained(&mut drain, connection) => Ended::Drained,
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
            // It may begin to wait for something else right now, and nobody will say so.
            let soonest = now + self.settings.header.min(self.settings.idle);
            time::sleep_until(end.map_or(soonest, |end| end.min(soonest))).await;
        }
    }

    const fn patience(&self, phase: Phase) -> Option<Duration> {
        match phase {
            Phase::First => Some(self.settings.first_byte),
            Phase::Header => Some(self.settings.header),
            Phase::Idle => Some(self.settings.idle),
            Phase::Busy | Phase::Streams => None,
        }
    }

    fn count(&self, ended: Ended) {
        match ended {
            Ended::Late(Phase::First) => self.metrics.refused(Refusal::FirstByteDeadline),
            Ended::Late(Phase::Header) => self.metrics.refused(Refusal::HeaderDeadline),
            Ended::Late(Phase::Busy | Phase::Idle | Phase::Streams) | Ended::Drained => {}
        }
    }
}

/// Returns when the drain has begun and `connection` has rested for a while.
async fn drained(drain: &mut ShutdownWatch, connection: &Connection) {
    // The sender outlives the connections: it is in the settings that they share.
    let _ = drain.wait_for(|begun| *begun).await;
    loop {
        let before = connection.waits_for();
        time::sleep(LINGER).await;
        if connection.rests() && connection.waits_for() == before {
            return;
        }
    }
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> ServerApp for Guard<A> {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let shared = &self.shared;
        let Some(_permits) = shared.admit(&stream) else {
            shared.metrics.refused(Refusal::Cap);
            return None;
        };
        let _open = Open::new(shared);
        let stream = shared.secure(stream).await?;
        let connection = Arc::new(Connection::new(shared.epoch));
        let stream: Stream = Box::new(Watched::new(stream, Arc::clone(&connection)));
        let http =
            Arc::new(Http { shared: Arc::clone(shared), connection: Arc::clone(&connection) });
        let served = ServerApp::process_new(&http, stream, shutdown);
        if let First::Second(ended) = alongside(served, shared.watch(&connection)).await {
            shared.count(ended);
        }
        None
    }

    /// Leaves idle connections the time to send one more request. The app's own clean-up is not
    /// called: pingora's proxy would drop requests whose header is half read.
    async fn cleanup(&self) {
        time::sleep(LINGER).await;
    }
}

/// One connection's app: tells the connection's state what the real one is doing.
struct Http<A> {
    shared: Arc<Shared<A>>,
    connection: Arc<Connection>,
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Http<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let app = &self.shared.app;
        if session.is_http2() {
            let _stream = self.connection.stream();
            let _live = self.shared.process.drain.enter();
            return app.process_new_http(session, shutdown).await;
        }
        let context = ConnectionContext::new(Arc::clone(&self.connection));
        session.set_connection_user_context(Some(Box::new(context)));
        let reusable = app.process_new_http(session, shutdown).await;
        self.connection.idle();
        reusable
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(self.shared.app.h2_options().unwrap_or_else(default_h2_options))
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.shared.options)
    }
}

/// A connection that is counted as open until it is dropped.
struct Open {
    metrics: ListenerMetrics,
    _live: Live,
}

impl Open {
    fn new<A>(shared: &Shared<A>) -> Self {
        shared.metrics.opened();
        Self { metrics: shared.metrics.clone(), _live: shared.process.drain.enter() }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.closed();
    }
}

/// The address that counts for the cap per client; a unix socket has none.
fn client(stream: &Stream) -> Option<IpAddr> {
    let digest = stream.get_socket_digest()?;
    digest.peer_addr()?.as_inet().map(|address| address.ip())
}

#[cfg(test)]
mod tests;
