//! The signed assertion: a short-lived JWT by which an upstream can be sure that it was sidegate who named the caller.
//!
//! Claims only; `token` signs them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::time::Timestamp;
use crate::identity::Identity;

/// The media type of the assertion, its `typ`
/// ([RFC 8725 §3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)).
pub const TYPE: &str = "sidegate+jwt";

/// The claims that tell `audience` who the caller is, from `now` for `lifetime`, but never beyond the caller's own proof.
///
/// `iss` is sidegate, `sub` the user as the headers name it; `idp` is the provider's issuer, and mail address, name, groups, roles,
/// `amr`, `acr` and `auth_time` follow where the caller has them.
pub fn claims(
    identity: &Identity,
    issuer: &str,
    audience: &str,
    now: Timestamp,
    lifetime: Duration,
) -> Value {
    let expires = (now + lifetime).min(identity.expires());
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| {
        claims.insert(name.to_owned(), value);
    };
    put("iss", json!(issuer));
    put("aud", json!(audience));
    put("sub", json!(identity.user()));
    put("idp", json!(&**identity.issuer()));
    put("iat", json!(now.as_secs()));
    put("nbf", json!(now.as_secs()));
    put("exp", json!(expires.as_secs()));
    identity.trusted_email().into_iter().for_each(|email| put("email", json!(email)));
    identity.name().into_iter().for_each(|name| put("name", json!(name)));
    identity.context_class().into_iter().for_each(|acr| put("acr", json!(acr)));
    identity.authenticated_at().into_iter().for_each(|at| put("auth_time", json!(at.as_secs())));
    let lists = [
        ("groups", json!(identity.groups())),
        ("roles", json!(identity.roles())),
        ("amr", json!(identity.methods())),
    ];
    lists
        .into_iter()
        .filter(|(_, list)| list != &json!([]))
        .for_each(|(name, list)| put(name, list));
    Value::Object(claims)
}
