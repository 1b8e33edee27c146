//! Who the caller is: what a verified token says, read through the provider's claim map. Pure.

pub mod assertion;
mod claims;

use std::sync::Arc;

use serde_json::Value;

use crate::base::time::Timestamp;
use crate::token::Claims;

pub use claims::{AuthTimeRule, ClaimMap, ClaimPath, ClaimPathError, ClaimPaths};

/// A caller whose token was verified.
#[derive(Clone, Debug)]
pub struct Identity {
    issuer: Arc<str>,
    claims: Claims,
    user: String,
    email: Option<String>,
    name: Option<String>,
    preferred_username: Option<String>,
    groups: Vec<String>,
    roles: Vec<String>,
    scopes: Vec<String>,
    auth_time: AuthTimeRule,
    expires: Timestamp,
}

/// Why verified claims give no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The claim that names the user is absent, empty or no text.
    #[error("the claim that names the user is missing")]
    NoUser,
}

impl Identity {
    /// Reads `claims`, which `issuer` vouches for until `expires`, through `map`.
    pub fn new(
        issuer: Arc<str>,
        claims: Claims,
        map: &ClaimMap,
        expires: Timestamp,
    ) -> Result<Self, IdentityError> {
        let user =
            map.user.text(&claims).filter(|user| !user.is_empty()).ok_or(IdentityError::NoUser)?;
        Ok(Self {
            issuer,
            user,
            email: map.email.text(&claims),
            name: map.name.text(&claims),
            preferred_username: map.preferred_username.text(&claims),
            groups: map.groups.list(&claims),
            roles: map.roles.list(&claims),
            scopes: map.scopes.words(&claims),
            auth_time: map.auth_time,
            claims,
            expires,
        })
    }

    /// Who vouches for the caller: the token's `iss`.
    pub fn issuer(&self) -> &Arc<str> {
        &self.issuer
    }

    /// The token's `sub`; with the issuer it names the caller for good
    /// ([OpenID Connect Core §5.7](https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability)).
    pub fn subject(&self) -> &str {
        self.claims.text("sub").unwrap_or_default()
    }

    /// The name apps know the caller by: the subject, unless the provider's claim map says otherwise.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The mail address, verified or not; see [`Self::trusted_email`].
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// The mail address, unless the provider says that it is not verified.
    pub fn trusted_email(&self) -> Option<&str> {
        let trusted = match self.claims.get("email_verified") {
            None | Some(Value::Null | Value::Bool(true)) => true,
            Some(Value::String(text)) => text == "true",
            Some(_) => false,
        };
        if trusted { self.email() } else { None }
    }

    /// The full name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The short name the caller likes to be called by.
    pub fn preferred_username(&self) -> Option<&str> {
        self.preferred_username.as_deref()
    }

    /// Groups, in the token's order.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Roles, in the token's order.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Scopes ([RFC 8693 §4.2](https://www.rfc-editor.org/rfc/rfc8693#section-4.2)).
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// When the caller proved who they are, as far as rules may go by it; see [`AuthTimeRule`].
    pub fn proved_at(&self) -> Option<Timestamp> {
        let counts = match self.auth_time {
            AuthTimeRule::Alone => true,
            AuthTimeRule::WithMethods => !self.methods().is_empty(),
        };
        self.authenticated_at().filter(|_| counts)
    }

    /// When the caller proved who they are, as the provider says: `auth_time`.
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        let seconds = self.claims.get("auth_time")?;
        seconds.as_u64().map(Timestamp::from_secs)
    }

    /// How the caller proved it: `amr` ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)).
    pub fn methods(&self) -> Vec<&str> {
        match self.claims.get("amr") {
            Some(Value::Array(methods)) => methods.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// How strong that proof was: `acr`.
    pub fn context_class(&self) -> Option<&str> {
        self.claims.text("acr")
    }

    /// When the proof ends: the token's `exp`.
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// All that the token says.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }
}

#[cfg(test)]
mod tests;
