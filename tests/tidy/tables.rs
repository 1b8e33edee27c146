//! Tables of the documents that repeat what the code says: reasons and metrics. Neither may have a row more or less.

use crate::files::{File, Findings};
use http::StatusCode;
use sidegate::gate::{Preset, Reason};
use sidegate::telemetry::metrics::{Kind, catalogue};
use std::collections::BTreeSet;

/// The cells of every row of the tables in `file` whose first cell is one word in backticks, without the backticks.
fn rows(file: &File) -> Vec<Vec<String>> {
    let rows = file.text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim().trim_matches('|').split(" | ").map(plain).collect()).collect()
}

fn plain(cell: &str) -> String {
    cell.trim().trim_matches('`').to_owned()
}

/// Compares what a document says with what the code says, both as lines.
fn compare(document: &str, said: &[String], meant: &[String]) {
    let mut findings = Findings::default();
    let (said_set, meant_set): (BTreeSet<_>, BTreeSet<_>) =
        (said.iter().collect(), meant.iter().collect());
    for line in meant_set.difference(&said_set) {
        findings.add(document, &format!("has no row that says: {line}"));
    }
    for line in said_set.difference(&meant_set) {
        findings.add(document, &format!("says, and the code does not: {line}"));
    }
    if said.len() != said_set.len() {
        findings.add(document, "has a row twice");
    }
    findings.expect_none();
}

/// Rows are: label, status, text. A reason for which nobody is turned away has no text.
#[test]
fn reasons_are_documented_word_for_word() {
    let document = File::read("docs/reasons.md");
    let rows = rows(&document);
    let rows = rows.iter().filter(|row| row.len() == 4);
    let said: Vec<String> = rows.map(|row| format!("{}: {}", row[0], row[2])).collect();
    let text = |reason: &Reason| {
        if reason.public_text().is_empty() { "–" } else { reason.public_text() }
    };
    let meant: Vec<String> =
        Reason::ALL.iter().map(|reason| format!("{}: {}", reason.label(), text(reason))).collect();
    compare(&document.path, &said, &meant);
}

/// The statuses of refusals, as the one place that chooses them says.
#[test]
fn statuses_of_reasons_are_documented() {
    let (document, mut findings) = (File::read("docs/reasons.md"), Findings::default());
    let rows = rows(&document);
    let chosen = chosen_statuses();
    assert!(chosen.len() >= 5, "the match over statuses was not found");
    for (variant, status) in chosen {
        let reason = Reason::ALL.iter().find(|reason| format!("{reason:?}") == variant).unwrap();
        let row = rows.iter().find(|row| row[0] == reason.label());
        if row.is_none_or(|row| row[1] != status.as_str()) {
            findings
                .add(&document.path, &format!("`{}` is answered with {status}", reason.label()));
        }
    }
    findings.expect_none();
}

/// `Reason` variants and statuses of the match in `serve::reply`.
fn chosen_statuses() -> Vec<(String, StatusCode)> {
    let source = File::read("src/serve/reply.rs").text;
    let body =
        source.split("fn status(reason: Reason)").nth(1).unwrap().split("_ =>").next().unwrap();
    let arms = body.split("Reason::").skip(1).collect::<Vec<_>>().join("Reason::");
    let mut chosen = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    for part in arms.split("Reason::") {
        let (variant, rest) =
            part.split_at(part.find(|c: char| !c.is_alphanumeric()).unwrap_or(part.len()));
        open.push(variant);
        if let Some(name) = rest.split("StatusCode::").nth(1) {
            let name = &name
                [..name.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(name.len())];
            chosen.extend(open.drain(..).map(|variant| (variant.to_owned(), status(name))));
        }
    }
    chosen
}

fn status(constant: &str) -> StatusCode {
    let all = (100..600).filter_map(|code| StatusCode::from_u16(code).ok());
    let named = |status: &StatusCode| {
        let words = status.canonical_reason().unwrap_or_default();
        words.to_ascii_uppercase().replace([' ', '-'], "_") == constant
    };
    all.into_iter().find(named).unwrap_or_else(|| panic!("no status is called {constant}"))
}

/// Rows are: name, type, labels, help.
#[test]
fn metrics_are_documented_word_for_word() {
    let document = File::read("docs/metrics.md");
    let said: Vec<String> =
        rows(&document).iter().map(|row| row.join(" | ").replace('`', "")).collect();
    let labels =
        |labels: &[&str]| if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
    let kind = |kind: Kind| match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let row = |doc: &sidegate::telemetry::metrics::MetricDoc| {
        [doc.name, kind(doc.kind), &labels(doc.labels), doc.help].join(" | ")
    };
    let meant: Vec<String> = catalogue().iter().map(row).collect();
    compare(&document.path, &said, &meant);
}

/// Every preset and each of its headers has its place in the guide.
#[test]
fn header_presets_are_documented() {
    let (document, mut findings) = (File::read("docs/configuration.md"), Findings::default());
    let rows = rows(&document);
    for preset in Preset::ALL {
        let row = rows
            .iter()
            .find(|row| row[0] == preset.name())
            .map(|row| row.join(" ").to_ascii_lowercase());
        for (header, _) in preset.fields() {
            if row.as_ref().is_none_or(|row| !row.contains(&format!("{header}`"))) {
                findings
                    .add(&document.path, &format!("preset `{}` has no `{header}`", preset.name()));
            }
        }
    }
    findings.expect_none();
}
