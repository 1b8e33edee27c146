//! Secrets: from a file, from the environment, or, with a warning, from the configuration itself.
//!
//! No message of this module repeats any part of a secret.

use crate::base::secret::Secret as Hidden;
use crate::config::file::Secret;
use crate::config::inputs::{Inputs, reason};
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::path::Path;

/// How long a key that seals sessions is, in bytes.
const KEY_BYTES: usize = 32;

/// The text of a secret, or a problem in the report.
pub(crate) fn load(
    secret: &Secret,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<Hidden<String>> {
    let text = match secret {
        Secret { file: Some(file), .. } => from_file(file, &path.key("file"), inputs, report)?,
        Secret { env: Some(name), .. } => from_environment(name, &path.key("env"), inputs, report)?,
        Secret { value: Some(value), .. } => {
            let remedy =
                "put it into a file and write `file:`, or into a variable and write `env:`";
            report.warn(
                &path.key("value"),
                "a secret in the configuration is seen by all who read it",
                remedy,
            );
            value.clone()
        }
        Secret { file: None, env: None, value: None } => return None,
    };
    if text.expose().trim().is_empty() {
        report.refuse(path, "the secret is empty", "put the secret there");
        return None;
    }
    Some(text)
}

fn from_file(
    file: &Path,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<Hidden<String>> {
    let shown = inputs.resolve(file);
    let shown = shown.display();
    let found = inputs.read(file).map_err(|error| {
        let message = format!("cannot read {shown}: {}", reason(&error));
        report.refuse(
            path,
            message,
            "put the secret there, readable for the user that sidegate runs as",
        );
    });
    let found = found.ok()?;
    if found.public {
        report.warn(
            path,
            format!("everybody on this machine can read {shown}"),
            format!("chmod o-r {shown}"),
        );
    }
    let Ok(text) = std::str::from_utf8(found.bytes.expose()) else {
        report.refuse(
            path,
            format!("{shown} is not text"),
            "write the secret as text, such as base64",
        );
        return None;
    };
    Some(Hidden::new(without_line_end(text).to_owned()))
}

/// Editors end a file with a line end, which is no part of the secret. One: a secret may end in another.
fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn from_environment(
    name: &str,
    path: &KeyPath,
    inputs: &Inputs,
    report: &mut Report,
) -> Option<Hidden<String>> {
    let found = inputs.variable(name);
    if found.is_none() {
        let message = format!("the environment variable `{name}` is not set");
        report.refuse(path, message, format!("set {name} where sidegate is started"));
    }
    found
}

/// The 32 bytes of a key as `sidegate keys` prints it: base64url, base64 or hexadecimal.
pub(crate) fn key(
    text: &Hidden<String>,
    path: &KeyPath,
    report: &mut Report,
) -> Option<Hidden<[u8; KEY_BYTES]>> {
    let remedy = "make one with `sidegate keys`";
    let Some(bytes) = decode(text.expose()) else {
        report.refuse(path, "is no key: it is neither base64 nor hexadecimal", remedy);
        return None;
    };
    let Ok(key) = <[u8; KEY_BYTES]>::try_from(bytes.expose().as_slice()) else {
        let found = bytes.expose().len();
        report.refuse(path, format!("is a key of {found} bytes, expected {KEY_BYTES}"), remedy);
        return None;
    };
    let key = Hidden::new(key);
    if is_weak(key.expose()) {
        report.refuse(path, "is no random key: its bytes repeat", remedy);
        return None;
    }
    Some(key)
}

fn decode(text: &str) -> Option<Hidden<Vec<u8>>> {
    let hexadecimal = text.len() == 2 * KEY_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit());
    let bytes = if hexadecimal { from_hexadecimal(text) } else { from_base64(text) };
    bytes.map(Hidden::new)
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = (0..text.len()).step_by(2);
    digits.map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

/// Thirty-two random bytes have fewer than sixteen distinct values once in longer than anybody waits.
fn is_weak(key: &[u8; KEY_BYTES]) -> bool {
    let distinct: std::collections::BTreeSet<u8> = key.iter().copied().collect();
    distinct.len() < KEY_BYTES / 2
}

#[cfg(test)]
mod tests;
