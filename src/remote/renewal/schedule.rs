//! When a session is to be renewed: ahead of its access token's end, and as often as the operator wants the provider asked.

use std::time::Duration;

use crate::base::time::Timestamp;
use crate::session::Renewal;

/// Renewal begins at least this long ahead, so that a provider may be down for a moment.
const AHEAD: Duration = Duration::from_secs(60);

/// How a provider's sessions are renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// How long before the end renewal begins; `None` for a fifth of the lifetime and at least a minute.
    pub ahead: Option<Duration>,
    /// The longest time without the provider's word that the session is still good: it is over after that. `None` renews when
    /// access tokens end, and lets sessions live on should that fail for want of an answer.
    pub revalidate: Option<Duration>,
}

impl Schedule {
    /// When to renew what the provider gave at `now` for `expires_in`; `None` if neither it nor the operator says.
    ///
    /// Renewal never begins in the first half of the lifetime: a token of a minute would otherwise be renewed at every request.
    pub fn after(&self, expires_in: Option<Duration>, now: Timestamp) -> Option<Renewal> {
        let lifetime = match (expires_in, self.revalidate) {
            (None, None) => return None,
            (Some(one), None) | (None, Some(one)) => one,
            (Some(token), Some(wanted)) => token.min(wanted),
        };
        let ahead = self.ahead.unwrap_or_else(|| (lifetime / 5).max(AHEAD)).min(lifetime / 2);
        let due = (now + lifetime) - ahead;
        // Who asks for no revalidation keeps sessions through an outage of the provider: they end by their own limits.
        let by = self.revalidate.map_or(Timestamp::FAR_FUTURE, |_| now + lifetime);
        Some(Renewal { due, by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(ahead: Option<u64>, revalidate: Option<u64>, expires_in: Option<u64>) -> String {
        let seconds = |value: Option<u64>| value.map(Duration::from_secs);
        let schedule = Schedule { ahead: seconds(ahead), revalidate: seconds(revalidate) };
        schedule
            .after(seconds(expires_in), Timestamp::from_secs(1000))
            .map_or_else(|| "never".to_owned(), |Renewal { due, by }| match by {
                Timestamp::FAR_FUTURE => format!("{due} at will"),
                by => format!("{due} {by}"),
            })
    }

    #[test]
    fn renewal_begins_a_fifth_or_a_minute_ahead_but_not_in_the_first_half() {
        assert_eq!(after(None, None, Some(3600)), "3880 at will");
        assert_eq!(after(None, None, Some(200)), "1140 at will");
        assert_eq!(after(None, None, Some(60)), "1030 at will");
        assert_eq!(after(None, None, Some(0)), "1000 at will");
        assert_eq!(after(Some(10), None, Some(60)), "1050 at will");
        assert_eq!(after(Some(600), None, Some(60)), "1030 at will");
    }

    #[test]
    fn the_shorter_of_token_and_revalidation_counts() {
        assert_eq!(after(None, Some(900), Some(3600)), "1720 1900");
        assert_eq!(after(None, Some(7200), Some(3600)), "3880 4600");
        assert_eq!(after(None, Some(900), None), "1720 1900");
        assert_eq!(after(None, None, None), "never");
    }
}
