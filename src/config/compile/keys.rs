//! Where the keys of a provider come from, and when they are fetched.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use url::Url;

use crate::config::compile::{files, times, urls};
use crate::config::file::{KeyRefresh, Provider, ProviderType};
use crate::config::inputs::{Inputs, read, reason};
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::Span;
use crate::remote::jwks::{KeySourceSettings, ProviderKeys, RefreshBounds};
use crate::token::KeySet;

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
    if written.r#type == ProviderType::Jwt && !has_keys && Url::parse(text).is_err() {
        let message = format!("`{text}` is no URL, so that its keys cannot be looked up there");
        return report.refuse(path, message, "add `jwks_uri:`, `jwks_file:` or `jwks:`");
    }
    let Some(url) = urls::outbound(text, urls::Harm::Keys, path, report) else { return };
    if written.r#type == ProviderType::Auth0 && !text.ends_with('/') {
        let message =
            format!("`{text}` is no issuer of Auth0, whose tokens have one that ends with a slash");
        return report.refuse(path, message, format!("write {text}/"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let plain = text.split(['?', '#']).next().unwrap_or_default();
        report.refuse(
            path,
            format!("`{text}` has a query or fragment, an issuer has none"),
            format!("write {plain}"),
        );
    }
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
            urls::outbound(uri, urls::Harm::Keys, &path.key("jwks_uri"), report)
                .map(KeySourceSettings::JwksUri)
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
    let bytes = read(&file).map_err(|error| {
        let message = format!("cannot read {}: {}", file.display(), reason(&error));
        report.refuse(
            path,
            message,
            "put the provider's key set there, readable for the user that sidegate runs as",
        );
    });
    check_set(bytes.ok()?.bytes.expose(), path, report)?;
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
    files::own(file, "and so make keys", path, inputs, report)
}
