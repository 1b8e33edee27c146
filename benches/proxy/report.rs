//! What the benchmark prints: tables and bars, on standard output.

use std::io::{self, Write};

/// Whether a bar was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
}

impl Verdict {
    /// Met if `found` is not more than `allowed`.
    pub(crate) fn at_most(found: f64, allowed: f64) -> Self {
        if found <= allowed { Self::Met } else { Self::Missed }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
        }
    }
}

/// Prints one line.
pub(crate) fn say(line: &str) {
    // Whoever closed our standard output does not want to know.
    let _: io::Result<()> = writeln!(io::stdout().lock(), "{line}");
}

/// Prints a heading.
pub(crate) fn title(text: &str) {
    say(&format!("\n{text}"));
}

/// Prints what was found beside what was promised.
pub(crate) fn bar(promise: &str, found: &str, verdict: Verdict) {
    say(&format!("  {promise:<72} {found:>12}  {}", verdict.text()));
}

/// Prints why the benchmark could not go on.
pub(crate) fn complain(text: &str) {
    let _: io::Result<()> = writeln!(io::stderr().lock(), "error: {text}");
}

/// The middle one, or the upper of the two in the middle; nothing of nothing.
pub(crate) fn median<T: Copy>(values: &[T], by: impl Fn(&T) -> f64) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| by(a).total_cmp(&by(b)));
    sorted.get(sorted.len() / 2).copied()
}

/// Bytes as mebibytes.
#[expect(clippy::cast_precision_loss, reason = "printed with one decimal")]
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
