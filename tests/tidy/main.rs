//! What no compiler checks: the layers, the purity of the core, the house rules, and documents that say what the code does.
//!
//! Reads the repository as text. It can be fooled by who wants to; it is for those who forget.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod commands;
mod documents;
mod examples;
mod files;
mod layers;
mod tables;

use files::Findings;

#[test]
fn every_source_file_says_what_it_is_for() {
    let mut findings = Findings::default();
    for file in files::rust().iter().filter(|file| !file.is_sibling_of_tests()) {
        if !file.text.starts_with("//! ") {
            findings.add(
                &file.path,
                "opens without a `//!` paragraph that says what it is for and what not",
            );
        }
    }
    findings.expect_none();
}

#[test]
fn ignored_tests_say_why() {
    let mut findings = Findings::default();
    for file in files::rust() {
        for (number, line) in file.code() {
            if line.trim() == concat!("#[", "ignore]") {
                findings.add_at(&file.path, number, "write #[ignore = \"why\"]");
            }
        }
    }
    findings.expect_none();
}

/// Files over this many lines are listed, as a nudge.
const LONG: usize = 500;

/// Files over this many lines need an entry in [`LONG_FOR_A_REASON`].
const TOO_LONG: usize = 800;

/// Path and reason.
const LONG_FOR_A_REASON: &[(&str, &str)] = &[];

#[test]
fn files_stay_readable_in_one_sitting() {
    let mut findings = Findings::default();
    let all = files::rust();
    for file in all.iter().filter(|file| file.lines() > LONG) {
        eprintln!("{}: {} lines", file.path, file.lines());
        let excused = LONG_FOR_A_REASON.iter().any(|(path, _)| *path == file.path);
        if file.lines() > TOO_LONG && !excused {
            findings.add(
                &file.path,
                &format!("has {} lines, more than {TOO_LONG}: split it", file.lines()),
            );
        }
    }
    for (path, reason) in LONG_FOR_A_REASON {
        let still = all.iter().any(|file| file.path == *path && file.lines() > TOO_LONG);
        if !still {
            findings.add(path, &format!("needs no excuse any more: {reason}"));
        }
    }
    findings.expect_none();
}
