//! Sessions of our own: from the value of their cookie to a caller.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::base::time::Timestamp;
use crate::gate::authenticate::{Case, Failure, ask};
use crate::gate::caller::{Basis, Caller, SessionBasis, SessionUpdate, Verified};
use crate::gate::credential::Credential;
use crate::gate::facts::ProviderId;
use crate::gate::policy::{Provider, SessionPolicy, SessionsKept};
use crate::gate::question::{
    Answer, Question, RenewalAnswer, RenewalQuestion, SessionAnswer, SessionQuestion,
};
use crate::gate::reason::Reason;
use crate::gate::shared;
use crate::identity::Identity;
use crate::session::{
    Ended, Life, OpenError, Purpose, RevocationSet, Session, SessionError, Ticket,
};
use crate::token::{Claims, Confirmation};

/// How long a session that is in a store is not looked up again: another replica may have ended it meanwhile. Of time in whole
/// seconds this is between none and one.
const STORED_RECHECK: Duration = Duration::from_secs(1);

/// About what a stored session takes, in bytes: its cookie does not tell.
const STORED_BYTES: usize = 2048;

/// A session that counts now.
struct Current {
    session: Arc<Session>,
    /// Whether it differs from what the browser or the store has.
    changed: bool,
    /// Until when the answer stays the same.
    until: Timestamp,
}

/// The caller whose session's cookie is `credential`.
///
/// The order is: does it open, does it count here, does it live, can it go on. A session that cannot be judged for want of
/// a store or of its provider is unavailable, never over: nobody is signed out by an outage.
pub(super) fn open(case: &Case<'_>, credential: &Credential<'_>) -> Result<Caller, Failure> {
    let unavailable = Failure::Unavailable(Reason::SessionsUnavailable);
    let policy = case.policy.sessions.as_ref().ok_or(Reason::SessionMalformed)?;
    let revoked = case.facts.revoked().ok_or(unavailable)?;
    // Read first: what is revoked from here on is looked up again by the next request.
    let epoch = revoked.epoch();
    let (session, ticket) = read(case, policy, credential)?;
    let counted = match provider(case, credential, &session) {
        Ok(counted) => counted,
        Err(foreign) => {
            let counted = shared::app(case, credential, &session).ok_or(foreign)?;
            let unrevoked = Unrevoked::at(revoked, &session, (epoch, case.now))?;
            return shared::open(case, policy, (&session, ticket), counted, unrevoked);
        }
    };
    let unrevoked = Unrevoked::at(revoked, &session, (epoch, case.now))?;
    let current = current(case, policy, (session, ticket.as_ref()))?;
    provider(case, credential, &current.session)?;
    let update = current
        .changed
        .then(|| SessionUpdate { session: Arc::clone(&current.session), ticket: ticket.clone() });
    let claims = current.session.claims.clone();
    let stored = ticket.is_some();
    let bytes = if stored { STORED_BYTES } else { credential.token().len() };
    let found =
        Found { session: current.session, claims, update, until: current.until, stored, bytes };
    found.caller(case, counted, unrevoked)
}

/// That a session was not ended, as of an epoch of what was.
pub(super) struct Unrevoked(u64);

impl Unrevoked {
    fn at(
        revoked: &RevocationSet,
        session: &Session,
        (epoch, now): (u64, Timestamp),
    ) -> Result<Self, Reason> {
        if revoked.is_revoked(session, now) { Err(Reason::SessionRevoked) } else { Ok(Self(epoch)) }
    }
}

/// Where the request's session cookie counts: for its host, or for all hosts of a domain.
pub(super) fn scope<'c>(case: &Case<'c>) -> Option<&'c str> {
    let sessions = case.policy.sessions.as_ref()?;
    let host = case.request.authority.host();
    Some(sessions.cookie(case.request.scheme, host).context(Purpose::Session, host).scope)
}

/// The session as the browser or the store has it.
fn read(
    case: &Case<'_>,
    policy: &SessionPolicy,
    credential: &Credential<'_>,
) -> Result<(Arc<Session>, Option<Arc<Ticket>>), Failure> {
    let host = case.request.authority.host();
    let cookie = policy.cookie(case.request.scheme, host);
    match policy.kept {
        SessionsKept::InCookie => {
            let session = Session::open(&policy.keys, cookie, host, credential.token());
            Ok((Arc::new(session.map_err(|error| unreadable(&error))?), None))
        }
        SessionsKept::InStore => {
            let ticket = Ticket::open(&policy.keys, cookie, host, credential.token());
            let ticket = Arc::new(ticket.map_err(|error| unreadable(&error))?);
            Ok((stored(case, &ticket)?, Some(ticket)))
        }
    }
}

const fn unreadable(error: &SessionError) -> Reason {
    match error {
        SessionError::Open(OpenError::UnknownKey) => Reason::SessionKeyUnknown,
        SessionError::Open(_) | SessionError::Decode(_) => Reason::SessionMalformed,
    }
}

fn stored(case: &Case<'_>, ticket: &Arc<Ticket>) -> Result<Arc<Session>, Failure> {
    let question = Question::Session(SessionQuestion { ticket: Arc::clone(ticket) });
    match case.facts.answer(&question) {
        Some(Answer::Session(SessionAnswer::Found(session))) if session.id == ticket.id => {
            Ok(Arc::clone(session))
        }
        Some(Answer::Session(SessionAnswer::Found(_))) => Err(Reason::SessionMalformed.into()),
        Some(Answer::Session(SessionAnswer::Gone)) => Err(Reason::SessionUnknown.into()),
        Some(_) => Err(Failure::Unavailable(Reason::SessionsUnavailable)),
        None => {
            let unanswered = Failure::Unavailable(Reason::Unanswered);
            Err(ask(case.facts, question).unwrap_or(unanswered))
        }
    }
}

/// The provider the session is of, if provider, issuer and client are still those it was made for, and count here.
fn provider<'c>(
    case: &Case<'c>,
    credential: &Credential<'_>,
    session: &Session,
) -> Result<(ProviderId, &'c Provider), Reason> {
    let ids = credential.providers().iter();
    let mut known = ids.filter_map(|id| Some((*id, case.policy.provider(*id)?)));
    let same = |(_, provider): &(ProviderId, &Provider)| {
        let party = provider.relying_party.as_ref();
        *provider.name == *session.provider
            && *provider.issuer == *session.issuer
            && party.is_some_and(|party| party.client == session.client)
    };
    known.find(same).ok_or(Reason::SessionForeign)
}

/// The session as it is to go on from now.
fn current(
    case: &Case<'_>,
    policy: &SessionPolicy,
    (session, ticket): (Arc<Session>, Option<&Arc<Ticket>>),
) -> Result<Current, Failure> {
    if let Life::Over(ended) = session.life(&policy.limits, case.now) {
        return Err(over(ended).into());
    }
    let renewed = if session.is_due(case.now) { renewed(case, &session, ticket)? } else { None };
    let due = session.is_due(case.now) && renewed.is_none();
    let changed = renewed.is_some();
    let session = renewed.unwrap_or(session);
    match session.life(&policy.limits, case.now) {
        Life::Over(ended) => Err(over(ended).into()),
        Life::Good { until } => {
            let until = if changed || due { case.now } else { until };
            Ok(Current { session, changed, until })
        }
        Life::Touch => {
            let session = Arc::new(session.touched(&policy.limits, case.now));
            Ok(Current { session, changed: true, until: case.now })
        }
    }
}

pub(super) const fn over(ended: Ended) -> Reason {
    match ended {
        Ended::Absolute => Reason::SessionExpired,
        Ended::Idle => Reason::SessionIdle,
        Ended::NotRenewed => Reason::SessionNotRenewed,
    }
}

/// The renewed session, if there is one already. Until it must be renewed, the old one does.
fn renewed(
    case: &Case<'_>,
    session: &Arc<Session>,
    ticket: Option<&Arc<Ticket>>,
) -> Result<Option<Arc<Session>>, Failure> {
    let question = RenewalQuestion { session: Arc::clone(session), ticket: ticket.cloned() };
    let question = Question::Renewal(question);
    match case.facts.answer(&question) {
        Some(Answer::Renewal(RenewalAnswer::Renewed(renewed))) if same(renewed, session) => {
            Ok(Some(Arc::clone(renewed)))
        }
        Some(Answer::Renewal(RenewalAnswer::Ended | RenewalAnswer::Renewed(_))) => {
            Err(Reason::SessionNotRenewed.into())
        }
        Some(_) if session.must_be_renewed(case.now) => {
            Err(Failure::Unavailable(Reason::SessionsUnavailable))
        }
        Some(_) => Ok(None),
        None => {
            let unanswered = Failure::Unavailable(Reason::Unanswered);
            Err(ask(case.facts, question).unwrap_or(unanswered))
        }
    }
}

/// A renewal changes neither whose session it is nor when it began.
fn same(renewed: &Session, session: &Session) -> bool {
    renewed.id == session.id
        && renewed.issuer == session.issuer
        && renewed.subject == session.subject
        && renewed.started == session.started
}

/// A session that counts, and what it says here.
pub(super) struct Found {
    pub(super) session: Arc<Session>,
    pub(super) claims: Claims,
    pub(super) update: Option<SessionUpdate>,
    /// Until when the answer stays the same.
    pub(super) until: Timestamp,
    pub(super) stored: bool,
    /// About what it takes, in bytes.
    pub(super) bytes: usize,
}

impl Found {
    /// The caller, as `provider` knows them.
    pub(super) fn caller(
        self,
        case: &Case<'_>,
        (id, provider): (ProviderId, &Provider),
        Unrevoked(epoch): Unrevoked,
    ) -> Result<Caller, Failure> {
        let Self { session, claims, update, until, stored, bytes } = self;
        let issuer = Arc::clone(&provider.issuer);
        let identity = Identity::new(issuer, claims, &provider.claims, session.idle_until)
            .map_err(|_| Reason::NoIdentity)?;
        let remembered = case.policy.max_remembered;
        let remembered = if stored { remembered.min(STORED_RECHECK) } else { remembered };
        let basis = SessionBasis {
            session,
            scheme: case.request.scheme,
            scope: Box::from(scope(case).unwrap_or_default()),
            epoch: AtomicU64::new(epoch),
            update,
        };
        let verified = Verified {
            identity,
            provider: id,
            basis: Basis::Session(basis),
            confirmation: Confirmation::default(),
            usable_until: until.min(case.now + remembered),
            token_bytes: bytes,
        };
        Ok(Caller::new(verified, usize::from(case.policy.plans)))
    }
}
