//! What `deploy/` ships: every file of it is read by the program that it is for, or by one that knows its form.

mod booted;
mod chart;
mod compose;
mod image;
mod kubernetes;
mod manifests;
mod observing;
mod units;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde::Deserialize as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::command;
use crate::support::process::PATIENCE;

/// Directories of a machine that configurations name, made anew below a temporary one.
const DIRECTORIES: [&str; 3] = ["/run/secrets/", "/run/credentials/", "/var/lib/sidegate/"];

/// The file or directory at `path` of `deploy/`.
fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(shipped(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a YAML stream.
fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| {
            Value::deserialize(document).unwrap_or_else(|error| panic!("{error}:\n{text}"))
        })
        .filter(|document| !document.is_null())
        .collect()
}

/// What `program` says, and whether it went well.
struct Said {
    well: bool,
    output: String,
    errors: String,
}

impl Said {
    /// Its output; fails with all that it said where it did not go well.
    fn well(self) -> String {
        assert!(self.well, "{}\n{}", self.output, self.errors);
        self.output
    }
}

/// Runs `program` to its end, for a minute at most.
async fn run<S: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = S>) -> Said {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(PATIENCE, command.output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("{} does not end", program.display())).unwrap();
    Said {
        well: ended.status.success(),
        output: String::from_utf8_lossy(&ended.stdout).into_owned(),
        errors: String::from_utf8_lossy(&ended.stderr).into_owned(),
    }
}

/// Asserts that `sidegate check` finds nothing wrong with the configuration `text`; the files that it names are made.
async fn passes_check(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    for path in named_files(text) {
        make(&folder, &path).await;
    }
    let mut text = text.replace("{ env: CLIENT_SECRET }", "{ value: a-secret-of-the-test }");
    text = text.replace("env: CLIENT_SECRET", "value: a-secret-of-the-test");
    for directory in DIRECTORIES {
        text = text.replace(directory, &format!("{}{directory}", folder.path().display()));
    }
    std::fs::write(folder.path().join("config.yaml"), &text).unwrap();
    let checked = command::sidegate(folder.path(), &["check", "-c", "config.yaml"]).await;
    assert_eq!(checked.code, Some(0), "{text}\n{}", checked.errors);
}

/// Every path in `text` that is below one of the directories.
fn named_files(text: &str) -> Vec<String> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '}' | ',' | ']' | '"' | '\'');
    let named = |directory: &&str| {
        text.match_indices(*directory)
            .map(|(at, _)| text[at..].split(ends).next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    DIRECTORIES.iter().flat_map(named).collect()
}

/// Makes the file that a machine would have at `path`, by its name.
async fn make(folder: &TempDir, path: &str) {
    let file = folder.path().join(&path[1..]);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let certificate = || {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["app.example.com".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    };
    let name = file.file_name().unwrap().to_str().unwrap();
    match name {
        "session_key" => {
            let key = command::sidegate(folder.path(), &["keys", "session"]).await.well();
            std::fs::write(&file, key).unwrap();
        }
        // A certificate and its key are made together.
        "tls.crt" | "tls_certificate" => {
            let (certificate, key) = certificate();
            std::fs::write(&file, certificate).unwrap();
            let key_name = if name == "tls.crt" { "tls.key" } else { "tls_key" };
            std::fs::write(file.with_file_name(key_name), key).unwrap();
        }
        "tls.key" | "tls_key" | "revocations" => {}
        _ => std::fs::write(&file, "a-secret-of-the-test").unwrap(),
    }
}
