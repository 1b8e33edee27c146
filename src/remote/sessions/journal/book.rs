//! The file itself: read at start, appended to, written anew when most of it is over.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::base::time::Timestamp;
use crate::remote::sessions::journal::JournalError;
use crate::remote::sessions::record::Record;

/// The largest file that is read, in bytes: some hundred thousand lines.
const MAX_BYTES: u64 = 64 << 20;

/// A file is not written anew before it has this many lines.
const MIN_LINES: usize = 1024;

const OTHERS_MAY_WRITE: u32 = 0o022;

/// An open file, and how many lines it has.
pub(super) struct Book {
    path: PathBuf,
    file: File,
    lines: usize,
    /// How many lines it had when it was written anew last.
    kept: usize,
}

impl Book {
    /// Writes the file anew, with these records alone: a reader sees the old one or the new one, never a part.
    pub(super) fn of(path: &Path, records: &[Record]) -> io::Result<Self> {
        let draft = draft_path(path)?;
        let outcome = write_draft(&draft, records)
            .and_then(|file| fs::rename(&draft, path).map(|()| file))
            .and_then(|file| sync_folder(path).map(|()| file));
        if outcome.is_err() {
            let _ = fs::remove_file(&draft);
        }
        let (path, lines) = (path.to_owned(), records.len());
        outcome.map(|file| Self { path, file, lines, kept: lines })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends, and returns when it is on the disk.
    pub(super) fn append(&mut self, records: &[Record], now: Timestamp) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        self.file.write_all(&text(records))?;
        self.file.sync_data()?;
        self.lines += records.len();
        if self.lines >= MIN_LINES.max(2 * self.kept) {
            let left = read(&self.path, now).map_err(io::Error::other)?;
            *self = Self::of(&self.path, &left)?;
        }
        Ok(())
    }
}

/// What the file says that is not over yet. A missing file says nothing; nor does a line that is torn.
pub(super) fn read(path: &Path, now: Timestamp) -> Result<Vec<Record>, JournalError> {
    let unreadable = |source| JournalError::Unreadable { path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(unreadable)?,
    };
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & OTHERS_MAY_WRITE != 0 {
        return Err(JournalError::Open { path: path.to_owned(), mode });
    }
    let mut content = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut content).map_err(unreadable)?;
    let lines = content.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    let records = lines.filter_map(Record::parse);
    Ok(records.filter(|record| now < record.keep_until).collect())
}

fn text(records: &[Record]) -> Vec<u8> {
    // The first line end closes a line that an earlier failure may have torn.
    let mut text = vec![b'\n'];
    for record in records {
        text.extend_from_slice(record.line().as_bytes());
        text.push(b'\n');
    }
    text
}

fn draft_path(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let mut draft = OsString::from(".");
    draft.push(name);
    draft.push(".new");
    Ok(path.with_file_name(draft))
}

fn write_draft(draft: &Path, records: &[Record]) -> io::Result<File> {
    let _ = fs::remove_file(draft);
    let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(&text(records))?;
    file.sync_all()?;
    Ok(file)
}

/// A rename is on the disk only when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}
