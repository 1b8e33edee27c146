//! What each provider type sets where the file says nothing: a page of the same configuration for each, and no code.
//!
//! A page is laid under what is written: a key that the file has, however deep, stays as it is.

use serde_json::{Map, Value};
use url::Url;

use crate::config::yaml;

const AUTH0: &str = include_str!("types/auth0.yaml");
const AUTHGEAR: &str = include_str!("types/authgear.yaml");
const MOSAIC: &str = include_str!("types/mosaic.yaml");
const OKTA: &str = include_str!("types/okta.yaml");
const OKTA_ORG: &str = include_str!("types/okta_org.yaml");

/// Keys that are two names of one thing: where one is written, the other is not set.
const SYNONYMS: [(&str, &str); 2] = [("audience", "audiences"), ("cookie", "cookies")];

/// Where Mosaic's endpoints are, by the host of the issuer.
const MOSAIC_REGIONS: [(&str, &str); 4] = [
    ("au.userid.security", "https://api.au.transmitsecurity.io"),
    ("ca.userid.security", "https://api.ca.transmitsecurity.io"),
    ("eu.userid.security", "https://api.eu.transmitsecurity.io"),
    ("userid.security", "https://api.transmitsecurity.io"),
];

/// What a type set for one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The provider, by its name, or else its issuer.
    pub provider: String,
    /// The type.
    pub r#type: String,
    /// Each key that was set and its value, as YAML would have it on one line.
    pub keys: Vec<(String, String)>,
}

/// Lays the page of its type under each provider of `file`, whose structure is known to be sound, and tells what that set.
pub(super) fn fill(file: &mut Value) -> Vec<Filled> {
    let Some(file) = file.as_object_mut() else { return Vec::new() };
    let mut filled: Vec<Filled> =
        file.get_mut("provider").and_then(Value::as_object_mut).and_then(one).into_iter().collect();
    let several = file.get_mut("providers").and_then(Value::as_array_mut);
    let several = several.into_iter().flatten().filter_map(Value::as_object_mut);
    filled.extend(several.filter_map(one));
    filled
}

fn one(provider: &mut Map<String, Value>) -> Option<Filled> {
    let text = |key: &str| provider.get(key).and_then(Value::as_str).map(str::to_owned);
    let (r#type, issuer) = (text("type")?, text("issuer")?);
    let name = text("name").unwrap_or_else(|| issuer.clone());
    let mut keys = Vec::new();
    for page in pages(&r#type, &issuer) {
        let Value::Object(page) = page else { continue };
        lay_under(provider, page, "", &mut keys);
    }
    (!keys.is_empty()).then_some(Filled { provider: name, r#type, keys })
}

/// The pages of a type, its places filled in.
fn pages(r#type: &str, issuer: &str) -> Vec<Value> {
    let texts: &[&str] = match r#type {
        "auth0" => &[AUTH0],
        "authgear" => &[AUTHGEAR],
        "mosaic" => &[MOSAIC],
        "okta" if is_okta_organization(issuer) => &[OKTA, OKTA_ORG],
        "okta" => &[OKTA],
        _ => &[],
    };
    let parsed = texts.iter().filter_map(|text| yaml::parse(text).ok());
    parsed.map(|document| with_places(document.value, issuer)).collect()
}

/// The organization itself is the issuer, not one of its authorization servers under `/oauth2/`.
fn is_okta_organization(issuer: &str) -> bool {
    Url::parse(issuer).is_ok_and(|url| url.path().trim_matches('/').is_empty())
}

/// `page` with `{issuer}` and `{api}` as they are for `issuer`. What has a place for what is not known is left out.
fn with_places(page: Value, issuer: &str) -> Value {
    let api = mosaic_api(issuer);
    match page {
        Value::String(text) => {
            Value::String(text.replace("{issuer}", issuer).replace("{api}", &api))
        }
        Value::Array(items) => items.into_iter().map(|item| with_places(item, issuer)).collect(),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (key, with_places(value, issuer))).collect()
        }
        other => other,
    }
}

/// The API of the issuer's region; of an issuer of one's own, the issuer itself, whose endpoints are then to be written.
fn mosaic_api(issuer: &str) -> String {
    let host = Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    let known = MOSAIC_REGIONS.iter().find(|(name, _)| host.as_deref() == Some(*name));
    match known {
        Some((_, api)) => (*api).to_owned(),
        None => issuer.trim_end_matches('/').to_owned(),
    }
}

/// Sets what `page` has and `written` has not, and tells it in `keys`.
fn lay_under(
    written: &mut Map<String, Value>,
    page: Map<String, Value>,
    path: &str,
    keys: &mut Vec<(String, String)>,
) {
    for (key, value) in page {
        let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let is_there = written.contains_key(&key) || has_synonym(written, &key);
        match (written.get_mut(&key), value) {
            (Some(Value::Object(written)), Value::Object(page)) => {
                lay_under(written, page, &here, keys);
            }
            _ if is_there => {}
            (_, Value::Object(page)) => {
                let mut inner = Map::new();
                lay_under(&mut inner, page, &here, keys);
                written.insert(key, Value::Object(inner));
            }
            (_, value) => {
                keys.push((here, shown(&value)));
                written.insert(key, value);
            }
        }
    }
}

fn has_synonym(written: &Map<String, Value>, key: &str) -> bool {
    let other = |(one, two): &(&'static str, &'static str)| match key {
        _ if key == *one => Some(*two),
        _ if key == *two => Some(*one),
        _ => None,
    };
    SYNONYMS.iter().filter_map(other).any(|other| written.contains_key(other))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
