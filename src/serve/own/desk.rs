//! Where people sign in and out: our clients at the providers, the sessions, and what was ended.
//!
//! Made anew with each reload; what must outlive one is handed over by the one before.

use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::rand;
use url::Url;

use crate::base::time::Timestamp;
use crate::clock::Clock;
use crate::gate::{KeyAnswer, KeyDoubt, KeyQuestion, KeyState, Policy, ProviderId, SessionPolicy};
use crate::remote::http::Client;
use crate::remote::jwks::KeyKeeper;
use crate::remote::relying_party::RelyingParty;
use crate::remote::renewal::Renewals;
use crate::remote::replay::FirstUses;
use crate::remote::sessions::{Journal, JournalError, RedisSettingsError, Sessions};
use crate::serve::settings::{PartySettings, SignInSettings, SignOutSettings};
use crate::session::{AllowedHosts, Keep, Nonce, RevocationSet};
use crate::telemetry::metrics::SessionMetrics;
use crate::token::KeySet;

/// How many ended sessions are remembered.
const REVOCATIONS: usize = 500_000;

/// How many proofs and logout tokens are remembered, so that none is used twice.
const FIRST_USES: usize = 1_000_000;

/// How much memory renewed sessions may take while browsers still come with the old cookie, in bytes.
const RENEWED_BYTES: u64 = 64 << 20;

/// See the module's text.
pub(crate) struct Desk {
    parties: Vec<Party>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) renewals: Arc<Renewals>,
    pub(crate) revocations: Arc<RevocationSet>,
    pub(crate) first_uses: Arc<FirstUses>,
    pub(crate) return_hosts: AllowedHosts,
    pub(crate) keep: Keep,
    pub(crate) keeps_fragments: bool,
    pub(crate) persistent: bool,
    pub(crate) sign_out: SignOutSettings,
    pub(crate) outbound: Client,
}

/// Why there is no desk.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The file of what was ended.
    #[error("the file of ended sessions cannot be used")]
    Journal(#[from] JournalError),
    /// The store of sessions.
    #[error("sessions cannot be kept")]
    Store(#[from] RedisSettingsError),
}

/// One provider at which people sign in.
pub(crate) struct Party {
    pub(crate) settings: PartySettings,
    pub(crate) client: Arc<RelyingParty>,
}

impl Party {
    /// Its place among the policy's providers.
    pub(crate) const fn id(&self) -> ProviderId {
        self.settings.provider
    }

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

/// What every desk is opened with.
pub(crate) struct Surroundings<'a> {
    pub(crate) policy: &'a SessionPolicy,
    pub(crate) client: &'a Client,
    pub(crate) clock: &'a Clock,
    pub(crate) metrics: SessionMetrics,
}

impl Desk {
    /// Opens for the providers of `settings`, taking over from a `previous` desk what outlives a reload. Needs a tokio runtime.
    pub(crate) fn open(
        settings: SignInSettings,
        around: &Surroundings<'_>,
        previous: Option<&Self>,
    ) -> Result<Self, DeskError> {
        let (sessions, revocations) = sessions(&settings, around, previous)?;
        let renewals = previous.map_or_else(
            || {
                let (idle, metrics) = (around.policy.limits.idle, around.metrics.clone());
                Renewals::new(RENEWED_BYTES, idle, Arc::clone(&revocations), metrics)
            },
            |desk| Arc::clone(&desk.renewals),
        );
        let first_uses = previous.map_or_else(
            || Arc::new(FirstUses::new(FIRST_USES, around.metrics.clone())),
            |desk| Arc::clone(&desk.first_uses),
        );
        let parties = settings.parties.into_iter().map(|party| start(party, around, previous));
        Ok(Self {
            parties: parties.collect(),
            sessions,
            renewals,
            revocations,
            first_uses,
            return_hosts: settings.return_hosts,
            keep: settings.keep,
            keeps_fragments: settings.keeps_fragments,
            persistent: settings.persistent,
            sign_out: settings.sign_out,
            outbound: around.client.clone(),
        })
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
        self.parties.iter().find(|party| party.id() == id)
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

/// Where sessions are kept, and what was ended. A file of the latter is opened once: a reload does not change it.
fn sessions(
    settings: &SignInSettings,
    around: &Surroundings<'_>,
    previous: Option<&Desk>,
) -> Result<(Arc<Sessions>, Arc<RevocationSet>), DeskError> {
    let keys = around.policy.keys.clone();
    if let Some(desk) = previous {
        let sessions = desk.sessions.reconfigured(&settings.store, keys)?;
        return Ok((Arc::new(sessions), Arc::clone(&desk.revocations)));
    }
    let revocations = Arc::new(RevocationSet::new(REVOCATIONS));
    let open = |path: &PathBuf| {
        let (clock, metrics) = (around.clock.clone(), around.metrics.clone());
        Journal::open(path, &revocations, clock, metrics).map(Arc::new)
    };
    let journal = settings.revocations_file.as_ref().map(open).transpose()?;
    let metrics = around.metrics.clone();
    let sessions =
        Sessions::new(&settings.store, keys, Arc::clone(&revocations), journal, metrics)?;
    Ok((Arc::new(sessions), revocations))
}

/// Our client at one provider, with what the one before knows of it.
fn start(settings: PartySettings, around: &Surroundings<'_>, previous: Option<&Desk>) -> Party {
    let before = previous.and_then(|desk| desk.party_named(&settings.name));
    let issuer = &settings.relying_party.metadata.issuer;
    let before = before.filter(|party| party.issuer() == issuer).map(|party| &*party.client);
    let (client, clock) = (around.client.clone(), around.clock.clone());
    let relying_party = settings.relying_party.clone();
    let client = Arc::new(RelyingParty::start(relying_party, client, clock, before));
    Party { settings, client }
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
            KeyState::Loaded(keys) => Some(Arc::clone(keys)),
            KeyState::NotLoaded => self.newer(KeyDoubt::NotLoaded).await,
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
