//! Everything a request needs, made from the settings as a whole and swapped as a whole.

mod sources;

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use http::header::{HeaderName, HeaderValue};

use crate::base::time::Timestamp;
use crate::clock::Clock;
use crate::gate::{METHOD_OVERRIDES, ManagedNames, Permit, Policy, Route, UpstreamId};
use crate::remote::error_text;
use crate::remote::http::{Client, ClientError};
use crate::remote::jwks::{KeyKeeper, ProviderKeys};
use crate::remote::replay::FirstUses;
use crate::serve::answers::Answers;
use crate::serve::assertions::{Assertions, SigningKeys};
use crate::serve::callers::Callers;
use crate::serve::forwarded::{NAMES, TrustedProxies};
use crate::serve::observer::KeyMetrics;
use crate::serve::own::{Desk, Surroundings};
use crate::serve::pages::Pages;
use crate::serve::settings::{AppLinks, RequestLimits, ServiceSettings, UpstreamSettings};
use crate::serve::tls::TlsError;
use crate::serve::upstream::Upstream;
use crate::serve::watch::Watch;
use crate::session::RevocationSet;
use crate::telemetry::audit::RequestLog;
use crate::telemetry::metrics::{Metrics, RouteMetrics};
use crate::token::{SigningError, SigningKey};

use sources::Sources;

/// See the module's text.
pub(crate) struct Runtime {
    pub(crate) policy: Policy,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) trusted: TrustedProxies,
    pub(crate) forwarded_names: ManagedNames,
    /// The names that an app obeys if a front proxy passes them on: of identities, and those that replace the method where routes
    /// name methods. In all spellings.
    pub(crate) reserved_names: ManagedNames,
    pub(crate) limits: RequestLimits,
    pub(crate) requests: RequestLog,
    pub(crate) callers: Callers,
    pub(crate) assertions: Assertions,
    pub(crate) keys: Arc<KeyKeeper>,
    pub(crate) pages: Arc<Pages>,
    /// Where people sign in and out, if they do so here.
    pub(crate) desk: Option<Desk>,
    pub(crate) answers: Answers,
    /// Addresses that open apps.
    pub(crate) app_links: AppLinks,
    /// Answers that go on for long.
    pub(crate) watch: Arc<Watch>,
    pub(crate) metrics: Metrics,
    routes: Vec<RouteMetrics>,
    unrouted: RouteMetrics,
}

/// Why settings cannot be put to work.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Where people sign in.
    #[error("nobody can sign in: {0}")]
    Desk(String),
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
    /// Which sessions were ended before their time.
    pub(crate) revoked: Arc<RevocationSet>,
    /// Which proofs were used.
    pub(crate) first_uses: Arc<FirstUses>,
    /// Answers that go on for long.
    pub(crate) watch: Arc<Watch>,
}

impl Lasting {
    /// How many ends of sessions are remembered: of 200 bytes each, and only until the sessions would have ended.
    const MAX_REVOKED: usize = 100_000;
    /// How many proofs are remembered, each for about a minute.
    const MAX_PROOFS: usize = 200_000;

    /// Nothing ended or used yet, and a new key.
    ///
    /// # Errors
    /// If there is no randomness to be had.
    pub(crate) fn new(clock: Clock, metrics: Metrics) -> Result<Self, SigningError> {
        Ok(Self {
            own_keys: Arc::new(SigningKeys::new(Vec::new(), clock.now())?),
            revoked: Arc::new(RevocationSet::new(Self::MAX_REVOKED)),
            first_uses: Arc::new(FirstUses::new(Self::MAX_PROOFS, metrics.sessions())),
            watch: Arc::default(),
            clock,
            metrics,
        })
    }
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
        let signing = signing(settings.assertion.keys, lasting)?;
        let old: &[Upstream] = previous.map_or(&[], |previous| &previous.upstreams);
        let start = |settings| start_upstream(settings, generation, &metrics, old);
        let upstreams = settings.upstreams.into_iter().map(start).collect::<Result<_, _>>()?;
        let keys = start_keys(settings.keys, &client, lasting, previous);
        let previous_desk = previous.and_then(|old| old.desk.as_ref());
        let desk = match (settings.sign_in, policy.sessions.as_ref()) {
            (Some(sign_in), Some(sessions)) => {
                let around =
                    Surroundings { policy: sessions, client: &client, keys: &keys, lasting };
                let desk = Desk::open(sign_in, &around, previous_desk);
                Some(desk.map_err(|error| StartError::Desk(error_text(&error)))?)
            }
            _ => None,
        };
        let sources =
            Sources { policy: &policy, desk: desk.as_ref(), keys: &keys, client: &client, lasting };
        let answers = sources.answers(settings.introspections, settings.resolvers);
        let trusted = TrustedProxies::new(settings.trusted_proxies);
        let trusted = if policy.compatible.oauth2_proxy { trusted.before_https() } else { trusted };
        Ok(Self {
            desk,
            routes: policy.routes.iter().map(|route| metrics.route(&route.name)).collect(),
            unrouted: metrics.route("-"),
            reserved_names: reserved_names(&policy),
            policy,
            upstreams,
            trusted,
            forwarded_names: ManagedNames::of(NAMES),
            limits: settings.limits,
            requests: settings.requests,
            callers: Callers::new(settings.identity_cache_bytes),
            assertions: Assertions::new(settings.assertion.issuer, signing),
            keys,
            pages: settings.pages,
            answers,
            app_links: settings.app_links,
            watch: Arc::clone(&lasting.watch),
            metrics,
        })
    }

    /// The signed assertion that goes along with `permit`, if its route sends one.
    pub(crate) fn assertion(
        &self,
        permit: &Permit,
        now: Timestamp,
    ) -> Result<Option<(HeaderName, HeaderValue)>, SigningError> {
        let (Some(caller), Some(spec)) = (permit.caller(), &permit.route().assertion) else {
            return Ok(None);
        };
        let value = self.assertions.header(permit, caller, spec, now)?;
        Ok(Some((spec.header.clone(), value)))
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

fn reserved_names(policy: &Policy) -> ManagedNames {
    let mut names: Vec<&str> = policy.identity_headers.iter().map(HeaderName::as_str).collect();
    for name in METHOD_OVERRIDES {
        if policy.managed.contains(&HeaderName::from_static(name)) {
            names.push(name);
        }
    }
    ManagedNames::of(&names)
}

/// The keys that assertions are signed with: ours, where the settings name none.
fn signing(keys: Vec<SigningKey>, lasting: &Lasting) -> Result<Arc<SigningKeys>, SigningError> {
    if keys.is_empty() {
        return Ok(Arc::clone(&lasting.own_keys));
    }
    SigningKeys::new(keys, lasting.clock.now()).map(Arc::new)
}

fn start_keys(
    providers: Vec<ProviderKeys>,
    client: &Client,
    lasting: &Lasting,
    previous: Option<&Runtime>,
) -> Arc<KeyKeeper> {
    let observer = Arc::new(KeyMetrics::new(&lasting.metrics, &providers));
    let (client, clock) = (client.clone(), lasting.clock.clone());
    let previous = previous.map(|old| &*old.keys);
    Arc::new(KeyKeeper::start(providers, client, clock, observer, previous))
}

fn start_upstream(
    settings: UpstreamSettings,
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
fn group(settings: &UpstreamSettings, generation: u64) -> u64 {
    let generation = if settings.tls.is_some() { generation } else { 0 };
    let hash = digest(&SHA256, format!("{generation} {settings:?}").as_bytes());
    hash.as_ref().iter().take(8).fold(0, |group, byte| group << 8 | u64::from(*byte))
}
