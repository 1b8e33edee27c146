//! The table of doors and scenarios in `docs/doors.md`: one line for each door.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::front::Front;
use super::scenarios::SCENARIOS;

/// What became of one scenario.
pub(super) enum Outcome {
    Differs(String),
    Holds,
}

/// Doors run in parallel and share a file.
static DOCUMENT: Mutex<()> = Mutex::new(());

/// Fails with every scenario that differs; otherwise compares the door's line with the document, or rewrites it.
pub(super) fn settle(front: Front, outcomes: &[Outcome]) {
    let differences: Vec<String> = SCENARIOS
        .iter()
        .zip(outcomes)
        .filter_map(|(scenario, outcome)| match outcome {
            Outcome::Differs(what) => {
                Some(format!("{} ({}):\n{what}", scenario.title, scenario.what))
            }
            Outcome::Holds => None,
        })
        .collect();
    let (title, count) = (front.title(), differences.len());
    assert!(count == 0, "{title}: {count} differ:\n\n{}", differences.join("\n\n"));
    let _alone = DOCUMENT.lock();
    let document = std::fs::read_to_string(path()).unwrap_or_default();
    let wanted = with_line(&document, title);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path(), wanted).unwrap();
    } else {
        assert_eq!(document, wanted, "docs/doors.md is out of date: UPDATE=1 writes it");
    }
}

/// `document` with the line of the door called `title` in its table, and the table's head as it is now.
fn with_line(document: &str, title: &str) -> String {
    let head = head();
    let begins = |line: &&str| line.starts_with("| door |");
    let before: Vec<&str> = document.lines().take_while(|line| !begins(line)).collect();
    let table = document.lines().skip(before.len());
    let (mut rows, rest): (Vec<&str>, Vec<&str>) = table.partition(|line| line.starts_with('|'));
    rows.retain(|row| !row.starts_with("| door |") && !row.starts_with("|---"));
    rows.retain(|row| !row.starts_with(&format!("| {title} |")));
    let cells = " yes |".repeat(SCENARIOS.len());
    let own = format!("| {title} |{cells}");
    rows.push(&own);
    rows.sort_unstable_by_key(|row| row.to_lowercase());
    let lines = before.into_iter().chain(head.lines()).chain(rows).chain(rest);
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn head() -> String {
    let titles: String =
        SCENARIOS.iter().map(|scenario| format!(" {} |", scenario.title)).collect();
    format!("| door |{titles}\n|---|{}", "---|".repeat(SCENARIOS.len()))
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doors.md")
}

#[test]
fn the_document_says_what_each_scenario_is() {
    let document = std::fs::read_to_string(path()).unwrap();
    for scenario in SCENARIOS {
        let line = format!("- **{}**: {}", scenario.title, scenario.what);
        assert!(document.contains(&line), "docs/doors.md lacks the line\n{line}");
    }
}
