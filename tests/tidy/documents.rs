//! Documents point to things that are there: files, sections, source files and tests.

use crate::files::{self, File, Findings};
use std::collections::BTreeSet;

/// The targets of the links in `line`, as `](target)` writes them.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn links_lead_somewhere() {
    let mut findings = Findings::default();
    for file in files::documents() {
        for (index, line) in file.text.lines().enumerate() {
            for link in links(line).filter(|link| !link.contains("://")) {
                if let Err(what) = follow(&file, link) {
                    findings.add_at(&file.path, index + 1, &format!("{link}: {what}"));
                }
            }
        }
    }
    findings.expect_none();
}

fn follow(from: &File, link: &str) -> Result<(), &'static str> {
    let (path, section) =
        link.split_once('#').map_or((link, None), |(path, section)| (path, Some(section)));
    let folder = from.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let target = if path.is_empty() {
        files::root().join(&from.path)
    } else {
        files::root().join(folder).join(path)
    };
    if !target.exists() {
        return Err("there is no such file");
    }
    let Some(section) = section else { return Ok(()) };
    let text = std::fs::read_to_string(&target).unwrap_or_default();
    let has = headings(&text).contains(section);
    if has { Ok(()) } else { Err("there is no such section") }
}

/// The anchors that code hosts give to headings: lower case, spaces to dashes, other signs dropped.
fn headings(text: &str) -> BTreeSet<String> {
    let titles = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim());
    let letter = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
        _ => None,
    };
    titles.map(|title| title.chars().filter_map(letter).collect()).collect()
}

/// Paths of the machine that something was written on are of no use to readers.
#[test]
fn documents_name_no_machine_of_ours() {
    let mut findings = Findings::default();
    for file in files::documents() {
        for (index, line) in file.text.lines().enumerate() {
            for path in ["/root/", "/tmp/"].iter().filter(|path| line.contains(**path)) {
                findings.add_at(&file.path, index + 1, &format!("`{path}` is of one machine"));
            }
        }
    }
    findings.expect_none();
}

/// What stands in backticks in `line`.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn files_that_documents_name_exist() {
    let mut findings = Findings::default();
    for file in files::documents() {
        for (index, line) in file.text.lines().enumerate() {
            let ours = |word: &&str| {
                ["src/", "tests/", "docs/", "benches/"].iter().any(|top| word.starts_with(top))
            };
            for path in
                quoted(line).filter(ours).filter(|path| !path.contains(['*', ' ', '<', '{']))
            {
                if !files::root().join(path).exists() {
                    findings.add_at(&file.path, index + 1, &format!("there is no {path}"));
                }
            }
        }
    }
    findings.expect_none();
}

/// `docs/security.md` names the test that would fail if a promise broke. A line of tests begins with `Tests:`.
#[test]
fn tests_that_documents_name_exist() {
    let mut findings = Findings::default();
    let sources: String = files::rust().into_iter().map(|file| file.text).collect();
    let mut named = 0;
    for file in files::documents() {
        let lines = file.text.lines().enumerate();
        for (index, line) in lines.filter(|(_, line)| line.starts_with("Tests:")) {
            for test in quoted(line).filter(|word| !word.contains(['/', ' '])) {
                named += 1;
                if !sources.contains(&format!("fn {test}(")) {
                    findings.add_at(&file.path, index + 1, &format!("there is no test {test}"));
                }
            }
        }
    }
    assert!(named > 20, "only {named} tests are named: the form of the lines has changed");
    findings.expect_none();
}

#[test]
fn architecture_fits_on_three_pages() {
    let lines = File::read("ARCHITECTURE.md").lines();
    assert!(lines <= 180, "ARCHITECTURE.md has {lines} lines, more than 180");
}

#[test]
fn anchors_are_made_as_code_hosts_do() {
    let anchors = headings("# A title\n## Ambiguous targets: one reading, or none\ntext");
    assert!(
        anchors.contains("ambiguous-targets-one-reading-or-none") && anchors.contains("a-title")
    );
}
