//! Which doubts about keys were already answered with "nothing newer": a bounded memory, so that an old token which comes
//! again and again does not cause fetches forever.
//!
//! The memory only saves fetches. It is emptied whenever the key set changes, and never hides a key that is there.

use std::collections::HashMap;
use std::time::Duration;

use ahash::RandomState;
use tokio::time::Instant;

use crate::gate::KeyDoubt;

/// Entries; beyond that, doubts are not remembered and the cooldown alone bounds fetches.
const CAPACITY: usize = 1024;

/// How long the first "nothing newer" is believed. Short, since providers behind caches publish a key a little after its
/// first use; doubled each time it is confirmed.
const FIRST: Duration = Duration::from_secs(30);

/// How long at most.
const LONGEST: Duration = Duration::from_secs(300);

/// The memory. Keeps keyed hashes, not the ids: those are a stranger's words of any length.
pub(super) struct UnknownKeys {
    hasher: RandomState,
    entries: HashMap<u64, Entry, RandomState>,
}

struct Entry {
    until: Instant,
    span: Duration,
}

impl UnknownKeys {
    /// An empty memory.
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), entries: HashMap::default() }
    }

    /// Whether the answer to this doubt is already known to be "nothing newer".
    pub(super) fn mutes(&self, kid: Option<&str>, why: KeyDoubt, now: Instant) -> bool {
        self.entries.get(&self.key(kid, why)).is_some_and(|entry| now < entry.until)
    }

    /// A fetch found nothing newer. Askers who shared that fetch count once.
    pub(super) fn remember(&mut self, kid: Option<&str>, why: KeyDoubt, now: Instant) {
        let key = self.key(kid, why);
        let span = match self.entries.get(&key) {
            Some(entry) if now < entry.until => return,
            Some(entry) => (entry.span * 2).min(LONGEST),
            None => FIRST,
        };
        if self.entries.len() >= CAPACITY {
            self.entries.retain(|_, entry| now < entry.until);
        }
        if self.entries.len() < CAPACITY {
            self.entries.insert(key, Entry { until: now + span, span });
        }
    }

    /// The key set changed: all answers are stale.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    fn key(&self, kid: Option<&str>, why: KeyDoubt) -> u64 {
        self.hasher.hash_one((kid, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_known_unknown_is_muted_longer_each_time_it_is_confirmed() {
        let (mut memory, start) = (UnknownKeys::new(), Instant::now());
        memory.remember(Some("old"), KeyDoubt::UnknownKid, start);
        assert!(memory.mutes(Some("old"), KeyDoubt::UnknownKid, start + FIRST - SECOND));
        assert!(!memory.mutes(Some("old"), KeyDoubt::UnknownKid, start + FIRST));
        let mut now = start + FIRST;
        for span in [60, 120, 240, 300, 300] {
            memory.remember(Some("old"), KeyDoubt::UnknownKid, now);
            now += Duration::from_secs(span);
            assert!(memory.mutes(Some("old"), KeyDoubt::UnknownKid, now - SECOND));
            assert!(!memory.mutes(Some("old"), KeyDoubt::UnknownKid, now));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn other_keys_and_other_doubts_are_not_muted() {
        let (mut memory, now) = (UnknownKeys::new(), Instant::now());
        memory.remember(Some("a"), KeyDoubt::UnknownKid, now);
        assert!(!memory.mutes(Some("b"), KeyDoubt::UnknownKid, now));
        assert!(!memory.mutes(Some("a"), KeyDoubt::BadSignature, now));
        assert!(!memory.mutes(None, KeyDoubt::UnknownKid, now));
        memory.clear();
        assert!(!memory.mutes(Some("a"), KeyDoubt::UnknownKid, now));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_random_ids_stays_within_the_capacity() {
        let (mut memory, now) = (UnknownKeys::new(), Instant::now());
        for id in 0..100_000 {
            memory.remember(Some(&id.to_string()), KeyDoubt::UnknownKid, now);
        }
        assert_eq!(memory.entries.len(), CAPACITY);
        memory.remember(Some("later"), KeyDoubt::UnknownKid, now + FIRST);
        assert_eq!(memory.entries.len(), 1);
    }
}
