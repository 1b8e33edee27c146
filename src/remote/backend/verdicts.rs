//! What the provider says of a session of another app of the same tenant: the person who signed in to one is known to the other.
//!
//! A verdict is remembered for as long as the tokens that came with it are good. It is got anew in the background before that ends;
//! requests wait only when there is none that counts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::base::time::Timestamp;
use crate::gate::VerdictAnswer;
use crate::oidc::backend_session::ClientAttributes;
use crate::remote::backend::{BackendFailure, BackendSessions, Brought};
use crate::remote::flight::Boarding;
use crate::session::{Renewal, Session, keep_claims};
use crate::token::Claims;

/// How long a request waits for a verdict.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who is signed in, for one app.
pub(super) struct Verdict {
    claims: Arc<Claims>,
    renewal: Renewal,
}

impl Verdict {
    fn answer(&self, until: Timestamp) -> VerdictAnswer {
        VerdictAnswer::Known { claims: Arc::clone(&self.claims), until }
    }
}

impl BackendSessions {
    /// Who is signed in here by `session`, which is of another app.
    pub async fn verdict(
        self: &Arc<Self>,
        session: &Arc<Session>,
        now: Timestamp,
    ) -> VerdictAnswer {
        let counts = self.memory.verdicts.get(&session.id).filter(|known| now < known.renewal.by);
        let fresh = || {
            let known = self.memory.verdicts.get(&session.id)?;
            (now < known.renewal.due).then(|| known.answer(known.renewal.due))
        };
        // Left alone: no task, and no line in the log, for each request meanwhile.
        if !self.memory.pause_left(now).is_zero() {
            let known = fresh().or_else(|| Some(counts.as_ref()?.answer(now)));
            return known.unwrap_or(VerdictAnswer::Unavailable);
        }
        let ask = || Arc::clone(self).judge(Arc::clone(session), now);
        match (self.memory.flights.board(&session.id, fresh, ask), counts) {
            (Boarding::Known(answer), _) => answer,
            // Not to be remembered: the next request takes the newer one.
            (_, Some(known)) => known.answer(now),
            (Boarding::Full, None) => VerdictAnswer::Unavailable,
            (Boarding::UnderWay(landing), None) => {
                let landed = timeout(PATIENCE, landing.wait()).await;
                landed.ok().flatten().unwrap_or(VerdictAnswer::Unavailable)
            }
        }
    }

    async fn judge(self: Arc<Self>, session: Arc<Session>, now: Timestamp) -> VerdictAnswer {
        let Some(id) = &session.tokens.refresh else { return VerdictAnswer::Ended };
        let why = match self.authenticate(id, &ClientAttributes::default(), now).await {
            Ok(brought) if brought.token.subject() == session.subject => {
                return self.remembered(&session, &brought, now);
            }
            Ok(_) => "it is of somebody else now".to_owned(),
            Err(BackendFailure::Unavailable(why)) => {
                tracing::warn!(session = %session.id.alias(), provider = self.name(), why, "nobody can tell who is signed in");
                return VerdictAnswer::Unavailable;
            }
            Err(error) => error.to_string(),
        };
        tracing::info!(session = %session.id.alias(), provider = self.name(), why, "a session does not count for this app");
        self.memory.verdicts.invalidate(&session.id);
        VerdictAnswer::Ended
    }

    fn remembered(&self, session: &Session, brought: &Brought, now: Timestamp) -> VerdictAnswer {
        let rules = &self.parts.rules;
        let claims = Arc::new(keep_claims(brought.token.claims(), &rules.keep));
        let Some(renewal) = rules.schedule.after(brought.expires_in, now) else {
            return VerdictAnswer::Known { claims, until: now };
        };
        let verdict = Arc::new(Verdict { claims, renewal });
        self.memory.verdicts.insert(session.id, Arc::clone(&verdict));
        verdict.answer(renewal.due)
    }
}
