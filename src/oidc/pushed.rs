//! What the provider answers to a pushed authorization request
//! ([RFC 9126 §2.2](https://www.rfc-editor.org/rfc/rfc9126#section-2.2)).

use std::time::Duration;

use serde_json::Value;

use crate::oidc::grant::{Answer, GrantError};
use crate::oidc::parameters::is_printable;

/// The longest reference, in bytes.
const MAX_REFERENCE_BYTES: usize = 1024;

/// The longest life that is believed.
const MAX_LIFE: Duration = Duration::from_secs(600);

/// A request that the provider keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedResponse {
    /// Its name, for [`pushed_url`](crate::oidc::authorization::pushed_url). Good once.
    pub request_uri: String,
    /// How long it is kept.
    pub expires_in: Duration,
}

/// Reads the answer. Looser than the standard: 200 is as good as 201.
///
/// # Errors
/// [`GrantError`]
pub fn parse(answer: &Answer<'_>) -> Result<PushedResponse, GrantError> {
    let members = answer.success(&[200, 201])?;
    let request_uri = match members.get("request_uri") {
        None => return Err(GrantError::Missing("request_uri")),
        Some(Value::String(text)) if is_reference(text) => text.clone(),
        Some(_) => {
            let expected = "a printable URI of at most 1024 bytes";
            return Err(GrantError::BadMember { name: "request_uri", expected });
        }
    };
    let seconds = members.get("expires_in").and_then(Value::as_u64);
    let expected = "a number of seconds";
    let seconds = seconds.ok_or(GrantError::BadMember { name: "expires_in", expected })?;
    let expires_in = Duration::from_secs(seconds).min(MAX_LIFE);
    Ok(PushedResponse { request_uri, expires_in })
}

fn is_reference(text: &str) -> bool {
    (1..=MAX_REFERENCE_BYTES).contains(&text.len()) && is_printable(text) && !text.contains(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<PushedResponse, GrantError> {
        let content_type = Some("application/json");
        parse(&Answer { status, content_type, retry_after: None, body: body.as_bytes() })
    }

    #[test]
    fn a_pushed_request_has_a_name_and_an_end() {
        let body = r#"{"request_uri":"urn:ietf:params:oauth:request_uri:6esc","expires_in":60}"#;
        for status in [200, 201] {
            let found = answer(status, body).unwrap();
            assert_eq!(found.request_uri, "urn:ietf:params:oauth:request_uri:6esc");
            assert_eq!(found.expires_in, Duration::from_secs(60));
        }
        let long = answer(201, r#"{"request_uri":"urn:x","expires_in":1000000}"#).unwrap();
        assert_eq!(long.expires_in, MAX_LIFE);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for body in [
            "{}",
            r#"{"request_uri":"urn:x"}"#,
            r#"{"request_uri":"","expires_in":60}"#,
            r#"{"request_uri":"a b","expires_in":60}"#,
            r#"{"request_uri":"a\r\nb","expires_in":60}"#,
            r#"{"request_uri":5,"expires_in":60}"#,
            r#"{"request_uri":"urn:x","expires_in":-1}"#,
        ] {
            assert!(answer(201, body).is_err(), "{body}");
        }
        assert!(answer(302, r#"{"request_uri":"urn:x","expires_in":60}"#).is_err());
    }

    #[test]
    fn a_refusal_has_its_code() {
        let refused = answer(400, r#"{"error":"invalid_request"}"#).unwrap_err();
        assert!(matches!(refused, GrantError::Refused { .. }));
    }
}
