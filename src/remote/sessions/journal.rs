//! The file of revocations: what was ended, so that a restart does not bring it back to life.
//!
//! Sealed cookies stay valid as long as nobody remembers that they were ended. Lines are appended, many with one `fsync`; when
//! most of them are over the file is written anew. What cannot be written is counted and logged, and ends no less for it.

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::clock::Clock;
use crate::remote::sessions::record::Record;
use crate::session::RevocationSet;
use crate::telemetry::metrics::SessionMetrics;

mod book;

use book::Book;

/// How many ends may wait to be written.
const WAITING: usize = 4096;

/// How many lines at most are written with one `fsync`.
const BATCH: usize = 256;

/// Why the file of revocations is not used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Whoever may write to it may sign anybody out.
    #[error("{} may be written by others (mode {mode:o}), expected 600", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Writes down what is ended. Dropping it lets the writer finish what it has.
pub struct Journal {
    notes: mpsc::Sender<Note>,
    metrics: SessionMetrics,
}

enum Note {
    /// Whoever sends this wants to know when all before it is on the disk.
    Flush(oneshot::Sender<()>),
    Record(Record),
}

impl Journal {
    /// Reads the file at `path`, ends again what it says, and goes on writing to it. A missing file is an empty one; lines that
    /// cannot be read, as after a crash, are left out. Reads files: call it at start only, on a tokio runtime.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(
        path: &Path,
        revocations: &RevocationSet,
        clock: Clock,
        metrics: SessionMetrics,
    ) -> Result<Self, JournalError> {
        let now = clock.now();
        let records = book::read(path, now)?;
        for record in &records {
            revocations.revoke(&record.what, record.at, record.keep_until, now);
        }
        metrics.revocations_held(revocations);
        let book = Book::of(path, &records)
            .map_err(|source| JournalError::Unwritable { path: path.to_owned(), source })?;
        let (notes, waiting) = mpsc::channel(WAITING);
        tokio::spawn(keep(book, waiting, clock, metrics.clone()));
        Ok(Self { notes, metrics })
    }

    /// Has it written down. Never waits.
    pub(super) fn write(&self, record: Record) {
        if self.notes.try_send(Note::Record(record)).is_err() {
            self.metrics.revocations_file_failed();
            tracing::error!(
                "the file of revocations lags behind; what was ended is lost at a restart"
            );
        }
    }

    /// Waits until all that was to be written before has been tried. For an orderly end.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.notes.send(Note::Flush(done)).await.is_ok() {
            // A writer that is gone has nothing more to write.
            let _ = wait.await;
        }
    }
}

/// Writes as long as there is somebody who may have something written.
async fn keep(
    mut book: Book,
    mut waiting: mpsc::Receiver<Note>,
    clock: Clock,
    metrics: SessionMetrics,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let (mut records, mut flushes) = (Vec::new(), Vec::new());
        for note in batch.drain(..) {
            match note {
                Note::Flush(done) => flushes.push(done),
                Note::Record(record) => records.push(record),
            }
        }
        let now = clock.now();
        let work = spawn_blocking(move || {
            let outcome = book.append(&records, now);
            (book, outcome)
        });
        // A writer that panicked is gone for good: what comes later is counted as lost.
        let Ok((returned, outcome)) = work.await else { return };
        book = returned;
        if let Err(error) = outcome {
            metrics.revocations_file_failed();
            tracing::error!(file = %book.path().display(), %error, "the file of revocations cannot be written");
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests;
