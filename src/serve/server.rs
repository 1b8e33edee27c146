//! The whole server: listeners bound, runtime started, reloaded, stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use pingora::apps::HttpServerApp;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::serve::admin::Admin;
use crate::serve::drain::{Drain, Drained};
use crate::serve::ext_authz;
use crate::serve::forward_auth::ForwardAuth;
use crate::serve::guard::{self, Admission, Entry, Guard, Process};
use crate::serve::inlet::Inlet;
use crate::serve::listener::{BindError, BoundListener, ListenAddress, PassedSockets};
use crate::serve::proxy::Inline;
use crate::serve::readiness::Readiness;
use crate::serve::request_id::RequestIds;
use crate::serve::runtime::{Lasting, Runtime, StartError};
use crate::serve::settings::{
    GuardSettings, ListenerSettings, ProcessSettings, ServiceSettings, Settings,
};
use crate::serve::tls::{ListenerTls, TlsError};
use crate::telemetry::Door;
use crate::telemetry::metrics::{Metrics, Reload};
use crate::telemetry::writer::LineWriter;

/// How long the end waits for what was ended to be on the disk.
const FLUSH: Duration = Duration::from_secs(2);

/// How often what the cache holds is measured, and certificates are looked at.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(2);

/// How often it is looked whether sessions were ended on which answers depend that go on.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// Connections that the admin listener takes at once.
const ADMIN_CONNECTIONS: usize = 64;

/// Sockets that listen already, with their certificates loaded.
pub struct Bound {
    listeners: Vec<(ListenerSettings, BoundListener, Option<Arc<ListenerTls>>)>,
    admin: Option<BoundListener>,
}

/// Why there is no listening.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A listener's certificates.
    #[error("listener `{listener}` cannot speak TLS")]
    Tls {
        /// The listener's name.
        listener: String,
        /// What is wrong.
        #[source]
        source: TlsError,
    },
}

impl Bound {
    /// Listens wherever `settings` say, and takes what they name out of `passed`.
    pub fn listen(
        settings: &ProcessSettings,
        passed: &mut PassedSockets,
    ) -> Result<Self, ListenError> {
        let mut listen = |listener: &ListenerSettings| {
            let tls = listener.tls.as_ref().map(ListenerTls::load).transpose();
            let tls =
                tls.map_err(|source| ListenError::Tls { listener: listener.name.clone(), source })?;
            Ok((listener.clone(), listener.address.bind_or_take(passed)?, tls.map(Arc::new)))
        };
        let listeners =
            settings.listeners.iter().map(&mut listen).collect::<Result<_, ListenError>>()?;
        let admin = settings.admin.as_ref().map(|admin| admin.bind_or_take(passed)).transpose()?;
        Ok(Self { listeners, admin })
    }

    /// Where it listens, in the order of the settings: with the ports that the system chose.
    pub fn addresses(&self) -> Vec<ListenAddress> {
        self.listeners.iter().map(|(_, bound, _)| bound.address().clone()).collect()
    }
}

/// A server at work.
pub struct Server {
    live: Arc<ArcSwap<Runtime>>,
    lasting: Lasting,
    generations: AtomicU64,
    drain: Drain,
    drain_deadline: Duration,
    upkeep: JoinHandle<()>,
}

impl Server {
    /// Puts `settings` to work on `bound`. Returns when requests are being accepted; needs a tokio runtime.
    pub fn start(
        settings: Settings,
        bound: Bound,
        clock: Clock,
        metrics: Metrics,
        lines: LineWriter,
    ) -> Result<Self, StartError> {
        let lasting = Lasting::new(clock.clone(), metrics.clone())?;
        let runtime = Runtime::start(settings.service, 1, &lasting, None)?;
        let live = Arc::new(ArcSwap::from_pointee(runtime));
        metrics.config_reloaded(Reload::Ok, clock.now());
        let process = settings.process;
        let drain = Drain::new();
        let shared = Process { admission: admission(&process.guard), drain: drain.clone() };
        let tls = bound
            .listeners
            .iter()
            .filter_map(|(settings, _, tls)| Some((settings.name.clone(), tls.clone()?)))
            .collect();
        let builder = Builder {
            live: &live,
            lasting: &lasting,
            lines: &lines,
            guard: &process.guard,
            shared: &shared,
        };
        bound
            .listeners
            .into_iter()
            .for_each(|(settings, bound, tls)| builder.listen(settings, bound, tls));
        if let Some(admin) = bound.admin {
            builder.admin(admin);
        }
        let upkeep = tokio::spawn(upkeep(Arc::clone(&live), metrics, clock, tls));
        Ok(Self {
            live,
            lasting,
            generations: AtomicU64::new(1),
            drain,
            drain_deadline: process.drain,
            upkeep,
        })
    }

    /// Replaces what requests are judged by, as a whole: each request sees the old or the new, none a mixture.
    pub fn reload(&self, settings: ServiceSettings) -> Result<(), StartError> {
        let generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        let previous = self.live.load_full();
        let next = Runtime::start(settings, generation, &self.lasting, Some(&previous))?;
        self.live.store(Arc::new(next));
        Ok(())
    }

    /// Stops accepting and waits for what is running, up to the deadline of the settings.
    pub async fn stop(self) {
        self.drain.begin_within(self.drain_deadline);
        if let Drained::Left(left) = self.drain.wait(self.drain_deadline).await {
            warn!(left, "deadline passed with requests still running; cutting them");
        }
        if let Some(desk) = &self.live.load().desk {
            let flushed = tokio::time::timeout(FLUSH, desk.sessions.flush()).await;
            if flushed.is_err() {
                warn!("sessions that were ended last may live on after a restart");
            }
        }
        self.upkeep.abort();
    }
}

fn admission(guard: &GuardSettings) -> Admission {
    match guard.max_connections_per_ip {
        Some(per_client) => Admission::per_client(guard.max_connections, per_client),
        None => Admission::new(guard.max_connections),
    }
}

/// What listeners are built from.
struct Builder<'a> {
    live: &'a Arc<ArcSwap<Runtime>>,
    lasting: &'a Lasting,
    lines: &'a LineWriter,
    guard: &'a GuardSettings,
    shared: &'a Process,
}

impl Builder<'_> {
    fn listen(
        &self,
        settings: ListenerSettings,
        bound: BoundListener,
        tls: Option<Arc<ListenerTls>>,
    ) {
        match settings.door {
            Door::Proxy => self.proxy(settings, bound, tls),
            Door::ForwardAuth => self.forward_auth(settings, bound, tls),
            Door::ExtAuthz => self.ext_authz(settings, bound, tls),
        }
    }

    fn forward_auth(
        &self,
        settings: ListenerSettings,
        bound: BoundListener,
        tls: Option<Arc<ListenerTls>>,
    ) {
        let app = ForwardAuth { inlet: self.inlet(&settings) };
        self.serve(app, settings, bound, tls);
    }

    fn inlet(&self, settings: &ListenerSettings) -> Inlet {
        Inlet {
            live: Arc::clone(self.live),
            clock: self.lasting.clock.clone(),
            ids: RequestIds::new(random()),
            body_deadline: self.guard.body_deadline,
            listener: settings.name.clone(),
            lines: self.lines.clone(),
        }
    }

    fn ext_authz(
        &self,
        settings: ListenerSettings,
        bound: BoundListener,
        tls: Option<Arc<ListenerTls>>,
    ) {
        let limits = self.limits(settings.max_connections);
        let metrics = self.lasting.metrics.listener(&settings.name);
        info!(listener = settings.name, address = %bound.address(), "listening");
        let judge = ext_authz::Judge {
            live: Arc::clone(self.live),
            clock: self.lasting.clock.clone(),
            ids: RequestIds::new(random()),
            listener: settings.name,
            lines: self.lines.clone(),
        };
        let entry = Entry::new(&limits, tls, self.shared, metrics);
        let door = Arc::new(ext_authz::Door::new(judge, entry, limits));
        let drain = self.shared.drain.clone();
        tokio::spawn(async move { ext_authz::serve(door, bound, &drain).await });
    }

    fn proxy(
        &self,
        settings: ListenerSettings,
        bound: BoundListener,
        tls: Option<Arc<ListenerTls>>,
    ) {
        let app = Inline::new(self.inlet(&settings));
        self.serve(app, settings, bound, tls);
    }

    /// Puts `app` behind the guard of its listener.
    fn serve<A: HttpServerApp + Send + Sync + 'static>(
        &self,
        app: A,
        settings: ListenerSettings,
        bound: BoundListener,
        tls: Option<Arc<ListenerTls>>,
    ) {
        let limits = self.limits(settings.max_connections);
        let metrics = self.lasting.metrics.listener(&settings.name);
        let guard = Guard::new(Arc::new(app), limits, tls, self.shared, metrics);
        info!(listener = settings.name, address = %bound.address(), "listening");
        let drain = self.shared.drain.clone();
        tokio::spawn(async move { bound.serve(guard, &drain).await });
    }

    fn admin(&self, bound: BoundListener) {
        let readiness = Readiness { live: Arc::clone(self.live), drain: self.shared.drain.clone() };
        let missing = move || readiness.missing();
        let app = Admin::new(self.lasting.metrics.clone(), self.lasting.clock.clone(), missing);
        let limits = guard::Settings::default();
        // A flood of connections for the app must not fail the probes, and who looks on while running requests are waited
        // for is to see how it goes.
        let drain = Drain::new();
        let own = Process { admission: Admission::new(ADMIN_CONNECTIONS), drain: drain.clone() };
        let guard =
            Guard::new(Arc::new(app), limits, None, &own, self.lasting.metrics.listener("admin"));
        info!(listener = "admin", address = %bound.address(), "listening");
        tokio::spawn(async move { bound.serve(guard, &drain).await });
    }

    fn limits(&self, max_connections: Option<usize>) -> guard::Settings {
        guard::Settings {
            max_connections: max_connections.unwrap_or(self.guard.max_connections),
            handshake: self.guard.header_deadline,
            first_byte: self
                .guard
                .header_deadline
                .max(Duration::from_secs(30))
                .min(self.guard.idle_deadline),
            header: self.guard.header_deadline,
            idle: self.guard.idle_deadline,
            max_requests: self.guard.max_requests,
        }
    }
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness ids repeat over restarts; nothing else rests on them.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

/// What has to be done now and then: measuring the cache, reading changed certificates.
async fn upkeep(
    live: Arc<ArcSwap<Runtime>>,
    metrics: Metrics,
    clock: Clock,
    tls: Vec<(String, Arc<ListenerTls>)>,
) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    let mut looks = tokio::time::interval(WATCH_INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = looks.tick() => {
                let runtime = live.load();
                runtime.watch.cut(&runtime.answers.revoked, clock.now());
                continue;
            }
        }
        let (entries, bytes) = live.load().callers.size();
        metrics.cache_measured(entries, bytes);
        tls.iter().for_each(|(listener, tls)| tls.refresh(listener, &metrics, clock.now()));
    }
}
