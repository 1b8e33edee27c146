//! Authgear's webhooks: which users are gone.
//!
//! What was signed is believed; everything but the end of an account is left alone, since Authgear sends what it is told to send.

use serde::Deserialize;

/// Events after which nobody may go on as that user.
const ENDS: [&str; 3] = ["user.anonymized", "user.deleted", "user.disabled"];

/// An event, as far as it matters.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    payload: Option<Payload>,
}

#[derive(Debug, Deserialize)]
struct Payload {
    user: Option<User>,
}

#[derive(Debug, Deserialize)]
struct User {
    id: String,
}

/// What a webhook says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nothing that ends a session.
    Nothing,
    /// The user of that subject is gone, for now or for good.
    UserGone(String),
}

/// A body that is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// An event of the end of a user without the user.
    #[error("the event names no user")]
    NoUser,
    /// Not the JSON of an event.
    #[error("the body is no event in JSON")]
    NotAnEvent,
}

/// Reads the body of a webhook whose signature holds.
///
/// # Errors
/// [`WebhookError`]
pub fn read(body: &[u8]) -> Result<Notice, WebhookError> {
    let event: Event = serde_json::from_slice(body).map_err(|_| WebhookError::NotAnEvent)?;
    if !ENDS.contains(&event.kind.as_str()) {
        return Ok(Notice::Nothing);
    }
    let user = event.payload.and_then(|payload| payload.user).filter(|user| !user.id.is_empty());
    user.map(|user| Notice::UserGone(user.id)).ok_or(WebhookError::NoUser)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_user_counts() {
        for (body, notice) in [
            (
                r#"{"id":"1","type":"user.disabled","payload":{"user":{"id":"ada"}},"context":{}}"#,
                Ok(Notice::UserGone("ada".into())),
            ),
            (
                r#"{"type":"user.deleted","payload":{"user":{"id":"ada"}}}"#,
                Ok(Notice::UserGone("ada".into())),
            ),
            (r#"{"type":"user.reenabled","payload":{"user":{"id":"ada"}}}"#, Ok(Notice::Nothing)),
            (r#"{"type":"user.profile.updated","payload":{}}"#, Ok(Notice::Nothing)),
            (r#"{"type":"user.disabled","payload":{}}"#, Err(WebhookError::NoUser)),
            (r#"{"type":"user.disabled","payload":{"user":{"id":""}}}"#, Err(WebhookError::NoUser)),
            ("user.disabled", Err(WebhookError::NotAnEvent)),
        ] {
            assert_eq!(read(body.as_bytes()), notice, "{body}");
        }
    }
}
