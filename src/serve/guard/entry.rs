//! Who is let in at a listener: caps on connections, and TLS. What is spoken afterwards is somebody else's.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::l4::stream::Stream as Socket;
use pingora::protocols::{GetSocketDigest as _, Stream};
use tokio::time;

use crate::serve::drain::{Drain, Live};
use crate::serve::guard::admission::{Admission, Permit};
use crate::serve::guard::{Process, Settings};
use crate::serve::tls::ListenerTls;
use crate::telemetry::metrics::{ListenerMetrics, Refusal};

/// What stands before the connections of one listener.
pub(crate) struct Entry {
    tls: Option<Arc<ListenerTls>>,
    handshake: Duration,
    process: Process,
    listener: Admission,
    metrics: ListenerMetrics,
}

/// A connection's place among those that are open, until it is dropped.
pub(crate) struct Place {
    metrics: ListenerMetrics,
    _permits: [Permit; 2],
    _live: Live,
}

impl Entry {
    /// An entry within the limits of `settings`; over TLS if there is `tls`. `process` is shared by all listeners.
    pub(crate) fn new(
        settings: &Settings,
        tls: Option<Arc<ListenerTls>>,
        process: &Process,
        metrics: ListenerMetrics,
    ) -> Self {
        let listener = Admission::new(settings.max_connections);
        let (handshake, process) = (settings.handshake, process.clone());
        Self { tls, handshake, process, listener, metrics }
    }

    /// A place for `socket`; none, and a count of that, if there are too many already.
    pub(crate) fn admit(&self, socket: &Socket) -> Option<Place> {
        let place = self.place(socket);
        if place.is_none() {
            self.metrics.refused(Refusal::Cap);
        }
        place
    }

    fn place(&self, socket: &Socket) -> Option<Place> {
        let process = self.process.admission.admit(client(socket))?;
        let listener = self.listener.admit(None)?;
        self.metrics.opened();
        let metrics = self.metrics.clone();
        Some(Place { metrics, _permits: [process, listener], _live: self.process.drain.enter() })
    }

    /// The stream over which HTTP is spoken, or none if the handshake failed or took too long.
    pub(crate) async fn secure(&self, socket: Socket) -> Option<Stream> {
        let Some(tls) = &self.tls else { return Some(Box::new(socket)) };
        // Boxed: a handshake needs a lot of memory, an idle connection should not keep it.
        let handshake = Box::pin(tls.accept(socket));
        let shaken = time::timeout(self.handshake, handshake).await;
        if let Ok(Some(stream)) = shaken {
            return Some(stream);
        }
        self.metrics.refused(Refusal::Handshake);
        None
    }

    /// The end of service.
    pub(crate) const fn drain(&self) -> &Drain {
        &self.process.drain
    }

    /// A connection was closed for `why`.
    pub(crate) fn refused(&self, why: Refusal) {
        self.metrics.refused(why);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.closed();
    }
}

/// The address that counts for the cap per client; a unix socket has none.
pub(crate) fn client(socket: &Socket) -> Option<IpAddr> {
    let digest = socket.get_socket_digest()?;
    digest.peer_addr()?.as_inet().map(|address| address.ip())
}
