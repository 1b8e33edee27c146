//! Login sessions: what is remembered of a person between sign-in and sign-out, and how it is kept in cookies nobody else can
//! read or write. Pure: keys, the time and random bytes are parameters; stores and sockets are elsewhere.

mod attempt;
mod codec;
mod cookie;
mod handle;
mod handover;
mod hint;
mod id;
mod keep;
mod note;
mod parting;
mod pass;
mod return_to;
mod revocation;
mod seal;
mod state;
mod ticket;
mod wire;

use std::time::Duration;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::token::Claims;

pub use crate::base::prompt::Prompt;
pub use attempt::{
    Asked, Attempt, AttemptCookies, AttemptEntropy, AttemptError, AttemptId, AttemptStart,
};
pub use codec::SessionError;
pub use cookie::{
    CookieError, CookieNameError, CookieSpec, CookieText, CookieTooLarge, MAX_CHUNKS, SameSite,
    Scope,
};
pub use handle::{Handle, HandleKind};
pub use handover::{Departure, Farewell, Handover, HandoverError, Parcel, Referral};
pub use hint::Hint;
pub use id::SessionId;
pub use keep::{Keep, carry_strength, keep_claims};
pub use note::Note;
pub use parting::Parting;
pub use pass::Pass;
pub use return_to::{AllowedHosts, Origin, OriginError, ReturnTo, ReturnToError};
pub use revocation::{RevocationSet, Revoked};
pub use seal::{Nonce, OpenError, Purpose, SealContext, SealError, SealingKeys};
pub use state::{State, StateError};
pub use ticket::Ticket;
pub use wire::DecodeError;

/// What is known of a person who signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Names it; made anew at every sign-in, so that a session known before is worth nothing after.
    pub id: SessionId,
    /// The provider's name in the configuration.
    pub provider: String,
    /// The `client_id` it was made for.
    pub client: String,
    /// The provider's issuer identifier.
    pub issuer: String,
    /// The ID token's `sub`.
    pub subject: String,
    /// The provider's name of its own session, for its sign-out messages
    /// ([Back-Channel Logout §2.1](https://openid.net/specs/openid-connect-backchannel-1_0.html#BCSupport)).
    pub sid: Option<String>,
    /// What is kept of the claims; see [`keep_claims`].
    pub claims: Claims,
    /// When the person signed in here.
    pub started: Timestamp,
    /// When it ends, should nothing more come.
    pub idle_until: Timestamp,
    /// When it ends whatever comes.
    pub ends: Timestamp,
    /// When it is to be renewed at the provider, if it can be.
    pub renewal: Option<Renewal>,
    /// Whether it outlives the browser's run.
    pub persistent: bool,
    /// The provider's tokens, as far as they are kept.
    pub tokens: Tokens,
    /// How often it was renewed.
    pub renewals: u32,
}

/// When a session is to be renewed by its refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// From when on renewing is tried, while requests go on.
    pub due: Timestamp,
    /// From when on nothing passes before it is renewed.
    pub by: Timestamp,
}

/// The provider's tokens of a session.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// The refresh token.
    pub refresh: Option<Secret<String>>,
    /// The access token; kept in stores alone.
    pub access: Option<Secret<String>>,
    /// The ID token, a hint at sign-out; kept in stores alone.
    pub id: Option<Secret<String>>,
}

/// How long sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Without a request.
    pub idle: Duration,
    /// At all.
    pub absolute: Duration,
    /// How much of the idle time must have passed before a request writes the session anew.
    pub touch_after: Duration,
}

impl Limits {
    /// Limits that write a session anew after a tenth of the idle time, or five minutes if that is less.
    pub fn new(idle: Duration, absolute: Duration) -> Self {
        Self { idle, absolute, touch_after: (idle / 10).min(Duration::from_secs(300)) }
    }
}

/// 8 hours idle, 24 hours at all: a working day, and never two.
impl Default for Limits {
    fn default() -> Self {
        Self::new(Duration::from_secs(8 * 3600), Duration::from_secs(24 * 3600))
    }
}

/// Whether a session is still one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It is, and the answer stays the same until then.
    Good {
        /// The first moment at which to ask again.
        until: Timestamp,
    },
    /// It is not.
    Over(Ended),
    /// It is, and it should be written anew so that it goes on; see [`Session::touched`].
    Touch,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It reached the longest time a session may live.
    Absolute,
    /// Nobody used it for too long.
    Idle,
    /// The provider would not renew it, or could not be asked in time.
    NotRenewed,
}

impl Ended {
    /// The word of logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Idle => "idle",
            Self::NotRenewed => "not_renewed",
        }
    }
}

impl Session {
    /// Whether it lives at `now`, going by the times alone. A shorter absolute limit counts for sessions that are there already, a
    /// shorter idle limit from their next use on.
    ///
    /// Never says [`Ended::NotRenewed`]: whoever renews knows that; see [`Self::must_be_renewed`].
    pub fn life(&self, limits: &Limits, now: Timestamp) -> Life {
        let ends = self.ends_by(limits);
        if now >= ends {
            return Life::Over(Ended::Absolute);
        }
        if now >= self.idle_until {
            return Life::Over(Ended::Idle);
        }
        let touch = self.touch_at(limits);
        if now >= touch || (now + limits.idle).min(ends) < self.idle_until.min(ends) {
            return Life::Touch;
        }
        let renewal = self.renewal.map_or(Timestamp::FAR_FUTURE, |renewal| {
            if now < renewal.due {
                renewal.due
            } else if now < renewal.by {
                renewal.by
            } else {
                Timestamp::FAR_FUTURE
            }
        });
        Life::Good { until: ends.min(self.idle_until).min(touch).min(renewal) }
    }

    /// The same, over by `ends` at the latest: what goes on with an older sign-in lives no longer than that.
    #[must_use]
    pub fn ending_by(self, ends: Timestamp) -> Self {
        let ends = self.ends.min(ends);
        Self { idle_until: self.idle_until.min(ends), ends, ..self }
    }

    /// Whether renewing should be tried.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.renewal.is_some_and(|renewal| now >= renewal.due)
    }

    /// Whether nothing may pass before it is renewed.
    pub fn must_be_renewed(&self, now: Timestamp) -> bool {
        self.renewal.is_some_and(|renewal| now >= renewal.by)
    }

    /// The same session, used at `now`.
    pub fn touched(&self, limits: &Limits, now: Timestamp) -> Self {
        let ends = self.ends_by(limits);
        Self { idle_until: (now + limits.idle).min(ends), ends, ..self.clone() }
    }

    /// When it ends whatever comes, by what was written and by what holds now.
    fn ends_by(&self, limits: &Limits) -> Timestamp {
        self.ends.min(self.started + limits.absolute)
    }

    /// When it should be written anew: once enough of the idle time has passed, and once more so that the last stretch
    /// reaches the very end.
    fn touch_at(&self, limits: &Limits) -> Timestamp {
        let ends = self.ends_by(limits);
        if self.idle_until >= ends {
            return Timestamp::FAR_FUTURE;
        }
        let used = self.idle_until + limits.touch_after - limits.idle;
        used.min(ends - limits.idle)
    }
}

#[cfg(test)]
mod tests;
