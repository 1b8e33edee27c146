//! Reading a key set file when it changed, links followed: Kubernetes swaps a symlink, editors rename over the old file.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::task::spawn_blocking;

/// The largest key set file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What tells two states of a file apart without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Why a file gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{} is larger than the {MAX_BYTES} bytes that are read", path.display())]
    TooLarge { path: PathBuf },
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

/// The file's content and stamp, or `None` when its stamp is the known one. Reads off the async workers.
pub(super) async fn read_if_changed(
    path: PathBuf,
    known: Option<Stamp>,
) -> Result<Option<(Bytes, Stamp)>, FileError> {
    let again = path.clone();
    let work = spawn_blocking(move || read(&path, known.as_ref()));
    work.await.unwrap_or_else(|stopped| {
        Err(FileError::Unreadable { path: again, source: io::Error::other(stopped) })
    })
}

fn read(path: &Path, known: Option<&Stamp>) -> Result<Option<(Bytes, Stamp)>, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    let stamp = Stamp::of(&std::fs::metadata(path).map_err(unreadable)?);
    if known == Some(&stamp) {
        return Ok(None);
    }
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut content))
        .map_err(unreadable)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(FileError::TooLarge { path: path.to_owned() });
    }
    // The stamp is older than the content: a change in between is seen again at the next look.
    Ok(Some((content.into(), stamp)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn an_unchanged_file_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        fs::write(&path, "one").unwrap();
        let (content, stamp) = read(&path, None).unwrap().unwrap();
        assert_eq!(content, "one");
        assert!(read(&path, Some(&stamp)).unwrap().is_none());
        fs::write(&path, "two!").unwrap();
        assert_eq!(read(&path, Some(&stamp)).unwrap().unwrap().0, "two!");
    }

    #[test]
    fn a_swapped_symlink_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (path, next) = (folder.path().join("keys.json"), folder.path().join("next"));
        for content in ["old", "new"] {
            fs::write(folder.path().join(content), content).unwrap();
        }
        symlink("old", &path).unwrap();
        let (_, stamp) = read(&path, None).unwrap().unwrap();
        symlink("new", &next).unwrap();
        fs::rename(&next, &path).unwrap();
        assert_eq!(read(&path, Some(&stamp)).unwrap().unwrap().0, "new");
    }

    #[test]
    fn a_missing_and_an_oversized_file_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        assert!(matches!(read(&path, None), Err(FileError::Unreadable { .. })));
        fs::write(&path, vec![b' '; 1 << 20]).unwrap();
        assert!(read(&path, None).is_ok());
        fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
        let error = read(&path, None).unwrap_err();
        assert!(error.to_string().contains("keys.json is larger"), "{error}");
    }
}
