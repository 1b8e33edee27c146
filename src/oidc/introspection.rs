//! Asking a provider about a token ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
//!
//! Only `active: true` is a yes, and even then what else is said must hold. How long an answer may be remembered is decided
//! elsewhere.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::oidc::Form;
use crate::oidc::grant::{Answer, GrantError};
use crate::token::{Claims, TokenError};

/// What the provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Introspected {
    /// The token is good, and this is what it stands for.
    Active(Claims),
    /// It is not: unknown, expired, revoked, or not for us to know.
    Inactive,
}

/// What is demanded of an active token.
#[derive(Clone, Debug)]
pub struct Checks {
    /// The one `iss`. Providers may leave it out.
    pub issuer: String,
    /// The names we answer to: `aud` must have one of them. `None` accepts tokens for anybody.
    pub audiences: Option<Vec<String>>,
    /// How far the clocks may disagree.
    pub leeway: Duration,
}

/// Why there is no answer, or not one that may be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntrospectionError {
    /// The endpoint does not answer. Our own credentials being refused is such a case, and says nothing about the token.
    #[error("introspection failed")]
    Answer(#[from] GrantError),
    /// What it says of the token does not hold.
    #[error("introspected token is refused")]
    Token(#[from] TokenError),
}

/// Asks about an access token.
pub fn form(token: &Secret<String>) -> Form {
    Form::new().with("token", token.expose().as_str()).with("token_type_hint", "access_token")
}

/// Reads the answer ([RFC 7662 §2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)). Stricter than the standard: a
/// token that is said to be active but has expired is inactive, and a refresh or ID token is none.
///
/// # Errors
/// [`IntrospectionError`]
pub fn parse(
    answer: &Answer<'_>,
    checks: &Checks,
    now: Timestamp,
) -> Result<Introspected, IntrospectionError> {
    let members = answer.success(&[200])?;
    match members.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Introspected::Inactive),
        None => return Err(GrantError::Missing("active").into()),
        Some(_) => {
            let wrong = GrantError::BadMember { name: "active", expected: "a boolean" };
            return Err(wrong.into());
        }
    }
    if !is_access_token(&members) {
        return Ok(Introspected::Inactive);
    }
    let claims = Claims::from(members);
    if claims.date("exp")?.is_some_and(|end| now >= end + checks.leeway) {
        return Ok(Introspected::Inactive);
    }
    checks.check(&claims, now)?;
    Ok(Introspected::Active(claims))
}

impl Checks {
    fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
        let latest = now + self.leeway;
        if claims.date("nbf")?.is_some_and(|start| start > latest) {
            return Err(TokenError::NotYetValid);
        }
        if claims.date("iat")?.is_some_and(|issued| issued > latest) {
            return Err(TokenError::IssuedInFuture);
        }
        if claims.string("iss")?.is_some_and(|issuer| issuer != self.issuer) {
            return Err(TokenError::WrongIssuer);
        }
        self.check_audience(claims)
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), TokenError> {
        let Some(ours) = &self.audiences else { return Ok(()) };
        let is_ours = |name: &Value| ours.iter().any(|known| name == known);
        match claims.get("aud") {
            None => Err(TokenError::MissingClaim { name: "aud" }),
            Some(Value::Array(names)) if names.iter().any(is_ours) => Ok(()),
            Some(name) if is_ours(name) => Ok(()),
            Some(_) => Err(TokenError::WrongAudience),
        }
    }
}

/// Some providers are as glad to confirm a refresh or ID token; some tell which it is by `typ`, others by `token_type`.
fn is_access_token(members: &Map<String, Value>) -> bool {
    let one_of = |name, accepted: &[&str]| match members.get(name) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => accepted.iter().any(|known| text.eq_ignore_ascii_case(known)),
        Some(_) => false,
    };
    one_of("token_type", &["access_token", "bearer", "dpop"])
        && one_of("typ", &["access_token", "at+jwt", "bearer", "dpop", "jwt"])
}

#[cfg(test)]
mod tests;
