//! The request log: one JSON line per request and decision.
//!
//! The line has no credential, no cookie, no claim but the subject, and no query string: whoever
//! fills it in cannot put one there. Whatever bytes a client sent, it is one line of JSON.

use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::writer::LineWriter;
use super::{Door, Outcome};

/// Which requests get a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestLog {
    /// Every one.
    #[default]
    All,
    /// None.
    None,
    /// Those that were neither let through nor answered as they wished.
    Refused,
}

impl RequestLog {
    /// Whether a request that ended with `outcome` gets a line.
    pub fn wants(self, outcome: Outcome) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Refused => !matches!(outcome, Outcome::Allow | Outcome::Own | Outcome::Preflight),
        }
    }
}

/// The longest text from outside that a line shows, in bytes: it is cut there, or clients could fill the disk with one field.
const MAX_TEXT_BYTES: usize = 2048;

/// Bytes from outside, as text: what is not UTF-8 becomes U+FFFD, and what a terminal would obey
/// becomes an escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a>(pub &'a [u8]);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                write_visible(f, character)?;
            }
            if !chunk.invalid().is_empty() {
                f.write_str("\u{fffd}")?;
            }
        }
        Ok(())
    }
}

/// JSON escapes the C0 controls; the other characters that end lines or steer terminals are
/// spelled out.
fn write_visible(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    match character {
        '\u{7f}'..='\u{9f}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => {
            write!(f, "\\u{:04x}", u32::from(character))
        }
        _ => fmt::Write::write_char(f, character),
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = &self.0[..self.0.len().min(MAX_TEXT_BYTES)];
        if shown.is_ascii() && !shown.contains(&0x7f) {
            return serializer.serialize_str(str::from_utf8(shown).unwrap_or_default());
        }
        serializer.collect_str(&Self(shown))
    }
}

/// A path; a query that is still attached is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a>(&'a [u8]);

impl<'a> Path<'a> {
    /// The path of a request target.
    pub fn of(target: &'a [u8]) -> Self {
        let end =
            target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
        Self(&target[..end])
    }
}

impl Serialize for Path<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Text(self.0).serialize(serializer)
    }
}

/// A moment with milliseconds, written as RFC 3339 says
/// ([§5.6](https://www.rfc-editor.org/rfc/rfc3339#section-5.6)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the epoch.
    pub unix_millis: u64,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.unix_millis / 1000, self.unix_millis % 1000);
        let (day, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(day);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Year, month and day of the `days`-th day since 1970-01-01: Howard Hinnant's
/// [`civil_from_days`](https://howardhinnant.github.io/date_algorithms.html#civil_from_days).
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let january = if month <= 2 { 1 } else { 0 };
    (year + era * 400 + january, month, day)
}

/// One request and what became of it. Absent values are left out of the line.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RequestLine<'a> {
    /// When its header was complete.
    pub time: Moment,
    /// How it came in.
    #[serde(serialize_with = "door")]
    pub door: Door,
    /// The listener's name.
    pub listener: &'a str,
    /// Ours, also sent to the client and the upstream.
    pub request_id: &'a str,
    /// The method.
    pub method: Text<'a>,
    /// The host that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Text<'a>>,
    /// The path, never the query.
    pub path: Path<'a>,
    /// The route's name, if one matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'a str>,
    /// What the gate decided.
    #[serde(serialize_with = "outcome")]
    pub outcome: Outcome,
    /// Why.
    pub reason: &'a str,
    /// The status that the client got; absent if it left first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Who called: the provider's word, so treated like other text from outside.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "subject")]
    pub subject: Option<&'a str>,
    /// The provider's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'a str>,
    /// The upstream's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<&'a str>,
    /// From the header to the end of the answer, as [`milliseconds`] has it.
    pub duration_ms: f64,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// What the client says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Text<'a>>,
}

/// `took` in milliseconds, to the microsecond: more digits would say nothing and fill logs.
pub fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

thread_local! {
    static LINE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(1024));
}

impl RequestLine<'_> {
    /// Appends the line to the log; never waits.
    pub fn write(&self, writer: &LineWriter) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            // Writing to memory does not fail, and no map has a key that is not text.
            if serde_json::to_writer(&mut *line, self).is_ok() {
                line.push(b'\n');
                writer.append(line);
            }
        });
    }
}

fn door<S: serde::Serializer>(door: &Door, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(door.label())
}

fn subject<S: serde::Serializer>(subject: &Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    subject.map(Text::from).serialize(serializer)
}

fn outcome<S: serde::Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(outcome.label())
}

#[cfg(test)]
mod tests;
