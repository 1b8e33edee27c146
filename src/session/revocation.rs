//! Sessions that were ended before their time. Sealed cookies cannot be taken back, so what they name is remembered here until
//! they would have ended by themselves.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::base::time::Timestamp;
use crate::session::{Session, SessionId};

/// What is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// Every session that had begun by then.
    All,
    /// One session of ours.
    Session(SessionId),
    /// All that came out of one session at the provider, also those that are made of it later: the message may overtake the
    /// sign-in ([Back-Channel Logout §2.6](https://openid.net/specs/openid-connect-backchannel-1_0.html#Validation)).
    Sid {
        /// The provider's issuer identifier.
        issuer: String,
        /// Its name of the session.
        sid: String,
    },
    /// All sessions of a person that had begun by then; later ones live.
    Subject {
        /// The provider's issuer identifier.
        issuer: String,
        /// Its name of the person.
        subject: String,
    },
}

/// What was ended, within bounds. Threads share it.
#[derive(Debug)]
pub struct RevocationSet {
    capacity: usize,
    epoch: AtomicU64,
    evicted: AtomicU64,
    entries: RwLock<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_name: HashMap<Name, Entry, ahash::RandomState>,
    /// By when they may be forgotten; the number tells equal times apart.
    by_end: BTreeMap<(Timestamp, u64), Name>,
    made: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Timestamp,
    keep_until: Timestamp,
    number: u64,
}

/// A kind and what it names, as bytes that no two things share.
type Name = SmallVec<[u8; 96]>;

impl RevocationSet {
    /// Remembers up to `capacity` ends, at least one.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            epoch: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            entries: RwLock::default(),
        }
    }

    /// Changes with every [`Self::revoke`]: what was found good under an epoch is good as long as it lasts.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// How many ends were forgotten before their time for want of room. Anything but zero is worth an alarm.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// How many ends are remembered.
    pub fn len(&self) -> usize {
        self.entries.read().by_name.len()
    }

    /// Whether nothing was ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends `what` as of `at`, and remembers it until `keep_until`, when the last session it may concern is over anyway. When there
    /// is no room, what would be forgotten soonest is forgotten now.
    pub fn revoke(&self, what: &Revoked, at: Timestamp, keep_until: Timestamp, now: Timestamp) {
        if keep_until <= now {
            return;
        }
        let mut entries = self.entries.write();
        entries.forget_before(now);
        entries.insert(what.name(), at, keep_until);
        while entries.by_name.len() > self.capacity {
            entries.forget_first();
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        // Within the lock, so that whoever sees the new epoch sees the entry too.
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// Whether `session` was ended, as far as is known at `now`.
    pub fn is_revoked(&self, session: &Session, now: Timestamp) -> bool {
        // Most of the time nobody signs out: nothing is hashed, nothing is locked.
        if self.epoch() == 0 {
            return false;
        }
        let entries = self.entries.read();
        let sid =
            session.sid.as_ref().map(|sid| name(SID, session.issuer.as_bytes(), sid.as_bytes()));
        let subject = name(SUBJECT, session.issuer.as_bytes(), session.subject.as_bytes());
        entries.find(&name(SESSION, &[], session.id.as_bytes()), now).is_some()
            || sid.is_some_and(|sid| entries.find(&sid, now).is_some())
            || entries.find(&subject, now).is_some_and(|entry| session.started <= entry.at)
            || entries
                .find(&name(ALL, &[], &[]), now)
                .is_some_and(|entry| session.started <= entry.at)
    }
}

impl Entries {
    fn find(&self, name: &Name, now: Timestamp) -> Option<&Entry> {
        self.by_name.get(name).filter(|entry| now < entry.keep_until)
    }

    /// The later time counts where the same was ended before.
    fn insert(&mut self, name: Name, at: Timestamp, keep_until: Timestamp) {
        self.made += 1;
        let mut entry = Entry { at, keep_until, number: self.made };
        if let Some(before) = self.by_name.get(&name) {
            self.by_end.remove(&(before.keep_until, before.number));
            entry.at = at.max(before.at);
            entry.keep_until = keep_until.max(before.keep_until);
        }
        self.by_end.insert((entry.keep_until, entry.number), name.clone());
        self.by_name.insert(name, entry);
    }

    fn forget_before(&mut self, now: Timestamp) {
        while self.by_end.first_key_value().is_some_and(|((until, _), _)| *until <= now) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, name)) = self.by_end.pop_first() {
            self.by_name.remove(&name);
        }
    }
}

const SESSION: u8 = 1;
const SID: u8 = 2;
const SUBJECT: u8 = 3;
const ALL: u8 = 4;

impl Revoked {
    fn name(&self) -> Name {
        match self {
            Self::All => name(ALL, &[], &[]),
            Self::Session(id) => name(SESSION, &[], id.as_bytes()),
            Self::Sid { issuer, sid } => name(SID, issuer.as_bytes(), sid.as_bytes()),
            Self::Subject { issuer, subject } => {
                name(SUBJECT, issuer.as_bytes(), subject.as_bytes())
            }
        }
    }
}

fn name(kind: u8, issuer: &[u8], what: &[u8]) -> Name {
    let mut name = Name::new();
    name.push(kind);
    name.extend_from_slice(&(issuer.len() as u64).to_be_bytes());
    name.extend_from_slice(issuer);
    name.extend_from_slice(what);
    name
}

#[cfg(test)]
mod tests;
