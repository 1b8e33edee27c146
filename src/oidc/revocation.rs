//! Giving a token back ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use std::time::Duration;

use crate::base::secret::Secret;
use crate::oidc::Form;
use crate::oidc::grant::{Answer, GrantError, GrantErrorCode};

/// What kind of token is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenHint {
    /// `access_token`.
    Access,
    /// `refresh_token`: whatever came of it ends too, at most providers.
    Refresh,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationOutcome {
    /// The token is good no more, or was not before.
    Done,
    /// The token must be taken to live; another try may do.
    Retry {
        /// When to come back, if the provider says; an hour at most.
        after: Option<Duration>,
    },
    /// The provider refuses, for a reason that another try does not change.
    Refused(GrantError),
    /// The provider cannot revoke such a token: it lives until it expires.
    Unsupported,
}

/// Gives a token back.
pub fn form(token: &Secret<String>, hint: TokenHint) -> Form {
    let hint = match hint {
        TokenHint::Access => "access_token",
        TokenHint::Refresh => "refresh_token",
    };
    Form::new().with("token", token.expose().as_str()).with("token_type_hint", hint)
}

/// What the answer means ([RFC 7009 §2.2](https://www.rfc-editor.org/rfc/rfc7009#section-2.2)). A body beside 200 is not
/// looked at; 204 is as good.
pub fn outcome(answer: &Answer<'_>) -> RevocationOutcome {
    if matches!(answer.status, 200 | 204) {
        return RevocationOutcome::Done;
    }
    match answer.success(&[]) {
        Err(GrantError::Unavailable { retry_after, .. }) => {
            RevocationOutcome::Retry { after: retry_after }
        }
        Err(GrantError::Refused { error: GrantErrorCode::UnsupportedTokenType, .. }) => {
            RevocationOutcome::Unsupported
        }
        // No status is a success here, so that there is always a reason.
        Err(other) => RevocationOutcome::Refused(other),
        Ok(_) => RevocationOutcome::Refused(GrantError::Unexpected { status: answer.status }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome_of(status: u16, retry_after: Option<&str>, body: &str) -> RevocationOutcome {
        let content_type = Some("application/json");
        outcome(&Answer { status, content_type, retry_after, body: body.as_bytes() })
    }

    #[test]
    fn the_status_says_what_became_of_the_token() {
        assert_eq!(outcome_of(200, None, ""), RevocationOutcome::Done);
        assert_eq!(outcome_of(204, None, ""), RevocationOutcome::Done);
        assert_eq!(
            outcome_of(503, Some("7"), ""),
            RevocationOutcome::Retry { after: Some(Duration::from_secs(7)) }
        );
        assert_eq!(outcome_of(429, None, ""), RevocationOutcome::Retry { after: None });
        assert_eq!(
            outcome_of(400, None, r#"{"error":"unsupported_token_type"}"#),
            RevocationOutcome::Unsupported
        );
    }

    #[test]
    fn a_refusal_is_not_tried_again() {
        for (status, body) in [
            (400, r#"{"error":"invalid_request"}"#),
            (401, r#"{"error":"invalid_client"}"#),
            (404, ""),
        ] {
            let outcome = outcome_of(status, None, body);
            assert!(matches!(outcome, RevocationOutcome::Refused(_)), "{status}");
        }
    }

    #[test]
    fn the_form_names_the_kind_of_token() {
        let token = Secret::new("r1".to_owned());
        let body = form(&token, TokenHint::Refresh).encode();
        assert_eq!(body.expose(), "token=r1&token_type_hint=refresh_token");
    }
}
