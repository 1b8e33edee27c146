//! Renewing sessions with their refresh tokens: one request to the provider for all who wait, its result for all who still
//! come with the old cookie.
//!
//! Renewal begins in the background before it is urgent; requests go on with the session they have. Only when its time is
//! over do they wait. A provider that is down ends no session: those whose time is over are told to come back.
//!
//! What has been renewed is remembered for as long as a browser may come back with the old cookie: its refresh token is used
//! up, and many providers take a second use for a theft
//! ([RFC 9700 §4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)).

use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use async_trait::async_trait;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::time::timeout;

use crate::base::time::Timestamp;
use crate::gate::RenewalAnswer;
use crate::remote::flight::{Boarding, Flights};
use crate::remote::sessions::{Hold, Sessions, StoreError, Turn, Written};
use crate::session::{Renewal, RevocationSet, Revoked, Session, SessionId, Ticket, Tokens};
use crate::telemetry::metrics::{RenewalResult, SessionMetrics};
use crate::token::Claims;

mod provider;
mod schedule;
mod tokens;

pub use provider::RenewalAtProvider;
pub use schedule::Schedule;
pub use tokens::RefreshRules;

/// How many sessions may be renewed at once: a provider that hangs holds no more of them up.
const FLIGHTS: usize = 512;

/// How long a request waits for a renewal that cannot be put off.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a provider may take. Longer than a request waits: a token that comes late is still the only good one.
const EXCHANGE: Duration = Duration::from_secs(20);

/// How long all of it may take: another's turn may have to run out first, and what came must be verified and stored.
const IN_ALL: Duration = Duration::from_secs(70);

/// What an entry of the memory costs beside its session, in bytes.
const ENTRY_OVERHEAD: usize = 256;

/// For how many sessions it is remembered that renewing them failed or ended them.
const TROUBLES: u64 = 100_000;

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Asks a session's provider for fresh tokens.
#[async_trait]
pub trait Renew: Send + Sync {
    /// Uses the session's refresh token. What comes back has been verified: it is of the same issuer and subject.
    ///
    /// # Errors
    /// [`RenewalFailure`]: the provider's refusal, or that it could not be asked.
    async fn refresh(&self, session: &Session, now: Timestamp)
    -> Result<Refreshed, RenewalFailure>;
}

/// What a provider gave.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The claims that the session shall have; `None` to leave those it has.
    pub claims: Option<Claims>,
    /// The new tokens; where there is none, the old one stays, save for the access token.
    pub tokens: Tokens,
    /// When to renew again; `None` for never.
    pub renewal: Option<Renewal>,
}

/// Why there are no fresh tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewalFailure {
    /// The session is over.
    #[error("the session is over: {}", .0.label())]
    Ended(EndReason),
    /// Nobody can tell yet.
    #[error("the provider cannot be asked: {0}")]
    Unavailable(String),
}

/// Why a renewal ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The provider spoke of somebody else, or what it gave is not to be trusted.
    Mismatch,
    /// The provider refuses the refresh token.
    Refused,
    /// It was ended meanwhile.
    Revoked,
}

impl EndReason {
    /// The word of the log and of metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Mismatch => "renewal_mismatch",
            Self::Refused => "renewal_refused",
            Self::Revoked => "revoked",
        }
    }
}

/// What became of the wish to renew.
#[derive(Clone, Debug)]
pub enum Renewed {
    /// The session is over.
    Ended(EndReason),
    /// This is the session now. Its cookie is to be written.
    Session(Arc<Session>),
    /// It must be renewed before it is used, and cannot be.
    Unavailable,
    /// It is being renewed, or will be; meanwhile it is good as it is.
    Underway,
}

impl From<Renewed> for RenewalAnswer {
    fn from(renewed: Renewed) -> Self {
        match renewed {
            Renewed::Ended(_) => Self::Ended,
            Renewed::Session(session) => Self::Renewed(session),
            Renewed::Unavailable => Self::Unavailable,
            Renewed::Underway => Self::Underway,
        }
    }
}

/// A session as it came in, and the ticket it came by if it is stored.
#[derive(Clone, Debug)]
pub struct Held {
    /// The session.
    pub session: Arc<Session>,
    /// Its ticket; `None` if the cookie holds the session itself.
    pub ticket: Option<Arc<Ticket>>,
}

/// By what a session is renewed: those of the configuration in force.
#[derive(Clone)]
pub struct RenewalMeans {
    /// Its provider.
    pub provider: Arc<dyn Renew>,
    /// Where sessions are kept.
    pub sessions: Arc<Sessions>,
}

/// Renews sessions. Belongs to the process: what it remembers outlives a reload.
pub struct Renewals {
    flights: Arc<Flights<SessionId, Outcome>>,
    memory: Cache<SessionId, Arc<Session>, RandomState>,
    troubles: Cache<SessionId, Outcome, RandomState>,
    revocations: Arc<RevocationSet>,
    metrics: SessionMetrics,
}

/// How the last renewal of a session ended.
#[derive(Clone)]
enum Outcome {
    Ended(EndReason),
    Failed { failures: u32, pause_ends: Timestamp },
    Renewed(Arc<Session>),
}

impl Renewals {
    /// Nothing renewed yet. Renewed sessions are remembered in at most `memory` bytes and for `remember`, which should be the
    /// idle time of sessions: nobody comes back later than that.
    pub fn new(
        memory: u64,
        remember: Duration,
        revocations: Arc<RevocationSet>,
        metrics: SessionMetrics,
    ) -> Arc<Self> {
        let memory = Cache::builder()
            .max_capacity(memory)
            .weigher(|_: &SessionId, session: &Arc<Session>| weight(session))
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(remember)
            .build_with_hasher(RandomState::new());
        let troubles = Cache::builder()
            .max_capacity(TROUBLES)
            .time_to_live(remember)
            .build_with_hasher(RandomState::new());
        Arc::new(Self { flights: Flights::new(FLIGHTS), memory, troubles, revocations, metrics })
    }

    /// Sees to it that a session which is due is renewed, and says what to go on with. Waits only when the renewal cannot be
    /// put off, and then at most five seconds.
    pub async fn renew(
        self: &Arc<Self>,
        means: &RenewalMeans,
        held: &Held,
        now: Timestamp,
    ) -> Renewed {
        let latest = self.latest(&held.session);
        if latest.renewals > held.session.renewals && !latest.is_due(now) {
            return Renewed::Session(latest);
        }
        let known = || self.known(&latest, now);
        let start = || Arc::clone(self).fly(means.clone(), latest_of(held, &latest), now);
        match self.flights.board(&latest.id, known, start) {
            Boarding::Known(outcome) => settled(Some(outcome), held, &latest, now),
            Boarding::UnderWay(landing) if latest.must_be_renewed(now) => {
                let outcome = timeout(PATIENCE, landing.wait()).await.ok().flatten();
                settled(outcome, held, &latest, now)
            }
            Boarding::Full | Boarding::UnderWay(_) => settled(None, held, &latest, now),
        }
    }

    /// The session as it was renewed last, if that is newer; with the longer of the idle times, since requests extend those of
    /// the old cookie too.
    pub(crate) fn latest(&self, session: &Arc<Session>) -> Arc<Session> {
        match self.memory.get(&session.id) {
            Some(newer) if newer.renewals > session.renewals => with_idle_of(newer, session),
            _ => Arc::clone(session),
        }
    }

    /// What need not be found out, or must not be yet.
    fn known(&self, latest: &Session, now: Timestamp) -> Option<Outcome> {
        let renewed = self.memory.get(&latest.id).filter(|newer| newer.renewals > latest.renewals);
        renewed
            .map(Outcome::Renewed)
            .or_else(|| self.troubles.get(&latest.id).filter(|trouble| trouble.lasts_at(now)))
    }

    async fn fly(self: Arc<Self>, means: RenewalMeans, held: Held, now: Timestamp) -> Outcome {
        let outcome = match timeout(IN_ALL, self.take_turn(&means, &held, now)).await {
            Ok(Ok(session)) => Outcome::Renewed(session),
            Ok(Err(RenewalFailure::Ended(reason))) => self.ended(&held.session, reason, now),
            Ok(Err(RenewalFailure::Unavailable(why))) => self.failed(&held.session, &why, now),
            Err(_) => self.failed(&held.session, "no answer in time", now),
        };
        self.metrics.renewal_attempted(outcome.result());
        self.remember(held.session.id, &outcome);
        outcome
    }

    /// What was renewed stays in memory whatever comes after it: its predecessors must not be used again.
    fn remember(&self, id: SessionId, outcome: &Outcome) {
        match outcome {
            Outcome::Renewed(session) => {
                self.memory.insert(id, Arc::clone(session));
                self.troubles.invalidate(&id);
            }
            Outcome::Ended(_) | Outcome::Failed { .. } => self.troubles.insert(id, outcome.clone()),
        }
    }

    /// Renews when it is this process's turn. Of several with one store, the others get what the first one stored.
    async fn take_turn(
        &self,
        means: &RenewalMeans,
        held: &Held,
        now: Timestamp,
    ) -> Result<Arc<Session>, RenewalFailure> {
        let (session, ticket) = (&held.session, held.ticket.as_deref());
        let turn = means.sessions.turn(session, ticket, now).await;
        match turn.map_err(|error| RenewalFailure::Unavailable(error.to_string()))? {
            Turn::Done(session) => Ok(session),
            Turn::Gone => Err(RenewalFailure::Ended(EndReason::Revoked)),
            Turn::Ours(hold) => match means.provider.refresh(session, now).await {
                Ok(refreshed) => {
                    let renewed = merged(session, refreshed);
                    self.keep(means, held, renewed, hold, now).await
                }
                Err(failure) => {
                    means.sessions.gave_up(session, hold).await;
                    Err(failure)
                }
            },
        }
    }

    async fn keep(
        &self,
        means: &RenewalMeans,
        held: &Held,
        session: Session,
        hold: Option<Hold>,
        now: Timestamp,
    ) -> Result<Arc<Session>, RenewalFailure> {
        if self.revocations.is_revoked(&session, now) {
            means.sessions.gave_up(&session, hold).await;
            return Err(RenewalFailure::Ended(EndReason::Revoked));
        }
        match means.sessions.renewed(&session, held.ticket.as_deref(), hold, now).await {
            // Where others will know it later, the memory has it.
            Ok(Written::Kept | Written::Later) => Ok(Arc::new(session)),
            Err(StoreError::Ended) => Err(RenewalFailure::Ended(EndReason::Revoked)),
            Err(error) => Err(RenewalFailure::Unavailable(error.to_string())),
        }
    }

    fn ended(&self, session: &Session, reason: EndReason, now: Timestamp) -> Outcome {
        tracing::info!(session = %session.id.alias(), reason = reason.label(), "a session ended at its renewal");
        self.revocations.revoke(&Revoked::Session(session.id), now, session.ends, now);
        Outcome::Ended(reason)
    }

    fn failed(&self, session: &Session, why: &str, now: Timestamp) -> Outcome {
        let before = match self.troubles.get(&session.id) {
            Some(Outcome::Failed { failures, .. }) => failures,
            _ => 0,
        };
        let pause = Duration::from_secs(1 << before.min(5)).min(LONGEST_PAUSE);
        tracing::warn!(session = %session.id.alias(), provider = %session.provider, why, "renewing failed");
        Outcome::Failed { failures: before.saturating_add(1), pause_ends: now + pause }
    }
}

impl Outcome {
    fn lasts_at(&self, now: Timestamp) -> bool {
        match self {
            Self::Failed { pause_ends, .. } => now < *pause_ends,
            Self::Ended(_) | Self::Renewed(_) => true,
        }
    }

    const fn result(&self) -> RenewalResult {
        match self {
            Self::Ended(_) => RenewalResult::Ended,
            Self::Failed { .. } => RenewalResult::Failed,
            Self::Renewed(_) => RenewalResult::Renewed,
        }
    }
}

fn weight(session: &Session) -> u32 {
    let bytes = session.encode().len() + size_of::<Session>() + ENTRY_OVERHEAD;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// What to go on with, as far as an outcome is known. Without one the old session does until its time is over.
fn settled(
    outcome: Option<Outcome>,
    held: &Held,
    latest: &Arc<Session>,
    now: Timestamp,
) -> Renewed {
    match outcome {
        Some(Outcome::Ended(reason)) => Renewed::Ended(reason),
        Some(Outcome::Renewed(session)) => Renewed::Session(with_idle_of(session, &held.session)),
        Some(Outcome::Failed { .. }) | None if latest.must_be_renewed(now) => Renewed::Unavailable,
        Some(Outcome::Failed { .. }) | None if latest.renewals > held.session.renewals => {
            Renewed::Session(Arc::clone(latest))
        }
        Some(Outcome::Failed { .. }) | None => Renewed::Underway,
    }
}

fn latest_of(held: &Held, latest: &Arc<Session>) -> Held {
    Held { session: Arc::clone(latest), ticket: held.ticket.clone() }
}

fn with_idle_of(newer: Arc<Session>, older: &Session) -> Arc<Session> {
    if newer.idle_until >= older.idle_until {
        return newer;
    }
    Arc::new(Session { idle_until: older.idle_until, ..(*newer).clone() })
}

/// The session with what the provider gave.
fn merged(session: &Session, refreshed: Refreshed) -> Session {
    let (old, new) = (session.tokens.clone(), refreshed.tokens);
    Session {
        claims: refreshed.claims.unwrap_or_else(|| session.claims.clone()),
        renewal: refreshed.renewal,
        tokens: Tokens {
            refresh: new.refresh.or(old.refresh),
            access: new.access,
            id: new.id.or(old.id),
        },
        renewals: session.renewals.saturating_add(1),
        ..session.clone()
    }
}

#[cfg(test)]
mod tests;
