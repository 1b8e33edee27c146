//! What is counted of sessions, of their stores and of what is asked about tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge, Registry};

use super::{counters, each, gauges, histograms, signed};
use crate::session::RevocationSet;
use crate::telemetry::family::Family;

/// Seconds; memory takes microseconds, a store next door less than a millisecond, and 250 ms is the end.
const STORE_BUCKETS: &[f64] =
    &[1e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 1e-2, 2.5e-2, 0.1, 0.25, 1.0];

/// What is asked of a provider about a session that it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendCall {
    /// Who is signed in by it.
    Authenticate,
    /// That it end.
    Logout,
}

impl BackendCall {
    const fn label(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::Logout => "logout",
        }
    }
}

/// How a call about a session that a provider keeps ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendResult {
    /// To be tried again.
    Failed,
    /// There is no such session.
    Gone,
    /// Well.
    Ok,
}

impl BackendResult {
    const fn label(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Gone => "gone",
            Self::Ok => "ok",
        }
    }
}

/// How an identifier that may be used once was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstUseResult {
    /// It was used before.
    Again,
    /// It was not.
    First,
    /// Nobody can tell.
    Unknown,
}

/// How an introspection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntrospectionResult {
    /// The token is good.
    Active,
    /// It is not.
    Inactive,
    /// It is known from before.
    Remembered,
    /// Nobody can tell.
    Unavailable,
}

/// How an attempt to renew a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalResult {
    /// The session is over.
    Ended,
    /// To be tried again.
    Failed,
    /// It was renewed.
    Renewed,
}

/// How a question to a resolver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolutionResult {
    /// Nothing of what came is good.
    Invalid,
    /// It is known from before.
    Remembered,
    /// The resolver saw no credential.
    SawNone,
    /// Nobody can tell.
    Unavailable,
    /// It names a caller.
    Valid,
}

/// An operation of a session store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOperation {
    /// A session, or several, are ended.
    End,
    /// One is read.
    Load,
    /// One is written.
    Save,
    /// The right to renew one is taken or given back.
    Turn,
}

impl StoreOperation {
    const fn label(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Load => "load",
            Self::Save => "save",
            Self::Turn => "turn",
        }
    }
}

/// How an operation of a session store ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreResult {
    /// What is stored is no session.
    Damaged,
    /// The session was ended before.
    Ended,
    /// There is no such session.
    Missing,
    /// Well.
    Ok,
    /// The store could not be asked.
    Unavailable,
}

impl StoreResult {
    const fn label(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Ended => "ended",
            Self::Missing => "missing",
            Self::Ok => "ok",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The counters of sessions. Clones share them.
#[derive(Clone)]
pub struct SessionMetrics {
    backend_calls: Family<IntCounter>,
    ended: Family<IntCounter>,
    file_failures: IntCounter,
    first_uses: Family<IntCounter>,
    introspections: [IntCounter; 4],
    renewals: [IntCounter; 3],
    resolutions: [IntCounter; 5],
    revocations: IntGauge,
    revocations_evicted: IntCounter,
    evicted_counted: Arc<AtomicU64>,
    started: Family<IntCounter>,
    store_operations: Family<IntCounter>,
    store_seconds: Family<Histogram>,
    store_up: Family<IntGauge>,
}

impl SessionMetrics {
    pub(super) fn new(r: &Registry) -> Self {
        Self {
            backend_calls: counters(r, "sidegate_backend_session_calls_total"),
            ended: counters(r, "sidegate_sessions_ended_total"),
            file_failures: counters(r, "sidegate_revocations_file_failures_total").child(&[]),
            first_uses: counters(r, "sidegate_first_uses_total"),
            introspections: each(
                &counters(r, "sidegate_introspections_total"),
                ["active", "inactive", "remembered", "unavailable"],
            ),
            renewals: each(
                &counters(r, "sidegate_session_renewals_total"),
                ["ended", "failed", "renewed"],
            ),
            resolutions: each(
                &counters(r, "sidegate_resolutions_total"),
                ["invalid", "remembered", "saw_none", "unavailable", "valid"],
            ),
            revocations: gauges(r, "sidegate_revocations").child(&[]),
            revocations_evicted: counters(r, "sidegate_revocations_evicted_total").child(&[]),
            evicted_counted: Arc::default(),
            started: counters(r, "sidegate_sessions_started_total"),
            store_operations: counters(r, "sidegate_session_store_operations_total"),
            store_seconds: histograms(r, "sidegate_session_store_duration_seconds", STORE_BUCKETS),
            store_up: gauges(r, "sidegate_session_store_up"),
        }
    }

    /// `provider` was asked about a session that it keeps.
    pub fn backend_called(&self, provider: &str, call: BackendCall, result: BackendResult) {
        self.backend_calls.child(&[provider, call.label(), result.label()]).inc();
    }

    /// A sign-in with `provider` was completed.
    pub fn started(&self, provider: &str) {
        self.started.child(&[provider]).inc();
    }

    /// A session was ended; `reason` is a fixed word.
    pub fn ended(&self, reason: &'static str) {
        self.ended.child(&[reason]).inc();
    }

    /// An identifier of the kind `what`, a fixed word, was to be used.
    pub fn first_use_claimed(&self, what: &'static str, result: FirstUseResult) {
        let result = match result {
            FirstUseResult::Again => "again",
            FirstUseResult::First => "first",
            FirstUseResult::Unknown => "unknown",
        };
        self.first_uses.child(&[what, result]).inc();
    }

    /// A token was to be judged by its provider.
    pub fn introspected(&self, result: IntrospectionResult) {
        self.introspections[result as usize].inc();
    }

    /// A renewal was tried.
    pub fn renewal_attempted(&self, result: RenewalResult) {
        self.renewals[result as usize].inc();
    }

    /// Credentials were to be judged by their provider's resolver.
    pub fn resolved(&self, result: ResolutionResult) {
        self.resolutions[result as usize].inc();
    }

    /// What is remembered of revocations, and how many were forgotten too early.
    pub fn revocations_held(&self, held: &RevocationSet) {
        self.revocations.set(signed(held.len() as u64));
        let evicted = held.evicted();
        // Whoever comes first counts the difference, so that nothing is counted twice.
        let counted = self.evicted_counted.fetch_max(evicted, Ordering::Relaxed);
        self.revocations_evicted.inc_by(evicted.saturating_sub(counted));
    }

    /// The file of revocations could not be written.
    pub fn revocations_file_failed(&self) {
        self.file_failures.inc();
    }

    /// Whether the store that replicas share answers.
    pub fn store_answers(&self, answers: bool) {
        self.store_up.child(&["redis"]).set(i64::from(answers));
    }

    /// An operation of the store of that name, a fixed word, ended.
    pub fn stored(
        &self,
        store: &'static str,
        operation: StoreOperation,
        result: StoreResult,
        took: Duration,
    ) {
        self.store_operations.child(&[store, operation.label(), result.label()]).inc();
        self.store_seconds.child(&[store]).observe(took.as_secs_f64());
    }
}
