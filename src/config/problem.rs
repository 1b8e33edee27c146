//! What is wrong with a configuration, where, and what to do about it.
//!
//! Every stage adds to one [`Report`] and goes on, so that a person reads all problems of a
//! file at once. Deciding what is a problem is the stages' affair.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use crate::config::path::KeyPath;

/// One thing to change, or, as a warning, to think about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: KeyPath,
    line: Option<usize>,
    message: String,
    remedy: String,
}

impl Problem {
    pub(crate) fn at_line(
        line: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (message, remedy) = (message.into(), remedy.into());
        Self { path: KeyPath::root(), line: Some(line), message, remedy }
    }

    pub(crate) fn of_file(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (message, remedy) = (message.into(), remedy.into());
        Self { path: KeyPath::root(), line: None, message, remedy }
    }

    /// The key concerned, as in `routes[3].require`; empty when it is the file as a whole.
    pub fn path(&self) -> String {
        self.path.to_string()
    }

    /// The line concerned, counted from one, where there is one.
    pub const fn line(&self) -> Option<usize> {
        self.line
    }

    /// What was found, and what was expected.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to write instead.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.is_root(), self.line) {
            (true, None) => write!(f, "  {}", self.message)?,
            (true, Some(line)) => write!(f, "  line {line}: {}", self.message)?,
            (false, None) => write!(f, "  {}: {}", self.path, self.message)?,
            (false, Some(line)) => write!(f, "  {} (line {line}): {}", self.path, self.message)?,
        }
        write!(f, "\n    → {}", self.remedy)
    }
}

/// Why a configuration was refused: everything that has to change, in the order of the file.
///
/// Its text is what a person reads on standard error.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", listing(file, "problem", problems))]
pub struct Problems {
    file: String,
    problems: Vec<Problem>,
    inputs: Vec<PathBuf>,
}

impl Problems {
    pub(crate) fn new(file: &str, mut problems: Vec<Problem>) -> Self {
        sort(&mut problems);
        Self { file: file.to_owned(), problems, inputs: Vec::new() }
    }

    /// The files beside the configuration that were looked at: a change of one of them may help.
    #[must_use]
    pub(crate) fn with_inputs(self, inputs: Vec<PathBuf>) -> Self {
        Self { inputs, ..self }
    }

    /// Those files.
    pub fn inputs(&self) -> &[PathBuf] {
        &self.inputs
    }

    /// Each problem.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }
}

/// What is worth a second look in a configuration that was accepted. Its text lists them all;
/// it is empty when there is nothing to say.
#[derive(Clone, Debug, Default)]
pub struct Warnings {
    file: String,
    warnings: Vec<Problem>,
}

impl Warnings {
    pub(crate) fn new(file: &str, mut warnings: Vec<Problem>) -> Self {
        sort(&mut warnings);
        Self { file: file.to_owned(), warnings }
    }

    /// Each warning.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.warnings.iter()
    }

    /// Whether there is nothing to say.
    pub const fn is_empty(&self) -> bool {
        self.warnings.is_empty()
    }
}

impl fmt::Display for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        f.write_str(&listing(&self.file, "warning", &self.warnings))
    }
}

fn sort(problems: &mut [Problem]) {
    problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
}

fn listing(file: &str, noun: &str, entries: &[Problem]) -> String {
    let plural = if entries.len() == 1 { "" } else { "s" };
    let mut text = format!("{file}: {} {noun}{plural}", entries.len());
    for entry in entries {
        text.push('\n');
        text.push_str(&entry.to_string());
    }
    text
}

/// The line on which each key or list item of a file begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(HashMap<KeyPath, usize>);

impl Lines {
    pub(crate) fn record(&mut self, path: KeyPath, line: usize) {
        self.0.insert(path, line);
    }

    /// What is at `from` is known under `to`, too, since it is read from there.
    pub(crate) fn move_to(&mut self, from: &KeyPath, to: &KeyPath) {
        let moved = self.0.iter().filter_map(|(path, line)| Some((path.moved(from, to)?, *line)));
        let moved: Vec<_> = moved.collect();
        self.0.extend(moved);
    }

    /// The line of `path`, or of the nearest thing around it that was written.
    fn nearest(&self, path: &KeyPath) -> Option<usize> {
        let mut place = Some(path.clone());
        while let Some(here) = place.filter(|here| !here.is_root()) {
            if let Some(line) = self.0.get(&here) {
                return Some(*line);
            }
            place = here.parent();
        }
        None
    }
}

/// Collects problems and warnings, and knows the lines they belong to.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Lines,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Report {
    pub(crate) fn new(lines: Lines) -> Self {
        Self { lines, ..Self::default() }
    }

    /// Notes something that makes the configuration unusable.
    pub(crate) fn refuse(
        &mut self,
        path: &KeyPath,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let problem = self.problem(path, message.into(), remedy.into());
        self.problems.push(problem);
    }

    /// Notes something that a person should look at.
    pub(crate) fn warn(
        &mut self,
        path: &KeyPath,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let warning = self.problem(path, message.into(), remedy.into());
        self.warnings.push(warning);
    }

    /// Notes a problem that says itself where it is.
    pub(crate) fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// A report of its own about the same file, for what may turn out to be no problem.
    pub(crate) fn beside(&self) -> Self {
        Self::new(self.lines.clone())
    }

    /// Takes over what `other` has to say of places that `keep` accepts.
    pub(crate) fn join(&mut self, other: Self, keep: impl Fn(&KeyPath) -> bool) {
        self.problems.extend(other.problems.into_iter().filter(|problem| keep(&problem.path)));
        self.warnings.extend(other.warnings.into_iter().filter(|warning| keep(&warning.path)));
    }

    /// Has the lines of what is at `from` known under `to`.
    pub(crate) fn move_lines(&mut self, from: &KeyPath, to: &KeyPath) {
        self.lines.move_to(from, to);
    }

    /// Whether nothing makes the configuration unusable so far.
    pub(crate) const fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// How many problems there are so far: whether it grows says whether a part holds.
    pub(crate) const fn problems(&self) -> usize {
        self.problems.len()
    }

    /// Everything that was noted: problems, then warnings.
    pub(crate) fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems, self.warnings)
    }

    fn problem(&self, path: &KeyPath, message: String, remedy: String) -> Problem {
        Problem { line: self.lines.nearest(path), path: path.clone(), message, remedy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_file_count_key_line_and_remedy() {
        let mut lines = Lines::default();
        lines.record(KeyPath::root().key("routes"), 7);
        let mut report = Report::new(lines);
        report.refuse(&KeyPath::root().key("prefix"), "covers every path", "write /.auth");
        report.refuse(&KeyPath::root().key("routes").index(0), "matches nothing", "remove it");
        let (problems, warnings) = report.into_parts();
        assert_eq!(
            Problems::new("config.yaml", problems).to_string(),
            "config.yaml: 2 problems\n  routes[0] (line 7): matches nothing\n    → remove it\n  \
             prefix: covers every path\n    → write /.auth"
        );
        assert!(Warnings::new("config.yaml", warnings).is_empty());
    }

    #[test]
    fn one_problem_is_not_counted_in_the_plural() {
        let problems = Problems::new("a.yaml", vec![Problem::at_line(2, "tab", "use spaces")]);
        assert_eq!(problems.to_string(), "a.yaml: 1 problem\n  line 2: tab\n    → use spaces");
    }

    #[test]
    fn no_warnings_say_nothing() {
        assert_eq!(Warnings::new("a.yaml", Vec::new()).to_string(), "");
    }
}
