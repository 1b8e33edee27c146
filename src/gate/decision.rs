//! What the gate answers: decisions, their reasons, and the permit that lets a request pass.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};

use crate::gate::caller::{Caller, Fields};
use crate::gate::credential::CredentialKind;
use crate::gate::policy::Route;
use crate::gate::question::Question;

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
    /// Where a person could sign in.
    pub login_url: Option<String>,
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
    fields: Option<Fields>,
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
        fields: Fields,
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

    /// The identity headers to set upstream.
    pub fn identity_headers(&self) -> &[(HeaderName, HeaderValue)] {
        self.fields.as_deref().unwrap_or_default()
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $label:literal, $text:literal;)+) => {
        /// Why a decision fell as it did. Labels are stable: they are log fields, metric labels and rows of the documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable word for logs and metrics.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)+
                }
            }

            /// What a client may be told. It does not say in which way a credential failed.
            pub const fn public_text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

reasons! {
    /// The target can be read in several ways that fall under different routes.
    AmbiguousTarget => "ambiguous_target", "the address can be read in several ways";
    /// The authentication is older than the route allows.
    AuthenticationTooOld => "authentication_too_old", "the sign-in is too long ago for this page";
    /// The authentication is weaker than the route asks for.
    AuthenticationTooWeak => "authentication_too_weak", "this page asks for a stronger sign-in";
    /// The body is longer than the route allows.
    BodyTooLarge => "body_too_large", "the request body is too large";
    /// The route does not take credentials of this kind.
    CredentialNotAccepted => "credential_not_accepted", "the credential is not valid here";
    /// An upgrade with a cookie from a foreign origin.
    CrossOriginUpgrade => "cross_origin_upgrade", "connections from other sites are not allowed here";
    /// Header fields are too many or too long.
    HeadersTooLarge => "headers_too_large", "the request header is too large";
    /// The identity makes header values longer than servers take.
    IdentityTooLarge => "identity_too_large", "the identity is too large to be passed on";
    /// The provider's keys could not be had.
    KeysUnavailable => "keys_unavailable", "sign-in cannot be checked at the moment";
    /// Several or impossible `Content-Length`, one beside `Transfer-Encoding`, or a coding other than `chunked`.
    MalformedFraming => "malformed_framing", "the length of the request body is not clear";
    /// No `Host`, several, or one that is no host.
    MalformedHost => "malformed_host", "the host name is missing or malformed";
    /// The credential is no token at all.
    MalformedCredential => "malformed_credential", "the credential is not valid here";
    /// The target is not a plain absolute path.
    MalformedTarget => "malformed_target", "the address is malformed";
    /// A method that is never passed on.
    MethodNotAllowed => "method_not_allowed", "the method is not allowed";
    /// The route asks for a claim that the caller has not.
    MissingClaim => "missing_claim", "your account is not allowed to open this page";
    /// Nothing that proves who is calling.
    MissingCredential => "missing_credential", "sign-in is required";
    /// The route asks for another mail address or domain.
    MissingEmail => "missing_email", "your mail address is not allowed to open this page";
    /// The route asks for a group that the caller is not in.
    MissingGroup => "missing_group", "your account is not in a group that may open this page";
    /// The route asks for a role that the caller has not.
    MissingRole => "missing_role", "your account has no role that may open this page";
    /// The route asks for a scope that the token has not.
    MissingScope => "missing_scope", "the token has no scope that allows this";
    /// The token gives no identity.
    NoIdentity => "no_identity", "the credential is not valid here";
    /// No route for this path and method.
    NoRoute => "no_route", "there is nothing at this address";
    /// Passed: a guest on a route where identity is optional.
    Anonymous => "anonymous", "";
    /// Passed: with an identity.
    Identified => "identified", "";
    /// Passed or answered: a CORS preflight.
    PreflightAllowed => "preflight", "";
    /// A CORS preflight from an origin that may not ask.
    PreflightRefused => "preflight_refused", "the origin is not allowed";
    /// Passed: the route is public.
    Public => "public", "";
    /// Answered: an endpoint of sidegate itself.
    OwnEndpoint => "own_endpoint", "";
    /// Two credentials of which either could be meant.
    SeveralCredentials => "several_credentials", "more than one credential was sent";
    /// Two cookies of one name.
    SeveralCookies => "several_cookies", "two sign-in cookies of the same name were sent: remove the cookies of this site and sign in again";
    /// The route is for one subject only.
    SubjectNotAllowed => "subject_not_allowed", "your account is not allowed to open this page";
    /// The token's audience is not us.
    TokenAudience => "token_audience", "the credential is not valid here";
    /// The token's client is not on the list.
    TokenClient => "token_client", "the credential is not valid here";
    /// The token has run out.
    TokenExpired => "token_expired", "the credential is not valid here";
    /// The token's issuer is none of the providers.
    TokenIssuer => "token_issuer", "the credential is not valid here";
    /// The token cannot be read, or breaks a rule of its format.
    TokenMalformed => "token_malformed", "the credential is not valid here";
    /// The token is from the future.
    TokenNotYetValid => "token_not_yet_valid", "the credential is not valid here";
    /// The signature does not hold.
    TokenSignature => "token_signature", "the credential is not valid here";
    /// No key of the name that the token gives.
    TokenUnknownKey => "token_unknown_key", "the credential is not valid here";
    /// The token is of another type, or signed with an algorithm that is not pinned for the provider.
    TokenType => "token_type", "the credential is not valid here";
    /// No route names this host.
    UnknownHost => "unknown_host", "this server does not serve that host";
    /// An `Authorization` scheme other than `Bearer`.
    UnknownScheme => "unknown_scheme", "the credential is not valid here";
    /// An upgrade on a route that has none.
    UpgradeNotAllowed => "upgrade_not_allowed", "connections of this kind are not allowed here";
    /// A question was asked twice without getting further.
    Unanswered => "unanswered", "sign-in cannot be checked at the moment";
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
