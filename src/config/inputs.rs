//! What a configuration reads beside its own text: files and environment variables.
//!
//! Keeps count of the files, so that a reload can watch them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::base::secret::Secret as Hidden;

/// The largest file that a configuration refers to, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Looks up an environment variable.
type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// The surroundings of one configuration file.
pub(crate) struct Inputs {
    directory: PathBuf,
    environment: Lookup,
    files: BTreeSet<PathBuf>,
}

impl Inputs {
    /// Relative paths begin at `directory`; variables come from `environment`.
    pub(crate) fn new(
        directory: &Path,
        environment: impl Fn(&str) -> Option<String> + 'static,
    ) -> Self {
        let environment = Box::new(environment);
        Self { directory: directory.to_owned(), environment, files: BTreeSet::new() }
    }

    /// `written` as a path that holds wherever the program runs.
    pub(crate) fn resolve(&self, written: &Path) -> PathBuf {
        self.directory.join(written)
    }

    /// The same, for a file that the running program depends on: a change of it is a change of the configuration.
    pub(crate) fn watch(&mut self, written: &Path) -> PathBuf {
        let path = self.resolve(written);
        self.files.insert(path.clone());
        path
    }

    /// The same for a directory and the files that are in it now.
    pub(crate) fn watch_directory(&mut self, written: &Path) -> PathBuf {
        let directory = self.watch(written);
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        self.files.extend(entries.map(|entry| entry.path()));
        directory
    }

    /// The bytes of a file, and whether everybody on the machine can read them.
    pub(crate) fn read(&mut self, written: &Path) -> io::Result<FileText> {
        read(&self.watch(written))
    }

    /// The environment variable `name`.
    pub(crate) fn variable(&self, name: &str) -> Option<Hidden<String>> {
        (self.environment)(name).map(Hidden::new)
    }

    /// Every file that was read or is to be watched.
    pub(crate) fn into_files(self) -> Vec<PathBuf> {
        self.files.into_iter().collect()
    }
}

/// What is in the file at `path`. Devices and pipes, which may never end, are refused.
pub(crate) fn read(path: &Path) -> io::Result<FileText> {
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is larger than 1 MiB"));
    }
    Ok(FileText { bytes: Hidden::new(bytes), public: is_public(&metadata) })
}

/// What is in a file.
pub(crate) struct FileText {
    pub(crate) bytes: Hidden<Vec<u8>>,
    /// Whether everybody on the machine can read it.
    pub(crate) public: bool,
}

fn is_public(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o004 != 0
}

/// Why a file could not be read, in words that go after its name.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => String::from("there is no such file"),
        io::ErrorKind::PermissionDenied => String::from("this user may not read it"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_beside_the_configuration_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), "text").unwrap();
        let mut inputs = Inputs::new(directory.path(), |_| None);
        assert_eq!(inputs.read(Path::new("a")).unwrap().bytes.expose(), b"text");
        assert_eq!(inputs.into_files(), [directory.path().join("a")]);
    }

    #[test]
    fn what_is_no_small_file_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("big"), vec![b'x'; (1 << 20) + 1]).unwrap();
        let mut inputs = Inputs::new(directory.path(), |_| None);
        let mut why = |name: &str| reason(&inputs.read(Path::new(name)).err().unwrap());
        assert_eq!(why("none"), "there is no such file");
        assert_eq!(why("big"), "it is larger than 1 MiB");
        assert_eq!(why("."), "it is not a file");
    }
}
