//! What a provider's endpoint answered to a form, and what its errors mean
//! ([RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::oidc::parameters::{cleaned, is_printable};
use crate::token::distinct_object;

/// The longest name of an error, in bytes.
const MAX_ERROR_BYTES: usize = 128;

/// The longest description that is kept, in characters.
const MAX_DESCRIPTION_CHARS: usize = 300;

/// The longest pause that a provider may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// An answer, of any status.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// `Content-Type`, if there is one.
    pub content_type: Option<&'a str>,
    /// `Retry-After`, if there is one. Only seconds are understood.
    pub retry_after: Option<&'a str>,
    /// The whole body.
    pub body: &'a [u8],
}

/// Why an exchange brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// A member is not what it must be.
    #[error("the provider answers with a `{name}` that is not {expected}")]
    BadMember {
        /// The member.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A member is not there.
    #[error("the provider answers without `{0}`")]
    Missing(&'static str),
    /// Something else than JSON: an error page, a login page.
    #[error("the provider answers {status} with something that is not a JSON object")]
    NotJson {
        /// With what status.
        status: u16,
    },
    /// The provider says no.
    #[error("the provider refuses: {error} {description:?}")]
    Refused {
        /// Why.
        error: GrantErrorCode,
        /// In its words, on one bounded line.
        description: String,
    },
    /// Now is not the time.
    #[error("the provider answers {status}")]
    Unavailable {
        /// With what.
        status: u16,
        /// When to come back, if it says; an hour at most.
        retry_after: Option<Duration>,
    },
    /// An answer that nothing is known of.
    #[error("the provider answers {status}, without an error code")]
    Unexpected {
        /// With what status.
        status: u16,
    },
}

/// Why a provider refuses a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantErrorCode {
    /// Our own credentials are wrong: for the operator to mend.
    InvalidClient,
    /// The code or the token is expired, revoked, used or not ours.
    InvalidGrant,
    /// The request is not as the provider wants it.
    InvalidRequest,
    /// A scope is not known or not for us.
    InvalidScope,
    /// A resource is not known or not for us.
    InvalidTarget,
    /// Another, printable and at most 128 bytes long.
    Other(String),
    /// This client may not ask that.
    UnauthorizedClient,
    /// The provider knows no such grant.
    UnsupportedGrantType,
    /// The provider cannot revoke such a token.
    UnsupportedTokenType,
    /// The proof must have the nonce that came with the answer.
    UseDpopNonce,
}

impl GrantErrorCode {
    /// Those that have a name here.
    const KNOWN: [Self; 9] = [
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::InvalidRequest,
        Self::InvalidScope,
        Self::InvalidTarget,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::UnsupportedTokenType,
        Self::UseDpopNonce,
    ];

    /// The name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::Other(name) => name,
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::UseDpopNonce => "use_dpop_nonce",
        }
    }

    fn of(name: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|known| known.name() == name);
        known.unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl fmt::Display for GrantErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl GrantError {
    /// Whether the grant itself has ended: another try with it would end the same.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Refused { error: GrantErrorCode::InvalidGrant, .. })
    }
}

impl Answer<'_> {
    /// The members of a successful answer; an `error` in it makes it none, whatever the status.
    pub(in crate::oidc) fn success(
        &self,
        statuses: &[u16],
    ) -> Result<Map<String, Value>, GrantError> {
        let members = self.members();
        if let Some(refusal) = members.as_ref().and_then(refusal) {
            return Err(self.unavailable().unwrap_or(refusal));
        }
        match members {
            _ if !statuses.contains(&self.status) => Err(self.failure()),
            Some(members) => Ok(members),
            None => Err(GrantError::NotJson { status: self.status }),
        }
    }

    /// Why there is no success, by the status alone.
    fn failure(&self) -> GrantError {
        self.unavailable().unwrap_or(GrantError::Unexpected { status: self.status })
    }

    fn unavailable(&self) -> Option<GrantError> {
        let busy = self.status >= 500 || matches!(self.status, 408 | 425 | 429);
        let retry_after = self.retry_after.and_then(|text| text.trim().parse().ok());
        let retry_after = retry_after.map(|secs| Duration::from_secs(secs).min(MAX_RETRY_AFTER));
        busy.then_some(GrantError::Unavailable { status: self.status, retry_after })
    }

    fn members(&self) -> Option<Map<String, Value>> {
        if self.content_type.is_some_and(|name| !is_json(name)) {
            return None;
        }
        distinct_object(self.body)
    }
}

/// The error code of an answer. One that cannot be shown is as good as none.
fn refusal(members: &Map<String, Value>) -> Option<GrantError> {
    let text = |name| members.get(name).and_then(Value::as_str);
    if matches!(members.get("error"), None | Some(Value::Null)) {
        return None;
    }
    let name = text("error")
        .filter(|name| (1..=MAX_ERROR_BYTES).contains(&name.len()) && is_printable(name));
    let description = text("error_description").unwrap_or_default();
    Some(GrantError::Refused {
        error: GrantErrorCode::of(name.unwrap_or("unreadable")),
        description: cleaned(description, MAX_DESCRIPTION_CHARS),
    })
}

/// `application/json` and what ends in `+json`; parameters do not matter.
fn is_json(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("application/json")
        || name.len() > 5 && name.to_ascii_lowercase().ends_with("+json")
}
