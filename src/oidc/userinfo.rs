//! The claims of the user info endpoint
//! ([OpenID Connect Core 1.0 §5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).
//!
//! They are about the subject of an ID token or they are nothing. Aggregated and distributed claims (§5.6.2) are dropped:
//! nothing is fetched from where a document points to.

use serde_json::{Map, Value};

use crate::base::time::Timestamp;
use crate::oidc::grant::{Answer, GrantError, MAX_ID_TOKEN_BYTES};
use crate::token::{Claims, Jwt, KeySet, Rules, TokenError};

/// What only an ID token can say: who, of whom, for whom, when and how. User info neither changes nor adds these.
const PROTECTED: [&str; 20] = [
    "_claim_names",
    "_claim_sources",
    "acr",
    "act",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "sid",
    "sub",
];

/// Claims about the subject of a sign-in.
#[derive(Clone, Debug)]
pub struct UserInfo(Map<String, Value>);

/// Why there are no such claims.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserInfoError {
    /// The endpoint does not answer with claims.
    #[error("user info is refused")]
    Answer(#[from] GrantError),
    /// It is about nobody.
    #[error("claim `sub` of the user info is missing")]
    MissingSubject,
    /// What is signed is no good token.
    #[error("signed user info is refused")]
    Token(#[from] TokenError),
    /// It is about somebody else, and must not be mixed with the ID token
    /// ([§5.3.2](https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse)).
    #[error("claim `sub` of the user info is not the subject of the ID token")]
    WrongSubject,
}

impl UserInfoError {
    /// Whether newer keys of the provider could change the answer.
    pub const fn key_doubt(&self) -> bool {
        matches!(self, Self::Token(error) if error.is_key_doubt())
    }
}

/// Reads an answer: a JSON object, or a token of the media type `application/jwt`, whose signature, issuer and audience are
/// then verified with `keys` and `rules` (those of the ID token).
///
/// # Errors
/// [`UserInfoError`]
pub fn parse(
    answer: &Answer<'_>,
    subject: &str,
    keys: &KeySet,
    rules: &Rules,
    now: Timestamp,
) -> Result<UserInfo, UserInfoError> {
    if answer.status == 200 && answer.content_type.is_some_and(is_jwt) {
        return verify(answer.body, subject, keys, rules, now);
    }
    of_subject(answer.success(&[200])?, subject)
}

fn verify(
    body: &[u8],
    subject: &str,
    keys: &KeySet,
    rules: &Rules,
    now: Timestamp,
) -> Result<UserInfo, UserInfoError> {
    let text = std::str::from_utf8(body).map_err(|_| TokenError::NotCompact)?;
    let jwt = Jwt::parse(text.trim_ascii(), MAX_ID_TOKEN_BYTES)?;
    let claims = jwt.verify_statement(keys, rules, now)?.into_claims();
    of_subject(claims.as_map().clone(), subject)
}

fn of_subject(mut members: Map<String, Value>, subject: &str) -> Result<UserInfo, UserInfoError> {
    match members.get("sub") {
        None | Some(Value::Null) => return Err(UserInfoError::MissingSubject),
        Some(found) if found != subject => return Err(UserInfoError::WrongSubject),
        Some(_) => {}
    }
    members.retain(|name, _| !PROTECTED.contains(&name.as_str()));
    Ok(UserInfo(members))
}

fn is_jwt(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("application/jwt")
}

impl UserInfo {
    /// The claims of an ID token with these beside them; where both have one of the same name, this one is newer.
    #[must_use]
    pub fn merge(self, claims: &Claims) -> Claims {
        let mut members = claims.as_map().clone();
        members.extend(self.0);
        Claims::from(members)
    }
}

#[cfg(test)]
mod tests;
