//! Everything a request needs, made from the settings as a whole and swapped as a whole.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use http::header::{HeaderName, HeaderValue};

use crate::base::time::Timestamp;
use crate::clock::Clock;
use crate::gate::{
    METHOD_OVERRIDES, ManagedNames, Permit, Policy, Provider, ProviderId, Route, UpstreamId,
};
use crate::oidc::introspection::Checks;
use crate::remote::backend::{BackendSessions, RenewalAtBackend};
use crate::remote::http::{Client, ClientError};
use crate::remote::introspection::{IntrospectionAtProvider, Introspections};
use crate::remote::jwks::KeyKeeper;
use crate::remote::relying_party::RelyingParty;
use crate::remote::renewal::{Renew, RenewalAtProvider};
use crate::remote::replay::FirstUses;
use crate::remote::resolver::{Resolutions, ResolverAtProvider};
use crate::serve::answers::Answers;
use crate::serve::assertions::{Assertions, SigningKeys};
use crate::serve::callers::Callers;
use crate::serve::forwarded::{NAMES, TrustedProxies};
use crate::serve::observer::KeyMetrics;
use crate::serve::own::{Desk, Surroundings};
use crate::serve::pages::Pages;
use crate::serve::settings::{
    AppLinks, IntrospectingSettings, RequestLimits, ResolvingSettings, ServiceSettings,
};
use crate::serve::tls::TlsError;
use crate::serve::upstream::Upstream;
use crate::serve::watch::Watch;
use crate::session::RevocationSet;
use crate::telemetry::audit::RequestLog;
use crate::telemetry::metrics::{Metrics, RouteMetrics};
use crate::token::SigningError;

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
    pub(crate) const MAX_REVOKED: usize = 100_000;
    /// How many proofs are remembered, each for about a minute.
    pub(crate) const MAX_PROOFS: usize = 200_000;
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
        let keys = Arc::new(KeyKeeper::start(
            settings.keys,
            client.clone(),
            lasting.clock.clone(),
            observer,
            previous.map(|old| &*old.keys),
        ));
        let previous_desk = previous.and_then(|old| old.desk.as_ref());
        let desk = match (settings.sign_in, policy.sessions.as_ref()) {
            (Some(sign_in), Some(sessions)) => {
                let around =
                    Surroundings { policy: sessions, client: &client, keys: &keys, lasting };
                let desk = Desk::open(sign_in, &around, previous_desk);
                Some(desk.map_err(|error| StartError::Desk(crate::remote::error_text(&error)))?)
            }
            _ => None,
        };
        let answers = Answers {
            revoked: Arc::clone(&lasting.revoked),
            sessions: desk.as_ref().map(|desk| Arc::clone(&desk.sessions)),
            renewals: desk.as_ref().map(|desk| Arc::clone(&desk.renewals)),
            renewers: renewers(desk.as_ref(), &keys, policy.providers.len()),
            backends: backends(desk.as_ref(), policy.providers.len()),
            introspections: introspections(
                settings.introspections,
                (&client, lasting),
                &policy.providers,
            ),
            resolutions: resolutions(settings.resolvers, (&client, lasting), &policy.providers),
            first_uses: Arc::clone(&lasting.first_uses),
        };
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

/// By whom the sessions of each provider are renewed.
fn renewers(
    desk: Option<&Desk>,
    keys: &Arc<KeyKeeper>,
    providers: usize,
) -> Vec<Option<Arc<dyn Renew>>> {
    let mut renewers: Vec<Option<Arc<dyn Renew>>> = (0..providers).map(|_| None).collect();
    let parties =
        desk.into_iter().flat_map(|desk| desk.parties().iter().map(move |one| (desk, one)));
    for (desk, party) in parties {
        let rules = party.refresh_rules(&desk.keep);
        let (keys, party_client) = (Arc::clone(keys), Arc::clone(&party.client));
        let renewer: Arc<dyn Renew> = match &party.backend {
            Some(backend) => Arc::new(RenewalAtBackend(Arc::clone(backend))),
            None => Arc::new(RenewalAtProvider {
                party: party_client,
                keys,
                provider: party.id(),
                rules,
            }),
        };
        if let Some(place) = renewers.get_mut(usize::from(party.id().0)) {
            *place = Some(renewer);
        }
    }
    renewers
}

/// Who is asked about sessions of other apps, for each provider.
fn backends(desk: Option<&Desk>, providers: usize) -> Vec<Option<Arc<BackendSessions>>> {
    let of = |id| Some(Arc::clone(desk?.party(id)?.backend.as_ref()?));
    (0..).map(ProviderId).take(providers).map(of).collect()
}

/// Who is asked about the tokens of each provider.
fn introspections(
    settings: Vec<IntrospectingSettings>,
    (client, lasting): (&Client, &Lasting),
    providers: &[Provider],
) -> Vec<Option<Arc<Introspections>>> {
    let mut found: Vec<Option<Arc<Introspections>>> = providers.iter().map(|_| None).collect();
    for IntrospectingSettings { provider, relying_party, introspection } in settings {
        let index = usize::from(provider.0);
        let Some(rules) = providers.get(index).map(|provider| &provider.rules) else { continue };
        let audiences = Some(rules.audiences.clone()).filter(|audiences| !audiences.is_empty());
        let (issuer, leeway) = (rules.issuer.clone(), rules.leeway);
        let checks = Checks { issuer, audiences, leeway };
        let name = relying_party.metadata.name.clone();
        let clock = lasting.clock.clone();
        let party = RelyingParty::start(relying_party, client.clone(), clock, None);
        let source = Arc::new(IntrospectionAtProvider { party: Arc::new(party), checks });
        let metrics = lasting.metrics.sessions();
        if let Some(place) = found.get_mut(index) {
            *place = Some(Introspections::new(&name, source, introspection, metrics));
        }
    }
    found
}

/// Who is asked about callers of each provider that has a resolver.
fn resolutions(
    settings: Vec<ResolvingSettings>,
    (client, lasting): (&Client, &Lasting),
    providers: &[Provider],
) -> Vec<Option<Arc<Resolutions>>> {
    let mut found: Vec<Option<Arc<Resolutions>>> = providers.iter().map(|_| None).collect();
    for ResolvingSettings { provider, settings } in settings {
        let index = usize::from(provider.0);
        let (Some(place), Some(provider)) = (found.get_mut(index), providers.get(index)) else {
            continue;
        };
        let source = ResolverAtProvider { settings: settings.clone(), client: client.clone() };
        let metrics = lasting.metrics.sessions();
        *place = Some(Resolutions::new(&provider.name, Arc::new(source), settings, metrics));
    }
    found
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
