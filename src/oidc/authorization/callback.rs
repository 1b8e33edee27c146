//! The authorization response, as a browser brings it: believed in nothing but its form.

use std::fmt;

use crate::base::secret::Secret;
use crate::oidc::discovery::Metadata;
use crate::oidc::parameters::{ParameterError, Parameters, cleaned, is_printable};

/// The longest response, in bytes before decoding.
const MAX_RESPONSE_BYTES: usize = 32 * 1024;

/// The longest code, in bytes. Those that are tokens in themselves have some 2 KiB.
const MAX_CODE_BYTES: usize = 8 * 1024;

/// The longest state, in bytes: ours are shorter.
const MAX_STATE_BYTES: usize = 8 * 1024;

/// The longest issuer, in bytes.
const MAX_ISSUER_BYTES: usize = 2048;

/// The longest name of an error, in bytes.
const MAX_ERROR_BYTES: usize = 128;

/// The longest description that is kept, in characters.
const MAX_DESCRIPTION_CHARS: usize = 300;

/// An authorization response.
#[derive(Clone, Debug)]
pub enum Callback {
    /// The person signed in, says the browser, and there is nothing to redeem: the answer to `response_type=none`.
    Bare {
        /// What was sent, if it is ours.
        state: String,
        /// The provider that answers, if it says.
        iss: Option<String>,
    },
    /// The person signed in, says the browser.
    Code {
        /// To be redeemed.
        code: Secret<String>,
        /// What was sent, if it is ours.
        state: String,
        /// The provider that answers, if it says.
        iss: Option<String>,
    },
    /// The provider refuses. Wins over a code beside it.
    Error {
        /// Why.
        error: ErrorCode,
        /// In its words, on one bounded line; to be escaped like any other text.
        description: String,
        /// What was sent, if it is ours.
        state: String,
        /// The provider that answers, if it says.
        iss: Option<String>,
    },
}

/// Why a provider refuses an authorization request
/// ([RFC 6749 §4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1),
/// [OpenID Connect Core 1.0 §3.1.2.6](https://openid.net/specs/openid-connect-core-1_0.html#AuthError)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The person or the provider said no.
    AccessDenied,
    /// The person must choose an account.
    AccountSelectionRequired,
    /// The person must consent.
    ConsentRequired,
    /// The person must do something.
    InteractionRequired,
    /// The request is not as the provider wants it.
    InvalidRequest,
    /// A scope is not known or not for us.
    InvalidScope,
    /// The person must sign in.
    LoginRequired,
    /// Another, printable and at most 128 bytes long.
    Other(String),
    /// The provider failed.
    ServerError,
    /// The provider is busy.
    TemporarilyUnavailable,
    /// This client may not ask.
    UnauthorizedClient,
    /// The person cannot sign in as strongly as was asked
    /// ([Unmet Authentication Requirements](https://openid.net/specs/openid-connect-unmet-authentication-requirements-1_0.html)).
    UnmetAuthenticationRequirements,
    /// The provider knows no code flow.
    UnsupportedResponseType,
}

impl ErrorCode {
    /// Those that have a name here.
    const KNOWN: [Self; 12] = [
        Self::AccessDenied,
        Self::AccountSelectionRequired,
        Self::ConsentRequired,
        Self::InteractionRequired,
        Self::InvalidRequest,
        Self::InvalidScope,
        Self::LoginRequired,
        Self::ServerError,
        Self::TemporarilyUnavailable,
        Self::UnauthorizedClient,
        Self::UnmetAuthenticationRequirements,
        Self::UnsupportedResponseType,
    ];

    /// The name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::LoginRequired => "login_required",
            Self::Other(name) => name,
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::UnsupportedResponseType => "unsupported_response_type",
        }
    }

    /// Whether a sign-in without questions (`prompt=none`) failed just because there is a question to ask.
    pub const fn needs_person(&self) -> bool {
        matches!(
            self,
            Self::AccountSelectionRequired
                | Self::ConsentRequired
                | Self::InteractionRequired
                | Self::LoginRequired
        )
    }

    fn of(name: String) -> Self {
        Self::KNOWN.into_iter().find(|known| known.name() == name).unwrap_or(Self::Other(name))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why what a browser brings is no response of the provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// A value is too long or has characters that none may have.
    #[error("the authorization response has a `{0}` that is too long or not printable")]
    BadValue(&'static str),
    /// The provider says that it names itself, and does not: it may be another one's response.
    #[error("the authorization response has no `iss`, though the provider says that it sends one")]
    MissingIssuer,
    /// Nothing to go by: a link that was cut, or a response in the fragment.
    #[error("the authorization response has neither a `code` nor an `error`")]
    MissingResult,
    /// Nothing says which attempt it belongs to.
    #[error("the authorization response has no `state`")]
    MissingState,
    /// Two readers could read it differently.
    #[error("the authorization response cannot be read")]
    Parameters(#[from] ParameterError),
    /// Only the cookie of the provider was asked for.
    #[error("the authorization response has a `code` that was not asked for")]
    UnaskedCode,
    /// Another provider answers: the mix-up of RFC 9207.
    #[error("the authorization response is of another issuer")]
    WrongIssuer,
}

/// Reads the response from the query of the redirect, without its `?`.
///
/// # Errors
/// [`CallbackError`]
pub fn parse_query(query: &str) -> Result<Callback, CallbackError> {
    let mut parameters = Parameters::parse(query, MAX_RESPONSE_BYTES)?;
    let state = value(&mut parameters, "state", MAX_STATE_BYTES)?;
    let iss = value(&mut parameters, "iss", MAX_ISSUER_BYTES)?;
    let error = value(&mut parameters, "error", MAX_ERROR_BYTES)?;
    let code = value(&mut parameters, "code", MAX_CODE_BYTES)?;
    match (error, code, state) {
        (None, None, _) => Err(CallbackError::MissingResult),
        (_, _, None) => Err(CallbackError::MissingState),
        (Some(error), _, Some(state)) => {
            let description = parameters.take("error_description").unwrap_or_default();
            // Some providers write line breaks here; the text is for people alone.
            let description = cleaned(&description, MAX_DESCRIPTION_CHARS);
            Ok(Callback::Error { error: ErrorCode::of(error), description, state, iss })
        }
        (None, Some(code), Some(state)) => {
            Ok(Callback::Code { code: Secret::new(code), state, iss })
        }
    }
}

/// Reads the response to a request for nothing: a state alone, or an error. A code was not asked for, and is none of ours.
///
/// # Errors
/// [`CallbackError`]
pub fn parse_bare(query: &str) -> Result<Callback, CallbackError> {
    match parse_query(query) {
        Ok(Callback::Code { .. }) => Err(CallbackError::UnaskedCode),
        Err(CallbackError::MissingResult) => {
            let mut parameters = Parameters::parse(query, MAX_RESPONSE_BYTES)?;
            let state = value(&mut parameters, "state", MAX_STATE_BYTES)?;
            let iss = value(&mut parameters, "iss", MAX_ISSUER_BYTES)?;
            let state = state.ok_or(CallbackError::MissingState)?;
            Ok(Callback::Bare { state, iss })
        }
        other => other,
    }
}

/// Reads the response from a posted form
/// ([OAuth 2.0 Form Post Response Mode](https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html)).
///
/// # Errors
/// [`CallbackError`]
pub fn parse_form(body: &[u8]) -> Result<Callback, CallbackError> {
    let text = std::str::from_utf8(body).map_err(|_| ParameterError::BadEncoding)?;
    parse_query(text)
}

fn value(
    parameters: &mut Parameters,
    name: &'static str,
    max_bytes: usize,
) -> Result<Option<String>, CallbackError> {
    let value = parameters.take(name);
    match &value {
        Some(text) if text.len() > max_bytes || !is_printable(text) => {
            Err(CallbackError::BadValue(name))
        }
        _ => Ok(value),
    }
}

impl Callback {
    /// What was sent, if it is ours.
    pub fn state(&self) -> &str {
        match self {
            Self::Bare { state, .. } | Self::Code { state, .. } | Self::Error { state, .. } => {
                state
            }
        }
    }

    /// Checks that the provider whose metadata this is has answered, as far as it says
    /// ([RFC 9207 §2.4](https://www.rfc-editor.org/rfc/rfc9207#section-2.4)). To be called before anything is done with the
    /// response. An `iss` that was not announced is compared all the same.
    ///
    /// # Errors
    /// [`CallbackError::MissingIssuer`] and [`CallbackError::WrongIssuer`]
    pub fn check_issuer(&self, metadata: &Metadata) -> Result<(), CallbackError> {
        let (Self::Bare { iss, .. } | Self::Code { iss, .. } | Self::Error { iss, .. }) = self;
        match iss {
            None if metadata.iss_parameter => Err(CallbackError::MissingIssuer),
            Some(found) if *found != metadata.issuer => Err(CallbackError::WrongIssuer),
            _ => Ok(()),
        }
    }
}
