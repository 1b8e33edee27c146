//! Every metric there is: name, type, labels, help. The docs and the registry both read this table.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

/// One row of the catalogue.
#[derive(Debug)]
pub struct MetricDoc {
    /// The name; ends in its unit or in `_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels; every one has a bounded set of values.
    pub labels: &'static [&'static str],
    /// What it tells, in one sentence.
    pub help: &'static str,
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricDoc {
    MetricDoc { name, kind: Kind::Counter, labels, help }
}

const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricDoc {
    MetricDoc { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricDoc {
    MetricDoc { name, kind: Kind::Histogram, labels, help }
}

/// Every metric of `/metrics`, by name.
pub(super) static CATALOGUE: &[MetricDoc] = &[
    counter("process_cpu_seconds_total", &[], "User and system CPU time spent, in seconds."),
    gauge("process_max_fds", &[], "Most file descriptors that may be open."),
    gauge("process_open_fds", &[], "File descriptors that are open."),
    gauge("process_resident_memory_bytes", &[], "Resident memory, in bytes."),
    gauge(
        "process_start_time_seconds",
        &[],
        "When the process started, in seconds since the epoch.",
    ),
    gauge("process_threads", &[], "Threads of the process."),
    counter(
        "sidegate_backend_session_calls_total",
        &["provider", "call", "result"],
        "Calls about sessions that providers keep for backends; call: authenticate, logout; result: ok, gone, failed.",
    ),
    gauge("sidegate_build_info", &["version", "rustc"], "Always 1; the labels say what was built."),
    gauge(
        "sidegate_certificate_expiry_timestamp_seconds",
        &["listener", "name"],
        "When the certificate of a listener ends, in seconds since the epoch.",
    ),
    counter(
        "sidegate_certificate_reloads_total",
        &["result"],
        "Times changed certificate files were read again; result: ok, failed.",
    ),
    gauge(
        "sidegate_config_last_reload_success",
        &[],
        "1 if the configuration that was read last is in force, 0 if it was refused.",
    ),
    gauge(
        "sidegate_config_loaded_timestamp_seconds",
        &[],
        "When the configuration in force was read, in seconds since the epoch.",
    ),
    counter(
        "sidegate_config_reloads_total",
        &["result"],
        "Reloads of the configuration; result: ok, failed.",
    ),
    gauge("sidegate_connections", &["listener"], "Connections that are open."),
    counter(
        "sidegate_connections_refused_total",
        &["listener", "why"],
        "Connections closed before they were served; why: cap, header_deadline, first_byte_deadline, handshake, unreadable.",
    ),
    histogram(
        "sidegate_decision_duration_seconds",
        &["door"],
        "Time from a request's header to its decision.",
    ),
    counter(
        "sidegate_decisions_total",
        &["door", "route", "outcome", "reason"],
        "Decisions of the gate; outcome: allow, challenge, forbid, refuse, sign_in, unavailable.",
    ),
    counter(
        "sidegate_first_uses_total",
        &["what", "result"],
        "Identifiers that may be used once; what: dpop_proof, handle, handover, logout_token, pass; result: first, again, unknown (the memory is full).",
    ),
    gauge(
        "sidegate_identity_cache_bytes",
        &[],
        "Estimated size of the remembered identities, in bytes.",
    ),
    gauge("sidegate_identity_cache_entries", &[], "Identities that are remembered."),
    counter(
        "sidegate_identity_cache_lookups_total",
        &["result"],
        "Look-ups of remembered identities; result: memo (same connection), hit, miss.",
    ),
    counter(
        "sidegate_introspections_total",
        &["result"],
        "Tokens that providers were to judge; result: active, inactive, remembered (not asked), unavailable.",
    ),
    gauge(
        "sidegate_key_set_age_seconds",
        &["provider"],
        "Time since the provider's key set was last confirmed; absent until it was had once.",
    ),
    gauge("sidegate_key_set_keys", &["provider"], "Usable keys in the provider's key set."),
    counter(
        "sidegate_key_set_refreshes_total",
        &["provider", "result"],
        "Attempts to refresh a key set; result: fresh, not_modified, failed, cooldown.",
    ),
    counter(
        "sidegate_log_lines_dropped_total",
        &[],
        "Log lines dropped because the output was not read fast enough.",
    ),
    counter(
        "sidegate_panics_total",
        &[],
        "Panics; each ended one connection or task and is a bug.",
    ),
    histogram(
        "sidegate_request_duration_seconds",
        &["door", "outcome"],
        "Time from a request's header to the end of its answer.",
    ),
    counter(
        "sidegate_resolutions_total",
        &["result"],
        "Credentials that a provider's resolver was to judge; result: invalid, remembered (not asked), saw_none, unavailable, valid.",
    ),
    gauge("sidegate_revocations", &[], "Ended sessions, logins and persons that are remembered."),
    counter(
        "sidegate_revocations_evicted_total",
        &[],
        "Ends of sessions, logins and persons that were forgotten before their time for want of room.",
    ),
    counter(
        "sidegate_revocations_file_failures_total",
        &[],
        "Times the file of revocations could not be written; what it lacks is lost at a restart.",
    ),
    counter(
        "sidegate_session_renewals_total",
        &["result"],
        "Attempts to renew a session; result: renewed, ended, failed (to be tried again).",
    ),
    histogram(
        "sidegate_session_store_duration_seconds",
        &["store"],
        "Time that an operation of the session store took.",
    ),
    counter(
        "sidegate_session_store_operations_total",
        &["store", "operation", "result"],
        "Operations of the session store; result: ok, missing, ended, damaged, unavailable.",
    ),
    gauge(
        "sidegate_session_store_up",
        &["store"],
        "Whether the store that replicas share answered last, 1 or 0; absent until it was asked.",
    ),
    counter(
        "sidegate_sessions_ended_total",
        &["reason"],
        "Sessions that were ended before their time, by what ended them.",
    ),
    counter(
        "sidegate_sessions_started_total",
        &["provider"],
        "Sessions that began with a completed sign-in.",
    ),
    counter(
        "sidegate_upstream_errors_total",
        &["upstream", "kind"],
        "Requests that an upstream failed; kind: connect, timeout, reset, tls, other.",
    ),
    counter(
        "sidegate_upstream_responses_total",
        &["upstream", "class"],
        "Answers of upstreams; class: 1xx, 2xx, 3xx, 4xx, 5xx, error.",
    ),
];

/// The row of `name`.
///
/// # Panics
/// If there is none: names are literals of this crate.
pub(super) fn doc(name: &str) -> &'static MetricDoc {
    CATALOGUE
        .iter()
        .find(|doc| doc.name == name)
        .unwrap_or_else(|| unreachable!("metric {name} is not in the catalogue"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_distinct() {
        assert!(CATALOGUE.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn counters_end_in_total_and_times_in_seconds() {
        for doc in CATALOGUE {
            assert_eq!(doc.kind == Kind::Counter, doc.name.ends_with("_total"), "{}", doc.name);
            assert!(doc.kind != Kind::Histogram || doc.name.ends_with("_seconds"), "{}", doc.name);
            assert!(doc.help.ends_with('.'), "{}", doc.name);
        }
    }
}
