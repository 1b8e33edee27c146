//! Sessions that a provider keeps for the backends of its apps (Transmit Security Mosaic): used for one app here.
//!
//! The name of such a session is worth as much as a refresh token and is kept as one. With it, and with a token of the app's own client,
//! the provider is asked who is signed in, at most once for each session in the lifetime of what it answers, however many requests come.
//! It is never polled: an answer of 429 is heeded, and a session that is gone is not asked about again for a minute.

mod client_token;
mod memory;
mod renewal;
mod verdicts;

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::clock::Clock;
use crate::gate::ProviderId;
use crate::oidc::backend_session::{self, BackendError, BackendTokens, ClientAttributes};
use crate::oidc::grant::{GrantError, TokenResponse};
use crate::oidc::id_token::{self, Expectations, IdToken, IdTokenError};
use crate::remote::error_text;
use crate::remote::http::Reply;
use crate::remote::jwks::{KeyKeeper, Unread};
use crate::remote::relying_party::{ExchangeError, RelyingParty, answer};
use crate::remote::renewal::RefreshRules;
use crate::session::Tokens;
use crate::telemetry::metrics::{BackendCall, BackendResult, SessionMetrics};
use crate::token::KeySet;

pub use memory::{BackendMemory, Renamed};
pub use renewal::RenewalAtBackend;

/// How long a call waits for the provider's metadata, if that was never had.
const METADATA_PATIENCE: Duration = Duration::from_secs(3);

/// The pauses between the tries to end a session at the provider.
const LOGOUT_PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
];

/// What one app's use of the provider's sessions goes by.
#[derive(Clone, Debug)]
pub struct BackendSettings {
    /// Where tokens are got out of a session.
    pub authenticate: Url,
    /// Where a session is ended.
    pub logout: Url,
    /// For which API access tokens are asked for; `None` for none in particular.
    pub resource: Option<String>,
    /// The words by which the provider says that there is no such session.
    pub gone: Vec<String>,
    /// Claims that ID tokens must have, by name and text: the tenant among them.
    pub claims: Vec<(String, String)>,
}

/// What an app's sessions are used with.
pub struct BackendParts {
    /// What was configured.
    pub settings: BackendSettings,
    /// We as the app's client.
    pub party: Arc<RelyingParty>,
    /// Who has the provider's keys.
    pub keys: Arc<KeyKeeper>,
    /// Its place among those whose keys are kept.
    pub provider: ProviderId,
    /// What is demanded of its ID tokens, and kept of them.
    pub rules: RefreshRules,
    /// What sessions are called now, for all apps.
    pub renamed: Arc<Renamed>,
    /// The time.
    pub clock: Clock,
    /// Where calls are counted.
    pub metrics: SessionMetrics,
}

/// The provider's sessions, for one app.
pub struct BackendSessions {
    parts: BackendParts,
    memory: Arc<BackendMemory>,
}

/// What a session brought: who is signed in, by a token that holds.
#[derive(Debug)]
pub struct Brought {
    /// The proof.
    pub token: IdToken,
    /// The tokens; the session's name stands for the refresh token.
    pub tokens: Tokens,
    /// How long they are good.
    pub expires_in: Option<Duration>,
}

/// Why a session brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendFailure {
    /// It is over.
    #[error("the provider knows no such session")]
    Gone,
    /// What it brought is not to be trusted.
    #[error("what the provider says does not hold: {0}")]
    Mismatch(String),
    /// Nobody can tell at the moment.
    #[error("the provider cannot be asked: {0}")]
    Unavailable(String),
}

impl BackendSessions {
    /// With what `previous` ones of the same client remember.
    pub fn new(parts: BackendParts, previous: Option<&Self>) -> Arc<Self> {
        let memory = previous.map(|previous| Arc::clone(&previous.memory));
        Arc::new(Self { parts, memory: memory.unwrap_or_default() })
    }

    /// Asks who is signed in by the session called `session_id`, on behalf of a browser that is as `client` says.
    ///
    /// # Errors
    /// [`BackendFailure`]
    pub async fn authenticate(
        &self,
        session_id: &Secret<String>,
        client: &ClientAttributes,
        now: Timestamp,
    ) -> Result<Brought, BackendFailure> {
        let (renamed, issuer) = (&self.parts.renamed, self.issuer());
        let id = renamed.newest(issuer, session_id);
        let name = memory::name(issuer, &id);
        if self.memory.is_gone(&name, now) {
            return Err(BackendFailure::Gone);
        }
        let outcome = self.tokens(&id, client, now).await;
        self.parts.metrics.backend_called(self.name(), BackendCall::Authenticate, result(&outcome));
        let BackendTokens { tokens, session_id: next } = match outcome {
            Ok(found) => found,
            Err(BackendFailure::Gone) => {
                self.memory.remember_gone(name, now);
                return Err(BackendFailure::Gone);
            }
            Err(error) => return Err(error),
        };
        // An answer that names no session leaves it its name.
        let id = match next {
            Some(next) if next.expose() != id.expose() => {
                renamed.note(issuer, (session_id, &id), &next);
                next
            }
            _ => id,
        };
        let token = self.verified(&tokens, now).await?;
        let expires_in = tokens.expires_in;
        let tokens =
            Tokens { refresh: Some(id), access: Some(tokens.access_token), id: tokens.id_token };
        Ok(Brought { token, tokens, expires_in })
    }

    /// Ends the session called `session_id` at the provider, in the background: the person need not wait. What fails is tried again, a
    /// bounded number of times. Nobody here uses the session from now on.
    pub fn end(self: &Arc<Self>, session_id: &Secret<String>) {
        let id = self.parts.renamed.newest(self.issuer(), session_id);
        let name = memory::name(self.issuer(), &id);
        self.memory.remember_gone(name, self.parts.clock.now());
        let this = Arc::clone(self);
        tokio::spawn(async move { this.end_now(&id).await });
    }

    async fn end_now(&self, id: &Secret<String>) {
        for pause in LOGOUT_PAUSES.into_iter().map(Some).chain([None]) {
            let outcome = self.logout(id).await;
            let counted = if outcome.is_ok() { BackendResult::Ok } else { BackendResult::Failed };
            self.parts.metrics.backend_called(self.name(), BackendCall::Logout, counted);
            let Err(error) = outcome else {
                tracing::debug!(provider = self.name(), "session ended at the provider");
                return;
            };
            tracing::warn!(provider = self.name(), %error, "a session could not be ended at the provider");
            let Some(pause) = pause else { break };
            let busy = self.memory.pause_left(self.parts.clock.now());
            tokio::time::sleep(pause.max(busy.min(LOGOUT_PAUSES[3]))).await;
        }
        tracing::error!(
            provider = self.name(),
            "a session goes on at the provider: ending it failed too often"
        );
    }

    async fn logout(&self, id: &Secret<String>) -> Result<(), BackendFailure> {
        let now = self.parts.clock.now();
        let body = backend_session::logout_body(id);
        let reply = self.ask(&self.parts.settings.logout, &body, now).await?;
        backend_session::parse_logout(&answer(&reply), &self.parts.settings.gone)
            .map_err(|error| self.failure(&error, now))
    }

    async fn tokens(
        &self,
        id: &Secret<String>,
        client: &ClientAttributes,
        now: Timestamp,
    ) -> Result<BackendTokens, BackendFailure> {
        let settings = &self.parts.settings;
        let body = backend_session::authenticate_body(id, settings.resource.as_deref(), client);
        let reply = self.ask(&settings.authenticate, &body, now).await?;
        backend_session::parse(&answer(&reply), &settings.gone)
            .map_err(|error| self.failure(&error, now))
    }

    /// Posts with the client's token. One that is refused is replaced, once.
    async fn ask(
        &self,
        url: &Url,
        body: &Secret<String>,
        now: Timestamp,
    ) -> Result<Reply, BackendFailure> {
        let wait = self.memory.pause_left(now);
        if !wait.is_zero() {
            let why = format!("it wants to be left alone for {} s", wait.as_secs());
            return Err(BackendFailure::Unavailable(why));
        }
        let party = &self.parts.party;
        let unreached = |error: &ExchangeError| self.unreached(error, now);
        let metadata = party.ready(METADATA_PATIENCE).await.map_err(|error| unreached(&error))?;
        let token = self.memory.token.get(party, &metadata, None, now).await;
        let token = token.map_err(|error| unreached(&error))?;
        let reply = party.post_json(url, &token, body).await.map_err(|error| unreached(&error))?;
        if reply.status != http::StatusCode::UNAUTHORIZED {
            return Ok(reply);
        }
        let token = self.memory.token.get(party, &metadata, Some(&token), now).await;
        let token = token.map_err(|error| unreached(&error))?;
        party.post_json(url, &token, body).await.map_err(|error| unreached(&error))
    }

    fn unreached(&self, error: &ExchangeError, now: Timestamp) -> BackendFailure {
        let wanted = match error {
            ExchangeError::Grant(GrantError::Unavailable { retry_after, .. }) => *retry_after,
            _ => None,
        };
        self.memory.pause(wanted.unwrap_or_default(), now);
        BackendFailure::Unavailable(error_text(error))
    }

    fn failure(&self, error: &BackendError, now: Timestamp) -> BackendFailure {
        match error {
            BackendError::Gone => BackendFailure::Gone,
            error => {
                self.memory.pause(error.pause().unwrap_or_default(), now);
                BackendFailure::Unavailable(error_text(error))
            }
        }
    }

    /// The ID token, by the provider's keys: those at hand, or newer ones if it was signed with a key that is new.
    async fn verified(
        &self,
        tokens: &TokenResponse,
        now: Timestamp,
    ) -> Result<IdToken, BackendFailure> {
        let BackendParts { settings, party, keys, provider, rules, .. } = &self.parts;
        let text = tokens.require_id_token().map_err(|error| mismatch(&error))?;
        let expectations = Expectations {
            client_id: &party.settings().registration.client_id,
            nonce: None,
            max_age: None,
            acr_values: &[],
            access_token: Some(tokens.access_token.expose()),
            max_iat_age: rules.max_iat_age,
        };
        let verify = |keys: &KeySet| {
            id_token::verify(text.expose(), keys, &rules.id_token, &expectations, now)
        };
        let read = keys.read(*provider, text.expose(), verify, IdTokenError::key_doubt).await;
        let (token, _) = read.map_err(|unread| match unread {
            Unread::NoKeys => BackendFailure::Unavailable("its keys cannot be had".to_owned()),
            Unread::Refused(error) | Unread::Unchanged(error) => mismatch(&error),
        })?;
        match token.missing(&settings.claims) {
            None => Ok(token),
            Some(name) => Err(BackendFailure::Mismatch(format!(
                "claim `{name}` is not what the configuration says"
            ))),
        }
    }

    fn issuer(&self) -> &str {
        &self.parts.party.settings().metadata.issuer
    }

    fn name(&self) -> &str {
        &self.parts.party.settings().metadata.name
    }
}

fn mismatch(error: &dyn std::error::Error) -> BackendFailure {
    BackendFailure::Mismatch(error_text(error))
}

const fn result<T>(outcome: &Result<T, BackendFailure>) -> BackendResult {
    match outcome {
        Ok(_) => BackendResult::Ok,
        Err(BackendFailure::Gone) => BackendResult::Gone,
        Err(_) => BackendResult::Failed,
    }
}
