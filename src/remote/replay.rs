//! What may be used once: the `jti` of DPoP proofs ([RFC 9449 §11.1](https://www.rfc-editor.org/rfc/rfc9449#section-11.1)) and
//! of logout tokens ([OpenID Connect Back-Channel Logout §2.6](https://openid.net/specs/openid-connect-backchannel-1_0.html#Validation)),
//! and hand-overs of our own.
//!
//! A memory of this process, bounded, and of those that share a store with it. When it is full it vouches for nothing more: that an identifier is new can only be
//! said by one who remembers all the others.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use ahash::RandomState;
use aws_lc_rs::digest::{Context, SHA256};
use parking_lot::Mutex;

use crate::base::time::Timestamp;
use crate::gate::FirstUseAnswer;
use crate::remote::sessions::Sessions;
use crate::telemetry::metrics::{FirstUseResult, SessionMetrics};

type Key = [u8; 32];

/// Whose identifiers are told apart from one another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneTime {
    /// The `jti` of a DPoP proof.
    DpopProof,
    /// The name of a reference to a session that a provider keeps.
    Handle,
    /// The name of a session's hand-over from one host to another.
    Handover,
    /// The `jti` of a logout token.
    LogoutToken,
    /// The name of an address that signs a browser in for a device.
    Pass,
}

impl OneTime {
    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::DpopProof => "dpop_proof",
            Self::Handle => "handle",
            Self::Handover => "handover",
            Self::LogoutToken => "logout_token",
            Self::Pass => "pass",
        }
    }
}

/// Whether an identifier may be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstUse {
    /// It was used before.
    Again,
    /// It was not, and is from now on.
    First,
    /// That cannot be told: the memory is full. To be refused like [`FirstUse::Again`], as no fault of the caller's.
    Unknown,
}

/// Remembers which identifiers were used, each until its window ends.
pub struct FirstUses {
    capacity: usize,
    used: Mutex<Used>,
    metrics: SessionMetrics,
}

#[derive(Default)]
struct Used {
    keys: HashSet<Key, RandomState>,
    windows: BTreeSet<(Timestamp, Key)>,
}

impl FirstUses {
    /// A memory for `capacity` identifiers, of about 150 bytes each. Takes room only as it fills.
    pub fn new(capacity: usize, metrics: SessionMetrics) -> Self {
        Self { capacity, used: Mutex::default(), metrics }
    }

    /// Uses the identifier in all processes that share a store of `sessions`, if there is one; otherwise as [`Self::claim`]. A store
    /// that does not answer is [`FirstUse::Unknown`].
    pub async fn claim_everywhere(
        &self,
        sessions: Option<&Sessions>,
        (what, provider, identifier): (OneTime, &str, &[u8]),
        until: Timestamp,
        now: Timestamp,
    ) -> FirstUse {
        let here = self.claim(what, provider, identifier, until, now);
        let (FirstUse::First, Some(sessions)) = (here, sessions) else { return here };
        let name: String =
            key(what, provider, identifier).iter().map(|byte| format!("{byte:02x}")).collect();
        // A window includes its last second.
        match sessions.use_once(&name, now.until(until) + Duration::from_secs(1)).await {
            Ok(true) => FirstUse::First,
            Ok(false) => FirstUse::Again,
            Err(_) => FirstUse::Unknown,
        }
    }

    /// Uses the identifier that `provider`'s client or `provider` itself made. After the window's end, `until`, the caller must
    /// refuse what bears it for its age: it is forgotten here.
    pub fn claim(
        &self,
        what: OneTime,
        provider: &str,
        identifier: &[u8],
        until: Timestamp,
        now: Timestamp,
    ) -> FirstUse {
        let key = key(what, provider, identifier);
        let found = self.used.lock().claim(key, self.capacity, until, now);
        self.metrics.first_use_claimed(what.label(), found.result());
        found
    }

    /// How many identifiers are remembered.
    pub fn len(&self) -> usize {
        self.used.lock().keys.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<FirstUse> for FirstUseAnswer {
    fn from(found: FirstUse) -> Self {
        match found {
            FirstUse::Again => Self::Replayed,
            FirstUse::First => Self::First,
            FirstUse::Unknown => Self::Unavailable,
        }
    }
}

impl FirstUse {
    const fn result(self) -> FirstUseResult {
        match self {
            Self::Again => FirstUseResult::Again,
            Self::First => FirstUseResult::First,
            Self::Unknown => FirstUseResult::Unknown,
        }
    }
}

impl Used {
    fn claim(&mut self, key: Key, capacity: usize, until: Timestamp, now: Timestamp) -> FirstUse {
        self.forget_before(now);
        if self.keys.contains(&key) {
            return FirstUse::Again;
        }
        if self.keys.len() >= capacity {
            return FirstUse::Unknown;
        }
        self.keys.insert(key);
        self.windows.insert((until, key));
        FirstUse::First
    }

    /// A window includes its last second.
    fn forget_before(&mut self, now: Timestamp) {
        while let Some((until, key)) =
            self.windows.first().copied().filter(|(until, _)| *until < now)
        {
            self.windows.remove(&(until, key));
            self.keys.remove(&key);
        }
    }
}

/// Lengths are hashed too: no choice of identifier moves a part of it into the provider's name.
fn key(what: OneTime, provider: &str, identifier: &[u8]) -> Key {
    let mut hash = Context::new(&SHA256);
    hash.update(what.label().as_bytes());
    hash.update(&provider.len().to_be_bytes());
    hash.update(provider.as_bytes());
    hash.update(identifier);
    let mut key = Key::default();
    key.copy_from_slice(hash.finish().as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::replay::FirstUse::{Again, First, Unknown};
    use crate::telemetry::metrics::Metrics;

    fn uses_for(capacity: usize) -> FirstUses {
        FirstUses::new(capacity, Metrics::new().sessions())
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn dpop(uses: &FirstUses, provider: &str, jti: &str, until: u64, now: u64) -> FirstUse {
        uses.claim(OneTime::DpopProof, provider, jti.as_bytes(), at(until), at(now))
    }

    #[test]
    fn an_identifier_is_used_once_until_its_window_ends() {
        let uses = uses_for(10);
        assert_eq!(dpop(&uses, "main", "a", 60, 0), First);
        assert_eq!(dpop(&uses, "main", "a", 90, 1), Again);
        assert_eq!(dpop(&uses, "main", "a", 60, 60), Again, "the window's last second");
        assert_eq!(dpop(&uses, "main", "a", 120, 61), First);
    }

    #[test]
    fn providers_kinds_and_identifiers_are_told_apart() {
        let uses = uses_for(10);
        assert_eq!(dpop(&uses, "main", "a", 60, 0), First);
        assert_eq!(dpop(&uses, "main", "b", 60, 0), First);
        assert_eq!(dpop(&uses, "other", "a", 60, 0), First);
        assert_eq!(dpop(&uses, "maina", "", 60, 0), First);
        assert_eq!(uses.claim(OneTime::LogoutToken, "main", b"a", at(60), at(0)), First);
        assert_eq!(uses.claim(OneTime::LogoutToken, "main", b"a", at(60), at(0)), Again);
    }

    /// mod_auth_openidc 2.4.20 of 2026-08-12: a replay store that fails must not let pass.
    #[test]
    fn a_full_memory_vouches_for_nothing_new_but_knows_the_old() {
        let uses = uses_for(2);
        assert_eq!(dpop(&uses, "main", "a", 60, 0), First);
        assert_eq!(dpop(&uses, "main", "b", 30, 0), First);
        assert_eq!(dpop(&uses, "main", "c", 60, 0), Unknown);
        assert_eq!(dpop(&uses, "main", "a", 60, 0), Again);
        assert_eq!(dpop(&uses, "main", "c", 60, 31), First, "b has made room");
        assert_eq!(uses.len(), 2);
    }

    #[test]
    fn of_many_at_once_one_is_first() {
        let uses = uses_for(10);
        let first = std::thread::scope(|scope| {
            let claims: Vec<_> =
                (0..8).map(|_| scope.spawn(|| dpop(&uses, "main", "a", 60, 0))).collect();
            claims
                .into_iter()
                .map(|claim| claim.join().unwrap())
                .filter(|use_| *use_ == First)
                .count()
        });
        assert_eq!(first, 1);
    }
}
