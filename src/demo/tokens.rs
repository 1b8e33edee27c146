//! What the login service states about a person: the claims of each kind of token that it signs.

use std::time::Duration;

use serde_json::{Value, json};

use super::addresses::{CLIENT_ID, SSO_AUDIENCE};
use super::people::Person;
use crate::base::time::Timestamp;

/// How long a sign-in lasts, and the SSO cookie: a working day.
pub(super) const SESSION_LIFE: Duration = Duration::from_secs(8 * 60 * 60);

/// How long what the client is given lasts until it must be renewed.
pub(super) const ACCESS_LIFE: Duration = Duration::from_secs(10 * 60);

/// How long a bearer token for programs lasts.
const BEARER_LIFE: Duration = Duration::from_secs(60 * 60);

/// How long a logout may be on its way.
const LOGOUT_LIFE: Duration = Duration::from_secs(2 * 60);

/// How strongly somebody has signed in, the weaker first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// By password.
    Password,
    /// By password and code.
    SecondFactor,
}

/// One sign-in, as ID tokens tell it.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) sid: String,
    pub(super) person: &'static Person,
    pub(super) since: Timestamp,
    pub(super) strength: Strength,
    pub(super) scope: String,
}

/// What an ID token has beside the sign-in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding<'a> {
    /// Of the request; a refreshed token has none.
    pub(super) nonce: Option<&'a str>,
    /// Half the hash of the access token.
    pub(super) at_hash: &'a str,
}

impl Strength {
    /// The authentication context class.
    pub(super) const fn acr(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondFactor => "mfa",
        }
    }

    /// The methods ([RFC 8176 §2](https://www.rfc-editor.org/rfc/rfc8176#section-2)).
    const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Password => &["pwd"],
            Self::SecondFactor => &["pwd", "otp", "mfa"],
        }
    }
}

/// The claims of the SSO cookie of `person`, who signs in at `now`.
pub(super) fn sso(issuer: &str, person: &Person, now: Timestamp) -> Value {
    let mut claims = about(person);
    stamp(&mut claims, issuer, SSO_AUDIENCE, (now, SESSION_LIFE));
    claims["auth_time"] = json!(now.as_secs());
    claims["amr"] = json!(Strength::Password.amr());
    claims
}

/// The claims of a bearer token for `person`, issued at `now` to no client in particular.
pub(super) fn bearer(issuer: &str, person: &Person, now: Timestamp) -> Value {
    let mut claims = about(person);
    stamp(&mut claims, issuer, CLIENT_ID, (now, BEARER_LIFE));
    claims["client_id"] = json!("curl");
    claims
}

/// The claims of an ID token
/// ([OpenID Connect Core 1.0 §2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken)).
pub(super) fn id_token(issuer: &str, grant: &Grant, binding: Binding<'_>, now: Timestamp) -> Value {
    let mut claims = about(grant.person);
    stamp(&mut claims, issuer, CLIENT_ID, (now, ACCESS_LIFE));
    claims["sid"] = json!(grant.sid);
    claims["auth_time"] = json!(grant.since.as_secs());
    claims["acr"] = json!(grant.strength.acr());
    claims["amr"] = json!(grant.strength.amr());
    claims["at_hash"] = json!(binding.at_hash);
    if let Some(nonce) = binding.nonce {
        claims["nonce"] = json!(nonce);
    }
    claims
}

/// The claims of a logout token
/// ([Back-Channel Logout 1.0 §2.4](https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken)).
pub(super) fn logout(
    issuer: &str,
    (subject, sid): (&str, &str),
    jti: &str,
    now: Timestamp,
) -> Value {
    let mut claims = json!({
        "sub": subject,
        "sid": sid,
        "jti": jti,
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    stamp(&mut claims, issuer, CLIENT_ID, (now, LOGOUT_LIFE));
    claims
}

/// What userinfo says, and every token.
pub(super) fn about(person: &Person) -> Value {
    json!({
        "sub": person.id,
        "name": person.name,
        "preferred_username": person.id,
        "email": person.email,
        "email_verified": true,
        "groups": person.groups,
    })
}

fn stamp(claims: &mut Value, issuer: &str, audience: &str, (now, life): (Timestamp, Duration)) {
    claims["iss"] = json!(issuer);
    claims["aud"] = json!(audience);
    claims["iat"] = json!(now.as_secs());
    claims["exp"] = json!((now + life).as_secs());
}
