//! Commands of the real program that come to an end by themselves.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use super::process::PATIENCE;

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) output: String,
    /// Standard error.
    pub(crate) errors: String,
}

/// `sidegate` with `arguments`, run in `directory` until it ends.
pub(crate) async fn sidegate(directory: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.args(arguments).current_dir(directory).env_remove("SIDEGATE_TOKEN");
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(PATIENCE, command.output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("{arguments:?} does not end")).unwrap();
    Finished {
        code: ended.status.code(),
        output: String::from_utf8(ended.stdout).unwrap(),
        errors: String::from_utf8(ended.stderr).unwrap(),
    }
}

impl Finished {
    /// Asserts that it went well, without a word on standard error; what it said.
    pub(crate) fn well(self) -> String {
        assert_eq!((self.code, self.errors.as_str()), (Some(0), ""), "{self:?}");
        self.output
    }

    /// Asserts that it ended with `code` and no output, and said each of `words` on standard error.
    pub(crate) fn badly(&self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.output.as_str()), (Some(code), ""), "{self:?}");
        for word in words {
            assert!(self.errors.contains(word), "expected {word:?} in {self:?}");
        }
        assert!(!self.errors.contains("panicked"), "{self:?}");
    }
}
