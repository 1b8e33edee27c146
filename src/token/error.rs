//! Why a token is not accepted. The texts are for operators; what a caller is told is chosen elsewhere.

use crate::token::algorithm::Algorithm;
use std::fmt;

/// The parts of a compact token, for error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first: which algorithm and key.
    Header,
    /// The second: the claims.
    Payload,
    /// The third.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Why a token is not accepted. No variant carries a byte of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("token is signed with {found}, which is not among the algorithms of its provider")]
    AlgorithmNotAllowed { found: Algorithm },
    #[error("claim `{name}` is not {expected}")]
    BadClaim { name: &'static str, expected: &'static str },
    #[error("{part} of the token is not unpadded base64url in its one canonical form")]
    BadEncoding { part: Part },
    #[error("header parameter `{name}` is not {expected}")]
    BadHeader { name: &'static str, expected: &'static str },
    #[error("{part} of the token is not a JSON object with distinct names")]
    BadJson { part: Part },
    #[error("signature does not match")]
    BadSignature,
    #[error("header has `crit`, and no extension is understood here")]
    CriticalHeader,
    #[error("token is encrypted; expected a signed one")]
    Encrypted,
    #[error("token has expired")]
    Expired,
    #[error(
        "token was issued in the future; compare the clocks of this machine and of the provider"
    )]
    IssuedInFuture,
    #[error("claim `{name}` is missing")]
    MissingClaim { name: &'static str },
    #[error("header parameter `alg` is missing")]
    MissingAlgorithm,
    #[error("not a token: expected three parts between two dots")]
    NotCompact,
    #[error("token is not valid yet")]
    NotYetValid,
    #[error("token has {found} bytes, more than the {limit} that are accepted")]
    TooLong { found: usize, limit: usize },
    #[error("no key of the provider has this key id and fits this algorithm")]
    UnknownKey,
    #[error(
        "algorithm is none of the accepted ones: unsigned, symmetric and unknown ones are refused"
    )]
    UnsupportedAlgorithm,
    #[error("header has `{name}`, which is not supported")]
    UnsupportedHeader { name: &'static str },
    #[error("token is meant for another audience")]
    WrongAudience,
    #[error("token was issued to a client that is not accepted")]
    WrongClient,
    #[error("token was issued by somebody else")]
    WrongIssuer,
    #[error("header parameter `typ` does not name an accepted type of token")]
    WrongType,
}

impl TokenError {
    /// A stable name for logs and metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::AlgorithmNotAllowed { .. } => "token_algorithm_not_allowed",
            Self::BadClaim { .. } => "token_bad_claim",
            Self::BadEncoding { .. } => "token_bad_encoding",
            Self::BadHeader { .. } => "token_bad_header",
            Self::BadJson { .. } => "token_bad_json",
            Self::BadSignature => "token_bad_signature",
            Self::CriticalHeader => "token_critical_header",
            Self::Encrypted => "token_encrypted",
            Self::Expired => "token_expired",
            Self::IssuedInFuture => "token_issued_in_future",
            Self::MissingClaim { .. } => "token_missing_claim",
            Self::MissingAlgorithm => "token_missing_algorithm",
            Self::NotCompact => "token_not_compact",
            Self::NotYetValid => "token_not_yet_valid",
            Self::TooLong { .. } => "token_too_long",
            Self::UnknownKey => "token_unknown_key",
            Self::UnsupportedAlgorithm => "token_unsupported_algorithm",
            Self::UnsupportedHeader { .. } => "token_unsupported_header",
            Self::WrongAudience => "token_wrong_audience",
            Self::WrongClient => "token_wrong_client",
            Self::WrongIssuer => "token_wrong_issuer",
            Self::WrongType => "token_wrong_type",
        }
    }

    /// Whether newer keys of the provider could change the answer: the key is unknown, or one of this name did not match.
    pub const fn is_key_doubt(&self) -> bool {
        matches!(self, Self::UnknownKey | Self::BadSignature)
    }
}
