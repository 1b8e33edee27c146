use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::base::time::Timestamp;
use crate::session::{Revoked, SessionId};
use crate::telemetry::metrics::Metrics;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn record(id: u8, keep_until: u64) -> Record {
    let what = Revoked::Session(SessionId::from_bytes([id; 16]));
    Record { what, at: at(0), keep_until: at(keep_until) }
}

fn open(path: &Path, now: u64) -> Result<(Journal, RevocationSet), JournalError> {
    let revocations = RevocationSet::new(100_000);
    let clock = Clock::fixed(at(now));
    let journal = Journal::open(path, &revocations, clock, Metrics::new().sessions())?;
    Ok((journal, revocations))
}

#[tokio::test]
async fn what_was_ended_is_ended_after_a_restart_until_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ended");
    let (journal, revocations) = open(&path, 0).unwrap();
    assert!(revocations.is_empty());
    journal.write(record(1, 100));
    journal.write(record(2, 200));
    journal.flush().await;
    assert_eq!(open(&path, 50).unwrap().1.len(), 2);
    assert_eq!(open(&path, 100).unwrap().1.len(), 1);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_torn_line_takes_no_other_along() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ended");
    let line = record(1, 100).line();
    fs::write(&path, format!("{line}\n{}", &line[..20])).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let (journal, revocations) = open(&path, 0).unwrap();
    assert_eq!(revocations.len(), 1);
    journal.write(record(2, 100));
    journal.flush().await;
    assert_eq!(open(&path, 0).unwrap().1.len(), 2);
}

#[tokio::test]
async fn a_file_that_is_mostly_over_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ended");
    let mut book = Book::of(&path, &[]).unwrap();
    let short: Vec<Record> = (0..1023).map(|_| record(1, 10)).collect();
    book.append(&short, at(0)).unwrap();
    let full = fs::metadata(&path).unwrap().len();
    book.append(&[record(2, 100)], at(50)).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < full / 100);
    book.append(&[record(3, 100)], at(50)).unwrap();
    assert_eq!(book::read(&path, at(50)).unwrap(), [record(2, 100), record(3, 100)]);
}

#[tokio::test]
async fn a_file_that_others_may_write_and_a_missing_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ended");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(open(&path, 0), Err(JournalError::Open { mode: 0o666, .. })));
    let nowhere = folder.path().join("missing/ended");
    assert!(matches!(open(&nowhere, 0), Err(JournalError::Unwritable { .. })));
}

/// What cannot be written is counted, and nothing else is refused for it.
#[tokio::test]
async fn a_file_that_cannot_be_written_any_more_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ended");
    let metrics = Metrics::new();
    let revocations = RevocationSet::new(10);
    let clock = Clock::fixed(at(0));
    let journal = Journal::open(&path, &revocations, clock, metrics.sessions()).unwrap();
    drop(folder);
    for _ in 0..MANY {
        journal.write(record(1, 100));
    }
    journal.flush().await;
    assert!(metrics.render(at(0)).contains("sidegate_revocations_file_failures_total 1"));
}

/// Enough for the file to be written anew, which its missing folder forbids.
const MANY: usize = 1024;
