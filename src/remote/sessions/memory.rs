//! Sessions in this process: bounded, the longest unused go first, and none outlives a restart.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::RandomState;
use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use moka::{Entry, Expiry};
use parking_lot::Mutex;

use crate::base::time::Timestamp;
use crate::remote::sessions::Known;
use crate::session::{Note, Revoked, Session, SessionId};

/// What an entry costs beside its body: its place in the cache and in two indexes, in bytes.
const ENTRY_OVERHEAD: usize = 512;

/// The bodies, and the ways to them.
pub(super) struct Shelf {
    bodies: Cache<SessionId, Arc<Shelved>, RandomState>,
    index: Arc<Mutex<Index>>,
    notes: Cache<SessionId, Note, RandomState>,
    room: u64,
}

/// For how many sessions it is remembered where and by what they began.
const NOTES: u64 = 10_000;

/// One stored session: what the store must know of it without its key.
struct Shelved {
    body: Vec<u8>,
    renewals: u32,
    started: Timestamp,
    lives: Duration,
    groups: Vec<Group>,
    /// When it was written last.
    used: Timestamp,
}

/// A login or a person.
type Group = (Kind, String, String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Login,
    Person,
}

type Index = HashMap<Group, HashSet<SessionId>>;

impl Shelf {
    /// For how many bytes there is room.
    pub(super) const fn room(&self) -> u64 {
        self.room
    }

    /// Room for about `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        let index = Arc::new(Mutex::new(Index::new()));
        let shared = Arc::clone(&index);
        let bodies = Cache::builder()
            .max_capacity(bytes)
            .weigher(|_: &SessionId, shelved: &Arc<Shelved>| shelved.weight())
            // A session that is used rarely is a session all the same: the newest one must not be the one to go.
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(Lifetime)
            .eviction_listener(move |id: Arc<SessionId>, shelved: Arc<Shelved>, cause| {
                if cause != RemovalCause::Replaced {
                    forget(&mut shared.lock(), &id, &shelved.groups);
                }
            })
            .build_with_hasher(RandomState::new());
        let notes = Cache::builder().max_capacity(NOTES).build_with_hasher(RandomState::new());
        Self { bodies, index, notes, room: bytes }
    }

    /// Stores, unless what is stored has been renewed more often.
    pub(super) fn put(&self, session: &Session, body: Vec<u8>, now: Timestamp) {
        let shelved = Arc::new(Shelved {
            body,
            renewals: session.renewals,
            started: session.started,
            lives: now.until(session.ends),
            groups: groups(session),
            used: now,
        });
        let mut index = self.index.lock();
        for group in &shelved.groups {
            index.entry(group.clone()).or_default().insert(session.id);
        }
        drop(index);
        self.bodies.entry(session.id).and_compute_with(|present| {
            let newer =
                |entry: &Entry<SessionId, Arc<Shelved>>| entry.value().renewals > shelved.renewals;
            if present.as_ref().is_some_and(newer) { Op::Nop } else { Op::Put(shelved) }
        });
    }

    /// What is stored.
    pub(super) fn find(&self, id: SessionId) -> Option<Vec<u8>> {
        self.bodies.get(&id).map(|shelved| shelved.body.clone())
    }

    /// Removes what is ended: those that started at `at` or before.
    pub(super) fn end(&self, what: &Revoked, at: Timestamp) {
        let group = match what {
            Revoked::All => return self.end_all(at),
            Revoked::Session(id) => return self.bodies.invalidate(id),
            Revoked::Sid { issuer, sid } => (Kind::Login, issuer.clone(), sid.clone()),
            Revoked::Subject { issuer, subject } => (Kind::Person, issuer.clone(), subject.clone()),
        };
        let members: Vec<SessionId> =
            self.index.lock().get(&group).into_iter().flatten().copied().collect();
        for id in members {
            let begun = |shelved: &Arc<Shelved>| shelved.started <= at;
            if group.0 == Kind::Login || self.bodies.get(&id).as_ref().is_some_and(begun) {
                self.bodies.invalidate(&id);
            }
        }
    }

    fn end_all(&self, at: Timestamp) {
        let begun =
            |(id, shelved): (Arc<SessionId>, Arc<Shelved>)| (shelved.started <= at).then_some(*id);
        let ended: Vec<SessionId> = self.bodies.iter().filter_map(begun).collect();
        ended.iter().for_each(|id| self.bodies.invalidate(id));
    }

    /// Keeps what may be told of a session.
    pub(super) fn note(&self, id: SessionId, note: Note) {
        self.notes.insert(id, note);
    }

    /// The sessions of a person that live at `now`.
    pub(super) fn of_person(&self, issuer: &str, subject: &str, now: Timestamp) -> Vec<Known> {
        let group = (Kind::Person, issuer.to_owned(), subject.to_owned());
        let members: Vec<SessionId> =
            self.index.lock().get(&group).into_iter().flatten().copied().collect();
        let known = |id: SessionId| {
            let shelved = self.bodies.get(&id)?;
            let note = self.notes.get(&id).filter(|note| now < note.ends);
            Some(Known { id, used: shelved.used, note })
        };
        members.into_iter().filter_map(known).collect()
    }

    /// How many sessions and groups there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> (u64, usize) {
        self.bodies.run_pending_tasks();
        (self.bodies.entry_count(), self.index.lock().len())
    }
}

impl Shelved {
    fn weight(&self) -> u32 {
        let groups: usize =
            self.groups.iter().map(|(_, issuer, name)| 2 * (issuer.len() + name.len())).sum();
        u32::try_from(self.body.len() + groups + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
    }
}

/// Frees the room of sessions that are over. What is over is decided by whoever reads them.
struct Lifetime;

impl Expiry<SessionId, Arc<Shelved>> for Lifetime {
    fn expire_after_create(
        &self,
        _: &SessionId,
        shelved: &Arc<Shelved>,
        _: Instant,
    ) -> Option<Duration> {
        Some(shelved.lives)
    }

    fn expire_after_update(
        &self,
        _: &SessionId,
        shelved: &Arc<Shelved>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(shelved.lives)
    }
}

fn groups(session: &Session) -> Vec<Group> {
    let login = session.sid.iter().map(|sid| (Kind::Login, session.issuer.clone(), sid.clone()));
    let person = (Kind::Person, session.issuer.clone(), session.subject.clone());
    login.chain([person]).collect()
}

fn forget(index: &mut Index, id: &SessionId, groups: &[Group]) {
    for group in groups {
        let Some(members) = index.get_mut(group) else { continue };
        members.remove(id);
        if members.is_empty() {
            index.remove(group);
        }
    }
}
