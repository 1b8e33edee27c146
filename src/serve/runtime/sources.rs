//! Who answers the gate's questions, for each of its providers.

use std::sync::Arc;

use crate::gate::{Policy, Provider, ProviderId};
use crate::oidc::introspection::Checks;
use crate::remote::backend::{BackendSessions, RenewalAtBackend};
use crate::remote::http::Client;
use crate::remote::introspection::{IntrospectionAtProvider, Introspections};
use crate::remote::jwks::KeyKeeper;
use crate::remote::relying_party::RelyingParty;
use crate::remote::renewal::{Renew, RenewalAtProvider};
use crate::remote::resolver::{Resolutions, ResolverAtProvider};
use crate::serve::answers::Answers;
use crate::serve::own::Desk;
use crate::serve::runtime::Lasting;
use crate::serve::settings::{IntrospectingSettings, ResolvingSettings};

/// What there is to ask.
pub(super) struct Sources<'a> {
    pub(super) policy: &'a Policy,
    pub(super) desk: Option<&'a Desk>,
    pub(super) keys: &'a Arc<KeyKeeper>,
    pub(super) client: &'a Client,
    pub(super) lasting: &'a Lasting,
}

impl Sources<'_> {
    /// Answers out of these, and of those who are asked about tokens and callers.
    pub(super) fn answers(
        &self,
        introspections: Vec<IntrospectingSettings>,
        resolvers: Vec<ResolvingSettings>,
    ) -> Answers {
        let Sources { policy, desk, keys, client, lasting } = *self;
        let providers = &policy.providers;
        Answers {
            revoked: Arc::clone(&lasting.revoked),
            sessions: desk.map(|desk| Arc::clone(&desk.sessions)),
            renewals: desk.map(|desk| Arc::clone(&desk.renewals)),
            renewers: renewers(desk, keys, providers.len()),
            backends: backends(desk, providers.len()),
            introspections: self::introspections(introspections, (client, lasting), providers),
            resolutions: resolutions(resolvers, (client, lasting), providers),
            first_uses: Arc::clone(&lasting.first_uses),
        }
    }
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
