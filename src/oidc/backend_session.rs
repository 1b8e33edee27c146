//! Messages about sessions that a provider keeps for the backends of its apps, as Transmit Security Mosaic has them: getting tokens out
//! of one without the person, and ending it.
//!
//! There is no standard for them. What Mosaic's documents leave open, the shape of its errors above all, is a parameter here.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::secret::Secret;
use crate::oidc::grant::{self, Answer, GrantError, TokenResponse};
use crate::oidc::parameters::cleaned;
use crate::token::distinct_object;

/// The longest name of a session, in bytes: it must fit into a sealed cookie beside the rest.
pub const MAX_SESSION_ID_BYTES: usize = 512;

/// The longest text of a browser that is told to the provider, in characters.
const MAX_USER_AGENT_CHARS: usize = 256;

/// The most of a refusal's words that is kept, in characters.
const MAX_MESSAGE_CHARS: usize = 200;

/// What is known of the browser for which a session is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientAttributes {
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// Its address.
    pub ip_address: Option<IpAddr>,
}

/// What a session brought.
#[derive(Clone, Debug)]
pub struct BackendTokens {
    /// The tokens; the ID token is there, and not verified yet.
    pub tokens: TokenResponse,
    /// The name of the session from now on, if the provider says one.
    pub session_id: Option<Secret<String>>,
}

/// Why a session brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The answer is of no use.
    #[error(transparent)]
    Answer(#[from] GrantError),
    /// The token by which we asked is not good, or no more.
    #[error("the provider does not accept the client's token")]
    ClientToken,
    /// There is no such session, or it is over.
    #[error("the provider knows no such session")]
    Gone,
    /// It says no for another reason: the request is not as it wants it.
    #[error("the provider refuses with {status}: {message:?}")]
    Refused {
        /// With what status.
        status: u16,
        /// In its words, on one bounded line.
        message: String,
    },
}

impl BackendError {
    /// How long the provider wants to be left alone, if it is busy; zero where it does not say.
    pub fn pause(&self) -> Option<Duration> {
        match self {
            Self::Answer(GrantError::Unavailable { retry_after, .. }) => {
                Some(retry_after.unwrap_or_default())
            }
            _ => None,
        }
    }
}

/// The name of a session, as a login service hands it in: visible ASCII, which a header can carry.
pub fn session_id(text: &str) -> Option<Secret<String>> {
    let fits = (1..=MAX_SESSION_ID_BYTES).contains(&text.len());
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    (fits && plain).then(|| Secret::new(text.to_owned()))
}

/// The body that asks for tokens out of the session called `session_id`.
pub fn authenticate_body(
    session_id: &Secret<String>,
    resource: Option<&str>,
    client: &ClientAttributes,
) -> Secret<String> {
    let mut body = json!({ "session_id": session_id.expose() });
    if let Some(resource) = resource {
        body["resource"] = resource.into();
    }
    let mut attributes = Map::new();
    if let Some(text) = &client.user_agent {
        let text: String = text.chars().take(MAX_USER_AGENT_CHARS).collect();
        attributes.insert("user_agent".to_owned(), text.into());
    }
    if let Some(address) = client.ip_address {
        attributes.insert("ip_address".to_owned(), address.to_string().into());
    }
    if !attributes.is_empty() {
        body["client_attributes"] = attributes.into();
    }
    Secret::new(body.to_string())
}

/// The body that ends the session called `session_id`.
pub fn logout_body(session_id: &Secret<String>) -> Secret<String> {
    Secret::new(json!({ "session_id": session_id.expose() }).to_string())
}

/// Reads the answer to [`authenticate_body`]. `gone` are the words, as `message`, by which a status of 400 says that there is no such
/// session; with other words it says that something is wrong with the request.
///
/// # Errors
/// [`BackendError`]
pub fn parse(answer: &Answer<'_>, gone: &[String]) -> Result<BackendTokens, BackendError> {
    if let Some(error) = refusal(answer, gone) {
        return Err(error);
    }
    let tokens = grant::parse(answer)?;
    tokens.require_id_token()?;
    let members = distinct_object(answer.body).unwrap_or_default();
    let session_id = match members.get("session_id") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(session_id(text).ok_or(BAD_SESSION_ID)?),
        Some(_) => return Err(BAD_SESSION_ID.into()),
    };
    Ok(BackendTokens { tokens, session_id })
}

const BAD_SESSION_ID: GrantError =
    GrantError::BadMember { name: "session_id", expected: "up to 512 bytes of visible ASCII" };

/// Reads the answer to [`logout_body`]: done, or done before.
///
/// # Errors
/// [`BackendError`]: the session may live on.
pub fn parse_logout(answer: &Answer<'_>, gone: &[String]) -> Result<(), BackendError> {
    match refusal(answer, gone) {
        None if (200..300).contains(&answer.status) => Ok(()),
        None => Err(GrantError::Unexpected { status: answer.status }.into()),
        Some(BackendError::Gone) => Ok(()),
        Some(error) => Err(error),
    }
}

fn refusal(answer: &Answer<'_>, gone: &[String]) -> Option<BackendError> {
    let members = || distinct_object(answer.body).unwrap_or_default();
    let message = || match members().get("message") {
        Some(Value::String(text)) => cleaned(text, MAX_MESSAGE_CHARS),
        _ => String::new(),
    };
    match answer.status {
        401 => Some(BackendError::ClientToken),
        400 | 404 => {
            let message = message();
            let is_gone = gone.iter().any(|known| known.eq_ignore_ascii_case(message.trim()));
            let status = answer.status;
            Some(if is_gone {
                BackendError::Gone
            } else {
                BackendError::Refused { status, message }
            })
        }
        408 | 425 | 429 | 500.. => busy(answer),
        status @ 402..=499 => Some(BackendError::Refused { status, message: message() }),
        _ => None,
    }
}

fn busy(answer: &Answer<'_>) -> Option<BackendError> {
    grant::parse(answer).err().map(BackendError::Answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone() -> Vec<String> {
        vec!["Session not found".to_owned()]
    }

    fn answer(status: u16, body: &str) -> Answer<'_> {
        Answer {
            status,
            content_type: Some("application/json"),
            retry_after: Some("7"),
            body: body.as_bytes(),
        }
    }

    const TOKENS: &str = r#"{"access_token":"a","id_token":"b.c.d","token_type":"Bearer","expires_in":3600,"session_id":"s2"}"#;

    #[test]
    fn tokens_come_with_the_name_of_the_session_or_without() {
        let found = parse(&answer(200, TOKENS), &gone()).unwrap();
        assert_eq!(found.session_id.unwrap().expose(), "s2");
        let without = TOKENS.replace(r#","session_id":"s2""#, "");
        assert!(parse(&answer(200, &without), &gone()).unwrap().session_id.is_none());
        let broken = TOKENS.replace("s2", "s 2");
        assert_eq!(parse(&answer(200, &broken), &gone()).unwrap_err(), BAD_SESSION_ID.into());
    }

    #[test]
    fn an_answer_without_an_id_token_says_nothing_of_anybody() {
        let without = TOKENS.replace(r#""id_token":"b.c.d","#, "");
        let error = parse(&answer(200, &without), &gone()).unwrap_err();
        assert_eq!(error, GrantError::Missing("id_token").into());
    }

    #[test]
    fn only_the_words_for_it_mean_that_the_session_is_over() {
        let over = r#"{"message":"Session not found","error_code":400}"#;
        assert_eq!(parse(&answer(400, over), &gone()).unwrap_err(), BackendError::Gone);
        let other = r#"{"message":"resource is unknown"}"#;
        let refused =
            BackendError::Refused { status: 400, message: "resource is unknown".to_owned() };
        assert_eq!(parse(&answer(400, other), &gone()).unwrap_err(), refused);
        let error = parse(&answer(401, over), &gone()).unwrap_err();
        assert_eq!((error.pause(), error), (None, BackendError::ClientToken));
    }

    #[test]
    fn a_busy_provider_says_for_how_long() {
        for status in [429, 503] {
            let error = parse(&answer(status, "{}"), &gone()).unwrap_err();
            assert_eq!(error.pause(), Some(Duration::from_secs(7)), "{status}");
        }
        assert_eq!(parse(&answer(403, "{}"), &gone()).unwrap_err().pause(), None);
    }

    #[test]
    fn what_is_ended_twice_is_ended() {
        assert_eq!(parse_logout(&answer(204, ""), &gone()), Ok(()));
        let over = r#"{"message":"session not found"}"#;
        assert_eq!(parse_logout(&answer(400, over), &gone()), Ok(()));
        assert!(parse_logout(&answer(500, ""), &gone()).is_err());
        assert!(parse_logout(&answer(302, ""), &gone()).is_err());
    }

    #[test]
    fn bodies_have_what_is_known() {
        let id = Secret::new("s\"1".to_owned());
        let body = authenticate_body(&id, None, &ClientAttributes::default());
        assert_eq!(body.expose(), r#"{"session_id":"s\"1"}"#);
        let client = ClientAttributes {
            user_agent: Some("x".repeat(300)),
            ip_address: Some(IpAddr::from([203, 0, 113, 9])),
        };
        let body = authenticate_body(&id, Some("https://api.acme.test"), &client);
        let body: Value = serde_json::from_str(body.expose()).unwrap();
        assert_eq!(body["resource"], "https://api.acme.test");
        assert_eq!(body["client_attributes"]["ip_address"], "203.0.113.9");
        assert_eq!(body["client_attributes"]["user_agent"].as_str().unwrap().len(), 256);
    }

    #[test]
    fn names_that_no_header_can_carry_are_none() {
        assert!(session_id("xfPMUgRmcNQ-_.").is_some());
        for text in ["", "a b", "a\n", "ä", &"x".repeat(513)] {
            assert!(session_id(text).is_none(), "{text:?}");
        }
    }
}
