//! Where permitted requests go: servers in turn, names looked up beside the traffic, one connection pool per upstream.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::upstreams::peer::{HttpPeer, PeerOptions};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::serve::settings::{Server, UpstreamHost, UpstreamSettings};
use crate::serve::tls::{TlsError, UpstreamTls};
use crate::telemetry::metrics::{Metrics, UpstreamMetrics};

/// How often names are looked up anew.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(10);

/// One upstream at work.
pub(crate) struct Upstream {
    pub(crate) settings: UpstreamSettings,
    pub(crate) metrics: UpstreamMetrics,
    servers: Vec<Arc<Place>>,
    next: AtomicUsize,
    template: Template,
    lookups: Vec<JoinHandle<()>>,
}

/// A server and the addresses it has at the moment.
struct Place {
    server: Server,
    addresses: ArcSwap<Vec<SocketAddr>>,
}

/// What every connection to the upstream has in common.
struct Template {
    options: PeerOptions,
    tls: Option<UpstreamTls>,
    group: u64,
}

impl Upstream {
    /// Puts `settings` to work. `group` keeps its connections apart from those of other upstreams and other settings.
    pub(crate) fn start(
        settings: UpstreamSettings,
        group: u64,
        metrics: &Metrics,
    ) -> Result<Self, TlsError> {
        let tls = settings.tls.as_ref().map(UpstreamTls::load).transpose()?;
        let options = options(&settings, tls.as_ref());
        let servers: Vec<_> =
            settings.servers.iter().cloned().map(Place::new).map(Arc::new).collect();
        let named = servers.iter().filter(|place| place.is_named());
        let lookups =
            named.map(|place| tokio::spawn(Arc::clone(place).look_up_for_ever())).collect();
        let metrics = metrics.upstream(&settings.name);
        let template = Template { options, tls, group };
        Ok(Self { settings, metrics, servers, next: AtomicUsize::new(0), template, lookups })
    }

    /// Whose turn it is: each request begins with the next server.
    pub(crate) fn take_turn(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The address of the server whose `turn` it is, or of the next one that has any; none where no server has one.
    pub(crate) async fn peer(&self, turn: usize) -> Option<Box<HttpPeer>> {
        for offset in 0..self.servers.len() {
            let place = &self.servers[(turn + offset) % self.servers.len()];
            if let Some(peer) = self.peer_at(place, turn).await {
                return Some(Box::new(peer));
            }
        }
        None
    }

    async fn peer_at(&self, place: &Place, turn: usize) -> Option<HttpPeer> {
        let sni =
            self.template.tls.as_ref().map(|tls| tls.server_name().to_owned()).unwrap_or_default();
        let mut peer = match &place.server {
            Server::Unix(path) => {
                HttpPeer::new_uds(path.to_str()?, self.template.tls.is_some(), sni).ok()?
            }
            Server::Tcp { .. } => {
                HttpPeer::new(place.address(turn).await?, self.template.tls.is_some(), sni)
            }
        };
        peer.group_key = self.template.group;
        peer.client_cert_key = self.template.tls.as_ref().and_then(UpstreamTls::client);
        peer.options = self.template.options.clone();
        Some(peer)
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
        Self { server, addresses: ArcSwap::from_pointee(fixed.into_iter().collect()) }
    }

    fn is_named(&self) -> bool {
        matches!(&self.server, Server::Tcp { host, .. } if host.parse::<IpAddr>().is_err())
    }

    async fn address(&self, turn: usize) -> Option<SocketAddr> {
        if let Some(address) = pick(&self.addresses.load(), turn) {
            return Some(address);
        }
        self.look_up().await;
        pick(&self.addresses.load(), turn)
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
