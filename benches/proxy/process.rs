//! Servers as child processes: pinned to a core, watched through /proc, killed when dropped.
//!
//! Linux only, as /proc and `taskset` are.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The core that the measured server has to itself.
pub(crate) const SERVER_CORE: &str = "0";
/// The core of everything else: load, upstream, this program.
pub(crate) const OTHER_CORE: &str = "1";

/// How long a server may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Linux reports CPU time to programs in hundredths of a second, whatever its own tick (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// What a server writes to its standard output is…
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// thrown away by the kernel.
    Discarded,
    /// read through a pipe by this program, as a log collector would.
    Piped,
}

impl Server {
    /// Starts `command` on `core` and waits until it accepts connections at `port` of 127.0.0.1.
    pub(crate) fn start(command: &Command, core: &str, port: u16, output: Output) -> Result<Self> {
        let server = Self::launch(command, core, port, output)?;
        server.listening(Duration::from_millis(20))
    }

    /// Starts `command` on `core`; nobody waits for it to listen.
    pub(crate) fn launch(command: &Command, core: &str, port: u16, output: Output) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut command = pinned(command, core);
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        command.stdout(if output == Output::Piped { Stdio::piped() } else { Stdio::null() });
        let mut child =
            command.spawn().with_context(|| format!("{program} could not be started"))?;
        if let Some(mut pipe) = child.stdout.take() {
            std::thread::spawn(move || io::copy(&mut pipe, &mut io::sink()));
        }
        Ok(Self { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) })
    }

    /// Returns once the server accepts a connection, asking every `pace`.
    pub(crate) fn listening(mut self, pace: Duration) -> Result<Self> {
        let start = now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server for {} ended with {status} instead of listening", self.address);
            }
            if start.elapsed() > START_LIMIT {
                bail!("nobody listens at {} after {START_LIMIT:?}", self.address);
            }
            pause(pace);
        }
        Ok(self)
    }

    /// CPU time since the start, user and system, of all threads.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // The second field is the program's name in parentheses, which may contain anything.
        let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat has no program name")?;
        let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u32>);
        match (fields.next(), fields.next()) {
            (Some(Ok(user)), Some(Ok(system))) => Ok(TICK * (user + system)),
            _ => bail!("/proc/PID/stat has no CPU times"),
        }
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = self.proc("status")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("/proc/PID/status has no VmRSS")?;
        let kib: u64 =
            line.trim().trim_end_matches(" kB").parse().context("VmRSS is not a number of kB")?;
        Ok(kib * 1024)
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(&path)
            .with_context(|| format!("{path} cannot be read: did the server end?"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is lost if it ended before.
        let _: io::Result<()> = self.child.kill();
        let _: io::Result<ExitStatus> = self.child.wait();
    }
}

/// `command`, run by `taskset` on `core`.
pub(crate) fn pinned(command: &Command, core: &str) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", core]).arg(command.get_program()).args(command.get_args());
    pinned
}

/// Moves this program, and what it starts later, away from the measured server.
pub(crate) fn stay_off_the_server_core() {
    let this = std::process::id().to_string();
    // Without a second core, or without taskset, starting the first server will say so.
    let _: io::Result<_> = Command::new("taskset").args(["-p", "-c", OTHER_CORE, &this]).output();
}

/// Whether `program` can be run.
pub(crate) fn installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers in sbin, which is not on everyone's path.
    let sbin = ["/usr/sbin", "/usr/local/sbin"].map(Path::new).map(Path::to_path_buf);
    std::env::split_paths(&folders).chain(sbin).any(|folder| folder.join(program).is_file())
}

/// A program by name, found where [`installed`] looks.
pub(crate) fn program(name: &str) -> Command {
    let sbin = Path::new("/usr/sbin").join(name);
    if sbin.is_file() { Command::new(sbin) } else { Command::new(name) }
}

/// Now, for measuring.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits for a server to settle.
#[expect(clippy::disallowed_methods, reason = "nothing else runs in this program")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
