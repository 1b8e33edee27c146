//! Whether anybody still uses a connection: how many questions are being answered, and when the last one was.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{self, Instant};

/// See the module's text.
#[derive(Debug)]
pub(super) struct Pulse {
    opened: Instant,
    busy: AtomicUsize,
    /// Milliseconds from when it was opened to the end of the last question; zero where there was none.
    last: AtomicU64,
}

/// A question that is being answered, until it is dropped.
pub(super) struct Beat<'a>(&'a Pulse);

/// How long a connection may rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Before its first question.
    pub(super) first: Duration,
    /// Between two questions.
    pub(super) idle: Duration,
}

impl Pulse {
    /// Of a connection that was opened now.
    pub(super) fn new() -> Self {
        Self { opened: Instant::now(), busy: AtomicUsize::new(0), last: AtomicU64::new(0) }
    }

    /// A question begins.
    pub(super) fn beat(&self) -> Beat<'_> {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Beat(self)
    }

    /// Whether there was any question yet.
    pub(super) fn has_begun(&self) -> bool {
        self.last.load(Ordering::Acquire) != 0 || self.busy.load(Ordering::Acquire) != 0
    }

    /// Returns once it has rested for longer than `patience` has it.
    pub(super) async fn rests(&self, patience: Patience) {
        loop {
            let allowed = if self.has_begun() { patience.idle } else { patience.first };
            let last = Duration::from_millis(self.last.load(Ordering::Acquire));
            let busy = self.busy.load(Ordering::Acquire) != 0;
            let since = if busy { Instant::now() } else { self.opened + last };
            let end = since + allowed;
            if !busy && end <= Instant::now() {
                return;
            }
            time::sleep_until(end).await;
        }
    }
}

impl Drop for Beat<'_> {
    fn drop(&mut self) {
        let millis = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last.store(millis.max(1), Ordering::Release);
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { first: Duration::from_secs(10), idle: Duration::from_secs(60) };

    async fn rested_after(pulse: &Pulse) -> u64 {
        let started = Instant::now();
        pulse.rests(PATIENCE).await;
        started.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_question_rests_sooner() {
        assert_eq!(rested_after(&Pulse::new()).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_rests_some_time_after_its_last_question() {
        let pulse = Pulse::new();
        time::advance(Duration::from_secs(5)).await;
        drop(pulse.beat());
        assert!(pulse.has_begun());
        assert_eq!(rested_after(&pulse).await, 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_does_not_rest_while_a_question_is_answered() {
        let pulse = Pulse::new();
        let answering = async {
            let beat = pulse.beat();
            time::sleep(Duration::from_secs(500)).await;
            drop(beat);
        };
        let started = Instant::now();
        tokio::join!(answering, pulse.rests(PATIENCE));
        assert!(started.elapsed() >= Duration::from_secs(560), "{:?}", started.elapsed());
    }
}
