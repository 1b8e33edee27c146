//! A folder for the servers' files and free ports for them to listen on.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Removed, with all in it, at the end of the run.
pub(crate) struct Workspace(TempDir);

impl Workspace {
    /// An empty one.
    pub(crate) fn new() -> Result<Self> {
        TempDir::with_prefix("sidegate-bench-")
            .map(Self)
            .context("no temporary folder could be made")
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Writes `content` to the file `name` and says where that is.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.folder().join(name);
        std::fs::write(&path, content)
            .with_context(|| format!("{} could not be written", path.display()))?;
        Ok(path)
    }
}

/// A port of the loopback interface that nobody listened on a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port is free on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}
