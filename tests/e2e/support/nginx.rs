//! A real nginx, as an upstream or as a proxy in front.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Duration, sleep};

use super::edge;
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
        Self::start_in(tempfile::tempdir, "", shared, directives).await
    }

    /// The same over TLS, with the certificate of apps at the [edge]; `EDGE` in the directives is the directory of its files.
    pub(crate) async fn start_at_edge(shared: &str, directives: &str) -> Option<Self> {
        let certificate = "ssl_certificate EDGE/apps.crt;\n    ssl_certificate_key EDGE/tls.key;\n";
        let directives = format!("{certificate}{directives}");
        Self::start_in(|| Ok(edge::files()), " ssl", shared, &directives).await
    }

    /// In a directory that is made for it, with `flags` of its listener.
    async fn start_in(
        directory: impl Fn() -> io::Result<TempDir>,
        flags: &str,
        shared: &str,
        directives: &str,
    ) -> Option<Self> {
        let binary = find(&["nginx"])?;
        for _ in 0..ATTEMPTS {
            let (directory, address) = (directory().unwrap(), free_address());
            let configuration = configuration(&format!("{address}{flags}"), shared, directives);
            let configuration = edge::filled_in(&configuration, directory.path());
            std::fs::write(directory.path().join("nginx.conf"), configuration).unwrap();
            if let Some(running) = Self::attempt(binary.clone(), address, directory).await {
                return Some(running);
            }
        }
        panic!("nginx did not start in {ATTEMPTS} attempts");
    }

    async fn attempt(binary: PathBuf, address: SocketAddr, directory: TempDir) -> Option<Self> {
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
fn configuration(address: &str, shared: &str, directives: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("  {kind}_temp_path {kind}_temp;\n"))
        .collect();
    format!(
        "daemon off;\nmaster_process off;\nerror_log stderr;\npid nginx.pid;\nevents {{}}\nhttp {{\n  access_log off;\n\
         {temporary}  {shared}\n  server {{\n    listen {address};\n    {directives}\n  }}\n}}\n"
    )
}
