//! Durations and sizes as people write them: `30s`, `1h30m`, `64KiB`.
//!
//! A bare number is refused: thirty of what? Whether a value makes sense where it stands is
//! decided where it is used.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The schema keyword by which the structure check knows durations and sizes.
pub(crate) const UNIT_KEYWORD: &str = "x-unit";

/// Longer than anything that a proxy waits for; keeps sums from overflowing.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// Larger than any buffer or body; keeps sums from overflowing.
const LARGEST: u64 = 1 << 50;

const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Why a text is not a duration or a size, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct UnitError {
    pub(crate) message: String,
    pub(crate) remedy: String,
}

impl UnitError {
    fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }
}

/// A length of time: whole numbers with `ms`, `s`, `m`, `h` or `d`, largest unit first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

/// A number of bytes: a whole number with `B`, `KiB`, `MiB`, `GiB`, `KB`, `MB` or `GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

impl Span {
    pub(crate) const fn secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(crate) const fn millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// Reads `500ms`, `30s`, `1h30m`.
    pub(crate) fn parse(text: &str) -> Result<Self, UnitError> {
        let mut rest = text;
        let mut total: u64 = 0;
        let mut smallest = u64::MAX;
        while !rest.is_empty() {
            let (part, unit, after) = span_part(text, rest)?;
            if unit >= smallest {
                return Err(UnitError::new(
                    format!("the units of `{text}` are not in falling order, each once"),
                    "write the largest unit first, as in 1h30m",
                ));
            }
            smallest = unit;
            total = total.saturating_add(part.saturating_mul(unit));
            rest = after;
        }
        bounded_span(text, total)
    }
}

/// The next `NUMBER UNIT` of a duration: the number, the unit in milliseconds, what follows.
fn span_part<'t>(text: &str, rest: &'t str) -> Result<(u64, u64, &'t str), UnitError> {
    let (number, after) = leading_number(rest).ok_or_else(|| not_a_span(text))?;
    let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (unit, after) = after.split_at(letters);
    if unit.is_empty() && after.is_empty() {
        return Err(UnitError::new(
            format!("`{text}` has no unit"),
            format!("write {text}s, or another of ms, m, h, d"),
        ));
    }
    let known = DURATION_UNITS.iter().find(|(name, _)| *name == unit);
    let (_, milliseconds) = known.ok_or_else(|| not_a_span(text))?;
    Ok((number, *milliseconds, after))
}

fn bounded_span(text: &str, milliseconds: u64) -> Result<Span, UnitError> {
    let span = Duration::from_millis(milliseconds);
    if text.is_empty() {
        return Err(not_a_span(text));
    }
    if span > LONGEST {
        return Err(UnitError::new(
            format!("`{text}` is longer than ten years"),
            "write at most 3650d",
        ));
    }
    Ok(Span(span))
}

fn not_a_span(text: &str) -> UnitError {
    UnitError::new(
        format!("`{text}` is not a duration"),
        "write whole numbers with ms, s, m, h or d, such as 500ms, 30s or 1h30m",
    )
}

impl Size {
    pub(crate) const fn kib(number: u64) -> Self {
        Self(number << 10)
    }

    pub(crate) const fn mib(number: u64) -> Self {
        Self(number << 20)
    }

    /// Reads `64KiB`, `10MB`.
    pub(crate) fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = leading_number(text).ok_or_else(|| not_a_size(text))?;
        if unit.is_empty() {
            return Err(UnitError::new(
                format!("`{text}` has no unit"),
                format!("write {text}B, or another of KiB, MiB, GiB, KB, MB, GB"),
            ));
        }
        let known = SIZE_UNITS.iter().find(|(name, _)| *name == unit);
        let (_, bytes) = known.ok_or_else(|| not_a_size(text))?;
        match number.checked_mul(*bytes).filter(|bytes| *bytes <= LARGEST) {
            Some(bytes) => Ok(Self(bytes)),
            None => Err(UnitError::new(
                format!("`{text}` is more than a pebibyte"),
                "write a smaller size",
            )),
        }
    }

    /// The size for this machine's memory; the largest there is where it does not fit.
    pub(crate) fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

fn not_a_size(text: &str) -> UnitError {
    UnitError::new(
        format!("`{text}` is not a size"),
        "write a whole number with B, KiB, MiB, GiB, KB, MB or GB, such as 64KiB",
    )
}

/// The whole number that `rest` begins with, and what follows it; `None` where there is none.
fn leading_number(rest: &str) -> Option<(u64, &str)> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, after) = rest.split_at(digits);
    Some((number.parse().ok()?, after))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if left == 0 {
            return f.write_str("0s");
        }
        for (unit, milliseconds) in DURATION_UNITS {
            let count = left / milliseconds;
            left %= milliseconds;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, bytes): &&(&str, u64)| self.0 >= *bytes && self.0.is_multiple_of(*bytes);
        match SIZE_UNITS.iter().find(fits) {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// What `Span` and `Size` have in common: written as text, with a pattern for editors.
macro_rules! written_as_text {
    ($type:ident, $name:literal, $pattern:literal, $description:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string", "minLength": 1, "pattern": $pattern, "description": $description, "x-unit": $name,
                })
            }
        }
    };
}

written_as_text!(
    Span,
    "duration",
    "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
    "A length of time with its unit: ms, s, m, h or d, as in 500ms, 30s, 1h30m."
);
written_as_text!(
    Size,
    "size",
    "^[0-9]+(B|KiB|MiB|GiB|KB|MB|GB)$",
    "A number of bytes with its unit: B, KiB, MiB, GiB, KB, MB or GB, as in 64KiB."
);

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> Result<u128, String> {
        Span::parse(text).map(|span| span.0.as_millis()).map_err(|error| error.message)
    }

    fn size(text: &str) -> Result<u64, String> {
        Size::parse(text).map(|size| size.0).map_err(|error| error.message)
    }

    #[test]
    fn durations_are_numbers_with_units() {
        assert_eq!(span("500ms"), Ok(500));
        assert_eq!(span("30s"), Ok(30_000));
        assert_eq!(span("1h30m"), Ok(5_400_000));
        assert_eq!(span("7d"), Ok(604_800_000));
        assert_eq!(span("0s"), Ok(0));
    }

    #[test]
    fn a_duration_without_a_unit_is_refused_with_the_likely_one() {
        let error = Span::parse("30").unwrap_err();
        assert_eq!(error.message, "`30` has no unit");
        assert_eq!(error.remedy, "write 30s, or another of ms, m, h, d");
    }

    #[test]
    fn durations_that_could_mean_two_things_are_refused() {
        for text in ["", "s", "1.5h", "-1s", "1 h", "30m1h", "1h1h", "1h30", "30S", "1w", "９s"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_may_be_ten_years_and_no_longer() {
        assert!(span("3650d").is_ok());
        assert!(span("3650d1ms").is_err());
        assert!(span("18446744073709551615d").is_err());
        assert!(span("99999999999999999999s").is_err());
    }

    #[test]
    fn sizes_are_numbers_with_units() {
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("10MB"), Ok(10_000_000));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("1B"), Ok(1));
    }

    #[test]
    fn sizes_that_could_mean_two_things_are_refused() {
        for text in ["", "64", "64K", "64kb", "64 KiB", "1.5MiB", "-1B", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(
            Size::parse("64").unwrap_err().remedy,
            "write 64B, or another of KiB, MiB, GiB, KB, MB, GB"
        );
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["500ms", "1h30m", "7d", "0s", "1d1h1m1s1ms"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
        for text in ["64KiB", "10MB", "1B", "0B"] {
            assert_eq!(Size::parse(text).unwrap().to_string(), text);
        }
    }
}
