//! The files of the repository as text, and what was found in them.

use std::fs;
use std::path::{Path, PathBuf};

/// The top of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One file.
pub(crate) struct File {
    /// From the top of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Reads the file at `path`, which begins at the top of the repository.
    pub(crate) fn read(path: &str) -> Self {
        let text = fs::read_to_string(root().join(path));
        let text = text.unwrap_or_else(|error| panic!("{path}: {error}"));
        Self { path: path.to_owned(), text }
    }

    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// Lines that are no comments, with their numbers.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Whether it holds the tests of the module beside it, whose text says what is tested.
    pub(crate) fn is_sibling_of_tests(&self) -> bool {
        self.path.starts_with("src/") && self.path.ends_with("/tests.rs")
    }

    /// The top-level module that a file under `src` belongs to.
    pub(crate) fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let first = inside.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first))
    }
}

/// All files below `folder` whose names end in `.` and `extension`, by path.
pub(crate) fn below(folder: &str, extension: &str) -> Vec<File> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    let wanted =
        paths.iter().filter(|path| path.extension().is_some_and(|found| found == extension));
    wanted.map(|path| File::read(&relative(path))).collect()
}

/// All our Rust files.
pub(crate) fn rust() -> Vec<File> {
    ["src", "tests", "benches"].into_iter().flat_map(|folder| below(folder, "rs")).collect()
}

/// All our documents, those beside what is deployed among them.
pub(crate) fn documents() -> Vec<File> {
    let tops = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let mut tops: Vec<String> = tops
        .filter(|path| path.extension().is_some_and(|found| found == "md"))
        .map(|path| relative(&path))
        .collect();
    tops.sort();
    let folders = ["docs", "deploy"].into_iter().flat_map(|folder| below(folder, "md"));
    tops.iter().map(|path| File::read(path)).chain(folders).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    // A folder that is not there has no files: benches may be missing.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let is_foreign = ["target", "node_modules", "corpus", "artifacts"]
            .iter()
            .any(|name| path.ends_with(name));
        if path.is_dir() && !is_foreign {
            walk(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

fn relative(path: &Path) -> String {
    let parts = path.strip_prefix(root()).unwrap().components();
    parts.map(|part| part.as_os_str().to_str().unwrap()).collect::<Vec<_>>().join("/")
}

/// What is wrong, all of it.
#[derive(Default)]
pub(crate) struct Findings(Vec<String>);

impl Findings {
    pub(crate) fn add(&mut self, path: &str, what: &str) {
        self.0.push(format!("{path}: {what}"));
    }

    pub(crate) fn add_at(&mut self, path: &str, line: usize, what: &str) {
        self.0.push(format!("{path}:{line}: {what}"));
    }

    pub(crate) fn expect_none(&self) {
        assert!(self.0.is_empty(), "\n{}\n", self.0.join("\n"));
    }
}
