//! Token requests and what the token endpoint answers
//! ([RFC 6749 §4.1.3, §5 and §6](https://www.rfc-editor.org/rfc/rfc6749#section-5)).
//!
//! Tokens come out as secrets that are fit for a header; what an ID token says is judged by `id_token`.

mod answer;

pub use answer::{Answer, GrantError, GrantErrorCode};

use std::time::Duration;

use serde_json::{Map, Value};

use crate::base::secret::Secret;
use crate::oidc::Form;

/// The longest access or refresh token, in bytes: they go into headers and sealed sessions.
const MAX_TOKEN_BYTES: usize = 32 * 1024;

/// The longest ID token, in bytes: people in five hundred groups exist.
pub const MAX_ID_TOKEN_BYTES: usize = 64 * 1024;

/// The longest life that is believed.
const MAX_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

/// How an access token is to be presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// [RFC 6750](https://www.rfc-editor.org/rfc/rfc6750).
    Bearer,
    /// With a proof of possession, [RFC 9449](https://www.rfc-editor.org/rfc/rfc9449).
    Dpop,
}

/// What a grant brought.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// Visible ASCII.
    pub access_token: Secret<String>,
    /// How to present it.
    pub token_type: TokenType,
    /// How long it lives; at most a year, zero for what is negative.
    pub expires_in: Option<Duration>,
    /// Replaces the one before, if there is one.
    pub refresh_token: Option<Secret<String>>,
    /// Not verified yet. A response to a code without one is no sign-in.
    pub id_token: Option<Secret<String>>,
    /// What was granted; `None`: what was asked for.
    pub scope: Option<Vec<String>>,
}

/// Redeems a code ([RFC 7636 §4.5](https://www.rfc-editor.org/rfc/rfc7636#section-4.5)).
pub fn code_form(code: &Secret<String>, redirect_uri: &str, verifier: &Secret<String>) -> Form {
    Form::new()
        .with("grant_type", "authorization_code")
        .with("code", code.expose().as_str())
        .with("redirect_uri", redirect_uri)
        .with("code_verifier", verifier.expose().as_str())
}

/// Redeems a refresh token. The scope is that of the grant.
pub fn refresh_form(refresh_token: &Secret<String>) -> Form {
    Form::new()
        .with("grant_type", "refresh_token")
        .with("refresh_token", refresh_token.expose().as_str())
}

/// Asks for a token of the client itself ([RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)); `resource`
/// as in [RFC 8707](https://www.rfc-editor.org/rfc/rfc8707).
pub fn client_credentials_form(scopes: &[String], resource: Option<&str>) -> Form {
    let scope = (!scopes.is_empty()).then(|| scopes.join(" "));
    Form::new()
        .with("grant_type", "client_credentials")
        .with_some("scope", scope)
        .with_some("resource", resource)
}

/// The grant of [RFC 8693](https://www.rfc-editor.org/rfc/rfc8693#section-2.1).
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The type of an ID token there (§3).
pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// The type of a device secret: of the last draft of
/// [OpenID Connect Native SSO](https://openid.net/specs/openid-connect-native-sso-1_0.html), and of the ones before, which providers have.
pub const DEVICE_SECRETS: [&str; 2] = [
    "urn:openid:params:token-type:device-secret",
    "urn:x-oath:params:oauth:token-type:device-secret",
];

/// Exchanges an ID token and the device's secret, of the type `kind`, for tokens of our own.
pub fn exchange_form(
    (id_token, device_secret): (&Secret<String>, &Secret<String>),
    kind: &str,
    audience: &str,
    scopes: &[String],
) -> Form {
    Form::new()
        .with("grant_type", TOKEN_EXCHANGE)
        .with("subject_token", id_token.expose().as_str())
        .with("subject_token_type", ID_TOKEN)
        .with("actor_token", device_secret.expose().as_str())
        .with("actor_token_type", kind)
        .with("audience", audience)
        .with("scope", scopes.join(" "))
}

/// Reads the answer of the token endpoint. A missing `token_type` is refused, as the standard requires it. Looser than the
/// standard where providers are: `expires_in` may be a string or broken, `scope` an array, and a refresh token that is
/// `null` or empty is none.
///
/// # Errors
/// [`GrantError`]
pub fn parse(answer: &Answer<'_>) -> Result<TokenResponse, GrantError> {
    let mut members = answer.success(&[200])?;
    Ok(TokenResponse {
        access_token: token(&mut members, "access_token", MAX_TOKEN_BYTES)?
            .ok_or(GrantError::Missing("access_token"))?,
        token_type: token_type(&members)?,
        expires_in: expires_in(&members)?,
        refresh_token: refresh_token(&mut members)?,
        id_token: token(&mut members, "id_token", MAX_ID_TOKEN_BYTES)?,
        scope: scope(&members)?,
    })
}

impl TokenResponse {
    /// The ID token.
    ///
    /// # Errors
    /// [`GrantError::Missing`] if there is none.
    pub fn require_id_token(&self) -> Result<&Secret<String>, GrantError> {
        self.id_token.as_ref().ok_or(GrantError::Missing("id_token"))
    }
}

/// A token, if the member is there at all: visible ASCII without spaces, so that it can neither break a header nor end it.
fn token(
    members: &mut Map<String, Value>,
    name: &'static str,
    max_bytes: usize,
) -> Result<Option<Secret<String>>, GrantError> {
    let Some(value) = members.remove(name) else { return Ok(None) };
    let Value::String(text) = value else {
        return Err(GrantError::BadMember { name, expected: "a string" });
    };
    let text = Secret::new(text);
    let fits = (1..=max_bytes).contains(&text.expose().len());
    if !fits || !text.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        let expected =
            "visible ASCII without spaces, neither empty nor longer than what is accepted";
        return Err(GrantError::BadMember { name, expected });
    }
    Ok(Some(text))
}

fn refresh_token(members: &mut Map<String, Value>) -> Result<Option<Secret<String>>, GrantError> {
    const NAME: &str = "refresh_token";
    if members.get(NAME).is_some_and(|value| value.is_null() || value == "") {
        return Ok(None);
    }
    token(members, NAME, MAX_TOKEN_BYTES)
}

fn token_type(members: &Map<String, Value>) -> Result<TokenType, GrantError> {
    const NAME: &str = "token_type";
    match members.get(NAME) {
        None => Err(GrantError::Missing(NAME)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("bearer") => Ok(TokenType::Bearer),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("dpop") => Ok(TokenType::Dpop),
        Some(_) => Err(GrantError::BadMember { name: NAME, expected: "Bearer or DPoP" }),
    }
}

fn expires_in(members: &Map<String, Value>) -> Result<Option<Duration>, GrantError> {
    let wrong = GrantError::BadMember { name: "expires_in", expected: "a number of seconds" };
    let seconds = match members.get("expires_in") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    let seconds: f64 = seconds.filter(|seconds: &f64| !seconds.is_nan()).ok_or(wrong)?;
    Ok(Some(Duration::from_secs_f64(seconds.clamp(0.0, MAX_LIFE.as_secs_f64()))))
}

fn scope(members: &Map<String, Value>) -> Result<Option<Vec<String>>, GrantError> {
    let words = match members.get("scope") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => Some(text.split_whitespace().map(str::to_owned).collect()),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        }
        Some(_) => None,
    };
    let wrong = GrantError::BadMember { name: "scope", expected: "a string" };
    words.map(Some).ok_or(wrong)
}

#[cfg(test)]
mod tests;
