//! What systemd is to a service: it opens a socket, keeps it, passes it on to each process that it starts, and is told how that
//! one is doing.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use super::process::{PATIENCE, Program};

/// Moves standard input to where passed sockets are, under as many numbers as there are names, and becomes sidegate.
const PASS: &str = "exec 3<&0 4<&0 </dev/null; LISTEN_PID=$$ exec \"$@\"";

/// A service manager with one socket and one service.
pub(crate) struct Manager {
    socket: OwnedFd,
    names: &'static str,
    notices: UnixDatagram,
    pub(crate) directory: TempDir,
}

impl Manager {
    /// Passes `socket` under each of `names`, at most two, which `:` separates, to a sidegate that is configured by
    /// `configuration`.
    pub(crate) fn new(
        socket: impl Into<OwnedFd>,
        names: &'static str,
        configuration: &str,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.yaml"), configuration).unwrap();
        let notices = UnixDatagram::bind(directory.path().join("notices")).unwrap();
        notices.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket: socket.into(), names, notices, directory }
    }

    /// Starts the service.
    pub(crate) fn start(&self) -> Program {
        let directory = self.directory.path();
        let mut command = Command::new("sh");
        command.args(["-c", PASS, "sh", env!("CARGO_BIN_EXE_sidegate"), "run", "-c"]);
        command.arg(directory.join("config.yaml"));
        command.env("LISTEN_FDS", self.names.split(':').count().to_string());
        command.env("LISTEN_FDNAMES", self.names);
        command.env("NOTIFY_SOCKET", directory.join("notices"));
        Program::start_with(command, Stdio::from(self.socket.try_clone().unwrap()))
    }

    /// The first line of the next notice; to be called where waiting may block the thread.
    pub(crate) fn notice(&self) -> String {
        let mut buffer = [0; 512];
        let length = loop {
            match self.notices.recv(&mut buffer) {
                // A signal of a process that ended: whoever waits goes on waiting.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                received => break received.expect("a notice within the test's patience"),
            }
        };
        let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
        text.lines().next().unwrap().to_owned()
    }
}
