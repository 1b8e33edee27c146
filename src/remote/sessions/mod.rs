//! Where sessions are kept: in their cookies, in this process, or in Redis. All three behave alike towards those who use them.
//!
//! With a store the cookie is a ticket: the session's name and the key that its body is sealed under. Whoever reads the store
//! reads no session, and whoever guesses a name has no key. A store that is down is an error and never an absent session: nobody
//! is signed out because of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::time::Instant;

use crate::base::time::Timestamp;
use crate::remote::flight::{Boarding, Flights};
use crate::session::{
    CookieSpec, RevocationSet, Revoked, SealingKeys, Session, SessionId, Ticket, Tokens,
};
use crate::telemetry::metrics::{SessionMetrics, StoreOperation, StoreResult};

mod body;
mod cookie;
mod error;
mod journal;
mod memory;
mod owed;
mod people;
mod record;
mod redis;
mod replicas;
mod turns;

pub use error::StoreError;
pub use journal::{Journal, JournalError};
pub use people::{Known, ListError};
pub(crate) use redis::Hold;
pub use redis::{
    ClientIdentity, Readiness, RedisAddress, RedisSettings, RedisSettingsError, Sentinels, Topology,
};
pub(crate) use turns::{Turn, Written};

use cookie::Beside;
use error::{result_of, result_of_load};
use memory::Shelf;
use owed::Owed;
use record::Record;
use redis::Remote;

/// The largest session that a store takes, in bytes: far more than one whose claims were chosen.
const MAX_BODY: usize = 256 << 10;

/// How many look-ups may be under way at once.
const LOADS: usize = 100_000;

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
    /// In their cookies; what replicas must agree on is in Redis: renewals, what was ended, what was used.
    Coordinated(RedisSettings),
    /// In this process, in at most so many bytes. A restart ends them all.
    Memory(u64),
    /// In Redis, or what speaks like it.
    Redis(RedisSettings),
}

/// The sessions of one process. Belongs to it for as long as its settings stay the same.
pub struct Sessions {
    store: Arc<Store>,
    keys: SealingKeys,
    revocations: Arc<RevocationSet>,
    journal: Option<Arc<Journal>>,
    metrics: SessionMetrics,
    /// What was ended here, as far as others may not know of it.
    owed: Arc<Owed>,
    /// Whether it is known what the others ended.
    caught_up: Arc<AtomicBool>,
    /// The look-ups under way, by their tickets.
    loads: Arc<Flights<[u8; 32], Loaded>>,
}

type Loaded = Result<Option<Arc<Session>>, StoreError>;

enum Store {
    Coordinated(Beside, Remote),
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
        let remote = |settings| Remote::new(settings, metrics.clone());
        let store = match settings {
            StoreSettings::Cookie => Store::Cookie(Beside::new()),
            StoreSettings::Coordinated(redis) => Store::Coordinated(Beside::new(), remote(redis)?),
            StoreSettings::Memory(bytes) => Store::Memory(Shelf::new(*bytes)),
            StoreSettings::Redis(redis) => Store::Redis(remote(redis)?),
        };
        // A stored session is looked up, so that what others ended is found out by itself.
        let caught_up = !matches!(store, Store::Coordinated(..));
        Ok(Self {
            store: Arc::new(store),
            keys,
            revocations,
            journal,
            metrics,
            owed: Arc::default(),
            caught_up: Arc::new(AtomicBool::new(caught_up)),
            loads: Flights::new(LOADS),
        })
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
        let same = match (settings, &*self.store) {
            (StoreSettings::Cookie, Store::Cookie(_)) => true,
            (StoreSettings::Memory(bytes), Store::Memory(shelf)) => shelf.room() == *bytes,
            _ => false,
        };
        let (revocations, journal) = (Arc::clone(&self.revocations), self.journal.clone());
        let metrics = self.metrics.clone();
        let new = Self::new(settings, keys, revocations, journal, metrics)?;
        let store = if same { Arc::clone(&self.store) } else { Arc::clone(&new.store) };
        // What others ended is remembered by the process, not by the store.
        let goes_on = matches!(*self.store, Store::Coordinated(..));
        let caught_up = Arc::clone(if goes_on { &self.caught_up } else { &new.caught_up });
        Ok(Self { store, caught_up, owed: Arc::clone(&self.owed), ..new })
    }

    /// Whether cookies are tickets.
    pub fn are_stored(&self) -> bool {
        !matches!(*self.store, Store::Cookie(_) | Store::Coordinated(..))
    }

    /// A ticket for a session that is to be stored; none where sessions are in their cookies.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] without random bytes.
    pub fn new_ticket(&self, id: SessionId) -> Result<Option<Ticket>, StoreError> {
        if self.are_stored() { body::new_ticket(id).map(Some) } else { Ok(None) }
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
            (Store::Cookie(beside) | Store::Coordinated(beside, _), _) => {
                beside.keep(session);
                let plain = cookie::without_bulk(session);
                return Ok(plain.seal(&self.keys, place.spec, place.host, body::nonce()?));
            }
            (_, Some(ticket)) => ticket.clone(),
            (_, None) => body::new_ticket(session.id)?,
        };
        self.write(session, &ticket, now, None).await?;
        Ok(ticket.seal(&self.keys, place.spec, place.host, body::nonce()?))
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

    /// As [`Self::load`], with one look-up for all who want the same at once: what it finds may be as old as it takes.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn load_together(
        self: &Arc<Self>,
        ticket: &Arc<Ticket>,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, StoreError> {
        if self.remote().is_none() {
            return Ok(self.load(ticket, now).await?.map(Arc::new));
        }
        let look = || {
            let (sessions, ticket) = (Arc::clone(self), Arc::clone(ticket));
            async move { Ok(sessions.load(&ticket, now).await?.map(Arc::new)) }
        };
        match self.loads.board(&body::digest(ticket), || None, look) {
            Boarding::Known(found) => found,
            Boarding::Full => Err(StoreError::Unavailable("too many look-ups at once".to_owned())),
            Boarding::UnderWay(landing) => {
                let crashed = || Err(StoreError::Unavailable("the look-up crashed".to_owned()));
                landing.wait().await.unwrap_or_else(crashed)
            }
        }
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
            Store::Coordinated(beside, remote) => {
                beside.forget(what);
                remote.end(what, at, keep_until, now).await
            }
            Store::Redis(remote) => remote.end(what, at, keep_until, now).await,
        };
        let record = Record { what: what.clone(), at, keep_until };
        match (&outcome, self.remote()) {
            (Ok(()), Some(_)) => self.owed.told(record),
            (Err(_), Some(_)) => self.owed.owe(record),
            (_, None) => {}
        }
        self.count(StoreOperation::End, result_of(&outcome), started);
        outcome
    }

    /// The provider's tokens of the session, as far as they are known: for a hint at sign-out, and to be revoked.
    pub fn tokens(&self, session: &Session) -> Tokens {
        match &*self.store {
            Store::Cookie(beside) | Store::Coordinated(beside, _) => beside.tokens(session),
            Store::Memory(_) | Store::Redis(_) => session.tokens.clone(),
        }
    }

    /// Whether the store answers; `Ok` where there is nothing to ask.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with what is wrong.
    pub async fn check(&self) -> Result<(), StoreError> {
        match &*self.store {
            Store::Cookie(_) | Store::Memory(_) => Ok(()),
            Store::Coordinated(_, remote) | Store::Redis(remote) => remote.ping().await,
        }
    }

    /// Waits until what was ended is in its file, if there is one.
    pub async fn flush(&self) {
        if let Some(journal) = &self.journal {
            journal.flush().await;
        }
    }

    /// The store that others share, if there is one.
    fn remote(&self) -> Option<&Remote> {
        match &*self.store {
            Store::Cookie(_) | Store::Memory(_) => None,
            Store::Coordinated(_, remote) | Store::Redis(remote) => Some(remote),
        }
    }

    async fn write(
        &self,
        session: &Session,
        ticket: &Ticket,
        now: Timestamp,
        hold: Option<&Hold>,
    ) -> Result<(), StoreError> {
        let started = Instant::now();
        let outcome = match (&*self.store, body::seal(session, ticket)) {
            (_, Err(error)) => Err(error),
            (Store::Cookie(_) | Store::Coordinated(..), Ok(_)) => Ok(()),
            (Store::Memory(shelf), Ok(sealed)) => {
                shelf.put(session, sealed, now);
                Ok(())
            }
            (Store::Redis(remote), Ok(sealed)) => {
                remote.put((session, redis::Shelf::Stored), &sealed, now, hold).await
            }
        };
        self.count(StoreOperation::Save, result_of(&outcome), started);
        outcome
    }

    async fn read(&self, ticket: &Ticket, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let sealed = match &*self.store {
            Store::Cookie(_) | Store::Coordinated(..) => None,
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
            Store::Coordinated(..) => "cookie",
            Store::Memory(_) => "memory",
            Store::Redis(_) => "redis",
        }
    }
}

#[cfg(test)]
mod tests;
