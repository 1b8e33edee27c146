//! What the login service states about a person: the claims of its cookie and of its bearer tokens.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::addresses::AUDIENCE;
use super::super::people::Person;
use crate::base::time::Timestamp;

/// How long a sign-in lasts, in seconds: a working day.
pub(super) const SESSION_SECONDS: u32 = 8 * 60 * 60;

/// How long a bearer token lasts, in seconds.
const ACCESS_SECONDS: u32 = 60 * 60;

/// The claims of the SSO cookie of `person`, who signs in at `now`.
pub(super) fn session(issuer: &str, person: &Person, now: Timestamp) -> Value {
    let mut claims = about(issuer, person, now, SESSION_SECONDS);
    claims["auth_time"] = json!(now.as_secs());
    claims["amr"] = json!(["pwd"]);
    claims
}

/// The claims of a bearer token for `person`, issued at `now` to no client in particular.
pub(super) fn access(issuer: &str, person: &Person, now: Timestamp) -> Value {
    let mut claims = about(issuer, person, now, ACCESS_SECONDS);
    claims["client_id"] = json!("curl");
    claims
}

fn about(issuer: &str, person: &Person, now: Timestamp, seconds: u32) -> Value {
    json!({
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": person.id,
        "name": person.name,
        "preferred_username": person.id,
        "email": person.email,
        "groups": person.groups,
        "iat": now.as_secs(),
        "exp": (now + Duration::from_secs(seconds.into())).as_secs(),
    })
}
