//! Programs run by a test: their output is collected line by line, and they end with the test.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long anything may take to say or do what is waited for. Generous, for a busy machine; a passing test never waits it out.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// How long what a program has written may take to be read once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Standard output and standard error.
const STREAMS: usize = 2;

/// A running program. Killed when dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    output: Arc<Output>,
}

/// The lines that a program has written so far, on standard output and standard error alike.
#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    /// How many of the two streams have ended.
    ended: AtomicUsize,
    grown: Notify,
}

impl Program {
    /// Starts `command`.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_with(command, Stdio::null())
    }

    /// Starts `command` with `input` as its standard input.
    pub(crate) fn start_with(mut command: Command, input: Stdio) -> Self {
        let name = Path::new(command.as_std().get_program()).display().to_string();
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let output = Arc::new(Output::default());
        tokio::spawn(collect(child.stdout.take().unwrap(), Arc::clone(&output)));
        tokio::spawn(collect(child.stderr.take().unwrap(), Arc::clone(&output)));
        Self { name, child, output }
    }

    /// The first thing that `find` sees in a line, waiting for that line if need be.
    pub(crate) async fn wait_for<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        let search = async {
            loop {
                let mut grown = pin!(self.output.grown.notified());
                grown.as_mut().enable();
                let ended = self.output.ended.load(Ordering::Acquire) == STREAMS;
                if let Some(found) = self.output.lines.lock().iter().find_map(|line| find(line)) {
                    return Some(found);
                }
                if ended {
                    return None;
                }
                grown.await;
            }
        };
        let found = timeout(PATIENCE, search).await.ok().flatten();
        found.unwrap_or_else(|| {
            panic!("{} did not write what was waited for, but:\n{}", self.name, self.output())
        })
    }

    /// All that has been written so far.
    pub(crate) fn output(&self) -> String {
        self.output.lines.lock().join("\n")
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap_or_else(|| panic!("{} has ended:\n{}", self.name, self.output()))
    }

    /// The most memory it has had, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends the signal called `name`: `TERM`, `HUP`.
    pub(crate) async fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.id().to_string())
            .status()
            .await
            .unwrap();
        assert!(status.success(), "kill -{name} of {} failed", self.name);
    }

    /// Waits for the end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let end = timeout(PATIENCE, self.child.wait()).await;
        let end = end.unwrap_or_else(|_| panic!("{} still runs:\n{}", self.name, self.output()));
        // Its last words may come after the news of its end; somebody else may still hold the pipe.
        let _ = timeout(LAST_WORDS, self.all_said()).await;
        end.unwrap()
    }

    /// Waits until nothing more can come.
    async fn all_said(&self) {
        loop {
            let mut grown = pin!(self.output.grown.notified());
            grown.as_mut().enable();
            if self.output.ended.load(Ordering::Acquire) == STREAMS {
                return;
            }
            grown.await;
        }
    }
}

async fn collect(stream: impl AsyncRead + Unpin, output: Arc<Output>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        output.lines.lock().push(line);
        output.grown.notify_waiters();
    }
    output.ended.fetch_add(1, Ordering::AcqRel);
    output.grown.notify_waiters();
}

/// The real `sidegate` program.
pub(crate) struct Sidegate {
    pub(crate) program: Program,
    directory: TempDir,
}

impl Sidegate {
    /// `sidegate run` with `configuration`, which should ask for port 0.
    pub(crate) fn run(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.yaml");
        std::fs::write(&file, configuration).unwrap();
        Self::run_in(directory)
    }

    /// `sidegate run` with the `config.yaml` that is in `directory` already, among other files.
    pub(crate) fn run_in(directory: TempDir) -> Self {
        Self::run_in_with(directory, Vec::new())
    }

    /// The same, with `environment` beside its own.
    pub(crate) fn run_in_with(directory: TempDir, environment: Vec<(String, String)>) -> Self {
        let mut command = sidegate();
        command.arg("run").arg("-c").arg(directory.path().join("config.yaml")).envs(environment);
        Self { program: Program::start(command), directory }
    }

    /// Where its configuration file is.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// `sidegate demo` on a free port.
    pub(crate) fn demo() -> Self {
        let mut command = sidegate();
        command.args(["demo", "--address", "127.0.0.1:0"]);
        Self { program: Program::start(command), directory: tempfile::tempdir().unwrap() }
    }

    /// Replaces the configuration file in one step, as editors and config maps do. It is noticed, or `HUP` is sent.
    pub(crate) fn configure(&self, configuration: &str) {
        let mut file = tempfile::NamedTempFile::new_in(self.directory.path()).unwrap();
        file.write_all(configuration.as_bytes()).unwrap();
        file.persist(self.directory.path().join("config.yaml")).unwrap();
    }

    /// Where the listener called `name` listens, once it does.
    pub(crate) async fn listener(&self, name: &str) -> SocketAddr {
        self.program.wait_for(|line| listening(line, |listener| listener == name)).await
    }

    /// Where the first listener listens that is not the admin's, once it does.
    pub(crate) async fn address(&self) -> SocketAddr {
        self.program.wait_for(Self::listening).await
    }

    /// The address in `line`, if it says where a listener listens that is not the admin's.
    pub(crate) fn listening(line: &str) -> Option<SocketAddr> {
        listening(line, |listener| listener != "admin")
    }

    /// Kills it, so that it can tidy up nothing, and starts it again with `configuration`.
    pub(crate) async fn crash(mut self, configuration: &str) -> Self {
        self.program.signal("KILL").await;
        self.program.ended().await;
        self.configure(configuration);
        Self::run_in(self.directory)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.program.signal("TERM").await;
        self.program.ended().await
    }
}

fn sidegate() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sidegate"))
}

/// The address in a log line that says which listener is listening where.
fn listening(line: &str, wanted: impl Fn(&str) -> bool) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| line.get(name).or_else(|| line.get("fields")?.get(name))?.as_str();
    if field("message")? != "listening" || !wanted(field("listener")?) {
        return None;
    }
    field("address")?.parse().ok()
}
