//! Where people sign in and out: our clients at the providers, the sessions, and what was ended.
//!
//! Made anew with each reload; what must outlive one is handed over by the one before.

use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::rand;

use crate::base::time::Timestamp;
use crate::gate::{Policy, ProviderId, SessionPolicy};
use crate::remote::backend::{BackendParts, BackendSessions, Renamed};
use crate::remote::http::Client;
use crate::remote::jwks::KeyKeeper;
use crate::remote::relying_party::RelyingParty;
use crate::remote::renewal::{RefreshRules, Renewals};
use crate::remote::replay::FirstUses;
use crate::remote::sessions::{Journal, JournalError, RedisSettingsError, Sessions};
use crate::serve::runtime::Lasting;
use crate::serve::settings::{PartySettings, SignInSettings, SignOutSettings};
use crate::session::{AllowedHosts, Keep, Nonce, RevocationSet};

/// How much memory renewed sessions may take while browsers still come with the old cookie, in bytes.
const RENEWED_BYTES: u64 = 64 << 20;

/// See the module's text.
pub(crate) struct Desk {
    parties: Vec<Party>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) renewals: Arc<Renewals>,
    pub(crate) revocations: Arc<RevocationSet>,
    pub(crate) first_uses: Arc<FirstUses>,
    renamed: Arc<Renamed>,
    pub(crate) return_hosts: AllowedHosts,
    pub(crate) keep: Keep,
    pub(crate) keeps_fragments: bool,
    pub(crate) persistent: bool,
    pub(crate) sign_out: SignOutSettings,
    pub(crate) outbound: Client,
}

/// Why there is no desk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
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
    /// The sessions that the provider keeps for backends, if they are used.
    pub(crate) backend: Option<Arc<BackendSessions>>,
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

    /// What is demanded of its answers when a session is renewed, and kept of them.
    pub(crate) fn refresh_rules(&self, keep: &Keep) -> RefreshRules {
        RefreshRules {
            id_token: self.client.settings().rules.clone(),
            max_iat_age: self.settings.id_token_max_age,
            keep: keep.clone(),
            schedule: self.settings.schedule,
        }
    }

    /// Whether both are apps of one tenant, which share the sessions that the provider keeps for their backends.
    pub(crate) fn shares_sessions_with(&self, other: &Self) -> bool {
        let tenant = |party: &Self| party.settings.backend.as_ref().map(|one| one.tenant.clone());
        let known = tenant(self).flatten().is_some() && tenant(self) == tenant(other);
        let same = self.name() == other.name() && self.backend.is_some();
        same || (known && self.issuer() == other.issuer())
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
    pub(crate) keys: &'a Arc<KeyKeeper>,
    pub(crate) lasting: &'a Lasting,
}

impl Desk {
    /// Opens for the providers of `settings`, taking over from a `previous` desk what outlives a reload. Needs a tokio runtime.
    pub(crate) fn open(
        settings: SignInSettings,
        around: &Surroundings<'_>,
        previous: Option<&Self>,
    ) -> Result<Self, DeskError> {
        let revocations = &around.lasting.revoked;
        let sessions = sessions(&settings, around, previous)?;
        let followed = (Arc::downgrade(&sessions), around.lasting.clock.clone());
        tokio::spawn(Sessions::follow(followed.0, followed.1));
        let renewals = previous.map_or_else(
            || {
                let (idle, metrics) =
                    (around.policy.limits.idle, around.lasting.metrics.sessions());
                Renewals::new(RENEWED_BYTES, idle, Arc::clone(revocations), metrics)
            },
            |desk| Arc::clone(&desk.renewals),
        );
        let renamed = previous.map(|desk| Arc::clone(&desk.renamed)).unwrap_or_default();
        let shared = (&settings.keep, &renamed);
        let parties = settings.parties.into_iter();
        let parties: Vec<_> = parties.map(|party| start(party, shared, around, previous)).collect();
        Ok(Self {
            parties,
            sessions,
            renewals,
            revocations: Arc::clone(revocations),
            first_uses: Arc::clone(&around.lasting.first_uses),
            renamed,
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

/// Where sessions are kept. The file of what was ended is opened once: a reload does not change it.
fn sessions(
    settings: &SignInSettings,
    around: &Surroundings<'_>,
    previous: Option<&Desk>,
) -> Result<Arc<Sessions>, DeskError> {
    let keys = around.policy.keys.clone();
    if let Some(desk) = previous {
        return Ok(Arc::new(desk.sessions.reconfigured(&settings.store, keys)?));
    }
    let Lasting { clock, metrics, revoked, .. } = around.lasting;
    let open = |path: &PathBuf| {
        Journal::open(path, revoked, clock.clone(), metrics.sessions()).map(Arc::new)
    };
    let journal = settings.revocations_file.as_ref().map(open).transpose()?;
    let revoked = Arc::clone(revoked);
    let sessions = Sessions::new(&settings.store, keys, revoked, journal, metrics.sessions())?;
    Ok(Arc::new(sessions))
}

/// Our client at one provider, with what the one before knows of it.
fn start(
    settings: PartySettings,
    shared: (&Keep, &Arc<Renamed>),
    around: &Surroundings<'_>,
    previous: Option<&Desk>,
) -> Party {
    let before = previous.and_then(|desk| desk.party_named(&settings.name));
    let issuer = &settings.relying_party.metadata.issuer;
    let before = before.filter(|party| party.issuer() == issuer);
    let (client, clock) = (around.client.clone(), around.lasting.clock.clone());
    let relying_party = settings.relying_party.clone();
    let known = before.map(|party| &*party.client);
    let client = Arc::new(RelyingParty::start(relying_party, client, clock, known));
    let mut party = Party { settings, client, backend: None };
    let before = before.filter(|before| before.client_id() == party.client_id());
    party.backend =
        backend(&party, shared, around, before.and_then(|party| party.backend.as_deref()));
    party
}

/// The sessions that the provider keeps for backends, with what those before remember of them.
fn backend(
    party: &Party,
    (keep, renamed): (&Keep, &Arc<Renamed>),
    around: &Surroundings<'_>,
    before: Option<&BackendSessions>,
) -> Option<Arc<BackendSessions>> {
    let settings = party.settings.backend.as_ref()?;
    let parts = BackendParts {
        settings: settings.calls.clone(),
        party: Arc::clone(&party.client),
        keys: Arc::clone(around.keys),
        provider: party.id(),
        rules: party.refresh_rules(keep),
        renamed: Arc::clone(renamed),
        clock: around.lasting.clock.clone(),
        metrics: around.lasting.metrics.sessions(),
    };
    Some(BackendSessions::new(parts, before))
}

/// Random bytes; none if the system has none to give.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).ok()?;
    Some(bytes)
}
