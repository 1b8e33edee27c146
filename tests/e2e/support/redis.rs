//! A Redis server of the test's own, on a unix socket.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use parking_lot::Mutex;
use tempfile::TempDir;

/// A running server, which keeps nothing on disk. Killed when dropped.
pub(crate) struct Redis {
    process: Mutex<Child>,
    folder: TempDir,
}

impl Redis {
    /// Starts one; nothing where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let program = installed()?;
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(program)
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(folder.path().join("socket"))
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.any(|line| line.unwrap().contains("eady to accept connections"));
        assert!(ready, "the server ended at once");
        // Its further words must go somewhere, or it stops when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process: Mutex::new(process), folder })
    }

    /// As the configuration has it.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }

    /// Kills it, and all that it kept is gone.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock();
        let _ = process.kill();
        let _ = process.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

#[expect(clippy::print_stderr, reason = "the reader of a test run must learn what did not run")]
fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join("redis-server"));
    let found = files.find(|file| file.is_file());
    if found.is_none() {
        let required = std::env::var_os("SIDEGATE_REQUIRE_PEERS").is_some_and(|value| value == "1");
        assert!(
            !required,
            "redis-server is not installed, and SIDEGATE_REQUIRE_PEERS=1 asks for it"
        );
        eprintln!("skipped: redis-server is not installed");
    }
    found
}
