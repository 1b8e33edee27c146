//! Lines on their way out: appended by anybody, written by one thread, dropped rather than waited for.
//!
//! Workers append to a bounded buffer under a short lock; the writer thread swaps it for an empty
//! one and writes it whole. When the output is not read and the buffer is full, lines are dropped
//! and counted. What a line says is not known here.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use prometheus::IntCounter;

use super::metrics::Metrics;

/// How long the thread lets lines gather after it wrote some. While it waits, whoever appends
/// need not wake it: waking costs a system call, more than the line itself.
const GATHER: Duration = Duration::from_millis(5);

/// A handle to append with; clones share the buffer.
#[derive(Clone)]
pub struct LineWriter {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Lines came while the thread slept, or nobody will append any more.
    wake: Condvar,
    /// Everything that was appended has been written.
    written: Condvar,
    max_bytes: usize,
    dropped: IntCounter,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    phase: Phase,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing to do; must be woken.
    #[default]
    Asleep,
    /// Will look at the buffer by itself, soon.
    Gathering,
    /// Busy with the output.
    Writing,
}

impl LineWriter {
    /// Starts the thread that writes to `sink`. At most `max_bytes` of lines wait for it.
    ///
    /// # Errors
    /// When the system gives us no thread.
    pub fn start(
        sink: impl Write + Send + 'static,
        max_bytes: usize,
        metrics: &Metrics,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            wake: Condvar::new(),
            written: Condvar::new(),
            max_bytes,
            dropped: metrics.dropped_lines(),
        });
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name("log-writer".into()).spawn(move || theirs.run(sink))?;
        Ok(Self { shared })
    }

    /// Appends one line, its line end included; drops it when the buffer is full.
    pub fn append(&self, line: &[u8]) {
        let mut state = self.shared.state.lock();
        if state.pending.len() + line.len() > self.shared.max_bytes {
            drop(state);
            return self.shared.dropped.inc();
        }
        state.pending.extend_from_slice(line);
        if state.phase == Phase::Asleep {
            state.phase = Phase::Gathering;
            drop(state);
            self.shared.wake.notify_one();
        }
    }

    /// Waits until all that was appended is written, at most for `patience`.
    /// Blocks the thread: for the end of the process.
    pub fn flush(&self, patience: Duration) {
        let mut state = self.shared.state.lock();
        let busy = |state: &mut State| !state.pending.is_empty() || state.phase == Phase::Writing;
        self.shared.wake.notify_one();
        self.shared.written.wait_while_for(&mut state, busy, patience);
    }
}

impl Shared {
    fn run(&self, mut sink: impl Write) {
        let mut batch = Vec::new();
        loop {
            self.take(&mut batch);
            // A broken output cannot be reported on that output; the lines are lost.
            let _ = sink.write_all(&batch).and_then(|()| sink.flush());
            batch.clear();
        }
    }

    /// Waits for lines and swaps them into the empty `batch`.
    fn take(&self, batch: &mut Vec<u8>) {
        let mut state = self.state.lock();
        if state.phase == Phase::Writing {
            state.phase = Phase::Gathering;
            self.written.notify_all();
            self.wake.wait_for(&mut state, GATHER);
        }
        while state.pending.is_empty() {
            state.phase = Phase::Asleep;
            self.wake.wait(&mut state);
        }
        state.phase = Phase::Writing;
        std::mem::swap(&mut state.pending, batch);
    }
}

/// A sink for `tracing-subscriber`, which writes each event by one call.
impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
