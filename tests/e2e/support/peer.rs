//! Programs that a test needs and that a machine may lack.
//!
//! A missing one skips its tests by name, so that a developer without a browser can still run the rest; where
//! `SIDEGATE_REQUIRE_PEERS=1` is set, as in CI, it fails them instead.

use std::path::PathBuf;

/// Where else programs are: what `tests/peers/install.sh` installs, and services, which are not on everybody's `PATH`.
const DIRECTORIES: [&str; 3] =
    [concat!(env!("CARGO_MANIFEST_DIR"), "/.cache/peers/bin"), "/usr/sbin", "/usr/local/sbin"];

/// The first of `names` that is installed; reports the first name as missing if none is.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    let found = names.iter().find_map(|name| locate(name));
    if found.is_none() {
        report_missing(names[0]);
    }
    found
}

/// Says that `peer` is missing, or fails where peers are required.
pub(crate) fn report_missing(peer: &str) {
    let required = std::env::var_os("SIDEGATE_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "{peer} is not installed, and SIDEGATE_REQUIRE_PEERS=1 asks for it");
    report(&format!("skipped: {peer} is not installed"));
}

/// Says that `what` was skipped, and why: something that nobody must have.
pub(crate) fn report_skipped(what: &str) {
    report(&format!("skipped: {what}"));
}

/// Says it to whoever reads the run of the tests.
#[expect(
    clippy::print_stderr,
    reason = "the reader of a test run must learn what did not run, and what was measured"
)]
pub(crate) fn report(line: &str) {
    eprintln!("{line}");
}

fn locate(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Ours first: they have the versions that the tests know.
    let [ours, services @ ..] = DIRECTORIES.map(PathBuf::from);
    let directories = [ours].into_iter().chain(std::env::split_paths(&path)).chain(services);
    directories.map(|directory| directory.join(name)).find(|file| file.is_file())
}
