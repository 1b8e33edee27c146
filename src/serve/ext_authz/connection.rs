//! Connections of Envoy: gRPC over HTTP/2, questions by HTTP over HTTP/1.1. What is asked decides nothing about which of the two it is:
//! an answer by gRPC has the status 200 whatever it says, which by HTTP would let any request pass.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use parking_lot::Mutex;
use pingora::protocols::Stream;
use pingora::protocols::l4::stream::Stream as Socket;
use tokio::sync::Semaphore;
use tokio::time;

use crate::serve::callers::Memo;
use crate::serve::ext_authz::judge::Judge;
use crate::serve::ext_authz::pulse::{Patience, Pulse};
use crate::serve::ext_authz::question::Peer;
use crate::serve::guard::{Entry, Settings, client};
use crate::serve::listener::BoundListener;
use crate::serve::settings::RequestLimits;
use crate::telemetry::metrics::Refusal;

/// Questions that are answered at once, on all connections of a listener; more wait.
const MAX_QUESTIONS: usize = 1024;

/// Questions at once on one connection: Envoy opens another for more.
const MAX_STREAMS: u32 = 256;

/// How long a connection that was told to end may take to do so.
const LAST_WORDS: Duration = Duration::from_secs(35);

/// Room for the head of a question beside the header fields that it may have.
const HEAD_BYTES: usize = 16 << 10;

/// One listener's door.
pub(crate) struct Door {
    pub(super) judge: Judge,
    pub(super) questions: Semaphore,
    entry: Entry,
    settings: Settings,
}

/// The kind of socket that connections come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Tcp,
    Unix,
}

/// One connection, for what is asked on it.
pub(super) struct Line {
    pub(super) peer: Peer,
    /// Whose request the last question was about: what a page needs is asked about one after the other.
    pub(super) memo: Mutex<Memo>,
    pulse: Pulse,
}

/// Why a connection is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Drained,
    Rested,
}

impl Way {
    /// That of the socket of `listener`.
    pub(super) const fn of(listener: &BoundListener) -> Self {
        if listener.is_local() { Self::Unix } else { Self::Tcp }
    }

    fn peer(self, address: Option<IpAddr>) -> Peer {
        match self {
            Self::Tcp => Peer::Remote(address),
            Self::Unix => Peer::Local,
        }
    }
}

impl Door {
    /// A door that lets connections in by `entry`, within `settings`.
    pub(crate) fn new(judge: Judge, entry: Entry, settings: Settings) -> Self {
        Self { judge, questions: Semaphore::new(MAX_QUESTIONS), entry, settings }
    }

    /// Serves `socket`, which came by `way`, in a task of its own, unless there are too many already.
    pub(super) fn serve(self: &Arc<Self>, socket: Socket, way: Way) {
        let Some(place) = self.entry.admit(&socket) else { return };
        let door = Arc::clone(self);
        tokio::spawn(async move {
            let peer = way.peer(client(&socket));
            if let Some(stream) = door.entry.secure(socket).await {
                door.converse(stream, peer).await;
            }
            drop(place);
        });
    }

    async fn converse(self: Arc<Self>, stream: Stream, peer: Peer) {
        let line = Arc::new(Line { peer, memo: Mutex::default(), pulse: Pulse::new() });
        let service = service_fn(|request| {
            let (door, line) = (Arc::clone(&self), Arc::clone(&line));
            async move {
                let _beat = line.pulse.beat();
                Ok::<_, Infallible>(door.answer(request, &line).await)
            }
        });
        let builder = self.builder(&self.judge.live.load().limits);
        let mut connection =
            std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            // What is wrong with a connection is its peer's to know: there is no answer left to give.
            _ = connection.as_mut() => return,
            ended = self.end(&line.pulse) => ended,
        };
        if ended == Ended::Rested && !line.pulse.has_begun() {
            self.entry.refused(Refusal::FirstByteDeadline);
        }
        connection.as_mut().graceful_shutdown();
        let _ = time::timeout(LAST_WORDS, connection).await;
    }

    /// Returns when a connection has to end.
    async fn end(&self, pulse: &Pulse) -> Ended {
        let patience = Patience { first: self.settings.first_byte, idle: self.settings.idle };
        tokio::select! {
            () = pulse.rests(patience) => Ended::Rested,
            () = self.drained() => Ended::Drained,
        }
    }

    async fn drained(&self) {
        let mut drain = self.entry.drain().watch();
        // The sender outlives the connections: it is in the entry.
        let _ = drain.wait_for(|begun| *begun).await;
        time::sleep(self.entry.drain().linger()).await;
    }

    fn builder(&self, limits: &RequestLimits) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            // Counted from the end of the last answer on.
            .header_read_timeout(self.settings.idle + self.settings.header)
            .max_headers(limits.headers + 16)
            .max_buf_size(limits.header_bytes + limits.target_bytes + HEAD_BYTES);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
        builder
    }

    /// Whether the end of service has begun.
    pub(super) fn is_draining(&self) -> bool {
        self.entry.drain().is_begun()
    }
}
