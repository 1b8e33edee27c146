//! A Redis server of the test's own, on a unix socket or on a port of loopback.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use parking_lot::Mutex;
use tempfile::TempDir;

use super::peer::find;
use super::ports::free_address;

/// A running server. Killed when dropped.
pub(crate) struct Redis {
    process: Mutex<Child>,
    program: PathBuf,
    port: u16,
    /// Whether it writes everything down.
    durable: bool,
    folder: TempDir,
}

impl Redis {
    /// Starts one on a socket, which keeps nothing on disk; nothing where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::at(0, false)
    }

    /// Starts one on a port, which keeps nothing on disk, and so depends on no disk.
    pub(crate) fn on_port() -> Option<Self> {
        Self::at(free_address().port(), false)
    }

    /// Starts one on a port, which writes down everything at once: what it has confirmed outlives its death.
    pub(crate) fn durable() -> Option<Self> {
        Self::at(free_address().port(), true)
    }

    fn at(port: u16, durable: bool) -> Option<Self> {
        let program = find(&["redis-server"])?;
        let folder = tempfile::tempdir().unwrap();
        let process = Mutex::new(run(&program, (port, durable), &folder));
        Some(Self { process, program, port, durable, folder })
    }

    /// As the configuration has it.
    pub(crate) fn url(&self) -> String {
        match self.port {
            0 => format!("unix://{}", self.folder.path().join("socket").display()),
            port => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// Its port.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Kills it. All that it kept is gone, unless it is durable.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock();
        let _ = process.kill();
        let _ = process.wait();
    }

    /// Starts it again after it was killed.
    pub(crate) fn restart(&self) {
        *self.process.lock() = run(&self.program, (self.port, self.durable), &self.folder);
    }

    /// Stops it from running, `STOP`, or lets it run on, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.lock().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server that is ready.
fn run(program: &PathBuf, (port, durable): (u16, bool), folder: &TempDir) -> Child {
    let durable = if durable { "yes" } else { "no" };
    let mut process = Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", durable, "--appendfsync", "always", "--unixsocket"])
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
    process
}
