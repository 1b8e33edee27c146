//! A Redis for one test, on a socket in a folder of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::base::secret::Secret;
use crate::remote::sessions::{RedisAddress, RedisSettings, StoreSettings, Topology};

/// What operators are told that we need.
const ALLOWED: &str = include_str!("../../../../docs/replicas.md");

/// Who we are in that document.
const USER: &str = "sidegate";
const PASSWORD: &str = "hunter2";

/// It ends with the test.
pub(super) struct Server {
    process: Child,
    folder: TempDir,
}

impl Server {
    /// Starts one; `None` where it is not installed and need not be.
    pub(super) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same with further options.
    pub(super) fn start_with(options: &[&str]) -> Option<Self> {
        Some(Self::run(&find("redis-server")?, options))
    }

    /// A Valkey. It is in no package of every system, so that it may be missing anywhere.
    pub(super) fn valkey() -> Option<Self> {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/peers/bin/valkey-server");
        let found = Some(ours).filter(|file| file.is_file()).or_else(|| on_path("valkey-server"));
        if found.is_none() {
            report("skipped: valkey-server is not installed");
        }
        Some(Self::run(&found?, &[]))
    }

    /// A Redis where we are a user who may do no more than docs/replicas.md asks for.
    pub(super) fn strict() -> Option<Self> {
        let granted = ALLOWED.lines().find_map(|line| line.strip_prefix("ACL SETUSER "));
        let granted = granted.expect("the document has it").replace("PASSWORD", PASSWORD);
        let words: Vec<&str> = ["--user"].into_iter().chain(granted.split(' ')).collect();
        Self::start_with(&words)
    }

    fn run(program: &Path, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(program)
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(folder.path().join("socket"))
            .arg("--dir")
            .arg(folder.path())
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.any(|line| line.unwrap().contains("eady to accept connections"));
        assert!(ready, "the server ended at once");
        // Its further words must go somewhere, or it stops when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, folder }
    }

    /// How to reach it. The deadline is generous: tests share two processors.
    pub(super) fn redis(&self) -> RedisSettings {
        let address = RedisAddress::Unix(self.folder.path().join("socket"));
        let settings = RedisSettings::of(Topology::Single { address, database: 0 });
        RedisSettings { deadline: Duration::from_secs(10), ..settings }
    }

    /// What it answers to somebody else.
    pub(super) async fn command<T: ::redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = self.connection().await;
        let mut command = ::redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await.unwrap()
    }

    /// A connection of somebody else.
    pub(super) async fn connection(&self) -> MultiplexedConnection {
        let socket = self.folder.path().join("socket");
        let client = ::redis::Client::open(format!("unix://{}", socket.display())).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    pub(super) fn settings(&self) -> StoreSettings {
        StoreSettings::Redis(self.redis())
    }

    /// The same as the user of [`Self::strict`].
    pub(super) fn strict_settings(&self) -> StoreSettings {
        let (username, password) = (Some(USER.to_owned()), Some(Secret::new(PASSWORD.to_owned())));
        StoreSettings::Redis(RedisSettings { username, password, ..self.redis() })
    }

    /// Stops it from running, or lets it run on.
    pub(super) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) fn find(name: &str) -> Option<PathBuf> {
    let found = on_path(name);
    if found.is_none() {
        let required = std::env::var_os("SIDEGATE_REQUIRE_PEERS").is_some_and(|value| value == "1");
        assert!(!required, "{name} is not installed, and SIDEGATE_REQUIRE_PEERS=1 asks for it");
        report(&format!("skipped: {name} is not installed"));
    }
    found
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[expect(
    clippy::print_stderr,
    reason = "the reader of a test run must learn what did not run, and what was measured"
)]
pub(super) fn report(line: &str) {
    eprintln!("{line}");
}
