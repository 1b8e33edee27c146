//! Renewing a session of ours out of the provider's.

use std::sync::Arc;

use async_trait::async_trait;

use crate::base::time::Timestamp;
use crate::oidc::backend_session::ClientAttributes;
use crate::remote::backend::{BackendFailure, BackendSessions, Brought};
use crate::remote::renewal::{EndReason, Refreshed, Renew, RenewalFailure};
use crate::session::{Session, keep_claims};

/// Asks the provider anew who is signed in by its session.
pub struct RenewalAtBackend(pub Arc<BackendSessions>);

#[async_trait]
impl Renew for RenewalAtBackend {
    async fn refresh(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<Refreshed, RenewalFailure> {
        let Some(id) = &session.tokens.refresh else {
            return Err(RenewalFailure::Ended(EndReason::Refused));
        };
        let found = self.0.authenticate(id, &ClientAttributes::default(), now).await;
        let Brought { token, tokens, expires_in } = found.map_err(|error| failure(&error))?;
        if token.subject() != session.subject {
            tracing::warn!(session = %session.id.alias(), "the provider's session is of somebody else now");
            return Err(RenewalFailure::Ended(EndReason::Mismatch));
        }
        let rules = &self.0.parts.rules;
        Ok(Refreshed {
            // What was proven is what this token says, and nothing from before.
            claims: Some(keep_claims(token.claims(), &rules.keep)),
            tokens,
            renewal: rules.schedule.after(expires_in, now),
        })
    }
}

fn failure(error: &BackendFailure) -> RenewalFailure {
    match error {
        BackendFailure::Gone => RenewalFailure::Ended(EndReason::Refused),
        BackendFailure::Mismatch(why) => {
            tracing::warn!(why, "what a session of the provider brought does not hold");
            RenewalFailure::Ended(EndReason::Mismatch)
        }
        BackendFailure::Unavailable(why) => RenewalFailure::Unavailable(why.clone()),
    }
}
