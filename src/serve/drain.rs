//! The end of service: who is told, and when the last one is done.
//!
//! Counts what is being served and waits for it. Stopping to accept and letting idle connections
//! go is [`super::guard`]'s part; the signal that starts it is the caller's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time;

/// After the count reached zero: how long it must stay there. A connection that was accepted an
/// instant before the listeners closed is counted a moment later, by its own task.
const SETTLE: Duration = Duration::from_millis(10);

/// How long an idle connection may still send a request after the end began. Whoever sends requests back to back gets an answer
/// that says `Connection: close` instead of a reset; on a busy machine a request may be on its way for some time.
const LINGER: Duration = Duration::from_secs(1);

/// The drain of one process; clones share it.
#[derive(Clone)]
pub struct Drain {
    inner: Arc<Inner>,
}

struct Inner {
    begun: watch::Sender<bool>,
    /// In milliseconds.
    linger: AtomicU64,
    live: AtomicUsize,
    changed: Notify,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Nothing is being served any more.
    Done,
    /// The deadline came first; so many connections and streams are left.
    Left(usize),
}

/// Something that is being served; counted until it is dropped.
pub struct Live(Arc<Inner>);

impl Drain {
    /// Service as usual.
    pub fn new() -> Self {
        let inner = Inner {
            begun: watch::Sender::new(false),
            linger: AtomicU64::new(millis(LINGER)),
            live: AtomicUsize::new(0),
            changed: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Starts the end: listeners close, idle connections go, answers say `Connection: close`.
    pub fn begin(&self) {
        self.inner.begun.send_replace(true);
    }

    /// The same, where nothing may take longer than `deadline`: idle connections are gone by then.
    pub fn begin_within(&self, deadline: Duration) {
        self.inner.linger.store(millis(LINGER.min(deadline / 2)), Ordering::Relaxed);
        self.begin();
    }

    /// How long an idle connection stays open once the end has begun.
    pub fn linger(&self) -> Duration {
        Duration::from_millis(self.inner.linger.load(Ordering::Relaxed))
    }

    /// Whether the end has begun.
    pub fn is_begun(&self) -> bool {
        *self.inner.begun.borrow()
    }

    /// Turns `true` when the end begins: what pingora calls a shutdown watch.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.inner.begun.subscribe()
    }

    /// How many connections and streams are being served.
    pub fn live(&self) -> usize {
        self.inner.live.load(Ordering::Acquire)
    }

    /// Counts one more.
    pub fn enter(&self) -> Live {
        self.inner.live.fetch_add(1, Ordering::AcqRel);
        Live(Arc::clone(&self.inner))
    }

    /// Waits until nothing is being served, at most for `deadline`.
    pub async fn wait(&self, deadline: Duration) -> Drained {
        match time::timeout(deadline, self.settled()).await {
            Ok(()) => Drained::Done,
            Err(_) => Drained::Left(self.live()),
        }
    }

    async fn settled(&self) {
        loop {
            self.zero().await;
            time::sleep(SETTLE).await;
            if self.live() == 0 {
                return;
            }
        }
    }

    async fn zero(&self) {
        loop {
            // Registered before the count is read, or the last one could leave in between unheard.
            let changed = self.inner.changed.notified();
            if self.live() == 0 {
                return;
            }
            changed.await;
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.0.live.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_idle_process_is_done_at_once() {
        let started = time::Instant::now();
        assert_eq!(Drain::new().wait(Duration::from_secs(30)).await, Drained::Done);
        assert!(started.elapsed() <= Duration::from_millis(20));
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_ends_with_the_last_one_and_not_before() {
        let drain = Drain::new();
        let (first, last) = (drain.enter(), drain.enter());
        let started = time::Instant::now();
        tokio::spawn(async move {
            time::sleep(Duration::from_secs(1)).await;
            drop(first);
            time::sleep(Duration::from_secs(2)).await;
            drop(last);
        });
        assert_eq!(drain.wait(Duration::from_secs(30)).await, Drained::Done);
        assert!(started.elapsed() >= Duration::from_secs(3));
        assert!(started.elapsed() < Duration::from_millis(3100));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_the_wait_and_tells_what_is_left() {
        let drain = Drain::new();
        let _live = drain.enter();
        assert_eq!(drain.wait(Duration::from_secs(5)).await, Drained::Left(1));
    }

    #[test]
    fn idle_connections_are_gone_before_the_deadline() {
        let drain = Drain::new();
        for (deadline, linger) in [(30_000, 1000), (2000, 1000), (1000, 500), (0, 0)] {
            drain.begin_within(Duration::from_millis(deadline));
            assert_eq!(drain.linger(), Duration::from_millis(linger));
        }
    }

    #[test]
    fn the_watch_turns_when_the_end_begins() {
        let drain = Drain::new();
        let watch = drain.watch();
        assert!(!*watch.borrow() && !drain.is_begun());
        drain.begin();
        assert!(*watch.borrow() && drain.is_begun());
    }
}
