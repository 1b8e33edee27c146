//! What an ID token must say to be the proof of a sign-in
//! ([OpenID Connect Core 1.0 §3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation)), and of a
//! renewed one (§12.2).
//!
//! The signature is always verified, though the standard lets a code flow over TLS do without.

use std::time::Duration;

use serde_json::Value;

use crate::base::time::Timestamp;
use crate::oidc::grant::MAX_ID_TOKEN_BYTES;
use crate::token::{
    Algorithm, AlgorithmSet, Claims, Jwt, KeySet, Rules, TokenError, TypeRule, half_hash,
};

/// The longest `sid` that is read, in bytes.
const MAX_SID_BYTES: usize = 1024;

/// How old an ID token may be by default: it comes straight from the provider.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(3600);

/// What is expected of the ID token of one attempt, besides what the [`rules`] of the provider say.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// Ours at the provider.
    pub client_id: &'a str,
    /// What was sent. `None` only where none was.
    pub nonce: Option<&'a str>,
    /// How long ago the person may have signed in, if that was asked.
    pub max_age: Option<Duration>,
    /// One of which must be the `acr`, if any were asked.
    pub acr_values: &'a [String],
    /// What came with it, for `at_hash`.
    pub access_token: Option<&'a str>,
    /// How long ago the token may have been issued.
    pub max_iat_age: Duration,
}

/// What is known of the sign-in that a refreshed ID token continues.
#[derive(Clone, Copy, Debug)]
pub struct Previous<'a> {
    /// Ours at the provider.
    pub client_id: &'a str,
    /// Who signed in.
    pub subject: &'a str,
    /// What was sent then, if it is still known.
    pub nonce: Option<&'a str>,
    /// When the person signed in, if the provider told.
    pub auth_time: Option<Timestamp>,
    /// What came with the token, for `at_hash`.
    pub access_token: Option<&'a str>,
    /// How long ago the token may have been issued.
    pub max_iat_age: Duration,
}

/// An ID token that holds. Only [`verify`] and [`refreshed`] make one.
#[derive(Clone, Debug)]
pub struct IdToken {
    claims: Claims,
    subject: String,
    sid: Option<String>,
    auth_time: Option<Timestamp>,
    issued: Timestamp,
    expires: Timestamp,
}

/// Why an ID token is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// It is not as strong a sign-in as was asked for.
    #[error("claim `acr` of the ID token is none of those that were asked for")]
    AcrNotMet,
    /// It belongs to another access token.
    #[error("claim `at_hash` of the ID token does not match the access token")]
    AtHashMismatch,
    /// The person signed in longer ago than was asked for.
    #[error("claim `auth_time` of the ID token is longer ago than what was asked for")]
    AuthTooOld,
    /// A claim is required here.
    #[error("claim `{0}` of the ID token is missing")]
    Missing(&'static str),
    /// It belongs to another attempt.
    #[error("claim `nonce` of the ID token is not the one that was sent")]
    NonceMismatch,
    /// It was issued long ago.
    #[error("ID token was issued {} s ago, expected at most {} s; compare the clocks of this machine and of the provider", age.as_secs(), limit.as_secs())]
    Stale {
        /// How long ago.
        age: Duration,
        /// How long is accepted.
        limit: Duration,
    },
    /// The refreshed token is about somebody else.
    #[error("ID token of the refresh is about another subject")]
    SubjectChanged,
    /// It is no good token.
    #[error("ID token is refused")]
    Token(#[from] TokenError),
    /// It is also for somebody whom we do not know.
    #[error("claim `aud` of the ID token names audiences that are not trusted")]
    UntrustedAudience,
    /// It was issued to another client.
    #[error("claim `azp` of the ID token names another client")]
    WrongAuthorizedParty,
}

impl IdTokenError {
    /// Whether newer keys of the provider could change the answer.
    pub const fn key_doubt(&self) -> bool {
        matches!(self, Self::Token(error) if error.is_key_doubt())
    }
}

/// The rules for the ID tokens of one client at one provider: `algorithms` are those pinned for the provider, `leeway` is how
/// far the clocks may disagree.
pub fn rules(issuer: &str, client_id: &str, algorithms: AlgorithmSet, leeway: Duration) -> Rules {
    Rules {
        issuer: issuer.to_owned(),
        audiences: vec![client_id.to_owned()],
        clients: None,
        client_claims: Vec::new(),
        algorithms,
        types: TypeRule::Plain,
        leeway,
    }
}

/// Verifies the ID token of a sign-in. The audiences of `rules`, of [`rules()`], are the ones that are trusted beside ours.
///
/// # Errors
/// [`IdTokenError`], the first reason found; the signature comes before the claims.
pub fn verify(
    id_token: &str,
    keys: &KeySet,
    rules: &Rules,
    expectations: &Expectations<'_>,
    now: Timestamp,
) -> Result<IdToken, IdTokenError> {
    let (algorithm, token) = signed(id_token, keys, rules, now)?;
    token.check_audience(rules, expectations.client_id)?;
    token.check_age(expectations.max_iat_age, rules.leeway, now)?;
    if let Some(sent) = expectations.nonce {
        match token.claims.string("nonce")? {
            None => return Err(IdTokenError::Missing("nonce")),
            Some(found) if found != sent => return Err(IdTokenError::NonceMismatch),
            Some(_) => {}
        }
    }
    token.check_access_token(algorithm, expectations.access_token)?;
    token.check_strength(expectations, rules.leeway, now)?;
    Ok(token)
}

/// Verifies the ID token of a refresh: the same issuer, subject and client, the nonce of the sign-in or none. When the person
/// signed in is kept as it was known, as a refresh proves nothing about the person.
///
/// # Errors
/// [`IdTokenError`], the first reason found; the signature comes before the claims.
pub fn refreshed(
    id_token: &str,
    keys: &KeySet,
    rules: &Rules,
    previous: &Previous<'_>,
    now: Timestamp,
) -> Result<IdToken, IdTokenError> {
    let (algorithm, mut token) = signed(id_token, keys, rules, now)?;
    token.check_audience(rules, previous.client_id)?;
    token.check_age(previous.max_iat_age, rules.leeway, now)?;
    if token.subject != previous.subject {
        return Err(IdTokenError::SubjectChanged);
    }
    if let (Some(found), Some(sent)) = (token.claims.string("nonce")?, previous.nonce)
        && found != sent
    {
        return Err(IdTokenError::NonceMismatch);
    }
    token.check_access_token(algorithm, previous.access_token)?;
    token.set_auth_time(previous.auth_time);
    Ok(token)
}

fn signed(
    id_token: &str,
    keys: &KeySet,
    rules: &Rules,
    now: Timestamp,
) -> Result<(Algorithm, IdToken), IdTokenError> {
    let jwt = Jwt::parse(id_token, MAX_ID_TOKEN_BYTES)?;
    let algorithm = jwt.header().algorithm;
    let verified = jwt.verify(keys, rules, now)?;
    let expires = verified.expires();
    Ok((algorithm, IdToken::read(verified.into_claims(), expires)?))
}

impl IdToken {
    /// What the provider says.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What the provider says, for keeping.
    pub fn into_claims(self) -> Claims {
        self.claims
    }

    /// The first of the claims that are `demanded`, by name and text, and that it does not have with that very text.
    pub fn missing<'d>(&self, demanded: &'d [(String, String)]) -> Option<&'d str> {
        let differs =
            |(name, text): &&(String, String)| self.claims.text(name) != Some(text.as_str());
        demanded.iter().find(differs).map(|(name, _)| name.as_str())
    }

    /// Who signed in, at this issuer.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The provider's session, if it names it.
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// When the person signed in, if the provider tells.
    pub const fn auth_time(&self) -> Option<Timestamp> {
        self.auth_time
    }

    /// Its `iat`.
    pub const fn issued(&self) -> Timestamp {
        self.issued
    }

    /// Its `exp`, without leeway.
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    fn read(claims: Claims, expires: Timestamp) -> Result<Self, IdTokenError> {
        let subject = claims.string("sub")?.ok_or(IdTokenError::Missing("sub"))?.to_owned();
        let sid = session_id(&claims)?;
        let auth_time = claims.date("auth_time")?;
        let issued = claims.date("iat")?.ok_or(IdTokenError::Missing("iat"))?;
        Ok(Self { claims, subject, sid, auth_time, issued, expires })
    }

    /// `aud` must have us and nobody who is not trusted; `azp`, if it is there, must be us.
    fn check_audience(&self, rules: &Rules, client_id: &str) -> Result<(), IdTokenError> {
        check_audience(&self.claims, &rules.audiences, client_id)?;
        match self.claims.string("azp")? {
            Some(found) if found != client_id => Err(IdTokenError::WrongAuthorizedParty),
            _ => Ok(()),
        }
    }

    fn check_age(
        &self,
        limit: Duration,
        leeway: Duration,
        now: Timestamp,
    ) -> Result<(), IdTokenError> {
        let age = self.issued.until(now);
        if age > limit + leeway {
            return Err(IdTokenError::Stale { age, limit });
        }
        Ok(())
    }

    /// [§3.1.3.8](https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowTokenValidation): may be left out, must be
    /// right if it is not.
    fn check_access_token(
        &self,
        algorithm: Algorithm,
        access_token: Option<&str>,
    ) -> Result<(), IdTokenError> {
        match (self.claims.string("at_hash")?, access_token) {
            (Some(found), Some(token)) if found != half_hash(algorithm, token) => {
                Err(IdTokenError::AtHashMismatch)
            }
            _ => Ok(()),
        }
    }

    fn check_strength(
        &self,
        expectations: &Expectations<'_>,
        leeway: Duration,
        now: Timestamp,
    ) -> Result<(), IdTokenError> {
        if let Some(max_age) = expectations.max_age {
            let auth_time = self.auth_time.ok_or(IdTokenError::Missing("auth_time"))?;
            if auth_time.until(now) > max_age.saturating_add(leeway) {
                return Err(IdTokenError::AuthTooOld);
            }
        }
        let asked = expectations.acr_values;
        let acr = self.claims.string("acr")?;
        if !asked.is_empty() && !acr.is_some_and(|acr| asked.iter().any(|value| value == acr)) {
            return Err(IdTokenError::AcrNotMet);
        }
        Ok(())
    }

    fn set_auth_time(&mut self, auth_time: Option<Timestamp>) {
        let mut members = self.claims.as_map().clone();
        match auth_time {
            Some(moment) => members.insert("auth_time".to_owned(), moment.as_secs().into()),
            None => members.remove("auth_time"),
        };
        self.claims = Claims::from(members);
        self.auth_time = auth_time;
    }
}

/// `aud`, a string or an array of strings as [`Rules`] have seen to, must have `client_id` and nothing that is not trusted.
pub(super) fn check_audience(
    claims: &Claims,
    trusted: &[String],
    client_id: &str,
) -> Result<(), IdTokenError> {
    let names: Vec<&str> = match claims.get("aud") {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(name)) => vec![name],
        _ => Vec::new(),
    };
    if !names.contains(&client_id) {
        return Err(IdTokenError::Token(TokenError::WrongAudience));
    }
    let is_trusted = |name: &&str| *name == client_id || trusted.iter().any(|known| known == name);
    if names.iter().all(is_trusted) { Ok(()) } else { Err(IdTokenError::UntrustedAudience) }
}

/// The claim `sid`, if it is there.
pub(super) fn session_id(claims: &Claims) -> Result<Option<String>, TokenError> {
    match claims.string("sid")? {
        Some(sid) if !(1..=MAX_SID_BYTES).contains(&sid.len()) => {
            Err(TokenError::BadClaim { name: "sid", expected: "1 to 1024 bytes long" })
        }
        sid => Ok(sid.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests;
