//! What the gate answers: decisions, and the permit that lets a request pass.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};

use crate::gate::caller::{Caller, SessionUpdate};
use crate::gate::credential::CredentialKind;
use crate::gate::fields::IdentityFields;
use crate::gate::policy::Route;
use crate::gate::question::Question;
use crate::gate::reason::Reason;

/// A decision, or the one fact that is still missing for it.
#[derive(Debug)]
pub enum Step {
    /// The decision.
    Decided {
        /// What is to be done.
        decision: Decision,
        /// Which credential, by its place in the inquiry, was found to hold: worth remembering with the decision's caller.
        by: Option<usize>,
    },
    /// The question to ask before judging again.
    Missing(Question),
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Decision {
    /// Forward it.
    Allow(Permit),
    /// 401: no credential, or one that does not hold
    /// ([RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
    Challenge(Challenge),
    /// 403: known, but not for this route.
    Forbid(Forbidden),
    /// An endpoint of sidegate itself.
    OwnEndpoint,
    /// Answer a CORS preflight.
    Preflight(PreflightAnswer),
    /// 4xx: ambiguous, malformed or unrouted.
    Refuse(Reason),
    /// Redirect to a login page.
    SignIn(SignIn),
    /// 503: a needed fact could not be had.
    Unavailable(Reason),
}

/// A 401 and what it says.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Why.
    pub reason: Reason,
    /// The `error` of the `Bearer` challenge; none where no credential was offered.
    pub error: Option<BearerError>,
    /// The `DPoP` challenge, where proofs of possession are taken. If it has an error, it stands alone.
    pub dpop: Option<DpopChallenge>,
    /// Where a person could sign in.
    pub login_url: Option<String>,
}

/// A challenge of the scheme `DPoP` ([RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DpopChallenge {
    /// What is wrong, where a token or a proof was offered.
    pub error: Option<DpopError>,
    /// The nonce that the next proof must contain.
    pub nonce: Option<String>,
}

/// The `error` values of [RFC 9449 §12](https://www.rfc-editor.org/rfc/rfc9449#section-12.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DpopError {
    /// The proof does not hold, or was used before.
    InvalidProof,
    /// The token does not hold, or not with this proof.
    InvalidToken,
    /// The proof must contain the nonce given along.
    UseNonce,
}

impl DpopError {
    /// The word of the standard.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidProof => "invalid_dpop_proof",
            Self::InvalidToken => "invalid_token",
            Self::UseNonce => "use_dpop_nonce",
        }
    }
}

/// A 403 and whom it is for.
#[derive(Debug)]
pub struct Forbidden {
    /// Why.
    pub reason: Reason,
    /// Who is turned away, if that is known.
    pub caller: Option<Arc<Caller>>,
    /// Where a person could sign in as somebody else.
    pub login_url: Option<String>,
}

impl From<Reason> for Forbidden {
    fn from(reason: Reason) -> Self {
        Self { reason, caller: None, login_url: None }
    }
}

/// The `error` values of [RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1) and
/// [RFC 9470 §3](https://www.rfc-editor.org/rfc/rfc9470#section-3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BearerError {
    /// The authentication is too old or too weak for the route.
    InsufficientUserAuthentication {
        /// Context classes that would do.
        acr_values: Vec<String>,
        /// The greatest age in seconds that would do.
        max_age: Option<u64>,
    },
    /// The token does not hold.
    InvalidToken,
}

/// A redirect to a login page.
#[derive(Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Why.
    pub reason: Reason,
    /// The login page, with the address to come back to.
    pub location: String,
}

/// The answer to a CORS preflight from an origin that may ask.
#[derive(Debug, PartialEq, Eq)]
pub struct PreflightAnswer {
    /// The origin that asked.
    pub origin: HeaderValue,
    /// `Access-Control-Allow-Methods`.
    pub methods: HeaderValue,
    /// `Access-Control-Allow-Headers`.
    pub headers: HeaderValue,
    /// `Access-Control-Max-Age`, in seconds.
    pub max_age: u64,
    /// Whether `Access-Control-Allow-Credentials` is said.
    pub credentials: bool,
}

/// Proof that the gate let a request pass. Only the gate can make one, and only a permit yields identity headers or an
/// upstream.
#[derive(Debug)]
pub struct Permit {
    route: Arc<Route>,
    caller: Option<Passed>,
    fields: Option<IdentityFields>,
}

#[derive(Debug)]
struct Passed {
    caller: Arc<Caller>,
    kind: CredentialKind,
}

impl Permit {
    pub(super) const fn anonymous(route: Arc<Route>) -> Self {
        Self { route, caller: None, fields: None }
    }

    pub(super) fn identified(
        route: Arc<Route>,
        caller: Arc<Caller>,
        kind: CredentialKind,
        fields: IdentityFields,
    ) -> Self {
        Self { route, caller: Some(Passed { caller, kind }), fields: Some(fields) }
    }

    /// The route that the request may take.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// Who the caller is; nobody on public routes and for guests.
    pub fn caller(&self) -> Option<&Arc<Caller>> {
        self.caller.as_ref().map(|passed| &passed.caller)
    }

    /// How the caller proved it.
    pub fn kind(&self) -> Option<CredentialKind> {
        self.caller.as_ref().map(|passed| passed.kind)
    }

    /// The session to write back with the answer, if the caller's has gone on.
    pub fn session(&self) -> Option<&SessionUpdate> {
        self.caller()?.session_update()
    }

    /// The identity headers; none where nobody is known.
    pub const fn identity_fields(&self) -> Option<&IdentityFields> {
        self.fields.as_ref()
    }

    /// The identity headers to set upstream.
    pub fn identity_headers(&self) -> &[(HeaderName, HeaderValue)] {
        self.fields.as_ref().map(IdentityFields::set).unwrap_or_default()
    }

    /// The same as lines of HTTP/1.
    pub fn identity_lines(&self) -> &[u8] {
        self.fields.as_ref().map(IdentityFields::lines).unwrap_or_default()
    }
}

impl Decision {
    /// The reason, for logs and metrics.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Allow(permit) => permit.reason(),
            Self::Challenge(challenge) => challenge.reason,
            Self::Forbid(forbidden) => forbidden.reason,
            Self::Refuse(reason) | Self::Unavailable(reason) => *reason,
            Self::OwnEndpoint => Reason::OwnEndpoint,
            Self::Preflight(_) => Reason::PreflightAllowed,
            Self::SignIn(sign_in) => sign_in.reason,
        }
    }

    /// Who the caller is, as far as that is known, allowed or not.
    pub fn caller(&self) -> Option<&Arc<Caller>> {
        match self {
            Self::Allow(permit) => permit.caller(),
            Self::Forbid(forbidden) => forbidden.caller.as_ref(),
            _ => None,
        }
    }

    /// The kind of decision, for logs and metrics.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Challenge(_) => "challenge",
            Self::Forbid(_) => "forbid",
            Self::OwnEndpoint => "own",
            Self::Preflight(_) => "preflight",
            Self::Refuse(_) => "refuse",
            Self::SignIn(_) => "sign_in",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl Permit {
    fn reason(&self) -> Reason {
        use crate::gate::policy::Access;
        match (&self.caller, self.route.access) {
            (Some(_), _) => Reason::Identified,
            (None, Access::Public) => Reason::Public,
            (None, Access::Optional) => Reason::Anonymous,
            (None, Access::Required) => Reason::PreflightAllowed,
        }
    }
}
