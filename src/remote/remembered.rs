//! Answers of others to questions about credentials: asked for once for all who wait, remembered for as long as they count, in
//! bounded memory.
//!
//! What was asked is known by a hash alone: the memory never holds a credential.

use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use aws_lc_rs::digest::{Context, SHA256};
use moka::sync::Cache;
use tokio::time::timeout;

use crate::base::time::Timestamp;
use crate::remote::flight::{Boarding, Flights};
use crate::token::Claims;

/// How many questions may be under way at once: a stranger can make up as many as he likes.
const FLIGHTS: usize = 64;

/// How long nobody is asked again who did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// What an entry costs beside its answer, in bytes.
const ENTRY_OVERHEAD: usize = 256;

/// Whoever was asked said nothing that answers the question. The text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// SHA-256 of what is asked about, each part with its length: no part reaches into its neighbour, and none is taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question([u8; 32]);

impl Question {
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Context::new(&SHA256);
        for part in parts {
            hash.update(&part.len().to_be_bytes());
            hash.update(part);
        }
        let mut question = [0; 32];
        question.copy_from_slice(hash.finish().as_ref());
        Self(question)
    }
}

/// An answer and its end.
#[derive(Clone, Debug)]
pub(super) struct Remembered<A> {
    pub(super) answer: A,
    /// It counts before this time.
    pub(super) until: Timestamp,
}

impl<A> Remembered<A> {
    /// What stands for an answer until it is time to ask again.
    pub(super) fn in_place_of_one(answer: A, now: Timestamp) -> Self {
        Self { answer, until: now + PAUSE }
    }
}

/// How much is remembered, and how long anybody waits.
pub(super) struct Bounds {
    /// Memory for answers, in bytes.
    pub(super) memory: u64,
    /// How long any answer counts at most.
    pub(super) longest: Duration,
    /// How long a request waits for an answer.
    pub(super) patience: Duration,
}

/// The answers of one who is asked.
pub(super) struct Answers<A> {
    memory: Cache<Question, Remembered<A>, RandomState>,
    flights: Arc<Flights<Question, A>>,
    patience: Duration,
}

impl<A: Clone + Send + Sync + 'static> Answers<A> {
    /// None yet. `weigh` tells what an answer takes beside the entry that holds it, in bytes.
    pub(super) fn new(bounds: &Bounds, weigh: fn(&A) -> usize) -> Arc<Self> {
        let weigher = move |_: &Question, remembered: &Remembered<A>| {
            u32::try_from(weigh(&remembered.answer) + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
        };
        let memory = Cache::builder()
            .max_capacity(bounds.memory)
            .weigher(weigher)
            .time_to_live(bounds.longest.max(PAUSE))
            .build_with_hasher(RandomState::new());
        Arc::new(Self { memory, flights: Flights::new(FLIGHTS), patience: bounds.patience })
    }

    /// The answer that counts at `now`, if there is one.
    pub(super) fn known(&self, question: &Question, now: Timestamp) -> Option<A> {
        self.memory.get(question).filter(|known| now < known.until).map(|known| known.answer)
    }

    /// The answer, for which one asks and all wait. None if patience ends first, if asking crashed, or if too much is being
    /// asked already. Must be called on a tokio runtime.
    pub(super) async fn wait<F>(
        self: &Arc<Self>,
        question: Question,
        now: Timestamp,
        ask: impl FnOnce() -> F,
    ) -> Option<A>
    where
        F: Future<Output = Remembered<A>> + Send + 'static,
    {
        let work = || {
            let (answers, asked) = (Arc::clone(self), ask());
            async move { answers.keep(question, asked.await) }
        };
        match self.flights.board(&question, || self.known(&question, now), work) {
            Boarding::Full => None,
            Boarding::Known(answer) => Some(answer),
            Boarding::UnderWay(landing) => timeout(self.patience, landing.wait()).await.ok()?,
        }
    }

    /// Remembers the answer, in place of what was known, and returns it.
    pub(super) fn keep(&self, question: Question, remembered: Remembered<A>) -> A {
        let answer = remembered.answer.clone();
        self.memory.insert(question, remembered);
        answer
    }
}

/// What claims take, in bytes.
pub(super) fn size(claims: &Claims) -> usize {
    serde_json::to_vec(claims.as_map()).map_or(0, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::task::JoinSet;

    const NOW: Timestamp = Timestamp::from_secs(100);

    fn answers(memory: u64) -> Arc<Answers<u32>> {
        let longest = Duration::from_secs(60);
        Answers::new(&Bounds { memory, longest, patience: longest }, |_| 0)
    }

    fn question(number: u32) -> Question {
        Question::of(&[&number.to_be_bytes()])
    }

    fn for_a_minute(answer: u32) -> Remembered<u32> {
        Remembered { answer, until: NOW + Duration::from_secs(60) }
    }

    /// CVE-2026-33496 (oathkeeper): the answer of one server served for another.
    #[test]
    fn no_part_of_a_question_reaches_into_the_next() {
        let known = Question::of(&[b"main", b"opaque"]);
        for parts in [
            &[&b"other"[..], b"opaque"][..],
            &[b"maino", b"paque"],
            &[b"mainopaque"],
            &[b"main", b"opaque", b""],
            &[b"", b"main", b"opaque"],
        ] {
            assert_ne!(Question::of(parts), known, "{parts:?}");
        }
    }

    #[test]
    fn the_memory_stays_within_its_room() {
        let answers = answers(10 * ENTRY_OVERHEAD as u64);
        for number in 0..1000 {
            answers.keep(question(number), for_a_minute(number));
        }
        answers.memory.run_pending_tasks();
        let entries = answers.memory.entry_count();
        assert!((1..=10).contains(&entries), "{entries} entries");
    }

    #[tokio::test]
    async fn as_many_questions_as_one_likes_are_not_asked_at_once() {
        let answers = answers(1 << 20);
        let asked = Arc::new(AtomicUsize::new(0));
        let mut waiting = JoinSet::new();
        for number in 0..u32::try_from(FLIGHTS).unwrap() {
            let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
            waiting.spawn(async move {
                let ask = || {
                    asked.fetch_add(1, Ordering::Relaxed);
                    std::future::pending()
                };
                answers.wait(question(number), NOW, ask).await
            });
        }
        while asked.load(Ordering::Relaxed) < FLIGHTS {
            tokio::task::yield_now().await;
        }
        let ask = || async { for_a_minute(7) };
        assert_eq!(answers.wait(question(1000), NOW, ask).await, None);
        answers.keep(question(1000), for_a_minute(7));
        let known = answers.wait(question(1000), NOW, std::future::pending).await;
        assert_eq!(known, Some(7), "what is known needs no flight");
    }

    #[tokio::test]
    async fn who_crashed_is_no_answer_and_is_asked_again_at_once() {
        let answers = answers(1 << 20);
        let crash = || async { panic!("as the test wants it") };
        assert_eq!(answers.wait(question(1), NOW, crash).await, None);
        let ask = || async { for_a_minute(5) };
        assert_eq!(answers.wait(question(1), NOW, ask).await, Some(5));
    }
}
