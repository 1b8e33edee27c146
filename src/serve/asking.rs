//! Our clients at the providers, as those see them who renew sessions and judge opaque tokens.

use std::sync::Arc;

use async_trait::async_trait;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::gate::{KeyAnswer, KeyDoubt, KeyQuestion, KeyState, ProviderId};
use crate::oidc::grant::TokenResponse;
use crate::oidc::introspection::{Checks, Introspected};
use crate::remote::error_text;
use crate::remote::introspection::{Introspect, NoAnswer, Verdict};
use crate::remote::jwks::KeyKeeper;
use crate::remote::relying_party::RelyingParty;
use crate::remote::renewal::{EndReason, RefreshRules, Refreshed, Renew, RenewalFailure};
use crate::session::Session;
use crate::token::KeySet;

/// The keys of one provider, for what it has just signed: those at hand, and once more after asking for newer ones.
#[derive(Clone)]
pub(crate) struct PartyKeys {
    keeper: Arc<KeyKeeper>,
    provider: ProviderId,
}

impl PartyKeys {
    /// Those of `provider`.
    pub(crate) const fn new(keeper: Arc<KeyKeeper>, provider: ProviderId) -> Self {
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

/// Renews the sessions of one provider.
pub(crate) struct Renewer {
    pub(crate) client: Arc<RelyingParty>,
    pub(crate) keys: PartyKeys,
    pub(crate) rules: RefreshRules,
}

#[async_trait]
impl Renew for Renewer {
    async fn refresh(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<Refreshed, RenewalFailure> {
        let unavailable = |why: &str| RenewalFailure::Unavailable(why.to_owned());
        let Some(token) = &session.tokens.refresh else {
            return Err(unavailable("the session has no refresh token"));
        };
        let metadata = self.client.metadata().current();
        let metadata = metadata.ok_or_else(|| unavailable("no metadata of the provider"))?;
        let response = self.client.refresh(&metadata, token).await.map_err(|error| {
            if error.is_final() {
                RenewalFailure::Ended(EndReason::Refused)
            } else {
                RenewalFailure::Unavailable(error_text(&error))
            }
        })?;
        self.read(session, &response, now).await
    }
}

impl Renewer {
    /// What was answered: the old refresh token is used up, so that the new one must not be lost for want of keys.
    async fn read(
        &self,
        session: &Session,
        response: &TokenResponse,
        now: Timestamp,
    ) -> Result<Refreshed, RenewalFailure> {
        let Some(keys) = self.keys.current().await else {
            return Ok(self.rules.unidentified(response, now));
        };
        let mismatch = |error| {
            tracing::warn!(error = error_text(&error), "refreshed ID token refused");
            RenewalFailure::Ended(EndReason::Mismatch)
        };
        match self.rules.read(session, response, &keys, now) {
            Err(error) if error.key_doubt() => match self.keys.newer(KeyDoubt::UnknownKid).await {
                Some(newer) => self.rules.read(session, response, &newer, now).map_err(mismatch),
                None => Err(mismatch(error)),
            },
            verdict => verdict.map_err(mismatch),
        }
    }
}

/// Asks one provider about tokens.
pub(crate) struct Introspector {
    pub(crate) client: Arc<RelyingParty>,
    pub(crate) checks: Checks,
}

#[async_trait]
impl Introspect for Introspector {
    async fn introspect(
        &self,
        token: &Secret<String>,
        _now: Timestamp,
    ) -> Result<Verdict, NoAnswer> {
        let metadata = self.client.metadata().current();
        let metadata = metadata.ok_or_else(|| NoAnswer("no metadata of the provider".into()))?;
        let answer = self.client.introspect(&metadata, token, &self.checks).await;
        match answer.map_err(|error| NoAnswer(error_text(&error)))? {
            Introspected::Inactive => Ok(Verdict::Inactive),
            Introspected::Active(claims) => {
                let expires = claims.date("exp").ok().flatten();
                Ok(Verdict::Active { claims: Arc::new(claims), expires })
            }
        }
    }
}
