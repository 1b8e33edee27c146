//! A clock for real programs, which tests set: Debian's `libfaketime`, loaded into them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::peer::report_missing;

/// Where Debian installs the library, by architecture.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// The wall clock of the programs that are started with [`environment`](Self::environment): the machine's, and ahead of it as the
/// test says. Monotonic time, by which timeouts are kept, stays as it is.
pub(crate) struct Clock {
    library: PathBuf,
    directory: TempDir,
}

impl Clock {
    /// A clock that is right; nothing where the library is missing.
    pub(crate) fn start() -> Option<Self> {
        let Some(library) = LIBRARIES.iter().map(Path::new).find(|path| path.is_file()) else {
            report_missing("libfaketime");
            return None;
        };
        let clock = Self { library: library.to_owned(), directory: tempfile::tempdir().unwrap() };
        clock.set(Duration::ZERO);
        Some(clock)
    }

    /// What a program must be started with.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let pairs = [
            ("LD_PRELOAD", text(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file())),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// Sets the clock to so long after now.
    pub(crate) fn set(&self, ahead: Duration) {
        let new = self.directory.path().join("new");
        std::fs::write(&new, format!("+{}\n", ahead.as_secs())).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("clock")
    }
}
