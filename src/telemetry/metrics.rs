//! Every metric, and the events that move them.
//!
//! Handles with pre-resolved children ([`RouteMetrics`], [`ListenerMetrics`], [`ProviderMetrics`],
//! [`UpstreamMetrics`]) are made when a configuration is loaded; counting through them is a few
//! nanoseconds. Which events there are is decided by the callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::core::Metric;
use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, IntCounter, IntGauge, Registry, TextEncoder,
};

use super::catalogue::{self, CATALOGUE};
use super::family::Family;
use super::process::{self, Process};
use super::{Door, Outcome};
use crate::base::time::Timestamp;

pub use super::catalogue::{Kind, MetricDoc};

mod handles;
mod sessions;

pub use handles::{
    KeyRefresh, ListenerMetrics, ProviderMetrics, Refusal, RouteMetrics, UpstreamError,
    UpstreamMetrics,
};
pub use sessions::{
    BackendCall, BackendResult, FirstUseResult, IntrospectionResult, RenewalResult,
    ResolutionResult, SessionMetrics, StoreOperation, StoreResult,
};

/// Seconds; a decision from memory takes about a microsecond, one with a signature about 100.
const DECISION_BUCKETS: &[f64] =
    &[1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0];

/// Seconds; dominated by the upstream.
const REQUEST_BUCKETS: &[f64] = &[
    2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
];

/// Every metric with its type, labels and help, by name.
pub fn catalogue() -> &'static [MetricDoc] {
    CATALOGUE
}

/// How a look-up of a remembered identity ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheLookup {
    /// In the shared cache.
    Hit,
    /// In the memo of the connection.
    Memo,
    /// Nowhere.
    Miss,
}

/// How an attempt to bring something into force ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Refused; the old one stays.
    Failed,
    /// In force.
    Ok,
}

/// The metrics of one process; clones share them.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    cache_bytes: IntGauge,
    cache_entries: IntGauge,
    cache_lookups: [IntCounter; 3],
    certificate_expiry: Family<IntGauge>,
    certificate_reloads: [IntCounter; 2],
    config_loaded: IntGauge,
    config_reloads: [IntCounter; 2],
    config_success: IntGauge,
    connections: Family<IntGauge>,
    connections_refused: Family<IntCounter>,
    decision_seconds: [Histogram; 3],
    decisions: Family<IntCounter>,
    key_set_age: Family<IntGauge>,
    key_set_keys: Family<IntGauge>,
    key_set_refreshes: Family<IntCounter>,
    key_sets: Mutex<Vec<(String, Arc<AtomicU64>)>>,
    log_lines_dropped: IntCounter,
    panics: IntCounter,
    process: ProcessMetrics,
    request_seconds: [[Histogram; 8]; 3],
    sessions: SessionMetrics,
    upstream_errors: Family<IntCounter>,
    upstream_responses: Family<IntCounter>,
}

struct ProcessMetrics {
    cpu: Counter,
    max_fds: Gauge,
    open_fds: Gauge,
    resident: Gauge,
    start: Gauge,
    threads: Gauge,
}

impl Metrics {
    /// All metrics at zero, in a registry of their own.
    pub fn new() -> Self {
        let registry = Registry::new();
        build_info(&registry);
        Self { inner: Arc::new(Inner::new(registry)) }
    }

    /// The text that a scrape gets, at `now`
    /// ([text format 0.0.4](https://prometheus.io/docs/instrumenting/exposition_formats/)).
    pub fn render(&self, now: Timestamp) -> String {
        self.inner.refresh(now);
        // Encoding fails only for a family without a name; the catalogue names them all.
        TextEncoder::new().encode_to_string(&self.inner.registry.gather()).unwrap_or_default()
    }

    /// The gate decided: counted for the route, timed for the door.
    pub fn decided(
        &self,
        door: Door,
        route: &RouteMetrics,
        outcome: Outcome,
        reason: &'static str,
        took: Duration,
    ) {
        route.count(door, outcome, reason);
        self.inner.decision_seconds[door.index()].observe(took.as_secs_f64());
    }

    /// A request's answer is complete.
    pub fn answered(&self, door: Door, outcome: Outcome, took: Duration) {
        self.inner.request_seconds[door.index()][outcome.index()].observe(took.as_secs_f64());
    }

    /// A remembered identity was looked for.
    pub fn cache_looked_up(&self, result: CacheLookup) {
        self.inner.cache_lookups[result as usize].inc();
    }

    /// How much is remembered.
    pub fn cache_measured(&self, entries: u64, bytes: u64) {
        self.inner.cache_entries.set(signed(entries));
        self.inner.cache_bytes.set(signed(bytes));
    }

    /// A configuration came into force, or was refused, at `now`. The first one counts too.
    pub fn config_reloaded(&self, result: Reload, now: Timestamp) {
        self.inner.config_reloads[result as usize].inc();
        self.inner.config_success.set(i64::from(result == Reload::Ok));
        if result == Reload::Ok {
            self.inner.config_loaded.set(signed(now.as_secs()));
        }
    }

    /// Changed certificate files were read again.
    pub fn certificates_reloaded(&self, result: Reload) {
        self.inner.certificate_reloads[result as usize].inc();
    }

    /// The certificates that a listener serves now, each by its first name with the moment it
    /// ends. Replaces what was told of this listener before.
    pub fn certificates_served(&self, listener: &str, certificates: &[(String, Timestamp)]) {
        self.inner.certificate_expiry.forget(listener);
        for (name, expiry) in certificates {
            self.inner.certificate_expiry.child(&[listener, name]).set(signed(expiry.as_secs()));
        }
    }

    /// A line of the log was dropped.
    pub(super) fn dropped_lines(&self) -> IntCounter {
        self.inner.log_lines_dropped.clone()
    }

    /// Some code panicked.
    pub fn panicked(&self) {
        self.inner.panics.inc();
    }

    /// The counters of one route, by its name in the configuration.
    pub fn route(&self, name: &str) -> RouteMetrics {
        RouteMetrics::new(self.inner.decisions.clone(), name)
    }

    /// The counters of one listener, by its name.
    pub fn listener(&self, name: &str) -> ListenerMetrics {
        ListenerMetrics::new(&self.inner.connections, &self.inner.connections_refused, name)
    }

    /// The counters of one provider, by its name.
    pub fn provider(&self, name: &str) -> ProviderMetrics {
        let confirmed = self.inner.confirmation(name);
        ProviderMetrics::new(
            &self.inner.key_set_keys,
            &self.inner.key_set_refreshes,
            confirmed,
            name,
        )
    }

    /// The counters of sessions.
    pub fn sessions(&self) -> SessionMetrics {
        self.inner.sessions.clone()
    }

    /// The counters of one upstream, by its name.
    pub fn upstream(&self, name: &str) -> UpstreamMetrics {
        UpstreamMetrics::new(&self.inner.upstream_responses, &self.inner.upstream_errors, name)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn new(registry: Registry) -> Self {
        let r = &registry;
        let decision = histograms(r, "sidegate_decision_duration_seconds", DECISION_BUCKETS);
        let request = histograms(r, "sidegate_request_duration_seconds", REQUEST_BUCKETS);
        let results = ["failed", "ok"];
        Self {
            cache_bytes: gauges(r, "sidegate_identity_cache_bytes").child(&[]),
            cache_entries: gauges(r, "sidegate_identity_cache_entries").child(&[]),
            cache_lookups: each(
                &counters(r, "sidegate_identity_cache_lookups_total"),
                ["hit", "memo", "miss"],
            ),
            certificate_expiry: gauges(r, "sidegate_certificate_expiry_timestamp_seconds"),
            certificate_reloads: each(&counters(r, "sidegate_certificate_reloads_total"), results),
            config_loaded: gauges(r, "sidegate_config_loaded_timestamp_seconds").child(&[]),
            config_reloads: each(&counters(r, "sidegate_config_reloads_total"), results),
            config_success: gauges(r, "sidegate_config_last_reload_success").child(&[]),
            connections: gauges(r, "sidegate_connections"),
            connections_refused: counters(r, "sidegate_connections_refused_total"),
            decision_seconds: Door::ALL.map(|door| decision.child(&[door.label()])),
            decisions: counters(r, "sidegate_decisions_total"),
            key_set_age: gauges(r, "sidegate_key_set_age_seconds"),
            key_set_keys: gauges(r, "sidegate_key_set_keys"),
            key_set_refreshes: counters(r, "sidegate_key_set_refreshes_total"),
            key_sets: Mutex::default(),
            log_lines_dropped: counters(r, "sidegate_log_lines_dropped_total").child(&[]),
            panics: counters(r, "sidegate_panics_total").child(&[]),
            process: ProcessMetrics::new(r),
            request_seconds: Door::ALL.map(|door| {
                Outcome::ALL.map(|outcome| request.child(&[door.label(), outcome.label()]))
            }),
            sessions: SessionMetrics::new(r),
            upstream_errors: counters(r, "sidegate_upstream_errors_total"),
            upstream_responses: counters(r, "sidegate_upstream_responses_total"),
            registry,
        }
    }

    /// When the key set of `provider` was last confirmed, shared by all handles of that name.
    fn confirmation(&self, provider: &str) -> Arc<AtomicU64> {
        let mut known = self.key_sets.lock();
        if let Some((_, confirmed)) = known.iter().find(|(name, _)| name == provider) {
            return Arc::clone(confirmed);
        }
        let confirmed = Arc::new(AtomicU64::new(handles::NEVER));
        known.push((provider.into(), Arc::clone(&confirmed)));
        confirmed
    }

    /// Brings up to date what is only known by looking.
    fn refresh(&self, now: Timestamp) {
        for (provider, confirmed) in self.key_sets.lock().iter() {
            let confirmed = confirmed.load(Ordering::Relaxed);
            if confirmed != handles::NEVER {
                let age = Timestamp::from_secs(confirmed).until(now);
                self.key_set_age.child(&[provider]).set(signed(age.as_secs()));
            }
        }
        self.process.update(&process::read());
    }
}

impl ProcessMetrics {
    fn new(registry: &Registry) -> Self {
        Self {
            cpu: family(registry, "process_cpu_seconds_total", |doc| {
                valid(Counter::new(doc.name, doc.help))
            })
            .child(&[]),
            max_fds: floats(registry, "process_max_fds"),
            open_fds: floats(registry, "process_open_fds"),
            resident: floats(registry, "process_resident_memory_bytes"),
            start: floats(registry, "process_start_time_seconds"),
            threads: floats(registry, "process_threads"),
        }
    }

    fn update(&self, process: &Process) {
        let cpu = process.cpu_seconds.unwrap_or_default();
        self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
        self.max_fds.set(process.max_fds.unwrap_or_default());
        self.open_fds.set(process.open_fds.unwrap_or_default());
        self.resident.set(process.resident_bytes.unwrap_or_default());
        self.start.set(process.start_seconds.unwrap_or_default());
        self.threads.set(process.threads.unwrap_or_default());
    }
}

fn build_info(registry: &Registry) {
    let labels = [env!("CARGO_PKG_VERSION"), env!("SIDEGATE_RUSTC")];
    gauges(registry, "sidegate_build_info").child(&labels).set(1);
}

fn counters(registry: &Registry, name: &str) -> Family<IntCounter> {
    family(registry, name, |doc| valid(IntCounter::new(doc.name, doc.help)))
}

fn gauges(registry: &Registry, name: &str) -> Family<IntGauge> {
    family(registry, name, |doc| valid(IntGauge::new(doc.name, doc.help)))
}

fn floats(registry: &Registry, name: &str) -> Gauge {
    family(registry, name, |doc| valid(Gauge::new(doc.name, doc.help))).child(&[])
}

fn histograms(registry: &Registry, name: &str, buckets: &'static [f64]) -> Family<Histogram> {
    family(registry, name, move |doc| {
        valid(Histogram::with_opts(HistogramOpts::new(doc.name, doc.help).buckets(buckets.into())))
    })
}

fn family<M: Metric + 'static>(
    registry: &Registry,
    name: &str,
    make: impl Fn(&'static MetricDoc) -> M + Send + Sync + 'static,
) -> Family<M> {
    let family = Family::new(catalogue::doc(name), make);
    valid(registry.register(Box::new(family.clone())));
    family
}

/// One child for each of the `values` of a family's only label.
fn each<const N: usize>(family: &Family<IntCounter>, values: [&str; N]) -> [IntCounter; N] {
    values.map(|value| family.child(&[value]))
}

/// What the metrics library made of the catalogue.
fn valid<T>(made: prometheus::Result<T>) -> T {
    made.expect("the catalogue has valid, distinct names, as its tests check")
}

/// Gauges are signed; what does not fit is beyond anything real.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
