//! Renewing a session once for all processes that share a store.
//!
//! Who takes the turn is given a number that only grows. What is written under an older number than the latest is refused, so that
//! a process that was asleep while its turn ran out does no harm. All others read what the first one wrote.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::base::time::Timestamp;
use crate::remote::sessions::redis::{Hold, Remote, Shelf, TURN, TURN_PAUSE, Taken};
use crate::remote::sessions::{Sessions, Store, StoreError, body};
use crate::session::{Session, Ticket};
use crate::telemetry::metrics::StoreOperation;

use super::error::result_of;

/// How long it is tried to store what was renewed, before the turn ends by itself.
const INSISTENCE: Duration = TURN.saturating_sub(Duration::from_secs(5));

/// The pause between two of these attempts.
const BREATH: Duration = Duration::from_millis(200);

/// Whether a process may renew a session.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Another has renewed it: this is it.
    Done(Arc<Session>),
    /// It is no more.
    Gone,
    /// This one may; it must give the turn back. Nothing, where nobody else could have it.
    Ours(Option<Hold>),
}

/// What became of a renewed session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Others find it.
    Kept,
    /// They will, as soon as the store answers; until then nobody else has the turn.
    Later,
}

impl Sessions {
    /// Takes the turn to renew `session` as this process has it, waiting for whoever has it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Unavailable`].
    pub(crate) async fn turn(
        &self,
        session: &Session,
        ticket: Option<&Ticket>,
        now: Timestamp,
    ) -> Result<Turn, StoreError> {
        let (remote, shelf) = match (&*self.store, ticket) {
            (Store::Memory(_), Some(ticket)) => {
                return self.turn_in_memory(session, ticket, now).await;
            }
            (Store::Redis(remote), Some(_)) => (remote, Shelf::Stored),
            (Store::Coordinated(_, remote), _) => (remote, Shelf::Renewed),
            (Store::Cookie(_) | Store::Memory(_) | Store::Redis(_), _) => {
                return Ok(Turn::Ours(None));
            }
        };
        let lives = now.until(session.ends).as_secs().max(1);
        loop {
            let started = Instant::now();
            let taken = remote.take_turn(session.id, shelf, lives).await;
            self.count(StoreOperation::Turn, result_of(&taken), started);
            let Taken { hold, exists, body } = taken?;
            if !exists {
                return Ok(Turn::Gone);
            }
            let newest = match body {
                Some(body) => Some(self.opened(&body, session, ticket)?),
                None => None,
            };
            match (newest.filter(|newest| newest.renewals > session.renewals), hold) {
                (Some(newest), hold) => {
                    if let Some(hold) = hold {
                        self.end_turn(remote, session, &hold).await;
                    }
                    return Ok(self.done(newest, now));
                }
                (None, Some(hold)) => return Ok(Turn::Ours(Some(hold))),
                (None, None) => sleep(TURN_PAUSE).await,
            }
        }
    }

    /// Takes in a session that was renewed, and gives the turn back: its cookie, if it holds it, is written with some later answer.
    /// A store that does not answer now is told later, and the turn kept that long: nobody may use the old refresh token.
    ///
    /// # Errors
    /// [`StoreError::Ended`], [`StoreError::Late`], [`StoreError::TooLarge`]: it must not be used.
    pub(crate) async fn renewed(
        self: &Arc<Self>,
        session: &Session,
        ticket: Option<&Ticket>,
        hold: Option<Hold>,
        now: Timestamp,
    ) -> Result<Written, StoreError> {
        match self.kept(session, ticket, hold.as_ref(), now).await {
            Ok(()) => {}
            Err(StoreError::Unavailable(error)) => {
                let session_alias = session.id.alias();
                tracing::warn!(
                    session = session_alias,
                    error,
                    "a renewed session could not be stored; it is tried again"
                );
                if let Some(hold) = hold {
                    let (sessions, session) = (Arc::clone(self), session.clone());
                    let ticket = ticket.cloned();
                    tokio::spawn(async move { sessions.insist(session, ticket, hold, now).await });
                }
                return Ok(Written::Later);
            }
            Err(error) => {
                self.gave_up(session, hold).await;
                return Err(error);
            }
        }
        self.gave_up(session, hold).await;
        Ok(Written::Kept)
    }

    /// Gives a turn back that came to nothing.
    pub(crate) async fn gave_up(&self, session: &Session, hold: Option<Hold>) {
        if let (Some(remote), Some(hold)) = (self.remote(), hold) {
            self.end_turn(remote, session, &hold).await;
        }
    }

    async fn kept(
        &self,
        session: &Session,
        ticket: Option<&Ticket>,
        hold: Option<&Hold>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match (&*self.store, ticket) {
            (Store::Cookie(beside), _) => {
                beside.keep(session);
                Ok(())
            }
            (Store::Coordinated(beside, remote), _) => {
                beside.keep(session);
                let sealed = body::seal_renewed(session, &self.keys)?;
                remote.put((session, Shelf::Renewed), &sealed, now, hold).await
            }
            (Store::Memory(_) | Store::Redis(_), Some(ticket)) => {
                self.write(session, ticket, now, hold).await
            }
            (Store::Memory(_) | Store::Redis(_), None) => Ok(()),
        }
    }

    async fn insist(
        self: Arc<Self>,
        session: Session,
        ticket: Option<Ticket>,
        hold: Hold,
        now: Timestamp,
    ) {
        let begun = Instant::now();
        while begun.elapsed() < INSISTENCE {
            sleep(BREATH).await;
            let now = now + begun.elapsed();
            match self.kept(&session, ticket.as_ref(), Some(&hold), now).await {
                Err(StoreError::Unavailable(_)) => {}
                _ => return self.gave_up(&session, Some(hold)).await,
            }
        }
        let session = session.id.alias();
        tracing::error!(
            session,
            "a renewed session could not be stored; other replicas do not know it"
        );
    }

    /// One process, and within it one flight for each session.
    async fn turn_in_memory(
        &self,
        session: &Session,
        ticket: &Ticket,
        now: Timestamp,
    ) -> Result<Turn, StoreError> {
        Ok(match self.load(ticket, now).await? {
            Some(newest) if newest.renewals > session.renewals => Turn::Done(Arc::new(newest)),
            Some(_) => Turn::Ours(None),
            None => Turn::Gone,
        })
    }

    fn opened(
        &self,
        sealed: &[u8],
        session: &Session,
        ticket: Option<&Ticket>,
    ) -> Result<Session, StoreError> {
        match ticket {
            Some(ticket) => body::open(sealed, ticket),
            None => body::open_renewed(sealed, session.id, &self.keys),
        }
    }

    fn done(&self, newest: Session, now: Timestamp) -> Turn {
        if now >= newest.ends || self.revocations.is_revoked(&newest, now) {
            return Turn::Gone;
        }
        if let Store::Coordinated(beside, _) = &*self.store {
            beside.keep(&newest);
        }
        Turn::Done(Arc::new(newest))
    }

    async fn end_turn(&self, remote: &Remote, session: &Session, hold: &Hold) {
        // It ends by itself, a little later.
        let _ = remote.end_turn(session.id, hold).await;
    }
}
