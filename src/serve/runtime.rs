//! Everything a request needs, made from the settings as a whole and swapped as a whole.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use crate::clock::Clock;
use crate::gate::{ManagedNames, Policy, Route, UpstreamId};
use crate::remote::http::{Client, ClientError};
use crate::remote::jwks::KeyKeeper;
use crate::serve::assertions::{Assertions, SigningKeys};
use crate::serve::callers::Callers;
use crate::serve::forwarded::{NAMES, TrustedProxies};
use crate::serve::observer::KeyMetrics;
use crate::serve::settings::{RequestLimits, ServiceSettings};
use crate::serve::tls::TlsError;
use crate::serve::upstream::Upstream;
use crate::telemetry::audit::RequestLog;
use crate::telemetry::metrics::{Metrics, RouteMetrics};
use crate::token::SigningError;

/// See the module's text.
pub(crate) struct Runtime {
    pub(crate) policy: Policy,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) trusted: TrustedProxies,
    pub(crate) forwarded_names: ManagedNames,
    pub(crate) limits: RequestLimits,
    pub(crate) requests: RequestLog,
    pub(crate) callers: Callers,
    pub(crate) assertions: Assertions,
    pub(crate) keys: KeyKeeper,
    pub(crate) metrics: Metrics,
    routes: Vec<RouteMetrics>,
    unrouted: RouteMetrics,
}

/// Why settings cannot be put to work.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The client for outbound requests.
    #[error("cannot prepare outbound requests")]
    Outbound(#[from] ClientError),
    /// A key for assertions.
    #[error("cannot make a key for assertions")]
    SigningKey(#[from] SigningError),
    /// TLS towards an upstream.
    #[error("cannot prepare TLS towards upstream `{upstream}`")]
    UpstreamTls {
        /// The upstream's name.
        upstream: String,
        /// What is wrong.
        #[source]
        source: TlsError,
    },
}

/// What outlives reloads.
#[derive(Clone)]
pub(crate) struct Lasting {
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    /// Keys of our own making, for configurations that name none.
    pub(crate) own_keys: Arc<SigningKeys>,
}

impl Runtime {
    /// Puts `settings` to work as the `generation`th runtime; keys that `previous` has already are taken over.
    pub(crate) fn start(
        settings: ServiceSettings,
        generation: u64,
        lasting: &Lasting,
        previous: Option<&Self>,
    ) -> Result<Self, StartError> {
        let mut policy = settings.policy;
        policy.generation = generation;
        let metrics = lasting.metrics.clone();
        let client = Client::new(&settings.outbound)?;
        let now = lasting.clock.now();
        let signing = if settings.assertion.keys.is_empty() {
            Arc::clone(&lasting.own_keys)
        } else {
            Arc::new(SigningKeys::new(settings.assertion.keys, now)?)
        };
        let old: &[Upstream] = previous.map_or(&[], |previous| &previous.upstreams);
        let start = |settings| start_upstream(settings, generation, &metrics, old);
        let upstreams = settings.upstreams.into_iter().map(start).collect::<Result<_, _>>()?;
        let observer = Arc::new(KeyMetrics::new(&metrics, &settings.keys));
        let keys = KeyKeeper::start(
            settings.keys,
            client,
            lasting.clock.clone(),
            observer,
            previous.map(|old| &old.keys),
        );
        Ok(Self {
            routes: policy.routes.iter().map(|route| metrics.route(&route.name)).collect(),
            unrouted: metrics.route("-"),
            policy,
            upstreams,
            trusted: TrustedProxies::new(settings.trusted_proxies),
            forwarded_names: ManagedNames::of(NAMES),
            limits: settings.limits,
            requests: settings.requests,
            callers: Callers::new(settings.identity_cache_bytes),
            assertions: Assertions::new(settings.assertion.issuer, signing),
            keys,
            metrics,
        })
    }

    /// The upstream of that id.
    pub(crate) fn upstream(&self, id: UpstreamId) -> Option<&Upstream> {
        self.upstreams.get(usize::from(id.0))
    }

    /// The counters of `route`, or of requests that have none.
    pub(crate) fn route_metrics(&self, route: Option<&Route>) -> &RouteMetrics {
        let index = route.and_then(|route| usize::try_from(route.id.0).ok());
        index.and_then(|index| self.routes.get(index)).unwrap_or(&self.unrouted)
    }
}

fn start_upstream(
    settings: crate::serve::settings::UpstreamSettings,
    generation: u64,
    metrics: &Metrics,
    previous: &[Upstream],
) -> Result<Upstream, StartError> {
    let name = settings.name.clone();
    let group = group(&settings, generation);
    Upstream::start(settings, group, metrics, previous)
        .map_err(|source| StartError::UpstreamTls { upstream: name, source })
}

/// Connections are shared only between equal settings; those with TLS also not across reloads, whose files may differ.
fn group(settings: &crate::serve::settings::UpstreamSettings, generation: u64) -> u64 {
    let generation = if settings.tls.is_some() { generation } else { 0 };
    let hash = digest(&SHA256, format!("{generation} {settings:?}").as_bytes());
    hash.as_ref().iter().take(8).fold(0, |group, byte| group << 8 | u64::from(*byte))
}
