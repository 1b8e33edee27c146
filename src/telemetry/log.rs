//! The operational log: what `tracing` and the `log` facade report, as JSON lines.
//!
//! Libraries that log what clients send them are silenced, or garbage from outside would fill the
//! disk; what matters of it is counted in metrics. One line per request is [`super::audit`]'s.

use std::panic;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::metrics::Metrics;
use super::writer::LineWriter;

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Only what needs somebody's attention.
    Error,
    /// And what soon may.
    Warn,
    /// And what changes the state of the process.
    #[default]
    Info,
    /// And what helps to find out why.
    Debug,
    /// And every step.
    Trace,
}

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("a log is already set up in this process")]
pub struct AlreadySet;

/// Sends all events of `level` and above to `writer`, and those of the `log` facade too.
///
/// # Errors
/// When called a second time in a process.
pub fn install(level: Level, writer: LineWriter) -> Result<(), AlreadySet> {
    let subscriber = tracing_subscriber::registry().with(layer(level, writer));
    subscriber.try_init().map_err(|_| AlreadySet)
}

/// Counts panics and logs where they happened, without their message: it may quote a value.
pub fn watch_panics(metrics: &Metrics) {
    let metrics = metrics.clone();
    panic::set_hook(Box::new(move |panic| {
        metrics.panicked();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%place, "panicked; this is a bug");
    }));
}

fn layer<S>(level: Level, writer: LineWriter) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(move || writer.clone());
    lines.with_filter(targets(level))
}

/// Ours at `level`, libraries at `warn`, those that echo clients not at all: except for failing
/// `accept` calls, which pingora reports nowhere else.
fn targets(level: Level) -> Targets {
    let ours = LevelFilter::from(level);
    let silent = ["pingora", "rustls", "tokio_rustls", "h2", "hyper", "hyper_util", "reqwest"];
    Targets::new()
        .with_default(ours.min(LevelFilter::WARN))
        .with_targets(silent.map(|target| (target, LevelFilter::OFF)))
        .with_target("pingora_core::services::listening", LevelFilter::ERROR)
        .with_target("sidegate", ours)
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::io::{self, Write};
    use std::sync::Arc;
    use std::time::Duration;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: Level, events: impl FnOnce()) -> Vec<serde_json::Value> {
        let out = Memory::default();
        let writer = LineWriter::start(out.clone(), 1 << 20, &Metrics::new()).unwrap();
        let subscriber = tracing_subscriber::registry().with(layer(level, writer.clone()));
        tracing::subscriber::with_default(subscriber, events);
        writer.flush(Duration::from_secs(10));
        let bytes = out.0.lock().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn an_event_is_one_json_line_with_its_fields() {
        let lines = logged(Level::Info, || tracing::warn!(provider = "a\nb", "key set is old"));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["message"], "key set is old");
        assert_eq!(lines[0]["provider"], "a\nb");
        assert_eq!(lines[0]["level"], "WARN");
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn the_level_holds_for_ours_and_libraries_that_echo_clients_are_silent() {
        let lines = logged(Level::Info, || {
            tracing::debug!("too fine");
            tracing::error!(target: "pingora_proxy", "GET /?code=secret");
            tracing::error!(target: "pingora_core::protocols", "bad bytes");
            tracing::error!(target: "rustls::conn", "alert");
            tracing::error!(target: "pingora_core::services::listening", "Accept() failed");
            tracing::info!(target: "some_library", "chatter");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["message"], "Accept() failed");
    }
}
