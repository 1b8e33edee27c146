//! One route as the gate knows it: who may pass, what goes along, and how people sign in for it. Which requests fall under it is
//! the table's to say.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::gate::authorize::Rule;
use crate::gate::credential::CredentialKinds;
use crate::gate::facts::ProviderId;
use crate::gate::headers::HeaderPlan;
use crate::gate::policy::LoginUrl;
use crate::gate::route::RouteId;
use crate::session::Prompt;

/// One route: who may pass, what goes along, where to.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its place among the policy's routes.
    pub id: RouteId,
    /// Its name in logs, metrics and assertions.
    pub name: Arc<str>,
    /// Who may pass.
    pub access: Access,
    /// What a caller must be or have.
    pub rule: Rule,
    /// The kinds of credential that count here.
    pub accepts: CredentialKinds,
    /// The providers that count here, in written order.
    pub providers: SmallVec<[ProviderId; 4]>,
    /// The identity headers that go upstream.
    pub headers: Arc<HeaderPlan>,
    /// The signed assertion that goes upstream.
    pub assertion: Option<AssertionSpec>,
    /// What becomes of `Authorization` and headers that carry tokens.
    pub authorization: InboundCredential,
    /// What becomes of SSO cookies.
    pub sso_cookie: InboundCredential,
    /// Where requests go; none where only front proxies ask, who know it themselves.
    pub upstream: Option<UpstreamId>,
    /// Whether connections may leave HTTP.
    pub upgrades: Upgrades,
    /// What becomes of CORS preflights.
    pub preflight: Preflight,
    /// Where people sign in, if not where the provider says.
    pub login_url: Option<LoginUrl>,
    /// How people sign in here at a provider of which we are a client.
    pub sign_in: SignInRule,
    /// The longest request body, in bytes.
    pub max_body_bytes: Option<u64>,
    /// The longest a whole exchange may take.
    pub timeout: Option<Duration>,
}

/// How people sign in for a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInRule {
    /// The providers to choose from, in written order; none: all of the route's of which we are a client.
    pub providers: SmallVec<[ProviderId; 4]>,
    /// Whether signing in is tried without asking.
    pub silent: Silent,
    /// What the provider is told about asking the person.
    pub prompt: Option<Prompt>,
    /// The greatest age of the authentication to ask the provider for; none: what the route's rule asks of callers.
    pub max_age: Option<Duration>,
    /// The context classes to ask the provider for; none: what the route's rule asks of callers.
    pub acr_values: Vec<String>,
}

/// Whether people are signed in without being asked, if they have a session at the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Silent {
    /// No.
    #[default]
    Never,
    /// Only so: who has no session at the provider stays a guest, or is turned away.
    Only {
        /// For how long the provider's no is taken for an answer.
        interval: Duration,
    },
    /// On routes where identity is optional.
    Probe {
        /// For how long the provider's no is taken for an answer.
        interval: Duration,
    },
}

impl Silent {
    /// For how long the provider's no is taken for an answer.
    pub const fn interval(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::Only { interval } | Self::Probe { interval } => Some(interval),
        }
    }
}

/// Who may pass a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever; an identity goes along if there is one.
    Optional,
    /// Whoever; no identity work is done.
    Public,
    /// Only callers with an identity.
    Required,
}

/// An upstream, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub u16);

/// What becomes of the credential a request came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboundCredential {
    /// It goes upstream as it came.
    Keep,
    /// It stays here.
    Remove,
}

/// The signed assertion a route sends along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionSpec {
    /// Its `aud`.
    pub audience: String,
    /// The header that carries it.
    pub header: HeaderName,
    /// How long it is good for.
    pub lifetime: Duration,
}

/// Whether connections may leave HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upgrades {
    /// Never.
    Refuse,
    /// To WebSocket. With a cookie as credential only from these origins; none named: only from the page's own.
    WebSocket {
        /// Serialised origins, in lower case.
        origins: Vec<String>,
    },
}

/// What becomes of CORS preflights, which never carry credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preflight {
    /// Answered here.
    Answer {
        /// Serialised origins that may ask, in lower case.
        origins: Vec<String>,
        /// `Access-Control-Allow-Methods`.
        methods: HeaderValue,
        /// `Access-Control-Allow-Headers`.
        headers: HeaderValue,
        /// `Access-Control-Max-Age`.
        max_age: Duration,
        /// Whether `Access-Control-Allow-Credentials` is said.
        credentials: bool,
    },
    /// Passed on without identity.
    Forward,
    /// Judged as any other request.
    Refuse,
}
