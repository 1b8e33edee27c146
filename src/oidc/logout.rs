//! Signing out: the address that a browser is sent to, and what a provider tells us
//! ([RP-Initiated Logout 1.0](https://openid.net/specs/openid-connect-rpinitiated-1_0.html),
//! [Back-Channel Logout 1.0](https://openid.net/specs/openid-connect-backchannel-1_0.html),
//! [Front-Channel Logout 1.0](https://openid.net/specs/openid-connect-frontchannel-1_0.html)).
//!
//! Which sessions end is decided elsewhere.

use std::time::Duration;

use url::Url;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::oidc::authorization::with_query;
use crate::oidc::id_token::{self, IdTokenError};
use crate::oidc::parameters::{ParameterError, Parameters, is_printable};
use crate::token::{AlgorithmSet, Jwt, KeySet, Rules, TokenError, TypeRule};

/// The event that makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The longest logout token, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The longest body of a back-channel request and the longest query of a front-channel one, in bytes.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// The longest `jti`, `iss` and `sid`, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// A sign-out at the provider
/// ([RP-Initiated Logout 1.0 §2](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout)).
#[derive(Clone, Copy, Debug)]
pub struct LogoutRequest<'a> {
    /// The newest ID token, expired or not: without it the provider asks the person.
    pub id_token_hint: Option<&'a Secret<String>>,
    /// Ours at the provider.
    pub client_id: &'a str,
    /// Where the browser comes back to, as registered.
    pub post_logout_redirect_uri: Option<&'a str>,
    /// Comes back with it.
    pub state: Option<&'a str>,
    /// Configured.
    pub extra: &'a [(String, String)],
}

/// How a provider wants to be told that somebody signs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogoutStyle {
    /// Auth0: as the standard has it where discovery names an `end_session_endpoint`, else at `/v2/logout`.
    Auth0,
    /// As the standard has it.
    #[default]
    Standard,
}

/// Where Auth0 ends its session if it has no endpoint of the standard, below the issuer.
const AUTH0_LOGOUT: &str = "v2/logout";

/// Where to send the browser to sign out at the provider of `issuer`, which names `endpoint` for it; nowhere if it has no such place.
/// Holds the ID token, so it is for `Location` alone.
pub fn sign_out_url(
    style: LogoutStyle,
    issuer: &str,
    endpoint: Option<&Url>,
    request: &LogoutRequest<'_>,
) -> Option<String> {
    let of_auth0 = |url: &Url| url.path().ends_with("/v2/logout");
    match (style, endpoint) {
        (LogoutStyle::Auth0, Some(endpoint)) if of_auth0(endpoint) => {
            Some(auth0_url(endpoint, request))
        }
        (_, Some(endpoint)) => Some(end_session_url(endpoint, request)),
        (LogoutStyle::Auth0, None) => {
            let base = format!("{}/", issuer.trim_end_matches('/'));
            let endpoint = Url::parse(&base).ok()?.join(AUTH0_LOGOUT).ok()?;
            Some(auth0_url(&endpoint, request))
        }
        (LogoutStyle::Standard, None) => None,
    }
}

/// `/v2/logout` of Auth0: `client_id` says whose list of addresses counts, a bare `federated` ends the session of the identity
/// provider behind it too.
fn auth0_url(endpoint: &Url, request: &LogoutRequest<'_>) -> String {
    let mut pairs = vec![("client_id", request.client_id.to_owned())];
    pairs.extend(request.post_logout_redirect_uri.map(|uri| ("returnTo", uri.to_owned())));
    let ours = |name: &str| matches!(name, "client_id" | "returnTo");
    let extra = request.extra.iter().filter(|(name, _)| !ours(name));
    let (bare, valued): (Vec<_>, Vec<_>) = extra.partition(|(_, value)| value.is_empty());
    pairs.extend(valued.into_iter().map(|(name, value)| (name.as_str(), value.clone())));
    let url = with_query(endpoint, &pairs);
    bare.into_iter().fold(url, |url, (name, _)| format!("{url}&{name}"))
}

/// Where to send the browser to sign out: holds the ID token, so it is for `Location` alone.
fn end_session_url(endpoint: &Url, request: &LogoutRequest<'_>) -> String {
    let ours = [
        ("id_token_hint", request.id_token_hint.map(|token| token.expose().as_str())),
        ("client_id", Some(request.client_id)),
        ("post_logout_redirect_uri", request.post_logout_redirect_uri),
        ("state", request.state),
    ];
    let is_ours = |name: &str| ours.iter().any(|(known, _)| *known == name);
    let extra = request.extra.iter().filter(|(name, _)| !is_ours(name));
    let mut pairs: Vec<(&str, String)> =
        ours.iter().filter_map(|(name, value)| Some((*name, (*value)?.to_owned()))).collect();
    pairs.extend(extra.map(|(name, value)| (name.as_str(), value.clone())));
    with_query(endpoint, &pairs)
}

/// What is demanded of the logout tokens of one provider.
#[derive(Clone, Debug)]
pub struct LogoutRules {
    /// As for ID tokens, but for the type.
    pub rules: Rules,
    /// Ours at the provider.
    pub client_id: String,
    /// Whether `exp` may be missing, as early versions of the standard had it.
    pub expiry: ExpiryRule,
    /// How long ago the token may have been issued.
    pub max_iat_age: Duration,
}

/// Whether a logout token must have an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiryRule {
    /// It may be missing.
    Optional,
    /// [Back-Channel Logout 1.0 §2.4](https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken).
    #[default]
    Required,
}

/// A logout token that holds. Only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// Who says so.
    pub issuer: String,
    /// Whose sessions end; all of them if there is no `sid`. At least one of the two is there.
    pub subject: Option<String>,
    /// Which of the provider's sessions ends.
    pub sid: Option<String>,
    /// Unique at the issuer, at most 1024 bytes.
    pub jti: String,
    /// When it was issued: sessions that started later go on.
    pub issued: Timestamp,
    /// Its end, if it has one; a repetition is possible until then.
    pub expires: Option<Timestamp>,
}

/// Why what a provider tells ends no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutError {
    /// The claim is no object that says "logout".
    #[error(
        "claim `events` of the logout token is not an object with the event of back-channel logout"
    )]
    BadEvents,
    /// A value is too long or not printable.
    #[error("`{0}` is empty, too long or not printable")]
    BadValue(&'static str),
    /// An ID token has one, a logout token none.
    #[error("logout token has a claim `nonce`, expected none")]
    HasNonce,
    /// Only one of the two is there.
    #[error("front-channel logout has one of `iss` and `sid`, expected both or neither")]
    HalfSession,
    /// A claim or parameter is not there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// It is about nothing.
    #[error("logout token has neither a claim `sub` nor a claim `sid`")]
    NoSubject,
    /// Two readers could read it differently.
    #[error("parameters cannot be read")]
    Parameters(#[from] ParameterError),
    /// It was issued long ago.
    #[error("logout token was issued {} s ago, expected at most {} s", age.as_secs(), limit.as_secs())]
    Stale {
        /// How long ago.
        age: Duration,
        /// How long is accepted.
        limit: Duration,
    },
    /// It is no good token.
    #[error("logout token is refused")]
    Token(#[from] TokenError),
    /// It is also for somebody whom we do not know.
    #[error("claim `aud` of the logout token names audiences that are not trusted")]
    UntrustedAudience,
}

impl LogoutError {
    /// Whether newer keys of the provider could change the answer.
    pub const fn key_doubt(&self) -> bool {
        matches!(self, Self::Token(error) if error.is_key_doubt())
    }
}

impl LogoutRules {
    /// How long ago a logout token may have been issued by default.
    pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(300);

    /// What the standard demands; no `typ` and `JWT` are accepted beside `logout+jwt`, which it only recommends.
    pub fn new(issuer: &str, client_id: &str, algorithms: AlgorithmSet, leeway: Duration) -> Self {
        let mut rules = id_token::rules(issuer, client_id, algorithms, leeway);
        rules.types = TypeRule::Logout;
        Self {
            rules,
            client_id: client_id.to_owned(),
            expiry: ExpiryRule::Required,
            max_iat_age: Self::DEFAULT_MAX_AGE,
        }
    }

    /// The same, with `logout+jwt` as the only type.
    #[must_use]
    pub fn strictly_typed(mut self) -> Self {
        self.rules.types = TypeRule::Exactly(vec!["logout+jwt".to_owned()]);
        self
    }
}

/// The logout token in the body of a back-channel request
/// ([Back-Channel Logout 1.0 §2.5](https://openid.net/specs/openid-connect-backchannel-1_0.html#BCRequest)); other
/// parameters are ignored.
///
/// # Errors
/// [`LogoutError`]
pub fn parse_body(body: &[u8]) -> Result<Secret<String>, LogoutError> {
    let text = std::str::from_utf8(body).map_err(|_| ParameterError::BadEncoding)?;
    let token = Parameters::only("logout_token", text, MAX_MESSAGE_BYTES)?;
    token.map(Secret::new).ok_or(LogoutError::Missing("logout_token"))
}

/// Verifies a logout token
/// ([Back-Channel Logout 1.0 §2.6](https://openid.net/specs/openid-connect-backchannel-1_0.html#Validation)). Whether it
/// was seen before is not known here.
///
/// # Errors
/// [`LogoutError`], the first reason found; the signature comes before the claims.
pub fn verify(
    token: &str,
    keys: &KeySet,
    demands: &LogoutRules,
    now: Timestamp,
) -> Result<LogoutToken, LogoutError> {
    let verified =
        Jwt::parse(token, MAX_TOKEN_BYTES)?.verify_statement(keys, &demands.rules, now)?;
    let expires = verified.expires();
    if expires.is_none() && demands.expiry == ExpiryRule::Required {
        return Err(LogoutError::Missing("exp"));
    }
    let claims = verified.into_claims();
    id_token::check_audience(&claims, &demands.rules.audiences, &demands.client_id)
        .map_err(of_audience)?;
    let events = claims.get("events").ok_or(LogoutError::Missing("events"))?;
    if !events.get(EVENT).is_some_and(serde_json::Value::is_object) {
        return Err(LogoutError::BadEvents);
    }
    if claims.get("nonce").is_some() {
        return Err(LogoutError::HasNonce);
    }
    let issued = claims.date("iat")?.ok_or(LogoutError::Missing("iat"))?;
    check_age(issued, demands, now)?;
    let jti = claims.string("jti")?.ok_or(LogoutError::Missing("jti"))?;
    if !is_short(jti) {
        return Err(LogoutError::BadValue("jti"));
    }
    let subject = claims.string("sub")?.map(str::to_owned);
    let sid = id_token::session_id(&claims)?;
    if subject.is_none() && sid.is_none() {
        return Err(LogoutError::NoSubject);
    }
    let issuer = demands.rules.issuer.clone();
    Ok(LogoutToken { issuer, subject, sid, jti: jti.to_owned(), issued, expires })
}

fn of_audience(error: IdTokenError) -> LogoutError {
    match error {
        IdTokenError::Token(error) => LogoutError::Token(error),
        _ => LogoutError::UntrustedAudience,
    }
}

fn check_age(issued: Timestamp, demands: &LogoutRules, now: Timestamp) -> Result<(), LogoutError> {
    let (age, limit) = (issued.until(now), demands.max_iat_age);
    if age > limit + demands.rules.leeway {
        return Err(LogoutError::Stale { age, limit });
    }
    Ok(())
}

/// Which session a front-channel request is about
/// ([Front-Channel Logout 1.0 §2](https://openid.net/specs/openid-connect-frontchannel-1_0.html#RPLogout)). Anybody can write
/// such a request: nothing of it is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrontChannelLogout {
    /// The one that the browser's cookie names.
    Browser,
    /// One of the provider's.
    Session {
        /// The issuer, to be compared with the provider's.
        issuer: String,
        /// Its session.
        sid: String,
    },
}

/// Reads the query of a front-channel request, without its `?`. Other parameters are ignored.
///
/// # Errors
/// [`LogoutError`]
pub fn parse_front_channel(query: &str) -> Result<FrontChannelLogout, LogoutError> {
    let mut parameters = Parameters::parse(query, MAX_MESSAGE_BYTES)?;
    match (parameters.take("iss"), parameters.take("sid")) {
        (None, None) => Ok(FrontChannelLogout::Browser),
        (Some(issuer), _) if !is_short(&issuer) => Err(LogoutError::BadValue("iss")),
        (_, Some(sid)) if !is_short(&sid) => Err(LogoutError::BadValue("sid")),
        (Some(issuer), Some(sid)) => Ok(FrontChannelLogout::Session { issuer, sid }),
        _ => Err(LogoutError::HalfSession),
    }
}

fn is_short(text: &str) -> bool {
    (1..=MAX_TEXT_BYTES).contains(&text.len()) && is_printable(text)
}

#[cfg(test)]
mod tests;
