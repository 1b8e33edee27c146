//! Renewing at a real provider: the refresh token goes out, what comes back is verified.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::base::time::Timestamp;
use crate::gate::{KeyState, ProviderId};
use crate::oidc::discovery::Metadata;
use crate::oidc::grant::TokenResponse;
use crate::oidc::id_token::IdTokenError;
use crate::remote::jwks::{KeyKeeper, Unread};
use crate::remote::relying_party::{ExchangeError, RelyingParty};
use crate::remote::renewal::{EXCHANGE, EndReason, RefreshRules, Refreshed, Renew, RenewalFailure};
use crate::session::{Session, keep_claims};
use crate::token::{KeySet, TokenError};

/// How long a renewal waits for the provider's metadata, if that was never had.
const METADATA_PATIENCE: Duration = Duration::from_secs(3);

/// One provider, as its sessions are renewed there.
pub struct RenewalAtProvider {
    /// We as its client.
    pub party: Arc<RelyingParty>,
    /// Who has its keys.
    pub keys: Arc<KeyKeeper>,
    /// Its place among those whose keys are kept.
    pub provider: ProviderId,
    /// What is demanded of its answers, and kept of them.
    pub rules: RefreshRules,
}

#[async_trait]
impl Renew for RenewalAtProvider {
    async fn refresh(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<Refreshed, RenewalFailure> {
        let Some(token) = &session.tokens.refresh else {
            return Err(RenewalFailure::Ended(EndReason::Refused));
        };
        let metadata = self.party.ready(METADATA_PATIENCE).await.map_err(failure)?;
        let response = self.party.refresh_patiently(&metadata, token, EXCHANGE).await;
        let response = response.map_err(failure)?;
        let mut refreshed = self.verified(session, &response, now).await?;
        if self.party.settings().userinfo {
            self.add_userinfo(session, &metadata, &response, &mut refreshed).await;
        }
        Ok(refreshed)
    }
}

impl RenewalAtProvider {
    /// Judges by the keys at hand, and by newer ones if there is a doubt. Where the key is not to be had the ID token is left
    /// aside; where it does not hold by the newest keys, the session ends.
    async fn verified(
        &self,
        session: &Session,
        response: &TokenResponse,
        now: Timestamp,
    ) -> Result<Refreshed, RenewalFailure> {
        let Some(text) = &response.id_token else {
            return Ok(self.rules.unidentified(response, now));
        };
        let read = |keys: &KeySet| self.rules.read(session, response, keys, now);
        match self.keys.read(self.provider, text.expose(), read, IdTokenError::key_doubt).await {
            Ok((refreshed, _)) => Ok(refreshed),
            Err(
                Unread::Refused(error)
                | Unread::Unchanged(error @ IdTokenError::Token(TokenError::BadSignature)),
            ) => Err(mismatch(&error)),
            Err(Unread::NoKeys | Unread::Unchanged(_)) => {
                tracing::warn!(session = %session.id.alias(), "no key for a refreshed ID token: its claims are left aside");
                Ok(self.rules.unidentified(response, now))
            }
        }
    }

    /// What the provider says of the person now. If it says nothing, what is known stays: the session itself was renewed.
    async fn add_userinfo(
        &self,
        session: &Session,
        metadata: &Metadata,
        response: &TokenResponse,
        refreshed: &mut Refreshed,
    ) {
        let ring = self.keys.ring();
        let KeyState::Loaded(keys) = ring.state(self.provider) else { return };
        let keys: &KeySet = keys;
        let asked =
            self.party.userinfo(metadata, &response.access_token, &session.subject, keys).await;
        match asked {
            Ok(info) => {
                let known = refreshed.claims.as_ref().unwrap_or(&session.claims);
                refreshed.claims = Some(keep_claims(&info.merge(known), &self.rules.keep));
            }
            Err(error) => {
                let error = crate::remote::error_text(&error);
                tracing::warn!(session = %session.id.alias(), error, "no user info at a renewal");
            }
        }
    }
}

/// Only a refusal of the grant itself ends a session. That our own credentials are wrong, or that the provider answers
/// nonsense, is no fault of the person's.
fn failure(error: ExchangeError) -> RenewalFailure {
    if error.is_final() {
        return RenewalFailure::Ended(EndReason::Refused);
    }
    RenewalFailure::Unavailable(crate::remote::error_text(&error))
}

fn mismatch(error: &IdTokenError) -> RenewalFailure {
    tracing::warn!(error = crate::remote::error_text(error), "a refreshed ID token does not hold");
    RenewalFailure::Ended(EndReason::Mismatch)
}

#[cfg(test)]
mod tests;
