//! A real nginx, as an upstream or as a proxy in front.

use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Duration, sleep};

use super::peer::find;
use super::ports::free_address;
use super::process::Program;

/// How often another port is tried, should somebody take the free one before nginx does.
const ATTEMPTS: usize = 5;

/// A running nginx with one server.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    _program: Program,
    _directory: TempDir,
}

impl Nginx {
    /// Starts one whose `server` block has `directives`; nothing where nginx is missing.
    pub(crate) async fn start(directives: &str) -> Option<Self> {
        Self::start_with("", directives).await
    }

    /// The same with `shared` before the `server` block.
    pub(crate) async fn start_with(shared: &str, directives: &str) -> Option<Self> {
        let binary = find(&["nginx"])?;
        for _ in 0..ATTEMPTS {
            if let Some(running) = Self::attempt(binary.clone(), shared, directives).await {
                return Some(running);
            }
        }
        panic!("nginx did not start in {ATTEMPTS} attempts");
    }

    async fn attempt(binary: PathBuf, shared: &str, directives: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let address = free_address();
        std::fs::write(
            directory.path().join("nginx.conf"),
            configuration(address, shared, directives),
        )
        .unwrap();
        let mut command = Command::new(binary);
        command.arg("-p").arg(directory.path()).args(["-e", "stderr", "-c", "nginx.conf"]);
        let mut program = Program::start(command);
        tokio::select! {
            () = answers(address) => Some(Self { address, _program: program, _directory: directory }),
            _ = program.ended() => None,
        }
    }
}

async fn answers(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        sleep(Duration::from_millis(10)).await;
    }
}

/// One process in the foreground that writes nowhere but in its own directory.
fn configuration(address: SocketAddr, shared: &str, directives: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("  {kind}_temp_path {kind}_temp;\n"))
        .collect();
    format!(
        "daemon off;\nmaster_process off;\nerror_log stderr;\npid nginx.pid;\nevents {{}}\nhttp {{\n  access_log off;\n\
         {temporary}  {shared}\n  server {{\n    listen {address};\n    {directives}\n  }}\n}}\n"
    )
}
