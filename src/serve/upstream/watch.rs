//! How long a connection to an upstream has been waiting to read and to write.
//!
//! Written by whoever uses the connection, without a look at any clock but the pool's; looked at by the pool's task.

use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};

use parking_lot::Mutex;

/// Both directions of one connection.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) reading: Wait,
    pub(super) writing: Wait,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Wait {
    /// The tick in which the wait began, or [`NONE`], or [`LATE`].
    since: AtomicU32,
    /// How many ticks it may take.
    limit: AtomicU32,
    task: Mutex<Option<Waker>>,
}

/// Nobody waits. The clock begins with one.
const NONE: u32 = 0;

/// The wait has taken too long.
const LATE: u32 = u32::MAX;

/// A wait took longer than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late;

impl Watch {
    /// Begins an exchange whose waits may take so many ticks.
    pub(super) fn begin(&self, reading: u32, writing: u32) {
        self.reading.begin(reading);
        self.writing.begin(writing);
    }

    /// Ends an exchange: nobody waits, and no task is held on to.
    pub(super) fn rest(&self) {
        self.reading.forget();
        self.writing.forget();
    }

    /// Ends waits that have taken too long.
    pub(super) fn look(&self, now: u32) {
        self.reading.look(now);
        self.writing.look(now);
    }
}

impl Wait {
    fn begin(&self, limit: u32) {
        self.since.store(NONE, Ordering::Relaxed);
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The wait goes on, or begins `now`; its task is woken when it has taken too long.
    pub(super) fn wait(&self, now: u32, context: &Context<'_>) -> Result<(), Late> {
        match self.since.load(Ordering::Relaxed) {
            LATE => return Err(Late),
            NONE => self.since.store(now, Ordering::Relaxed),
            _ => {}
        }
        let mut task = self.task.lock();
        if !task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            *task = Some(context.waker().clone());
        }
        Ok(())
    }

    /// What was waited for came.
    pub(super) fn end(&self) {
        self.since.store(NONE, Ordering::Relaxed);
    }

    /// A wait, if there is one, begins anew.
    pub(super) fn renew(&self, now: u32) {
        let since = self.since.load(Ordering::Relaxed);
        if since != NONE && since != LATE {
            self.since.store(now, Ordering::Relaxed);
        }
    }

    fn forget(&self) {
        self.end();
        *self.task.lock() = None;
    }

    fn look(&self, now: u32) {
        let since = self.since.load(Ordering::Relaxed);
        let waited = now.saturating_sub(since);
        if since == NONE || since == LATE || waited <= self.limit.load(Ordering::Relaxed) {
            return;
        }
        // Unless it ended a moment ago.
        let late =
            self.since.compare_exchange(since, LATE, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if late && let Some(task) = self.task.lock().take() {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicBool);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn watched(limit: u32) -> (Watch, Arc<Bell>) {
        let watch = Watch::default();
        watch.begin(limit, limit);
        (watch, Arc::default())
    }

    #[test]
    fn a_wait_ends_once_it_has_taken_longer_than_it_may() {
        let (watch, bell) = watched(5);
        let waker = Waker::from(Arc::clone(&bell));
        let context = Context::from_waker(&waker);
        assert_eq!(watch.reading.wait(10, &context), Ok(()));
        watch.look(15);
        assert_eq!(watch.reading.wait(15, &context), Ok(()));
        assert!(!bell.0.load(Ordering::Relaxed));
        watch.look(16);
        assert!(bell.0.load(Ordering::Relaxed));
        assert_eq!(watch.reading.wait(16, &context), Err(Late));
    }

    #[test]
    fn what_ended_or_began_anew_is_not_late() {
        let (watch, bell) = watched(5);
        let waker = Waker::from(Arc::clone(&bell));
        let context = Context::from_waker(&waker);
        watch.writing.wait(10, &context).unwrap();
        watch.writing.end();
        watch.reading.wait(10, &context).unwrap();
        watch.reading.renew(14);
        watch.look(18);
        assert_eq!(watch.reading.wait(18, &context), Ok(()));
        assert_eq!(watch.writing.wait(18, &context), Ok(()));
        assert!(!bell.0.load(Ordering::Relaxed));
    }

    #[test]
    fn a_connection_at_rest_holds_on_to_no_task() {
        let (watch, bell) = watched(5);
        let waker = Waker::from(Arc::clone(&bell));
        watch.reading.wait(1, &Context::from_waker(&waker)).unwrap();
        watch.rest();
        drop(waker);
        assert_eq!(Arc::strong_count(&bell), 1);
    }
}
