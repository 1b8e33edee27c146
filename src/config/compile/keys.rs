//! Where the keys of a provider come from, and when they are fetched.

use crate::config::compile::times;
use crate::config::file::{KeyRefresh, Provider, ProviderType};
use crate::config::inputs::{Inputs, reason};
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::Span;
use crate::remote::egress::{Egress, EgressError, permit};
use crate::remote::jwks::{KeySourceSettings, ProviderKeys, RefreshBounds};
use crate::token::KeySet;
use serde_json::{Map, Value};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use url::Url;

/// Members of a JWK that only the owner of the key should have
/// ([RFC 7518 §6](https://www.rfc-editor.org/rfc/rfc7518#section-6)).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

pub(super) fn compile(
    written: &Provider,
    name: &str,
    path: &KeyPath,
    inputs: &Inputs,
    report: &mut Report,
) -> Option<ProviderKeys> {
    issuer(written, &path.key("issuer"), report);
    let source = source(written, path, inputs, report);
    let bounds = bounds(&written.key_refresh, &path.key("key_refresh"), report);
    let source = source?;
    let disk_copy = match &written.key_cache {
        Some(file) => Some(disk_copy(file, &source, &path.key("key_cache"), inputs, report)?),
        None => None,
    };
    Some(ProviderKeys {
        name: name.to_owned(),
        issuer: written.issuer.clone(),
        source,
        bounds: bounds?,
        disk_copy,
    })
}

/// An issuer is a URL without query and fragment
/// ([OpenID Connect Discovery §3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata)); a mere
/// issuer of JWTs whose keys are known may have any name.
fn issuer(written: &Provider, path: &KeyPath, report: &mut Report) {
    let text = &written.issuer;
    let has_keys =
        written.jwks_uri.is_some() || written.jwks_file.is_some() || written.jwks.is_some();
    if text.trim() != text || text.chars().any(char::is_control) {
        return report.refuse(
            path,
            "has white space around it",
            "write it exactly as in the `iss` of the tokens",
        );
    }
    if written.r#type == ProviderType::Jwt && has_keys && !text.contains("://") {
        return;
    }
    let Some(url) = outbound(text, path, report) else { return };
    if url.query().is_some() || url.fragment().is_some() {
        let plain = text.split(['?', '#']).next().unwrap_or_default();
        report.refuse(
            path,
            format!("`{text}` has a query or fragment, an issuer has none"),
            format!("write {plain}"),
        );
    }
}

/// A URL that sidegate may fetch: https, or http on this machine.
fn outbound(text: &str, path: &KeyPath, report: &mut Report) -> Option<Url> {
    let Ok(url) = Url::parse(text) else {
        report.refuse(
            path,
            format!("`{text}` is no URL"),
            "write an address such as https://login.example.com",
        );
        return None;
    };
    let Err(error) = permit(&url, Egress::Configured) else { return Some(url) };
    let (message, remedy) = match error {
        EgressError::PlainHttp { host } => (
            format!("plain http to `{host}`: anybody on the way could replace the keys"),
            format!("write {}", text.replacen("http://", "https://", 1)),
        ),
        EgressError::Credentials => {
            (String::from("the URL has a user name or password in it"), String::from("remove it"))
        }
        other => (other.to_string(), String::from("write an https:// address")),
    };
    report.refuse(path, message, remedy);
    None
}

fn source(
    written: &Provider,
    path: &KeyPath,
    inputs: &Inputs,
    report: &mut Report,
) -> Option<KeySourceSettings> {
    match (&written.jwks_uri, &written.jwks_file, &written.jwks) {
        (None, None, None) => Some(KeySourceSettings::Discovery),
        (Some(uri), None, None) => {
            outbound(uri, &path.key("jwks_uri"), report).map(KeySourceSettings::JwksUri)
        }
        (None, Some(file), None) => file_source(file, &path.key("jwks_file"), inputs, report),
        (None, None, Some(set)) => inline_source(set, &path.key("jwks"), report),
        _ => {
            report.refuse(
                path,
                "says several times where its keys come from",
                "keep one of: jwks_uri, jwks_file, jwks",
            );
            None
        }
    }
}

fn file_source(
    file: &Path,
    path: &KeyPath,
    inputs: &Inputs,
    report: &mut Report,
) -> Option<KeySourceSettings> {
    // Not watched as a part of the configuration: the keeper of keys reads it again by itself.
    let file = inputs.resolve(file);
    let bytes = fs::read(&file).map_err(|error| {
        let message = format!("cannot read {}: {}", file.display(), reason(&error));
        report.refuse(
            path,
            message,
            "put the provider's key set there, readable for the user that sidegate runs as",
        );
    });
    check_set(&bytes.ok()?, path, report)?;
    Some(KeySourceSettings::File(file))
}

fn inline_source(
    set: &Map<String, Value>,
    path: &KeyPath,
    report: &mut Report,
) -> Option<KeySourceSettings> {
    // A map of JSON values always has a text.
    let bytes = serde_json::to_vec(set).unwrap_or_default();
    let keys = set.get("keys").and_then(Value::as_array).into_iter().flatten();
    for (index, key) in keys.enumerate() {
        if let Some(member) = PRIVATE_MEMBERS.iter().find(|member| key.get(**member).is_some()) {
            let message = format!("has `{member}`, which only the owner of the key should have");
            report.refuse(
                &path.key("keys").index(index),
                message,
                "keep the public half alone, and replace the key",
            );
        }
    }
    check_set(&bytes, path, report)?;
    Some(KeySourceSettings::Inline(bytes))
}

fn check_set(bytes: &[u8], path: &KeyPath, report: &mut Report) -> Option<()> {
    match KeySet::parse(bytes) {
        Ok(parsed) => {
            for key in &parsed.skipped {
                let name = key.kid.as_deref().unwrap_or("without a kid");
                report.warn(
                    path,
                    format!("the key {name} is not used: {}", key.why),
                    "remove or replace it",
                );
            }
            Some(())
        }
        Err(error) => {
            report.refuse(
                path,
                error.to_string(),
                "write a JWK set with at least one public RSA, EC or Ed25519 key",
            );
            None
        }
    }
}

fn bounds(written: &KeyRefresh, path: &KeyPath, report: &mut Report) -> Option<RefreshBounds> {
    let mut within = |name: &str, span: Span, least: u64, most: u64| {
        times::span(span, Span::secs(least), Span::secs(most), &path.key(name), report)
    };
    let min = within("min", written.min, 1, 86_400);
    let max = within("max", written.max, 1, 30 * 86_400);
    let default = within("default", written.default, 1, 30 * 86_400);
    let cooldown = within("cooldown", written.cooldown, 1, 3_600);
    let timeout = within("timeout", written.timeout, 1, 60);
    if written.min > written.max || written.default < written.min || written.default > written.max {
        let message = format!(
            "min {}, default {} and max {} are not in order",
            written.min, written.default, written.max
        );
        report.refuse(
            path,
            message,
            "write min, default and max so that none is less than the one before",
        );
        return None;
    }
    let (min, max, default, cooldown, timeout) = (min?, max?, default?, cooldown?, timeout?);
    Some(RefreshBounds { min, max, default, cooldown, timeout, ..RefreshBounds::default() })
}

fn disk_copy(
    file: &Path,
    source: &KeySourceSettings,
    path: &KeyPath,
    inputs: &Inputs,
    report: &mut Report,
) -> Option<PathBuf> {
    if matches!(source, KeySourceSettings::File(_) | KeySourceSettings::Inline(_)) {
        report.refuse(path, "the keys are on this machine already", "remove `key_cache`");
        return None;
    }
    let file = inputs.resolve(file);
    let directory = file.parent().unwrap_or(Path::new("/"));
    let Some(metadata) = fs::metadata(directory).ok().filter(fs::Metadata::is_dir) else {
        let message = format!("there is no directory {}", directory.display());
        report.refuse(path, message, "make it, writable for the user that sidegate runs as");
        return None;
    };
    if metadata.permissions().mode() & 0o002 != 0 {
        let message = format!(
            "everybody on this machine can write to {}, and so make keys",
            directory.display()
        );
        report.refuse(
            path,
            message,
            format!("use a directory of sidegate's own, or chmod o-w {}", directory.display()),
        );
        return None;
    }
    Some(file)
}
