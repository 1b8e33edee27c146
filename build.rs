//! Tells the program which compiler built it, for the metric `sidegate_build_info`.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!(
        "cargo::rustc-env=SIDEGATE_RUSTC={}",
        rustc_version().unwrap_or_else(|| "unknown".into())
    );
}

/// `1.95.0` of `rustc 1.95.0 (…)`.
fn rustc_version() -> Option<String> {
    let output = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_ascii_whitespace().nth(1).map(String::from)
}
