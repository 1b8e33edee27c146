//! Introspection at a real provider.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::oidc::introspection::{Checks, Introspected, IntrospectionError};
use crate::remote::error_text;
use crate::remote::introspection::{Introspect, NoAnswer, Verdict};
use crate::remote::relying_party::{ExchangeError, RelyingParty};

/// How long a token waits for the provider's metadata, if that was never had.
const METADATA_PATIENCE: Duration = Duration::from_secs(3);

/// One provider, as it is asked about tokens.
pub struct IntrospectionAtProvider {
    /// We as its client.
    pub party: Arc<RelyingParty>,
    /// What is demanded of an active token.
    pub checks: Checks,
}

#[async_trait]
impl Introspect for IntrospectionAtProvider {
    async fn introspect(&self, token: &Secret<String>, _: Timestamp) -> Result<Verdict, NoAnswer> {
        let no_answer = |error: ExchangeError| NoAnswer(error_text(&error));
        let metadata = self.party.ready(METADATA_PATIENCE).await.map_err(no_answer)?;
        match self.party.introspect(&metadata, token, &self.checks).await {
            Ok(Introspected::Active(claims)) => {
                let expires = claims.date("exp").ok().flatten();
                Ok(Verdict::Active { claims: Arc::new(claims), expires })
            }
            Ok(Introspected::Inactive) => Ok(Verdict::Inactive),
            // Active, but for others or not yet: the provider has answered, and the answer is no.
            Err(ExchangeError::Introspection(error @ IntrospectionError::Token(_))) => {
                tracing::debug!(error = error_text(&error), "an introspected token is refused");
                Ok(Verdict::Inactive)
            }
            Err(error) => Err(no_answer(error)),
        }
    }
}
