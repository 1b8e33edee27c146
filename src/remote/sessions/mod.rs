//! Where sessions are kept: in their cookies, in this process, or in Redis. All three behave alike towards those who use them.
//!
//! With a store the cookie is a ticket: the session's name and the key that its body is sealed under. Whoever reads the store
//! reads no session, and whoever guesses a name has no key. A store that is down is an error and never an absent session: nobody
//! is signed out because of it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::base::time::Timestamp;
use crate::clock::Clock;
use crate::session::{
    CookieSpec, RevocationSet, Revoked, SealingKeys, Session, SessionId, Ticket, Tokens,
};
use crate::telemetry::metrics::{SessionMetrics, StoreOperation, StoreResult};

mod body;
mod cookie;
mod journal;
mod memory;
mod record;
mod redis;

pub use journal::{Journal, JournalError};
pub use redis::{RedisAddress, RedisSettings, RedisSettingsError};

use cookie::Beside;
use memory::Shelf;
use record::Record;
use redis::Remote;

/// The largest session that a store takes, in bytes: far more than one whose claims were chosen.
const MAX_BODY: usize = 256 << 10;

/// How often it is looked for what other processes have ended.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Where the value that is being made will be kept.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Which cookie.
    pub spec: &'a CookieSpec,
    /// The host that the browser spoke to.
    pub host: &'a str,
}

/// Where sessions are kept.
#[derive(Clone, Debug)]
pub enum StoreSettings {
    /// In their cookies.
    Cookie,
    /// In this process, in at most so many bytes. A restart ends them all.
    Memory(u64),
    /// In Redis, or what speaks like it.
    Redis(RedisSettings),
}

/// Why an operation did not come about.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What is stored under the ticket was changed, or was written by a version we do not know.
    #[error("the stored session is damaged")]
    Damaged,
    /// The session, its login or its person was signed out before.
    #[error("the session was ended before it was stored")]
    Ended,
    /// The session is too large.
    #[error(
        "the session takes {0} bytes, more than the {MAX_BODY} that are stored; keep fewer claims"
    )]
    TooLarge(usize),
    /// The store cannot be asked. Says nothing about the session.
    #[error("the session store is not available: {0}")]
    Unavailable(String),
}

/// Whether a process may renew a session.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Another has renewed it: this is it.
    Done(Arc<Session>),
    /// It is no more.
    Gone,
    /// This one may; it must give the turn back.
    Ours,
}

/// The sessions of one process. Belongs to it for as long as its settings stay the same.
pub struct Sessions {
    store: Arc<Store>,
    keys: SealingKeys,
    revocations: Arc<RevocationSet>,
    journal: Option<Arc<Journal>>,
    metrics: SessionMetrics,
}

enum Store {
    Cookie(Beside),
    Memory(Shelf),
    Redis(Remote),
}

impl Sessions {
    /// Sessions kept as `settings` say, sealed with `keys`. What is ended is written to the `journal` too. Connects to nothing
    /// yet; must be called on a tokio runtime.
    ///
    /// # Errors
    /// Settings of a store that cannot be reached by any means.
    pub fn new(
        settings: &StoreSettings,
        keys: SealingKeys,
        revocations: Arc<RevocationSet>,
        journal: Option<Arc<Journal>>,
        metrics: SessionMetrics,
    ) -> Result<Self, RedisSettingsError> {
        let store = match settings {
            StoreSettings::Cookie => Store::Cookie(Beside::new()),
            StoreSettings::Memory(bytes) => Store::Memory(Shelf::new(*bytes)),
            StoreSettings::Redis(settings) => Store::Redis(Remote::new(settings)?),
        };
        Ok(Self { store: Arc::new(store), keys, revocations, journal, metrics })
    }

    /// The same sessions under new `keys`, if `settings` keep them in the same place of this process; otherwise as
    /// [`Self::new`].
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn reconfigured(
        &self,
        settings: &StoreSettings,
        keys: SealingKeys,
    ) -> Result<Self, RedisSettingsError> {
        let (revocations, journal) = (Arc::clone(&self.revocations), self.journal.clone());
        let metrics = self.metrics.clone();
        let same = match (settings, &*self.store) {
            (StoreSettings::Cookie, Store::Cookie(_)) => true,
            (StoreSettings::Memory(bytes), Store::Memory(shelf)) => shelf.room() == *bytes,
            _ => false,
        };
        if same {
            let store = Arc::clone(&self.store);
            return Ok(Self { store, keys, revocations, journal, metrics });
        }
        Self::new(settings, keys, revocations, journal, metrics)
    }

    /// Whether cookies are tickets.
    pub fn are_stored(&self) -> bool {
        !matches!(*self.store, Store::Cookie(_))
    }

    /// A ticket for a session that is to be stored; none where sessions are in their cookies.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] without random bytes.
    pub fn new_ticket(&self, id: SessionId) -> Result<Option<Ticket>, StoreError> {
        if self.are_stored() { body::new_ticket(id).map(Some) } else { Ok(None) }
    }

    /// Whether this is the first use of `name` in all processes that share the store, within `window`. Without a store that others
    /// share this process alone knows, and whoever asks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nobody can tell.
    pub async fn use_once(&self, name: &[u8; 16], window: Duration) -> Result<bool, StoreError> {
        match &*self.store {
            Store::Cookie(_) | Store::Memory(_) => Ok(true),
            Store::Redis(remote) => remote.use_once(name, window).await,
        }
    }

    /// Writes the session, under its ticket if it has one, and returns what its cookie shall hold. A stored session that has
    /// been renewed more often than this one stays as it is.
    ///
    /// # Errors
    /// [`StoreError`]. [`StoreError::Ended`] if it must not be: a sign-out came first.
    pub async fn save(
        &self,
        session: &Session,
        ticket: Option<&Ticket>,
        place: Place<'_>,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        if self.revocations.is_revoked(session, now) {
            return Err(StoreError::Ended);
        }
        let ticket = match (&*self.store, ticket) {
            (Store::Cookie(beside), _) => {
                beside.keep(session);
                let plain = cookie::without_bulk(session);
                return Ok(plain.seal(&self.keys, place.spec, place.host, body::nonce()?));
            }
            (_, Some(ticket)) => ticket.clone(),
            (_, None) => body::new_ticket(session.id)?,
        };
        self.write(session, &ticket, now).await?;
        Ok(ticket.seal(&self.keys, place.spec, place.host, body::nonce()?))
    }

    /// Takes in a session that was renewed: its cookie, if it holds it, is written with some later answer.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub async fn renewed(
        &self,
        session: &Session,
        ticket: Option<&Ticket>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match (&*self.store, ticket) {
            (Store::Cookie(beside), _) => {
                beside.keep(session);
                Ok(())
            }
            (_, Some(ticket)) => self.write(session, ticket, now).await,
            (_, None) => Ok(()),
        }
    }

    /// The session that the ticket leads to; `None` if there is none, or no more.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Unavailable`].
    pub async fn load(
        &self,
        ticket: &Ticket,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let started = Instant::now();
        let outcome = self.read(ticket, now).await;
        self.count(StoreOperation::Load, result_of_load(&outcome), started);
        outcome
    }

    /// Ends a session, all of a login, or all of a person: those that started at `at` or before. Also those that have not been
    /// stored yet. Remembered until `keep_until`, which should be the latest end of any session.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: this process knows, but the store does not.
    pub async fn end(
        &self,
        what: &Revoked,
        at: Timestamp,
        keep_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let started = Instant::now();
        self.revocations.revoke(what, at, keep_until, now);
        self.metrics.revocations_held(&self.revocations);
        if let Some(journal) = &self.journal {
            journal.write(Record { what: what.clone(), at, keep_until });
        }
        let outcome = match &*self.store {
            Store::Cookie(beside) => {
                beside.forget(what);
                Ok(())
            }
            Store::Memory(shelf) => {
                shelf.end(what, at);
                Ok(())
            }
            Store::Redis(remote) => remote.end(what, at, keep_until, now).await,
        };
        self.count(StoreOperation::End, result_of(&outcome), started);
        outcome
    }

    /// The provider's tokens of the session, as far as they are known: for a hint at sign-out, and to be revoked.
    pub fn tokens(&self, session: &Session) -> Tokens {
        match &*self.store {
            Store::Cookie(beside) => beside.tokens(session),
            Store::Memory(_) | Store::Redis(_) => session.tokens.clone(),
        }
    }

    /// Takes the turn to renew a stored session which has been renewed `renewals` times, waiting for whoever has it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Unavailable`].
    pub(crate) async fn turn(
        &self,
        ticket: &Ticket,
        renewals: u32,
        now: Timestamp,
    ) -> Result<Turn, StoreError> {
        loop {
            let ours = match &*self.store {
                Store::Cookie(_) => return Ok(Turn::Ours),
                // One process, and within it one flight for each session.
                Store::Memory(_) => true,
                Store::Redis(remote) => remote.take_turn(ticket.id).await?,
            };
            match self.load(ticket, now).await? {
                Some(session) if session.renewals > renewals => {
                    if ours {
                        self.end_turn(ticket).await;
                    }
                    return Ok(Turn::Done(Arc::new(session)));
                }
                None => return Ok(Turn::Gone),
                Some(_) if ours => return Ok(Turn::Ours),
                Some(_) => tokio::time::sleep(redis::TURN_PAUSE).await,
            }
        }
    }

    /// Gives the turn back. If that fails, it ends by itself.
    pub(crate) async fn end_turn(&self, ticket: &Ticket) {
        if let Store::Redis(remote) = &*self.store {
            // It ends by itself, a little later.
            let _ = remote.end_turn(ticket.id).await;
        }
    }

    /// Whether the store answers; `Ok` where there is nothing to ask.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with what is wrong.
    pub async fn check(&self) -> Result<(), StoreError> {
        match &*self.store {
            Store::Cookie(_) | Store::Memory(_) => Ok(()),
            Store::Redis(remote) => remote.ping().await,
        }
    }

    /// Learns what other processes with the same store have ended since `from`, and says where to go on. Zero is the beginning.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: to be tried again from the same place.
    pub async fn catch_up(&self, from: u64, now: Timestamp) -> Result<u64, StoreError> {
        let Store::Redis(remote) = &*self.store else { return Ok(from) };
        let news = remote.news(from).await?;
        for Record { what, at, keep_until } in &news.records {
            self.revocations.revoke(what, *at, *keep_until, now);
        }
        self.metrics.revocations_held(&self.revocations);
        Ok(news.next)
    }

    /// Goes on learning what other processes end, every second, as long as the sessions are in use. Only processes that share
    /// a store have others.
    pub async fn follow(sessions: Weak<Self>, clock: Clock) {
        let (mut from, mut rounds) = (0, tokio::time::interval(CATCH_UP));
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            let Some(sessions) = sessions.upgrade().filter(|sessions| sessions.are_shared()) else {
                return;
            };
            match sessions.catch_up(from, clock.now()).await {
                Ok(next) => from = next,
                Err(error) => tracing::warn!(%error, "what other processes end is not heard of"),
            }
        }
    }

    /// Waits until what was ended is in its file, if there is one.
    pub async fn flush(&self) {
        if let Some(journal) = &self.journal {
            journal.flush().await;
        }
    }

    fn are_shared(&self) -> bool {
        matches!(*self.store, Store::Redis(_))
    }

    async fn write(
        &self,
        session: &Session,
        ticket: &Ticket,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let started = Instant::now();
        let outcome = match (&*self.store, body::seal(session, ticket)) {
            (_, Err(error)) => Err(error),
            (Store::Cookie(_), Ok(_)) => Ok(()),
            (Store::Memory(shelf), Ok(sealed)) => {
                shelf.put(session, sealed, now);
                Ok(())
            }
            (Store::Redis(remote), Ok(sealed)) => remote.put(session, &sealed, now).await,
        };
        self.count(StoreOperation::Save, result_of(&outcome), started);
        outcome
    }

    async fn read(&self, ticket: &Ticket, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let sealed = match &*self.store {
            Store::Cookie(_) => None,
            Store::Memory(shelf) => shelf.find(ticket.id),
            Store::Redis(remote) => remote.find(ticket.id).await?,
        };
        let Some(sealed) = sealed else { return Ok(None) };
        let session = body::open(&sealed, ticket)?;
        let lives = now < session.ends && !self.revocations.is_revoked(&session, now);
        Ok(lives.then_some(session))
    }

    fn count(&self, operation: StoreOperation, result: StoreResult, started: Instant) {
        self.metrics.stored(self.label(), operation, result, started.elapsed());
    }

    fn label(&self) -> &'static str {
        match *self.store {
            Store::Cookie(_) => "cookie",
            Store::Memory(_) => "memory",
            Store::Redis(_) => "redis",
        }
    }
}

const fn result_of_load(outcome: &Result<Option<Session>, StoreError>) -> StoreResult {
    match outcome {
        Ok(Some(_)) => StoreResult::Ok,
        Ok(None) => StoreResult::Missing,
        Err(error) => result_of_error(error),
    }
}

const fn result_of(outcome: &Result<(), StoreError>) -> StoreResult {
    match outcome {
        Ok(()) => StoreResult::Ok,
        Err(error) => result_of_error(error),
    }
}

const fn result_of_error(error: &StoreError) -> StoreResult {
    match error {
        StoreError::Damaged | StoreError::TooLarge(_) => StoreResult::Damaged,
        StoreError::Ended => StoreResult::Ended,
        StoreError::Unavailable(_) => StoreResult::Unavailable,
    }
}

#[cfg(test)]
mod tests;
