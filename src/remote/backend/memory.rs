//! What is remembered of a provider's sessions, under the hash of their names alone. Belongs to the process: it outlives a reload.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ahash::RandomState;
use moka::sync::Cache;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::gate::VerdictAnswer;
use crate::remote::backend::client_token::ClientToken;
use crate::remote::backend::verdicts::Verdict;
use crate::remote::flight::Flights;
use crate::remote::remembered::Question;
use crate::session::SessionId;

/// How long a session that is gone is not asked about again.
const GONE: Duration = Duration::from_secs(60);

/// The shortest pause after a call that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest that a provider is left alone at its word.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// For how many sessions something is remembered, of each kind.
const SESSIONS: u64 = 100_000;

/// How long at most: no provider's tokens, and no cookie with an older name, live longer.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// How many sessions may be asked about at once: a provider that hangs holds no more of them up.
const FLIGHTS: usize = 512;

/// What a session is told apart by: the hash of its name.
pub(super) fn name(issuer: &str, id: &Secret<String>) -> Question {
    Question::of(&[issuer.as_bytes(), id.expose().as_bytes()])
}

/// What sessions are called now that have been given other names: to one app, and the others must know.
pub struct Renamed(Cache<Question, Secret<String>, RandomState>);

impl Default for Renamed {
    fn default() -> Self {
        Self(cache(LONGEST))
    }
}

impl Renamed {
    /// What the session of that name is called now.
    pub(super) fn newest(&self, issuer: &str, id: &Secret<String>) -> Secret<String> {
        self.0.get(&name(issuer, id)).unwrap_or_else(|| id.clone())
    }

    /// The session that is `known` by its first name, and by `before` till now, is called `after`.
    pub(super) fn note(
        &self,
        issuer: &str,
        (known, before): (&Secret<String>, &Secret<String>),
        after: &Secret<String>,
    ) {
        for id in [known, before] {
            self.0.insert(name(issuer, id), after.clone());
        }
    }
}

/// See the module's text.
pub struct BackendMemory {
    pub(super) token: ClientToken,
    pub(super) verdicts: Cache<SessionId, Arc<Verdict>, RandomState>,
    pub(super) flights: Arc<Flights<SessionId, VerdictAnswer>>,
    pause_ends: AtomicU64,
    gone: Cache<Question, Timestamp, RandomState>,
}

impl Default for BackendMemory {
    fn default() -> Self {
        let (gone, verdicts) = (cache(GONE), cache(LONGEST));
        let (token, flights) = (ClientToken::default(), Flights::new(FLIGHTS));
        Self { token, verdicts, flights, pause_ends: AtomicU64::new(0), gone }
    }
}

impl BackendMemory {
    pub(super) fn is_gone(&self, name: &Question, now: Timestamp) -> bool {
        self.gone.get(name).is_some_and(|until| now < until)
    }

    pub(super) fn remember_gone(&self, name: Question, now: Timestamp) {
        self.gone.insert(name, now + GONE);
    }

    /// Leaves the provider alone for as long as it `wanted`, within bounds.
    pub(super) fn pause(&self, wanted: Duration, now: Timestamp) {
        let until = now + wanted.clamp(PAUSE, LONGEST_PAUSE);
        self.pause_ends.fetch_max(until.as_secs(), Ordering::Relaxed);
    }

    /// How long it is to be left alone still.
    pub(super) fn pause_left(&self, now: Timestamp) -> Duration {
        now.until(Timestamp::from_secs(self.pause_ends.load(Ordering::Relaxed)))
    }
}

fn cache<K, V>(life: Duration) -> Cache<K, V, RandomState>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(SESSIONS).time_to_live(life).build_with_hasher(RandomState::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn a_session_that_is_gone_is_left_alone_for_a_minute() {
        let name = name("https://userid.security", &Secret::new("s1".to_owned()));
        let memory = BackendMemory::default();
        assert!(!memory.is_gone(&name, at(100)));
        memory.remember_gone(name, at(100));
        assert!(memory.is_gone(&name, at(159)) && !memory.is_gone(&name, at(160)));
    }

    #[test]
    fn a_pause_is_heeded_within_bounds_and_never_cut_short() {
        let memory = BackendMemory::default();
        memory.pause(Duration::from_secs(30), at(100));
        memory.pause(Duration::ZERO, at(100));
        assert_eq!(memory.pause_left(at(100)), Duration::from_secs(30));
        assert_eq!(memory.pause_left(at(130)), Duration::ZERO);
        memory.pause(Duration::from_secs(86_400), at(200));
        assert_eq!(memory.pause_left(at(200)), LONGEST_PAUSE);
    }

    #[test]
    fn whoever_knows_an_older_name_finds_the_newest() {
        let (names, issuer) = (Renamed::default(), "https://userid.security");
        let [first, second, third] = ["s1", "s2", "s3"].map(|name| Secret::new(name.to_owned()));
        names.note(issuer, (&first, &first), &second);
        names.note(issuer, (&first, &second), &third);
        for name in [&first, &second, &third] {
            assert_eq!(names.newest(issuer, name).expose(), "s3");
            assert_eq!(names.newest("https://other.example", name).expose(), name.expose());
        }
    }
}
