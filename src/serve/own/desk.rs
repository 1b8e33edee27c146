//! Where people sign in and out: our clients at the providers, the sessions, and what was ended.
//!
//! Made anew with each reload; what must outlive one is handed over by the one before.

use std::sync::Arc;

use aws_lc_rs::rand;
use url::Url;

use crate::base::time::Timestamp;
use crate::clock::Clock;
use crate::gate::{KeyAnswer, KeyDoubt, KeyQuestion, Policy, ProviderId};
use crate::remote::http::Client;
use crate::remote::jwks::KeyKeeper;
use crate::remote::relying_party::RelyingParty;
use crate::remote::renewal::Renewals;
use crate::remote::replay::Replays;
use crate::remote::sessions::{RedisSettingsError, Sessions};
use crate::serve::settings::{PartySettings, SignInSettings, SignOutSettings};
use crate::session::{AllowedHosts, Keep, Nonce, RevocationSet};
use crate::telemetry::metrics::Metrics;
use crate::token::KeySet;

/// How many ended sessions are remembered.
const REVOCATIONS: usize = 500_000;

/// How many logout tokens are remembered, so that none is used twice.
const LOGOUT_TOKENS: usize = 100_000;

/// How much memory renewed sessions may take while browsers still come with the old cookie, in bytes.
const RENEWED_BYTES: u64 = 64 << 20;

/// See the module's text.
pub(crate) struct Desk {
    parties: Vec<Party>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) renewals: Arc<Renewals>,
    pub(crate) revocations: Arc<RevocationSet>,
    pub(crate) logout_tokens: Arc<Replays>,
    pub(crate) return_hosts: AllowedHosts,
    pub(crate) keep: Keep,
    pub(crate) keeps_fragments: bool,
    pub(crate) persistent: bool,
    pub(crate) sign_out: SignOutSettings,
    pub(crate) outbound: Client,
    store: crate::remote::sessions::StoreSettings,
}

/// Why there is no desk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    /// The store of sessions.
    #[error("sessions cannot be kept")]
    Store(#[from] RedisSettingsError),
}

/// One provider at which people sign in.
pub(crate) struct Party {
    pub(crate) id: ProviderId,
    pub(crate) settings: PartySettings,
    pub(crate) client: Arc<RelyingParty>,
}

impl Party {
    /// Its name in the configuration.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Its issuer identifier.
    pub(crate) fn issuer(&self) -> &str {
        &self.client.settings().metadata.issuer
    }

    /// Our name there.
    pub(crate) fn client_id(&self) -> &str {
        &self.client.settings().registration.client_id
    }
}

impl Desk {
    /// Opens for the providers of `settings`. Needs a tokio runtime.
    pub(crate) fn open(
        settings: SignInSettings,
        policy: &Policy,
        (client, clock, metrics): (&Client, &Clock, &Metrics),
        previous: Option<&Self>,
    ) -> Result<Option<Self>, DeskError> {
        let Some(policy_sessions) = &policy.sessions else { return Ok(None) };
        let start = |settings: PartySettings| {
            let before = previous.and_then(|desk| desk.party_named(&settings.name));
            let before = before.filter(|party| {
                party.issuer() == settings.relying_party.metadata.issuer
            });
            let relying_party = settings.relying_party.clone();
            let (client, clock) = (client.clone(), clock.clone());
            let before = before.map(|party| &*party.client);
            let client = Arc::new(RelyingParty::start(relying_party, client, clock, before));
            Party { id: settings.provider, settings, client }
        };
        let revocations = previous.map_or_else(
            || Arc::new(RevocationSet::new(REVOCATIONS)),
            |desk| Arc::clone(&desk.revocations),
        );
        let session_metrics = metrics.sessions();
        let same_store = previous.filter(|desk| {
            format!("{:?}", desk.store) == format!("{:?}", settings.store)
                && format!("{:?}", settings.store) != "Cookie"
        });
        let keys = policy_sessions.keys.clone();
        let sessions = match same_store {
            Some(desk) => desk.sessions.with_keys(keys),
            None => Sessions::new(
                &settings.store,
                keys,
                Arc::clone(&revocations),
                session_metrics.clone(),
            )?,
        };
        let renewals = previous.map_or_else(
            || {
                let idle = policy_sessions.limits.idle;
                Renewals::new(RENEWED_BYTES, idle, Arc::clone(&revocations), session_metrics)
            },
            |desk| Arc::clone(&desk.renewals),
        );
        let logout_tokens = previous.map_or_else(
            || Arc::new(Replays::new(LOGOUT_TOKENS)),
            |desk| Arc::clone(&desk.logout_tokens),
        );
        Ok(Some(Self {
            parties: settings.parties.into_iter().map(start).collect(),
            sessions: Arc::new(sessions),
            renewals,
            revocations,
            logout_tokens,
            return_hosts: settings.return_hosts,
            keep: settings.keep,
            keeps_fragments: settings.keeps_fragments,
            persistent: settings.persistent,
            sign_out: settings.sign_out,
            outbound: client.clone(),
            store: settings.store,
        }))
    }

    /// All providers at which people sign in, in written order.
    pub(crate) fn parties(&self) -> &[Party] {
        &self.parties
    }

    /// The one of that name.
    pub(crate) fn party_named(&self, name: &str) -> Option<&Party> {
        self.parties.iter().find(|party| party.name() == name)
    }

    /// The one of that id.
    pub(crate) fn party(&self, id: ProviderId) -> Option<&Party> {
        self.parties.iter().find(|party| party.id == id)
    }

    /// Random bytes for one sealing; none if the system has none to give.
    pub(crate) fn nonce(&self) -> Option<Nonce> {
        random()
    }

    /// The moment until which an end must be remembered: no session that exists now lives longer.
    pub(crate) fn latest_end(&self, policy: &Policy, now: Timestamp) -> Timestamp {
        policy.sessions.as_ref().map_or(now, |sessions| now + sessions.limits.absolute)
    }
}

/// Random bytes; none if the system has none to give.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// The keys of a provider, for a token that it has just signed: those at hand, and once more after asking for newer ones.
pub(crate) struct PartyKeys<'a> {
    keeper: &'a KeyKeeper,
    provider: ProviderId,
}

impl<'a> PartyKeys<'a> {
    /// Those of `provider`.
    pub(crate) const fn new(keeper: &'a KeyKeeper, provider: ProviderId) -> Self {
        Self { keeper, provider }
    }

    /// The set at hand, or the one that comes if there is none yet.
    pub(crate) async fn current(&self) -> Option<Arc<KeySet>> {
        match self.keeper.ring().state(self.provider) {
            crate::gate::KeyState::Loaded(keys) => Some(Arc::clone(keys)),
            crate::gate::KeyState::NotLoaded => self.newer(KeyDoubt::NotLoaded).await,
        }
    }

    /// A set newer than the one at hand, if there is one.
    pub(crate) async fn newer(&self, why: KeyDoubt) -> Option<Arc<KeySet>> {
        let question = KeyQuestion { provider: self.provider, kid: None, why };
        match self.keeper.answer(&question).await {
            KeyAnswer::Fresh(keys) => Some(keys),
            KeyAnswer::Unavailable | KeyAnswer::Unchanged => None,
        }
    }
}

/// The origin of a URL, for policies of pages.
pub(crate) fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}
