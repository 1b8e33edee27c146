//! Where permitted requests go: servers in turn, names looked up beside the traffic, one connection pool per upstream.
//!
//! Plain connections come from a pool of our own, which costs a third of pingora's. Those over TLS, and those for bodies
//! of unknown length, which it would write in more pieces, come from pingora's.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora::protocols::l4::stream::Stream;
use pingora::upstreams::peer::{HttpPeer, PeerOptions};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::serve::settings::{Server, UpstreamHost, UpstreamSettings};
use crate::serve::tls::{TlsError, UpstreamTls};
use crate::telemetry::metrics::{Metrics, UpstreamMetrics};

mod loan;
mod pool;
mod watch;
mod wire;

pub(crate) use loan::Loan;

use loan::Patience;
use pool::PoolKeeper;

/// How often names are looked up anew.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(10);

/// One upstream at work.
pub(crate) struct Upstream {
    pub(crate) settings: UpstreamSettings,
    pub(crate) metrics: UpstreamMetrics,
    servers: Vec<Arc<Place>>,
    next: AtomicUsize,
    group: u64,
    /// A peer of pingora's pool, but for its address.
    template: HttpPeer,
    /// A peer of our pool, but for its address and loan; none where the upstream speaks TLS.
    lending: Option<Lending>,
    lookups: Vec<JoinHandle<()>>,
}

/// Our pool and what its peers have in common.
struct Lending {
    pool: Arc<PoolKeeper>,
    template: HttpPeer,
}

/// What an exchange needs of its connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// How much time is left for the whole exchange, if that is limited.
    pub(crate) left: Option<Duration>,
    /// Whether the length of the request's body is known; that there is none counts.
    pub(crate) known_length: bool,
}

/// Where an exchange goes.
pub(crate) struct Destination {
    pub(crate) peer: Box<HttpPeer>,
    /// The connection, if it is one of our pool.
    pub(crate) loan: Option<Arc<Loan>>,
}

/// A server and the addresses it has at the moment.
struct Place {
    server: Server,
    /// The address of a unix socket.
    path: Option<PeerAddress>,
    addresses: ArcSwap<Vec<SocketAddr>>,
}

impl Upstream {
    /// Puts `settings` to work. `group` keeps its connections apart from those of other upstreams and other settings; one of
    /// the same group among `previous` hands its connections on.
    pub(crate) fn start(
        settings: UpstreamSettings,
        group: u64,
        metrics: &Metrics,
        previous: &[Self],
    ) -> Result<Self, TlsError> {
        let tls = settings.tls.as_ref().map(UpstreamTls::load).transpose()?;
        let servers: Vec<_> =
            settings.servers.iter().cloned().map(Place::new).map(Arc::new).collect();
        let named = servers.iter().filter(|place| place.is_named());
        let lookups =
            named.map(|place| tokio::spawn(Arc::clone(place).look_up_for_ever())).collect();
        let metrics = metrics.upstream(&settings.name);
        let previous = previous.iter().find(|upstream| upstream.group == group);
        let lending = tls.is_none().then(|| {
            let pool =
                previous.and_then(|upstream| Some(Arc::clone(&upstream.lending.as_ref()?.pool)));
            let pool = pool.unwrap_or_else(|| Arc::new(PoolKeeper::start(settings.idle)));
            // Another group: what pingora keeps itself is not timed by our pool.
            Lending { pool, template: template(PeerOptions::new(), None, group.wrapping_add(1)) }
        });
        let template = template(options(&settings, tls.as_ref()), tls.as_ref(), group);
        let next = AtomicUsize::new(0);
        Ok(Self { settings, metrics, servers, next, group, template, lending, lookups })
    }

    /// Whose turn it is: each request begins with the next server.
    pub(crate) fn take_turn(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The server whose `turn` it is, or the next one that has an address; none where no server has one.
    pub(crate) async fn destination(&self, turn: usize, wish: Wish) -> Option<Destination> {
        for offset in 0..self.servers.len() {
            let place = &self.servers[(turn + offset) % self.servers.len()];
            if let Some(address) = place.address(turn).await {
                return Some(self.at(address, wish));
            }
        }
        None
    }

    /// Whether connections to it may be kept by our pool at all.
    pub(crate) const fn lends(&self) -> bool {
        self.lending.is_some()
    }

    /// A connection that is kept for the next exchange with the server whose `turn` it is; none where that speaks TLS.
    pub(crate) fn kept(&self, turn: usize) -> Option<(Arc<Loan>, Stream)> {
        let place = &self.servers[turn % self.servers.len()];
        let pool = Arc::clone(self.lending.as_ref()?.pool.pool());
        Loan::kept(pool, self.patience(), &place.known_address(turn)?)
    }

    const fn patience(&self) -> Patience {
        let UpstreamSettings { connect, read, write, .. } = self.settings;
        Patience { connect, read, write }
    }

    fn at(&self, address: PeerAddress, wish: Wish) -> Destination {
        let (mut peer, loan) = match &self.lending {
            Some(Lending { pool, template }) if wish.known_length => {
                let patience = self.patience();
                let connect = wish.left.map_or(patience.connect, |left| left.min(patience.connect));
                let patience = Patience { connect, ..patience };
                let loan = Loan::new(Arc::clone(pool.pool()), patience);
                let mut peer = Box::new(template.clone());
                peer.options.custom_l4 = Some(loan.clone());
                (peer, Some(loan))
            }
            _ => (Box::new(self.template.clone()), None),
        };
        peer._address = address;
        if let Some(left) = wish.left {
            // Our pool's clock is too coarse for the end of an exchange.
            hurry(&mut peer.options, left);
        }
        Destination { peer, loan }
    }

    /// The `Host` for the upstream, if it is not the client's.
    pub(crate) fn host(&self) -> Option<String> {
        match &self.settings.host {
            UpstreamHost::Preserve => None,
            UpstreamHost::Literal(host) => Some(host.clone()),
            UpstreamHost::Server => match self.settings.servers.first()? {
                Server::Tcp { host, port } if host.contains(':') => {
                    Some(format!("[{host}]:{port}"))
                }
                Server::Tcp { host, port } => Some(format!("{host}:{port}")),
                Server::Unix(_) => Some("localhost".to_owned()),
            },
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.lookups.iter().for_each(JoinHandle::abort);
    }
}

/// Lets nothing on the way to an upstream take longer than what is `left` of the exchange.
fn hurry(options: &mut PeerOptions, left: Duration) {
    let times = [
        &mut options.connection_timeout,
        &mut options.total_connection_timeout,
        &mut options.read_timeout,
        &mut options.write_timeout,
    ];
    for time in times {
        *time = Some(time.map_or(left, |time| time.min(left)));
    }
}

/// A peer without an address.
fn template(options: PeerOptions, tls: Option<&UpstreamTls>, group: u64) -> HttpPeer {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let name = tls.map(|tls| tls.server_name().to_owned()).unwrap_or_default();
    let mut peer = HttpPeer::new(nowhere, tls.is_some(), name);
    peer.group_key = group;
    peer.client_cert_key = tls.and_then(UpstreamTls::client);
    peer.options = options;
    peer
}

fn options(settings: &UpstreamSettings, tls: Option<&UpstreamTls>) -> PeerOptions {
    let mut options = PeerOptions::new();
    options.connection_timeout = Some(settings.connect);
    options.total_connection_timeout = Some(settings.connect);
    options.read_timeout = Some(settings.read);
    options.write_timeout = Some(settings.write);
    options.idle_timeout = Some(settings.idle);
    options.ca = tls.and_then(UpstreamTls::ca);
    options
}

impl Place {
    fn new(server: Server) -> Self {
        let fixed = match &server {
            Server::Tcp { host, port } => {
                host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, *port))
            }
            Server::Unix(_) => None,
        };
        let path = match &server {
            Server::Unix(path) => path_address(path),
            Server::Tcp { .. } => None,
        };
        Self { server, path, addresses: ArcSwap::from_pointee(fixed.into_iter().collect()) }
    }

    fn is_named(&self) -> bool {
        matches!(&self.server, Server::Tcp { host, .. } if host.parse::<IpAddr>().is_err())
    }

    async fn address(&self, turn: usize) -> Option<PeerAddress> {
        let known = self.known_address(turn);
        if known.is_some() || matches!(self.server, Server::Unix(_)) {
            return known;
        }
        self.look_up().await;
        self.known_address(turn)
    }

    /// The address, if it need not be looked up first.
    fn known_address(&self, turn: usize) -> Option<PeerAddress> {
        match self.server {
            Server::Unix(_) => self.path.clone(),
            Server::Tcp { .. } => pick(&self.addresses.load(), turn).map(PeerAddress::Inet),
        }
    }

    async fn look_up_for_ever(self: Arc<Self>) {
        loop {
            self.look_up().await;
            tokio::time::sleep(LOOKUP_INTERVAL).await;
        }
    }

    /// Looks the name up; what was known stays where the look-up fails.
    async fn look_up(&self) {
        let Server::Tcp { host, port } = &self.server else { return };
        let lookup =
            tokio::time::timeout(LOOKUP_INTERVAL, tokio::net::lookup_host((host.as_str(), *port)));
        let found: Vec<SocketAddr> = match lookup.await {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => {
                return warn!(host, %error, "upstream name look-up failed; keeping what is known");
            }
            Err(_) => return warn!(host, "upstream name look-up timed out; keeping what is known"),
        };
        if !found.is_empty() {
            self.addresses.store(Arc::new(found));
        }
    }
}

fn pick(addresses: &[SocketAddr], turn: usize) -> Option<SocketAddr> {
    addresses.get(turn.checked_rem(addresses.len())?).copied()
}

fn path_address(path: &Path) -> Option<PeerAddress> {
    std::os::unix::net::SocketAddr::from_pathname(path).ok().map(PeerAddress::Unix)
}

#[cfg(test)]
mod tests;
