//! Notices that files have changed, also behind the symbolic links by which Kubernetes swaps them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a file looks like from outside; nothing where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Looks(Option<(PathBuf, u64, u64, i64, i64)>);

/// Some files and how they looked last.
#[derive(Debug)]
pub(crate) struct Watch {
    files: Vec<(PathBuf, Looks)>,
}

impl Watch {
    /// Watches `files` from now on.
    pub(crate) fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let files = files.into_iter().map(|path| {
            let looks = looks(&path);
            (path, looks)
        });
        Self { files: files.collect() }
    }

    /// Watches `files` instead. One that was watched before is compared with how it looked then: what happened to it since, while
    /// it was read, say, is still news.
    pub(crate) fn follow(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        let before = std::mem::take(&mut self.files);
        let files = files.into_iter().map(|path| {
            let known = before.iter().find(|(known, _)| *known == path);
            let looks = known.map_or_else(|| looks(&path), |(_, looks)| looks.clone());
            (path, looks)
        });
        self.files = files.collect();
    }

    /// Whether any file looks other than when last asked.
    pub(crate) fn changed(&mut self) -> bool {
        let mut changed = false;
        for (path, before) in &mut self.files {
            let now = looks(path);
            changed |= now != *before;
            *before = now;
        }
        changed
    }
}

fn looks(path: &Path) -> Looks {
    let resolved = fs::canonicalize(path).ok();
    let seen = resolved.and_then(|resolved| {
        let data = fs::metadata(&resolved).ok()?;
        Some((resolved, data.ino(), data.len(), data.mtime(), data.mtime_nsec()))
    });
    Looks(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_written_file_has_changed_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        fs::write(&path, "a").unwrap();
        let mut watch = Watch::new([path.clone()]);
        assert!(!watch.changed());
        fs::write(&path, "ab").unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
        fs::remove_file(&path).unwrap();
        assert!(watch.changed());
    }

    #[test]
    fn what_changes_while_it_is_read_is_still_news() {
        let folder = tempfile::tempdir().unwrap();
        let (config, secret) = (folder.path().join("config.yaml"), folder.path().join("secret"));
        fs::write(&config, "a").unwrap();
        let mut watch = Watch::new([config.clone()]);
        fs::write(&config, "ab").unwrap();
        watch.follow([config, secret.clone()]);
        assert!(watch.changed());
        assert!(!watch.changed());
        fs::write(secret, "new").unwrap();
        assert!(watch.changed());
    }

    /// A ConfigMap is mounted as `config.yaml -> ..data/config.yaml`, `..data -> ..2026_11_21`: only `..data` is swapped.
    #[test]
    fn a_swapped_folder_behind_links_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for version in ["one", "two"] {
            fs::create_dir(root.join(version)).unwrap();
            fs::write(root.join(version).join("config.yaml"), "same").unwrap();
        }
        symlink("one", root.join("..data")).unwrap();
        symlink("..data/config.yaml", root.join("config.yaml")).unwrap();
        let mut watch = Watch::new([root.join("config.yaml")]);
        symlink("two", root.join("..next")).unwrap();
        fs::rename(root.join("..next"), root.join("..data")).unwrap();
        assert!(watch.changed());
    }
}
