//! A real Envoy with the configuration of `deploy/envoy`, its addresses replaced.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Duration, sleep};

use super::peer::find;
use super::ports::free_address;
use super::process::Program;

/// How often another port is tried, should somebody take the free one before Envoy does.
const ATTEMPTS: usize = 5;

/// A running Envoy.
pub(crate) struct Envoy {
    pub(crate) address: SocketAddr,
    pub(crate) program: Program,
    _directory: TempDir,
}

/// What is written in a file as it is shipped, and what stands there for a test.
pub(crate) type Changes<'a> = &'a [(&'a str, &'a str)];

impl Envoy {
    /// Starts one with `file` of `deploy/envoy` after `changes`; nothing where Envoy is missing.
    pub(crate) async fn start(file: &str, changes: Changes<'_>) -> Option<Self> {
        let binary = find(&["envoy"])?;
        let text = changed(&shipped(file), changes);
        for _ in 0..ATTEMPTS {
            if let Some(running) = Self::attempt(&binary, &text).await {
                return Some(running);
            }
        }
        panic!("envoy did not start in {ATTEMPTS} attempts");
    }

    async fn attempt(binary: &Path, text: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let address = free_address();
        let here = format!("address: 127.0.0.1, port_value: {}", address.port());
        let text = changed(text, &[("address: 0.0.0.0, port_value: 8080", &here)]);
        let file = directory.path().join("envoy.yaml");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(binary);
        command.arg("-c").arg(file);
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"]);
        let mut program = Program::start(command);
        let answers = async {
            while TcpStream::connect(address).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = answers => Some(Self { address, program, _directory: directory }),
            _ = program.ended() => panic!("{}", program.output()),
        }
    }
}

fn shipped(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/envoy").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `text` after `changes`, of which each must change something.
fn changed(text: &str, changes: Changes<'_>) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from:?} is not in the file:\n{text}");
        text.replace(from, to)
    })
}
