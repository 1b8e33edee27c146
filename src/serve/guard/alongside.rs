//! A task's main future with a second one beside it that may end it.
//!
//! `select!` polls every branch whenever the task is woken. The second future here is a timer that
//! fires once in seconds while the main one is woken several times per request, so it has a
//! waker of its own and is polled only when that one was called.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;
use tokio::task::unconstrained;

/// Which of the two ended first.
pub(super) enum First<M, S> {
    Main(M),
    Second(S),
}

/// Runs `main`, with `second` beside it, until one of them ends; the other is dropped.
pub(super) async fn alongside<M, S>(
    main: impl Future<Output = M>,
    second: impl Future<Output = S>,
) -> First<M, S> {
    // Tokio makes timers wait when a task has done much in one go; ours must not starve on that.
    let (mut main, mut second) = (pin!(main), pin!(unconstrained(second)));
    let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: Mutex::new(None) });
    let own_waker = Waker::from(Arc::clone(&bell));
    std::future::poll_fn(move |context| {
        if let Poll::Ready(ended) = main.as_mut().poll(context) {
            return Poll::Ready(First::Main(ended));
        }
        bell.call(context.waker());
        if bell.rung.swap(false, Ordering::AcqRel)
            && let Poll::Ready(ended) = second.as_mut().poll(&mut Context::from_waker(&own_waker))
        {
            return Poll::Ready(First::Second(ended));
        }
        Poll::Pending
    })
    .await
}

/// The waker of the second future: notes that it was called and wakes the task.
struct Bell {
    rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Bell {
    /// From now on, ringing wakes `task`.
    fn call(&self, task: &Waker) {
        let mut known = self.task.lock();
        if !known.as_ref().is_some_and(|known| known.will_wake(task)) {
            *known = Some(task.clone());
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        let task = self.task.lock().clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::pending;
    use std::time::Duration;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn the_second_ends_a_main_that_never_does() {
        let ended = alongside(pending::<()>(), sleep(Duration::from_secs(3))).await;
        assert!(matches!(ended, First::Second(())));
    }

    #[tokio::test]
    async fn a_main_that_never_rests_does_not_keep_the_second_from_ending() {
        let main = async {
            loop {
                tokio::task::consume_budget().await;
            }
        };
        let ended: First<(), ()> = alongside(main, sleep(Duration::from_millis(20))).await;
        assert!(matches!(ended, First::Second(())));
    }

    #[tokio::test(start_paused = true)]
    async fn the_main_wins_when_it_ends_first() {
        let main = async {
            sleep(Duration::from_secs(1)).await;
            7
        };
        assert!(matches!(alongside(main, sleep(Duration::from_secs(3))).await, First::Main(7)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_is_not_polled_when_the_main_is_woken() {
        let polls = Cell::new(0);
        let main = async {
            for _ in 0..100 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let mut timer = pin!(sleep(Duration::from_secs(3)));
        let second = std::future::poll_fn(|context| {
            polls.set(polls.get() + 1);
            timer.as_mut().poll(context)
        });
        assert!(matches!(alongside(main, second).await, First::Main(())));
        assert_eq!(polls.get(), 1);
    }
}
