use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

fn seconds(pairs: &[(&'static str, &str)]) -> u64 {
    lifetime(&headers(pairs), &RefreshBounds::default(), NOW).as_secs()
}

/// An HTTP date so many seconds after `NOW`.
fn date_in(offset: i64) -> String {
    let moment =
        UNIX_EPOCH + Duration::from_secs(NOW.as_secs().checked_add_signed(offset).unwrap());
    httpdate::fmt_http_date(moment)
}

#[test]
fn without_cache_headers_the_default_holds() {
    assert_eq!(seconds(&[]), 3600);
    assert_eq!(seconds(&[("cache-control", "public")]), 3600);
}

#[test]
fn max_age_counts_from_when_the_answer_was_made() {
    assert_eq!(seconds(&[("cache-control", "public, max-age=600")]), 600);
    assert_eq!(seconds(&[("cache-control", "Max-Age=\"600\""), ("age", "100")]), 500);
    assert_eq!(seconds(&[("cache-control", "max-age=900, max-age=600")]), 600);
}

#[test]
fn lifetimes_are_clamped_to_the_bounds() {
    for short in [
        "max-age=0",
        "no-store",
        "no-cache, max-age=600",
        "max-age=-1",
        "max-age=soon",
        "max-age=59",
    ] {
        assert_eq!(seconds(&[("cache-control", short)]), 60, "{short}");
    }
    for long in ["max-age=31536000", "max-age=18446744073709551615"] {
        assert_eq!(seconds(&[("cache-control", long)]), 24 * 3600, "{long}");
    }
    assert_eq!(seconds(&[("cache-control", "max-age=600"), ("age", "9999")]), 60);
}

#[test]
fn expires_is_relative_to_the_servers_own_clock() {
    assert_eq!(seconds(&[("expires", &date_in(600))]), 600);
    assert_eq!(seconds(&[("date", &date_in(-7200)), ("expires", &date_in(-6600))]), 600);
    assert_eq!(seconds(&[("expires", &date_in(-600))]), 60);
    assert_eq!(seconds(&[("expires", "0")]), 60);
    assert_eq!(seconds(&[("cache-control", "max-age=900"), ("expires", &date_in(600))]), 900);
}

#[test]
fn retry_after_is_read_in_both_forms_and_bounded() {
    let span = |text: &str| retry_after(&HeaderValue::from_str(text).unwrap(), NOW);
    assert_eq!(span("120"), Some(Duration::from_secs(120)));
    assert_eq!(span(&date_in(90)), Some(Duration::from_secs(90)));
    assert_eq!(span(&date_in(-90)), Some(Duration::ZERO));
    assert_eq!(span("86400"), Some(RETRY_AFTER_MAX));
    assert_eq!(span("soon"), None);
}

#[test]
fn a_refresh_comes_ahead_of_the_expiry() {
    let lifetime = Duration::from_secs(1000);
    for dice in 0..100 {
        let wait = refresh_in(lifetime, dice);
        assert!((Duration::from_secs(750)..=Duration::from_secs(850)).contains(&wait), "{wait:?}");
    }
}

#[test]
fn retries_double_up_to_the_bound() {
    let bounds = RefreshBounds::default();
    let longest = |failures| {
        (0..26).map(|dice| retry_in(failures, &bounds, HasKeys::Yes, dice)).max().unwrap()
    };
    let spans: Vec<_> =
        [1, 2, 3, 4, 5, 6, 7, 100].map(|failures| longest(failures).as_secs()).into();
    assert_eq!(spans, [1, 2, 4, 8, 16, 30, 30, 30]);
    assert!(retry_in(u32::MAX, &bounds, HasKeys::Yes, 0) >= bounds.retry_max * 3 / 4);
}

#[test]
fn a_provider_that_never_answered_is_asked_every_few_seconds() {
    let bounds = RefreshBounds::default();
    assert!((0..26).all(|dice| retry_in(50, &bounds, HasKeys::Never, dice) <= FIRST_RETRY_MAX));
}
