//! The copy of a key set on disk, for a restart while the provider is down.
//!
//! It holds public keys only, but whoever can write it can choose whom we trust: it is written with mode 0600, replaced
//! atomically, and not believed when others may write to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::time::Timestamp;

const MAX_BYTES: u64 = 4 << 20;
const FORMAT: u8 = 1;
const OTHERS_MAY_WRITE: u32 = 0o022;

/// What the file says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Copy {
    format: u8,
    issuer: String,
    source: String,
    fetched_at: u64,
    jwks: String,
}

/// Why a copy is not used or was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    #[error("{} is of another issuer, source or format, and is ignored", path.display())]
    Foreign { path: PathBuf },
    #[error("{} is no copy of a key set", path.display())]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("{} may be written by others (mode {mode:o}), expected 600; it is ignored", path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
}

impl Copy {
    /// A copy of `jwks`, which `source` of `issuer` confirmed at `fetched_at`.
    pub(super) const fn new(
        issuer: String,
        source: String,
        fetched_at: Timestamp,
        jwks: String,
    ) -> Self {
        Self { format: FORMAT, issuer, source, fetched_at: fetched_at.as_secs(), jwks }
    }

    /// The key set as it was fetched.
    pub(super) const fn jwks(&self) -> &str {
        self.jwks.as_str()
    }

    /// When its source confirmed it last.
    pub(super) const fn fetched_at(&self) -> Timestamp {
        Timestamp::from_secs(self.fetched_at)
    }

    /// Reads the copy of this issuer and source; `None` if there is no file.
    pub(super) fn read(path: &Path, issuer: &str, source: &str) -> Result<Option<Self>, CopyError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|source| unreadable(path, source))?,
        };
        let copy: Self = serde_json::from_slice(&content(path, file)?)
            .map_err(|source| CopyError::Malformed { path: path.to_owned(), source })?;
        if copy.format != FORMAT || copy.issuer != issuer || copy.source != source {
            return Err(CopyError::Foreign { path: path.to_owned() });
        }
        Ok(Some(copy))
    }

    /// Replaces the file: a reader sees the old copy or the new one, never a part.
    pub(super) fn write(&self, path: &Path) -> Result<(), CopyError> {
        let outcome = serde_json::to_vec(self)
            .map_err(io::Error::other)
            .and_then(|json| replace(path, &json));
        outcome.map_err(|source| CopyError::Unwritable { path: path.to_owned(), source })
    }
}

fn unreadable(path: &Path, source: io::Error) -> CopyError {
    CopyError::Unreadable { path: path.to_owned(), source }
}

fn content(path: &Path, file: File) -> Result<Vec<u8>, CopyError> {
    let metadata = file.metadata().map_err(|source| unreadable(path, source))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OTHERS_MAY_WRITE != 0 {
        return Err(CopyError::Open { path: path.to_owned(), mode });
    }
    let mut content = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut content).map_err(|source| unreadable(path, source))?;
    Ok(content)
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = draft_path(path)?;
    let outcome = write_draft(&draft, content).and_then(|()| fs::rename(&draft, path));
    if outcome.is_err() {
        let _ = fs::remove_file(&draft);
    }
    outcome
}

/// Beside the file, since a rename is atomic only within one file system; of this process, since another may share the folder.
fn draft_path(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let mut draft = std::ffi::OsString::from(".");
    draft.push(name);
    draft.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(draft))
}

fn write_draft(draft: &Path, content: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://login.example.com";

    fn copy() -> Copy {
        Copy::new(
            ISSUER.to_owned(),
            "discovery".to_owned(),
            Timestamp::from_secs(7),
            "{\"keys\":[]}".to_owned(),
        )
    }

    #[test]
    fn what_is_written_is_read_back_and_only_ours_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.json");
        assert_eq!(Copy::read(&path, ISSUER, "discovery").unwrap(), None);
        copy().write(&path).unwrap();
        copy().write(&path).unwrap();
        assert_eq!(Copy::read(&path, ISSUER, "discovery").unwrap(), Some(copy()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the draft is gone");
    }

    #[test]
    fn a_copy_of_another_issuer_or_source_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.json");
        copy().write(&path).unwrap();
        for (issuer, source) in
            [("https://evil.example", "discovery"), (ISSUER, "https://login.example.com/jwks")]
        {
            assert!(matches!(Copy::read(&path, issuer, source), Err(CopyError::Foreign { .. })));
        }
    }

    #[test]
    fn a_copy_that_others_may_write_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.json");
        copy().write(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let error = Copy::read(&path, ISSUER, "discovery").unwrap_err();
        assert!(error.to_string().contains("mode 666"), "{error}");
    }

    #[test]
    fn a_torn_copy_and_an_unwritable_folder_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.json");
        fs::write(&path, "{\"format\":1,").unwrap();
        assert!(matches!(Copy::read(&path, ISSUER, "discovery"), Err(CopyError::Malformed { .. })));
        let nowhere = folder.path().join("missing/main.json");
        assert!(matches!(copy().write(&nowhere), Err(CopyError::Unwritable { .. })));
    }
}
