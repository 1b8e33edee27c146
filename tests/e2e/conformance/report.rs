//! The table as a document, and what becomes of differences.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

/// One line of the table, judged.
pub(super) struct Line {
    pub(super) id: &'static str,
    pub(super) case: &'static str,
    pub(super) expected: &'static str,
    pub(super) outcome: Outcome,
}

/// What was seen.
pub(super) enum Outcome {
    AsExpected,
    Differs(String),
    Elsewhere(&'static str),
    NotApplicable(&'static str),
}

/// Groups run in parallel and share a file.
static DOCUMENT: Mutex<()> = Mutex::new(());

/// Fails with every line that differs; otherwise compares the section called `group` with the document, or rewrites it.
pub(super) fn settle(group: &str, lines: &[Line]) {
    let differences: Vec<String> = lines.iter().filter_map(difference).collect();
    assert!(
        differences.is_empty(),
        "{} differ:\n\n{}",
        differences.len(),
        differences.join("\n\n")
    );
    let (section, path) = (section(group, lines), path());
    let _alone = DOCUMENT.lock();
    let document = std::fs::read_to_string(&path).unwrap_or_default();
    let found = find(&document, group);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, replaced(&document, found, &section)).unwrap();
    } else {
        let found =
            found.unwrap_or_else(|| panic!("{path:?} has no section {group}: UPDATE=1 writes it"));
        assert_eq!(
            &document[found], section,
            "docs/conformance.md is out of date: UPDATE=1 writes it"
        );
    }
}

fn difference(line: &Line) -> Option<String> {
    match &line.outcome {
        Outcome::Differs(what) => {
            Some(format!("{} ({})\n  expected {}\n  {what}", line.id, line.case, line.expected))
        }
        Outcome::Elsewhere(test) if !exists(test) => {
            Some(format!("{}: there is no test {test}", line.id))
        }
        _ => None,
    }
}

fn section(group: &str, lines: &[Line]) -> String {
    let mut text =
        format!("## {group}\n\n| case | what happens | expected | result |\n|---|---|---|---|\n");
    for line in lines {
        let result = match &line.outcome {
            Outcome::AsExpected => "as expected".to_owned(),
            Outcome::Differs(_) => "differs".to_owned(),
            Outcome::Elsewhere(test) => format!("as expected: `{test}`"),
            Outcome::NotApplicable(why) => format!("not applicable: {why}"),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {result} |",
            line.id,
            cell(line.case),
            cell(line.expected)
        );
    }
    text + "\n"
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Where the section called `group` is.
fn find(document: &str, group: &str) -> Option<std::ops::Range<usize>> {
    let start = document.find(&format!("## {group}\n"))?;
    let end = document[start + 1..].find("\n## ").map_or(document.len(), |found| start + found + 2);
    Some(start..end)
}

fn replaced(document: &str, found: Option<std::ops::Range<usize>>, section: &str) -> String {
    match found {
        Some(found) => format!("{}{section}{}", &document[..found.start], &document[found.end..]),
        None => format!("{}\n\n{section}", document.trim_end()),
    }
}

fn path() -> PathBuf {
    root().join("docs/conformance.md")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a test function of this name is anywhere.
fn exists(test: &str) -> bool {
    let wanted = format!("fn {test}(");
    ["src", "tests"].iter().any(|folder| holds(&root().join(folder), &wanted))
}

fn holds(path: &Path, wanted: &str) -> bool {
    if path.ends_with("node_modules") || path.ends_with("target") {
        return false;
    }
    let Ok(entries) = std::fs::read_dir(path) else {
        let is_rust = path.extension().is_some_and(|found| found == "rs");
        return is_rust && std::fs::read_to_string(path).is_ok_and(|text| text.contains(wanted));
    };
    entries.filter_map(Result::ok).any(|entry| holds(&entry.path(), wanted))
}
