//! The client's own token: one for all calls, fetched once for all who wait, and anew shortly before it runs out.

use std::time::Duration;

use tokio::sync::Mutex;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::oidc::discovery::Metadata;
use crate::remote::relying_party::{ExchangeError, RelyingParty};

/// How long before its end a token is not used any more: it has to arrive, and clocks differ.
const MARGIN: Duration = Duration::from_secs(10);

/// How long a token counts whose lifetime nobody tells.
const UNTOLD: Duration = Duration::from_secs(60);

/// See the module's text.
#[derive(Default)]
pub(super) struct ClientToken(Mutex<Option<Held>>);

struct Held {
    token: Secret<String>,
    until: Timestamp,
}

impl ClientToken {
    /// A token that is good at `now` and is not `refused`, got from the provider if there is none.
    pub(super) async fn get(
        &self,
        party: &RelyingParty,
        metadata: &Metadata,
        refused: Option<&Secret<String>>,
        now: Timestamp,
    ) -> Result<Secret<String>, ExchangeError> {
        let mut held = self.0.lock().await;
        let good = |held: &&Held| {
            let is_refused = refused.is_some_and(|refused| refused.expose() == held.token.expose());
            now < held.until && !is_refused
        };
        if let Some(held) = held.as_ref().filter(good) {
            return Ok(held.token.clone());
        }
        *held = None;
        let response = party.client_token(metadata).await?;
        let life = response.expires_in.unwrap_or(UNTOLD);
        // A token of a few seconds is used for half of them.
        let until = now + life.saturating_sub(MARGIN).max(life / 2);
        *held = Some(Held { token: response.access_token.clone(), until });
        Ok(response.access_token)
    }
}
