//! `sidegate run`: reads the configuration, serves until told to stop, and reads it again when told to, or when it changed.

use std::io;
use std::iter;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use crate::cli::notify::{Notifier, State};
use crate::cli::watch::Watch;
use crate::cli::{ConfigFile, Failure};
use crate::clock::Clock;
use crate::config::{self, Loaded};
use crate::serve::listener::PassedSockets;
use crate::serve::settings::ProcessSettings;
use crate::serve::{Bound, Server};
use crate::telemetry::log;
use crate::telemetry::metrics::{Metrics, Reload};
use crate::telemetry::writer::LineWriter;

/// How often files are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Log lines that wait for a slow reader, in bytes; more are dropped and counted.
const LOG_BUFFER_BYTES: usize = 4 << 20;

/// How long the last log lines may take to be written.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
}

pub(crate) fn main(arguments: &Arguments) -> Result<(), Failure> {
    let mut passed = PassedSockets::inherit()?;
    let path = arguments.config.path.clone();
    let watch = Watch::new([path.clone()]);
    let loaded = arguments.config.load()?;
    let metrics = Metrics::new();
    let bound = Bound::listen(&loaded.settings.process, &mut passed)?;
    let lines = LineWriter::start(io::stdout(), LOG_BUFFER_BYTES, &metrics)
        .context("cannot start the log")?;
    log::install(loaded.settings.process.log_level, lines.clone())?;
    log::watch_panics(&metrics);
    warn_of_unused(&passed);
    let workers = runtime(loaded.settings.process.threads)?;
    let reloader = Reloader {
        path,
        process: loaded.settings.process.clone(),
        metrics: metrics.clone(),
        watch,
        notifier: Notifier::from_environment(),
    };
    let served = workers.block_on(serve(loaded, bound, metrics, lines.clone(), reloader));
    // Connections that outlived the drain are cut here.
    workers.shutdown_background();
    lines.flush(LOG_PATIENCE);
    served
}

/// Who connects to a socket that nobody serves waits without an answer.
fn warn_of_unused(passed: &PassedSockets) {
    for socket in passed.names() {
        warn!(
            socket,
            "systemd passes a socket that no listener takes; write `systemd:` and its name, or remove it from the socket unit"
        );
    }
}

/// The one runtime that everything runs on. One thread alone is spared what several need to share work: 7 % of the CPU of a
/// proxied request.
pub(crate) fn runtime(threads: usize) -> io::Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).thread_name("sidegate").enable_all().build()
}

async fn serve(
    loaded: Loaded,
    bound: Bound,
    metrics: Metrics,
    lines: LineWriter,
    mut reloader: Reloader,
) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    reloader.follow(&loaded.files);
    let server = Server::start(loaded.settings, bound, Clock::system(), metrics, lines)?;
    reloader.notifier.tell(State::Ready);
    loop {
        match signals.next(WATCH_INTERVAL).await {
            Event::Stop => break,
            Event::Reload => reloader.reload(&server).await,
            Event::Look => reloader.look(&server).await,
        }
    }
    info!("stopping: waiting for running requests");
    reloader.notifier.tell(State::Stopping);
    tokio::select! {
        () = server.stop() => info!("stopped"),
        () = signals.stop() => warn!("told to stop again; cutting the requests that still run"),
    }
    Ok(())
}

enum Event {
    Look,
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self, interval: Duration) -> Event {
        tokio::select! {
            _ = self.terminate.recv() => Event::Stop,
            _ = self.interrupt.recv() => Event::Stop,
            _ = self.hangup.recv() => Event::Reload,
            () = tokio::time::sleep(interval) => Event::Look,
        }
    }

    /// The next signal to stop, whatever else comes.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

struct Reloader {
    path: PathBuf,
    process: ProcessSettings,
    metrics: Metrics,
    watch: Watch,
    notifier: Notifier,
}

impl Reloader {
    async fn look(&mut self, server: &Server) {
        if self.watch.changed() {
            self.reload(server).await;
        }
    }

    fn follow(&mut self, files: &[PathBuf]) {
        self.watch.follow(iter::once(&self.path).chain(files).cloned());
    }

    /// Puts the file as it is now into force, or leaves everything as it is.
    async fn reload(&mut self, server: &Server) {
        self.notifier.tell(State::Reloading);
        // What changes from here on is not sure to be read.
        self.watch.changed();
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || config::load(&path)).await;
        let result = match read {
            Ok(Ok(loaded)) => self.replace(server, loaded),
            Ok(Err(problems)) => {
                self.follow(problems.inputs());
                Err(problems.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        let outcome = if result.is_ok() { Reload::Ok } else { Reload::Failed };
        self.metrics.config_reloaded(outcome, Clock::system().now());
        match result {
            Ok(()) => info!("configuration reloaded"),
            Err(problems) => error!(problems, "configuration refused; the old one stays in force"),
        }
        self.notifier.tell(match outcome {
            Reload::Ok => State::Ready,
            Reload::Failed => State::ReadyByOld,
        });
    }

    fn replace(&mut self, server: &Server, loaded: Loaded) -> Result<(), String> {
        if !loaded.warnings.is_empty() {
            warn!(warnings = %loaded.warnings, "configuration has warnings");
        }
        self.follow(&loaded.files);
        if loaded.settings.process != self.process {
            return Err("listeners, admin, threads, log level or connection limits differ: these need a restart".to_owned());
        }
        server
            .reload(loaded.settings.service)
            .map_err(|error| format!("{:#}", anyhow::Error::from(error)))
    }
}
