//! Points in time, as tokens and sessions count them. Reading a clock is somebody else's job.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Seconds since the Unix epoch, leap seconds ignored: the `NumericDate` of
/// [RFC 7519 §2](https://www.rfc-editor.org/rfc/rfc7519#section-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last moment that can be told: later than anything a token may say.
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// The moment `seconds` after the epoch.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// How long it is from here until `later`; zero when that has passed.
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_secs(later.0.saturating_sub(self.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates; fractions of a second are dropped.
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_secs()))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the epoch; fractions of a second are dropped.
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.as_secs()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::FAR_FUTURE + Duration::from_secs(1), Timestamp::FAR_FUTURE);
        assert_eq!(Timestamp::from_secs(3) - Duration::from_secs(5), Timestamp::from_secs(0));
    }

    #[test]
    fn the_past_is_zero_seconds_away() {
        let (early, late) = (Timestamp::from_secs(10), Timestamp::from_secs(25));
        assert_eq!(early.until(late), Duration::from_secs(15));
        assert_eq!(late.until(early), Duration::ZERO);
    }
}
