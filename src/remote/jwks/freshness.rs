//! How long a fetched key set is good for, and when to come back after a failure. Pure arithmetic on headers and counts.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{self, HeaderMap, HeaderName};

use crate::base::time::Timestamp;
use crate::remote::jwks::settings::RefreshBounds;

/// The longest wait that a `Retry-After` may ask for: more would be an outage that outlives its cause.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// A provider that never answered yet is asked at least this often: no request can pass before it does.
const FIRST_RETRY_MAX: Duration = Duration::from_secs(5);

/// How long the answer may be used ([RFC 9111 §4.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1)), within the
/// bounds: a provider can neither make us hammer it nor keep a withdrawn key for a year.
pub(super) fn lifetime(headers: &HeaderMap, bounds: &RefreshBounds, now: Timestamp) -> Duration {
    let claimed = claimed_lifetime(headers, now).unwrap_or(bounds.default);
    claimed.clamp(bounds.min, bounds.max.max(bounds.min))
}

fn claimed_lifetime(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let directives = cache_directives(headers);
    if directives.uncacheable {
        return Some(Duration::ZERO);
    }
    let age = number(headers, &header::AGE).map_or(Duration::ZERO, Duration::from_secs);
    match directives.max_age {
        Some(max_age) => Some(max_age.saturating_sub(age)),
        None => expires_in(headers, now).map(|span| span.saturating_sub(age)),
    }
}

#[derive(Default)]
struct Directives {
    max_age: Option<Duration>,
    uncacheable: bool,
}

/// Of several `max-age` the smallest counts; an unreadable one counts as zero
/// ([RFC 9111 §4.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1)).
fn cache_directives(headers: &HeaderMap) -> Directives {
    let mut found = Directives::default();
    let text = headers
        .get(header::CACHE_CONTROL)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    for directive in text.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "max-age" => {
                let seconds = value.trim().trim_matches('"').parse().unwrap_or(0);
                let shorter = found.max_age.map_or(seconds, |span| span.as_secs().min(seconds));
                found.max_age = Some(Duration::from_secs(shorter));
            }
            "no-cache" | "no-store" => found.uncacheable = true,
            _ => {}
        }
    }
    found
}

/// `Expires` relative to the server's own `Date`, so that its clock may be wrong; an unreadable one is in the past
/// ([RFC 9111 §5.3](https://www.rfc-editor.org/rfc/rfc9111#section-5.3)).
fn expires_in(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    headers.get(header::EXPIRES)?;
    let expires = date(headers, &header::EXPIRES).unwrap_or(Timestamp::from_secs(0));
    let from = date(headers, &header::DATE).unwrap_or(now);
    Some(from.until(expires))
}

/// How long the server asks to be left alone, in seconds or until a date
/// ([RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)); at most an hour.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let seconds = number(headers, &header::RETRY_AFTER).map(Duration::from_secs);
    let span =
        seconds.or_else(|| date(headers, &header::RETRY_AFTER).map(|until| now.until(until)))?;
    Some(span.min(RETRY_AFTER_MAX))
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    let moment = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()?;
    Some(Timestamp::from_secs(moment.duration_since(UNIX_EPOCH).ok()?.as_secs()))
}

/// When to refresh a set of this lifetime: at 75 to 85 % of it, so that it never runs out and replicas do not come together.
pub(super) fn refresh_in(lifetime: Duration, dice: u32) -> Duration {
    lifetime / 100 * (75 + dice % 11)
}

/// When to retry after that many failures in a row: doubling, jittered by up to a quarter, at most `retry_max`.
pub(super) fn retry_in(
    failures: u32,
    bounds: &RefreshBounds,
    has_keys: HasKeys,
    dice: u32,
) -> Duration {
    let longest = match has_keys {
        HasKeys::Never => bounds.retry_max.min(FIRST_RETRY_MAX),
        HasKeys::Yes => bounds.retry_max,
    };
    let doubled = bounds.retry_min.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(longest) / 100 * (75 + dice % 26)
}

/// Whether the provider's last good set is at hand while it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HasKeys {
    Never,
    Yes,
}

#[cfg(test)]
mod tests;
