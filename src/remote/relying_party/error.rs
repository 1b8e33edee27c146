//! Why an exchange with a provider brought nothing.

use crate::oidc::grant::GrantError;
use crate::oidc::introspection::IntrospectionError;
use crate::oidc::userinfo::UserInfoError;
use crate::remote::http::FetchError;
use crate::token::SigningError;

/// Why an exchange with a provider brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The endpoint cannot be reached.
    #[error("cannot ask {url}")]
    Fetch {
        /// Which one.
        url: String,
        /// Why.
        source: FetchError,
    },
    /// The endpoint says no, or nothing of use.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// What it says of a token is of no use.
    #[error(transparent)]
    Introspection(#[from] IntrospectionError),
    /// The provider has no such endpoint.
    #[error("the provider's metadata has no `{0}`, and none is configured")]
    NoEndpoint(&'static str),
    /// The provider was never reached.
    #[error("there is no metadata of the provider yet")]
    NoMetadata,
    /// The system has no random bytes to give.
    #[error("the system has no random bytes to give")]
    NoRandomness,
    /// Our own proof could not be made.
    #[error("cannot sign the client assertion")]
    Signing(#[from] SigningError),
    /// It does not answer at the moment.
    #[error("the provider's token endpoint does not answer")]
    Unreachable,
    /// The claims are of no use.
    #[error(transparent)]
    UserInfo(#[from] UserInfoError),
}

impl ExchangeError {
    /// Whether the grant itself has ended: another try with it would end the same.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Grant(error) if error.is_final())
    }

    /// Whether the provider cannot be reached, or is busy: another try may do.
    pub const fn is_outage(&self) -> bool {
        let answer = match self {
            Self::Fetch { .. } | Self::NoMetadata | Self::Unreachable => return true,
            Self::Grant(error)
            | Self::Introspection(IntrospectionError::Answer(error))
            | Self::UserInfo(UserInfoError::Answer(error)) => error,
            _ => return false,
        };
        matches!(answer, GrantError::Unavailable { .. })
    }

    /// Whether newer keys of the provider could change the answer.
    pub const fn key_doubt(&self) -> bool {
        matches!(self, Self::UserInfo(error) if error.key_doubt())
    }
}
