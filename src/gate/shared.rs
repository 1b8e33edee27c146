//! A session of one app at another app of the same tenant, where the provider keeps sessions for backends: nobody is led anywhere, the
//! provider is asked what the session says here. What it said to the other app does not count.

use std::sync::Arc;

use crate::gate::authenticate::{Case, Failure, ask};
use crate::gate::caller::{Caller, SessionUpdate};
use crate::gate::credential::Credential;
use crate::gate::facts::ProviderId;
use crate::gate::policy::{Provider, SessionPolicy};
use crate::gate::question::{Answer, Question, VerdictAnswer, VerdictQuestion};
use crate::gate::reason::Reason;
use crate::gate::session::{Found, Unrevoked, over};
use crate::session::{Life, Session, Ticket};
use crate::token::Claims;

/// About what a session with its verdict takes, in bytes.
const BYTES: usize = 4096;

/// The app that counts here and shares the tenant of the session's own, if the session has the means to be asked about.
pub(super) fn app<'c>(
    case: &Case<'c>,
    credential: &Credential<'_>,
    session: &Session,
) -> Option<(ProviderId, &'c Provider)> {
    session.tokens.refresh.as_ref()?;
    let own = case.policy.providers.iter().find(|one| *one.name == *session.provider)?;
    let party = own.relying_party.as_ref().filter(|party| party.client == session.client)?;
    let tenant = party.tenant.as_ref().filter(|_| *own.issuer == *session.issuer)?;
    let ids = credential.providers().iter();
    let mut known = ids.filter_map(|id| Some((*id, case.policy.provider(*id)?)));
    known.find(|(_, provider)| {
        let theirs = provider.relying_party.as_ref().and_then(|party| party.tenant.as_ref());
        provider.issuer == own.issuer && theirs == Some(tenant)
    })
}

/// Whom the provider knows by `session` at this app.
///
/// The session's own times count, and nothing of what its own app knows: that one is asked when it is used again.
pub(super) fn open(
    case: &Case<'_>,
    policy: &SessionPolicy,
    (session, ticket): (&Arc<Session>, Option<Arc<Ticket>>),
    (id, provider): (ProviderId, &Provider),
    unrevoked: Unrevoked,
) -> Result<Caller, Failure> {
    let (session, update, until) = match session.life(&policy.limits, case.now) {
        Life::Over(ended) => return Err(over(ended).into()),
        Life::Good { until } => (Arc::clone(session), None, until),
        Life::Touch => {
            let touched = Arc::new(session.touched(&policy.limits, case.now));
            let session = Arc::clone(&touched);
            (touched, Some(SessionUpdate { session, ticket: ticket.clone() }), case.now)
        }
    };
    let question =
        Question::Verdict(VerdictQuestion { session: Arc::clone(&session), provider: id });
    let (claims, good) = match case.facts.answer(&question) {
        Some(Answer::Verdict(VerdictAnswer::Known { claims, until })) => (claims, *until),
        Some(Answer::Verdict(VerdictAnswer::Ended)) => {
            return Err(Reason::SessionNotRenewed.into());
        }
        Some(_) => return Err(Failure::Unavailable(Reason::SessionsUnavailable)),
        None => {
            let unanswered = Failure::Unavailable(Reason::Unanswered);
            return Err(ask(case.facts, question).unwrap_or(unanswered));
        }
    };
    let (claims, stored) = (Claims::clone(claims), ticket.is_some());
    let until = until.min(good);
    let found = Found { session, claims, update, until, stored, bytes: BYTES };
    found.caller(case, (id, provider), unrevoked)
}
