//! The one place that reads the time of day. Everything else is told the time as a parameter.
//!
//! Deadlines and timers are not its business: those are monotonic and belong to tokio.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::base::time::Timestamp;

/// Tells the time of day: the system's, or one that a test sets. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Fixed(Arc<AtomicU64>),
    System,
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `moment` until [`Clock::set`] moves it.
    pub fn fixed(moment: Timestamp) -> Self {
        Self(Source::Fixed(Arc::new(AtomicU64::new(moment.as_secs()))))
    }

    /// Moves a fixed clock, and all its clones, to `moment`. The system's clock is not ours to set: it stays.
    pub fn set(&self, moment: Timestamp) {
        if let Source::Fixed(seconds) = &self.0 {
            seconds.store(moment.as_secs(), Ordering::Release);
        }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.unix_millis() / 1000)
    }

    /// The present moment in milliseconds since the Unix epoch.
    pub fn unix_millis(&self) -> u64 {
        match &self.0 {
            Source::Fixed(seconds) => seconds.load(Ordering::Acquire).saturating_mul(1000),
            Source::System => system_millis(),
        }
    }
}

/// A clock set before 1970 reads as the epoch: every token is then "not yet valid", which is a refusal.
fn system_millis() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    let now = SystemTime::now();
    let elapsed = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_fixed_clock_move_together() {
        let clock = Clock::fixed(Timestamp::from_secs(10));
        let other = clock.clone();
        clock.set(Timestamp::from_secs(25));
        assert_eq!(other.now(), Timestamp::from_secs(25));
    }

    #[test]
    fn the_system_clock_cannot_be_set() {
        let clock = Clock::system();
        let before = clock.now();
        clock.set(Timestamp::from_secs(0));
        assert!(clock.now() >= before);
    }
}
