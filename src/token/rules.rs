//! What a provider's tokens must say to be accepted: type, issuer, audience, client and times.
//!
//! Everything a rule needs must be there and have its exact type; a claim in doubt refuses the token.

use crate::base::time::Timestamp;
use crate::token::algorithm::AlgorithmSet;
use crate::token::claims::Claims;
use crate::token::error::TokenError;
use crate::token::header::Header;
use serde_json::Value;
use std::time::Duration;

/// The longest `sub`, in bytes. OpenID Connect stops at 255 characters; some issuers build longer ones.
const MAX_SUBJECT_BYTES: usize = 1024;

/// What is demanded of the tokens of one provider.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The one `iss`, compared byte for byte ([RFC 7519 §4.1.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.1)).
    pub issuer: String,
    /// The names we answer to: `aud` must have one of them. None accepted if this is empty.
    pub audiences: Vec<String>,
    /// The clients whose tokens are accepted, by `client_claims`: one of these must be there, and each that is there must be listed.
    /// `None` accepts every client.
    pub clients: Option<Vec<String>>,
    /// The claims that name the client; usually `azp` and `client_id`.
    pub client_claims: Vec<String>,
    /// The algorithms pinned for the provider ([RFC 8725 §3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1)).
    pub algorithms: AlgorithmSet,
    /// The accepted `typ` headers.
    pub types: TypeRule,
    /// How far the clocks may disagree.
    pub leeway: Duration,
}

/// Which `typ` headers are accepted, so that a token of one kind never passes for another
/// ([RFC 8725 §3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)).
///
/// Media types are compared without regard to case and to a leading `application/`
/// ([RFC 7515 §4.1.9](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeRule {
    /// `at+jwt` alone ([RFC 9068 §4](https://www.rfc-editor.org/rfc/rfc9068#section-4)).
    AccessToken,
    /// No `typ`, `JWT` or `at+jwt`: what most issuers write. Logout tokens, proofs and events stay out.
    Any,
    /// One of these.
    Exactly(Vec<String>),
    /// No `typ`, `JWT` or `logout+jwt`: what providers write on logout tokens
    /// ([OpenID Connect Back-Channel Logout 1.0 §2.4](https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken)
    /// only recommends the last).
    Logout,
    /// No `typ` or `JWT`: what providers write on ID tokens. Access tokens stay out.
    Plain,
}

impl TypeRule {
    fn accepts(&self, typ: Option<&str>) -> bool {
        match (self, typ) {
            (Self::Any | Self::Logout | Self::Plain, None) => true,
            (_, None) => false,
            (Self::Any, Some(typ)) => same_type(typ, "JWT") || same_type(typ, "at+jwt"),
            (Self::AccessToken, Some(typ)) => same_type(typ, "at+jwt"),
            (Self::Logout, Some(typ)) => same_type(typ, "JWT") || same_type(typ, "logout+jwt"),
            (Self::Plain, Some(typ)) => same_type(typ, "JWT"),
            (Self::Exactly(types), Some(typ)) => {
                types.iter().any(|accepted| same_type(typ, accepted))
            }
        }
    }
}

impl Rules {
    /// The cheap checks that come before any signature: algorithm, type, issuer.
    pub(super) fn check_origin(&self, header: &Header, claims: &Claims) -> Result<(), TokenError> {
        if !self.algorithms.contains(header.algorithm) {
            return Err(TokenError::AlgorithmNotAllowed { found: header.algorithm });
        }
        if !self.types.accepts(header.typ.as_deref()) {
            return Err(TokenError::WrongType);
        }
        let issuer = claims.string("iss")?.ok_or(TokenError::MissingClaim { name: "iss" })?;
        if issuer == self.issuer { Ok(()) } else { Err(TokenError::WrongIssuer) }
    }

    /// The checks of what a signed token says; the moment it ends is the answer.
    pub(super) fn check_claims(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Timestamp, TokenError> {
        let expires = self.check_times(claims, now)?;
        let expires = expires.ok_or(TokenError::MissingClaim { name: "exp" })?;
        check_subject(claims)?;
        self.check_audience(claims)?;
        self.check_clients(claims)?;
        Ok(expires)
    }

    /// The checks of a statement that is no credential: without `exp` it has no end, and it need not be about a subject.
    pub(super) fn check_statement(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, TokenError> {
        let expires = self.check_times(claims, now)?;
        if claims.get("sub").is_some() {
            check_subject(claims)?;
        }
        self.check_audience(claims)?;
        self.check_clients(claims)?;
        Ok(expires)
    }

    /// The checks of what a provider says of a token that only it can read
    /// ([RFC 7662 §2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)); the moment it ends is the answer, if the
    /// provider names one.
    ///
    /// Members that the standard lets out may be missing; those that are there must hold. An audience must be named all the
    /// same where the rules have one: a token that is good for another app is no token for this one.
    ///
    /// # Errors
    ///
    /// [`TokenError`], the first reason found.
    pub fn check_introspected(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, TokenError> {
        if claims.string("iss")?.is_some_and(|issuer| issuer != self.issuer) {
            return Err(TokenError::WrongIssuer);
        }
        let expires = claims.date("exp")?;
        if expires.is_some_and(|expires| now >= expires + self.leeway) {
            return Err(TokenError::Expired);
        }
        if claims.date("nbf")?.is_some_and(|start| start > now + self.leeway) {
            return Err(TokenError::NotYetValid);
        }
        if !self.audiences.is_empty() {
            self.check_audience(claims)?;
        }
        self.check_clients(claims)?;
        Ok(expires)
    }

    /// A token is valid while `now < exp + leeway` and `now + leeway >= nbf`
    /// ([RFC 7519 §4.1.4](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4)). Stricter than the RFC: an `iat` in the
    /// future refuses.
    fn check_times(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, TokenError> {
        let expires = claims.date("exp")?;
        let latest = now + self.leeway;
        if expires.is_some_and(|expires| now >= expires + self.leeway) {
            return Err(TokenError::Expired);
        }
        if claims.date("nbf")?.is_some_and(|start| start > latest) {
            return Err(TokenError::NotYetValid);
        }
        if claims.date("iat")?.is_some_and(|issued| issued > latest) {
            return Err(TokenError::IssuedInFuture);
        }
        Ok(expires)
    }

    /// `aud` is a string or an array of strings, nothing else
    /// ([RFC 7519 §4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)).
    fn check_audience(&self, claims: &Claims) -> Result<(), TokenError> {
        let found = match claims.get("aud") {
            None => return Err(TokenError::MissingClaim { name: "aud" }),
            Some(Value::Array(names)) => self.answers_to_any(names)?,
            Some(name) => self.answers_to(name)?,
        };
        if found { Ok(()) } else { Err(TokenError::WrongAudience) }
    }

    /// Reads all of them: one that is no string refuses the token even beside ours.
    fn answers_to_any(&self, names: &[Value]) -> Result<bool, TokenError> {
        names.iter().try_fold(false, |found, name| Ok(self.answers_to(name)? || found))
    }

    fn answers_to(&self, name: &Value) -> Result<bool, TokenError> {
        let name = name.as_str().ok_or(BAD_AUDIENCE)?;
        Ok(self.audiences.iter().any(|ours| ours == name))
    }

    fn check_clients(&self, claims: &Claims) -> Result<(), TokenError> {
        let Some(accepted) = &self.clients else { return Ok(()) };
        let mut found = false;
        for name in &self.client_claims {
            match claims.get(name) {
                None => {}
                Some(Value::String(client)) if accepted.contains(client) => found = true,
                Some(Value::String(_)) => return Err(TokenError::WrongClient),
                Some(_) => return Err(BAD_CLIENT),
            }
        }
        if found { Ok(()) } else { Err(TokenError::WrongClient) }
    }
}

const BAD_AUDIENCE: TokenError =
    TokenError::BadClaim { name: "aud", expected: "a string or an array of strings" };

const BAD_CLIENT: TokenError = TokenError::BadClaim { name: "azp", expected: "a string" };

fn check_subject(claims: &Claims) -> Result<(), TokenError> {
    let subject = claims.string("sub")?.ok_or(TokenError::MissingClaim { name: "sub" })?;
    if (1..=MAX_SUBJECT_BYTES).contains(&subject.len()) {
        return Ok(());
    }
    Err(TokenError::BadClaim { name: "sub", expected: "1 to 1024 bytes long" })
}

pub(super) fn same_type(found: &str, accepted: &str) -> bool {
    short_type(found).eq_ignore_ascii_case(short_type(accepted))
}

/// The type without `application/`.
fn short_type(name: &str) -> &str {
    const PREFIX: &str = "application/";
    match name.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => name,
    }
}

#[cfg(test)]
mod tests;
