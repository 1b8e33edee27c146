//! What a provider's answer to a refresh makes of a session. Pure; who sends and receives is elsewhere.

use std::time::Duration;

use crate::base::time::Timestamp;
use crate::oidc::grant::TokenResponse;
use crate::oidc::id_token::{self, IdTokenError, Previous};
use crate::remote::renewal::{Refreshed, Schedule};
use crate::session::{Keep, Session, Tokens, carry_strength, keep_claims};
use crate::token::{KeySet, Rules};

/// What is demanded of one provider's answers, and kept of them.
#[derive(Clone, Debug)]
pub struct RefreshRules {
    /// For its ID tokens.
    pub id_token: Rules,
    /// How long ago an ID token may have been issued.
    pub max_iat_age: Duration,
    /// Which claims sessions keep.
    pub keep: Keep,
    /// When to renew again.
    pub schedule: Schedule,
}

impl RefreshRules {
    /// What `response` makes of `session`. Providers need not send an ID token; if one came it must be of the same person at
    /// the same issuer ([OpenID Connect Core §12.2](https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse)),
    /// and its claims replace those of the session.
    ///
    /// # Errors
    /// [`IdTokenError`]: ask for newer keys if [`IdTokenError::key_doubt`] says so; otherwise the session must end.
    pub fn read(
        &self,
        session: &Session,
        response: &TokenResponse,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Refreshed, IdTokenError> {
        let mut refreshed = self.unidentified(response, now);
        if let Some(id_token) = &response.id_token {
            let previous = Previous {
                client_id: &session.client,
                subject: &session.subject,
                nonce: None,
                auth_time: session.claims.date("auth_time").ok().flatten(),
                access_token: Some(response.access_token.expose()),
                max_iat_age: self.max_iat_age,
            };
            let verified =
                id_token::refreshed(id_token.expose(), keys, &self.id_token, &previous, now)?;
            let kept = keep_claims(verified.claims(), &self.keep);
            refreshed.claims = Some(carry_strength(kept, &session.claims));
            refreshed.tokens.id = Some(id_token.clone());
        }
        Ok(refreshed)
    }

    /// The same without believing in the ID token, where its keys cannot be had: the session goes on with the claims it has.
    /// Its old refresh token may be used up, so that the new one must not be lost.
    pub fn unidentified(&self, response: &TokenResponse, now: Timestamp) -> Refreshed {
        Refreshed {
            claims: None,
            tokens: Tokens {
                refresh: response.refresh_token.clone(),
                access: Some(response.access_token.clone()),
                id: None,
            },
            renewal: self.schedule.after(response.expires_in, now),
        }
    }
}

#[cfg(test)]
mod tests;
