use super::*;
use crate::session::{RevocationSet, Revoked, SessionId};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn lines(metrics: &Metrics, name: &str) -> Vec<String> {
    let text = metrics.render(NOW);
    text.lines().filter(|line| line.starts_with(name)).map(String::from).collect()
}

#[test]
fn decisions_are_counted_by_door_route_outcome_and_reason() {
    let metrics = Metrics::new();
    let route = metrics.route("app");
    for _ in 0..3 {
        metrics.decided(Door::Proxy, &route, Outcome::Allow, "token", Duration::from_micros(2));
    }
    metrics.decided(Door::ForwardAuth, &route, Outcome::Challenge, "token_expired", Duration::ZERO);
    assert_eq!(
        lines(&metrics, "sidegate_decisions_total"),
        [
            r#"sidegate_decisions_total{door="forward_auth",route="app",outcome="challenge",reason="token_expired"} 1"#,
            r#"sidegate_decisions_total{door="proxy",route="app",outcome="allow",reason="token"} 3"#,
        ]
    );
    let timed = lines(&metrics, r#"sidegate_decision_duration_seconds_count{door="proxy"}"#);
    assert!(timed[0].ends_with(" 3"), "{timed:?}");
}

/// Ends that were forgotten too early are counted once, however often it is looked.
#[test]
fn ends_that_found_no_room_are_counted() {
    let (metrics, set) = (Metrics::new(), RevocationSet::new(2));
    let subject = |name: u8| Revoked::Session(SessionId::from_bytes([name; 16]));
    for (name, held, evicted) in [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 2, 2)] {
        set.revoke(&subject(name), NOW, NOW + Duration::from_secs(60), NOW);
        for _ in 0..2 {
            metrics.sessions().revocations_held(&set);
        }
        let held = format!("sidegate_revocations {held}");
        let evicted = format!("sidegate_revocations_evicted_total {evicted}");
        assert_eq!(lines(&metrics, "sidegate_revocations ")[0], held);
        assert_eq!(lines(&metrics, "sidegate_revocations_evicted_total ")[0], evicted);
    }
}

#[test]
fn a_route_counts_more_reasons_than_it_has_slots_for() {
    const REASONS: [&str; 40] = [
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r",
        "s", "t", "u", "v", "w", "x", "y", "z", "aa", "ab", "ac", "ad", "ae", "af", "ag", "ah",
        "ai", "aj", "ak", "al", "am", "an",
    ];
    let metrics = Metrics::new();
    let route = metrics.route("app");
    for reason in REASONS.iter().chain(&REASONS) {
        route.count(Door::Proxy, Outcome::Refuse, reason);
    }
    let counted = lines(&metrics, "sidegate_decisions_total");
    assert_eq!(counted.len(), REASONS.len());
    assert!(counted.iter().all(|line| line.ends_with(" 2")), "{counted:?}");
}

#[test]
fn handles_of_the_same_name_share_their_counters() {
    let metrics = Metrics::new();
    metrics.upstream("app").answered(204);
    metrics.upstream("app").answered(299);
    let counted =
        lines(&metrics, r#"sidegate_upstream_responses_total{upstream="app",class="2xx""#);
    assert_eq!(counted, [r#"sidegate_upstream_responses_total{upstream="app",class="2xx"} 2"#]);
}

#[test]
fn odd_statuses_and_failures_count_as_errors() {
    let metrics = Metrics::new();
    let upstream = metrics.upstream("app");
    upstream.answered(999);
    upstream.failed(UpstreamError::Timeout);
    let text = metrics.render(NOW);
    assert!(text.contains(r#"sidegate_upstream_responses_total{upstream="app",class="error"} 2"#));
    assert!(text.contains(r#"sidegate_upstream_errors_total{upstream="app",kind="timeout"} 1"#));
}

#[test]
fn key_set_age_is_absent_until_confirmed_and_grows_with_the_clock() {
    let metrics = Metrics::new();
    let provider = metrics.provider("main");
    assert!(lines(&metrics, "sidegate_key_set_age_seconds").is_empty());
    provider.confirmed(3, NOW - Duration::from_secs(90));
    provider.refreshed(KeyRefresh::NotModified);
    let text = metrics.render(NOW);
    assert!(text.contains(r#"sidegate_key_set_age_seconds{provider="main"} 90"#), "{text}");
    assert!(text.contains(r#"sidegate_key_set_keys{provider="main"} 3"#));
    assert!(text.contains(r#"refreshes_total{provider="main",result="not_modified"} 1"#));
}

#[test]
fn refusals_and_lookups_land_on_their_own_label() {
    let metrics = Metrics::new();
    let listener = metrics.listener("edge");
    listener.opened();
    listener.refused(Refusal::HeaderDeadline);
    metrics.cache_looked_up(CacheLookup::Memo);
    let text = metrics.render(NOW);
    assert!(text.contains(r#"sidegate_connections{listener="edge"} 1"#));
    assert!(text.contains(r#"refused_total{listener="edge",why="header_deadline"} 1"#));
    assert!(text.contains(r#"refused_total{listener="edge",why="cap"} 0"#));
    assert!(text.contains(r#"lookups_total{result="memo"} 1"#));
}

#[test]
fn a_failed_reload_shows_and_keeps_the_time_of_the_last_good_one() {
    let metrics = Metrics::new();
    metrics.config_reloaded(Reload::Ok, NOW);
    metrics.config_reloaded(Reload::Failed, NOW + Duration::from_secs(60));
    let text = metrics.render(NOW);
    assert!(text.contains("sidegate_config_last_reload_success 0"));
    assert!(text.contains("sidegate_config_loaded_timestamp_seconds 1700000000"));
    assert!(text.contains(r#"sidegate_config_reloads_total{result="failed"} 1"#));
}

#[test]
fn certificates_of_a_listener_replace_its_earlier_ones_only() {
    let metrics = Metrics::new();
    metrics.certificates_served("a", &[("old.test".into(), NOW)]);
    metrics.certificates_served("b", &[("b.test".into(), NOW)]);
    metrics.certificates_served("a", &[("new.test".into(), NOW)]);
    let text = metrics.render(NOW);
    assert!(!text.contains("old.test") && text.contains("new.test") && text.contains("b.test"));
}

#[test]
fn everything_in_the_catalogue_is_registered_and_nothing_else() {
    let metrics = Metrics::new();
    metrics.decided(Door::Proxy, &metrics.route("r"), Outcome::Allow, "x", Duration::ZERO);
    metrics.listener("l").opened();
    metrics.provider("p").confirmed(1, NOW);
    metrics.upstream("u").failed(UpstreamError::Tls);
    metrics.certificates_served("l", &[("n".into(), NOW)]);
    let sessions = metrics.sessions();
    sessions.backend_called("main", BackendCall::Logout, BackendResult::Gone);
    sessions.started("main");
    sessions.ended("sign_out");
    sessions.first_use_claimed("dpop_proof", FirstUseResult::First);
    sessions.store_answers(true);
    sessions.stored("redis", StoreOperation::Load, StoreResult::Ok, Duration::ZERO);
    let text = metrics.render(NOW);
    let told: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let documented: Vec<&str> = catalogue().iter().map(|doc| doc.name).collect();
    assert_eq!(told, documented);
}
