//! Scripts of `tests/peers` that judge something with a library of npm: JSON in, JSON out.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::peer::{find, report_missing};
use super::process::PATIENCE;

/// The directory of the scripts and their packages.
pub(crate) fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// Node, if it and `package` are installed.
pub(crate) fn node(package: &str) -> Option<PathBuf> {
    let node = find(&["node", "nodejs"])?;
    if !peers().join("node_modules").join(package).is_dir() {
        report_missing(&format!("{package} (run `npm ci` in tests/peers)"));
        return None;
    }
    Some(node)
}

/// What `script`, which needs `package`, says to `input`; nothing where node or the package is missing.
pub(crate) async fn judge(script: &str, package: &str, input: &Value) -> Option<Value> {
    let mut command = Command::new(node(package)?);
    command.arg(script).current_dir(peers()).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).await.unwrap();
    let ended = timeout(PATIENCE, child.wait_with_output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("{script} does not end")).unwrap();
    assert!(ended.status.success(), "{script}: {}", String::from_utf8_lossy(&ended.stderr));
    Some(serde_json::from_slice(&ended.stdout).unwrap())
}
