//! Pre-resolved children for what one route, listener, provider or upstream counts.
//!
//! Made when a configuration is loaded, cheap to clone, shared by all handles of the same name.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus::{IntCounter, IntGauge};

use crate::base::time::Timestamp;
use crate::telemetry::family::Family;
use crate::telemetry::{Door, Outcome};

/// "Not yet", where a moment is expected.
pub(super) const NEVER: u64 = u64::MAX;

/// More pairs of door, outcome and reason than one route sees in practice; what goes beyond is
/// counted all the same, at the price of a look-up.
const SLOTS: usize = 24;

/// The decisions of one route.
#[derive(Clone)]
pub struct RouteMetrics {
    inner: Arc<Route>,
}

struct Route {
    name: String,
    decisions: Family<IntCounter>,
    /// Filled front to back by whoever first needs a counter; never changed afterwards.
    seen: [OnceLock<Seen>; SLOTS],
}

struct Seen {
    door: Door,
    outcome: Outcome,
    reason: &'static str,
    counter: IntCounter,
}

impl RouteMetrics {
    pub(super) fn new(decisions: Family<IntCounter>, name: &str) -> Self {
        let seen = [const { OnceLock::new() }; SLOTS];
        Self { inner: Arc::new(Route { name: name.into(), decisions, seen }) }
    }

    /// The route's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Counts one decision. Lock-free for what was counted before.
    pub(super) fn count(&self, door: Door, outcome: Outcome, reason: &'static str) {
        let route = &*self.inner;
        for slot in &route.seen {
            let seen = slot.get_or_init(|| route.resolve(door, outcome, reason));
            if seen.is(door, outcome, reason) {
                return seen.counter.inc();
            }
        }
        route.resolve(door, outcome, reason).counter.inc();
    }
}

impl Route {
    fn resolve(&self, door: Door, outcome: Outcome, reason: &'static str) -> Seen {
        let labels = [door.label(), &self.name, outcome.label(), reason];
        Seen { door, outcome, reason, counter: self.decisions.child(&labels) }
    }
}

impl Seen {
    fn is(&self, door: Door, outcome: Outcome, reason: &str) -> bool {
        self.door == door && self.outcome == outcome && self.reason == reason
    }
}

/// Why a connection was closed before it was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// More connections than are allowed.
    Cap,
    /// No byte arrived in time.
    FirstByteDeadline,
    /// The TLS handshake failed, or took too long.
    Handshake,
    /// A request's header was not complete in time.
    HeaderDeadline,
    /// What came could not be read as a request, so nothing else is told of it.
    Unreadable,
}

/// The connections of one listener.
#[derive(Clone)]
pub struct ListenerMetrics {
    connections: IntGauge,
    refused: [IntCounter; 5],
}

impl ListenerMetrics {
    pub(super) fn new(
        connections: &Family<IntGauge>,
        refused: &Family<IntCounter>,
        name: &str,
    ) -> Self {
        let reasons = ["cap", "first_byte_deadline", "handshake", "header_deadline", "unreadable"];
        Self {
            connections: connections.child(&[name]),
            refused: reasons.map(|why| refused.child(&[name, why])),
        }
    }

    /// A connection was opened.
    pub fn opened(&self) {
        self.connections.inc();
    }

    /// A connection that was opened is closed.
    pub fn closed(&self) {
        self.connections.dec();
    }

    /// A connection was closed unserved.
    pub fn refused(&self, why: Refusal) {
        self.refused[why as usize].inc();
    }
}

/// How an attempt to refresh a key set ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefresh {
    /// Not attempted: too soon after the last attempt.
    Cooldown,
    /// The old set stays.
    Failed,
    /// A set was read.
    Fresh,
    /// The set that we have is current.
    NotModified,
}

/// The key set of one provider.
#[derive(Clone)]
pub struct ProviderMetrics {
    keys: IntGauge,
    refreshes: [IntCounter; 4],
    confirmed: Arc<AtomicU64>,
}

impl ProviderMetrics {
    pub(super) fn new(
        keys: &Family<IntGauge>,
        refreshes: &Family<IntCounter>,
        confirmed: Arc<AtomicU64>,
        name: &str,
    ) -> Self {
        let results = ["cooldown", "failed", "fresh", "not_modified"];
        Self {
            keys: keys.child(&[name]),
            refreshes: results.map(|result| refreshes.child(&[name, result])),
            confirmed,
        }
    }

    /// An attempt ended.
    pub fn refreshed(&self, result: KeyRefresh) {
        self.refreshes[result as usize].inc();
    }

    /// At `now` the key set in use, of `keys` usable keys, was known to be current.
    pub fn confirmed(&self, keys: usize, now: Timestamp) {
        self.keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
        self.confirmed.store(now.as_secs(), Ordering::Relaxed);
    }
}

/// How an upstream failed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamError {
    /// It could not be reached.
    Connect,
    /// Something else.
    Other,
    /// It closed or reset the connection.
    Reset,
    /// It did not answer in time.
    Timeout,
    /// The TLS handshake with it failed.
    Tls,
}

impl UpstreamError {
    /// Every kind, in the order of its counters.
    const ALL: [Self; 5] = [Self::Connect, Self::Other, Self::Reset, Self::Timeout, Self::Tls];

    /// The metric label and the word of the log.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Other => "other",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
        }
    }
}

/// The answers of one upstream.
#[derive(Clone)]
pub struct UpstreamMetrics {
    classes: [IntCounter; 6],
    errors: [IntCounter; 5],
}

impl UpstreamMetrics {
    pub(super) fn new(
        responses: &Family<IntCounter>,
        errors: &Family<IntCounter>,
        name: &str,
    ) -> Self {
        let classes = ["error", "1xx", "2xx", "3xx", "4xx", "5xx"];
        Self {
            classes: classes.map(|class| responses.child(&[name, class])),
            errors: UpstreamError::ALL.map(|kind| errors.child(&[name, kind.label()])),
        }
    }

    /// It answered with `status`; one outside 100–599 counts as an error.
    pub fn answered(&self, status: u16) {
        let class = usize::from(status / 100);
        self.classes.get(class).unwrap_or(&self.classes[0]).inc();
    }

    /// It failed.
    pub fn failed(&self, error: UpstreamError) {
        self.classes[0].inc();
        self.errors[error as usize].inc();
    }
}
