//! What the configuration says about requests, compiled: providers, routes and what they ask for.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::gate::authorize::Rule;
use crate::gate::compatible::Compatible;
use crate::gate::credential::CredentialKinds;
use crate::gate::facts::ProviderId;
use crate::gate::headers::HeaderPlan;
use crate::gate::propagate::ManagedNames;
use crate::gate::request::Scheme;
use crate::gate::route::{RouteId, RouteTable};
use crate::identity::ClaimMap;
use crate::session::{CookieSpec, Limits, Prompt, SealingKeys};
use crate::token::{NonceKey, Rules};

/// All the gate goes by. Immutable; a reload makes another.
#[derive(Debug)]
pub struct Policy {
    /// Counts reloads: what was decided under another policy is not remembered for this one.
    pub generation: u64,
    /// Host, path and method to route.
    pub table: RouteTable,
    /// The routes the table's ids name.
    pub routes: Vec<Arc<Route>>,
    /// The providers, in written order.
    pub providers: Vec<Provider>,
    /// Header names that only sidegate may set.
    pub managed: ManagedNames,
    /// The headers that carry an identity on any route, assertions among them: a front proxy is told all of them, whatever the route.
    pub identity_headers: Vec<HeaderName>,
    /// Where sidegate's own endpoints live, such as `/.auth`: absolute, without a trailing slash.
    pub prefix: String,
    /// Whose addresses are served beside these.
    pub compatible: Compatible,
    /// Tokens longer than this are refused unread.
    pub max_token_bytes: usize,
    /// How long a verified caller is remembered at most.
    pub max_remembered: Duration,
    /// How sessions are kept, if people sign in here.
    pub sessions: Option<SessionPolicy>,
    /// What nonces for proofs of possession are made with; needed where a provider demands them.
    pub nonces: Option<NonceKey>,
    /// How many distinct header plans the routes have; their ids are below it.
    pub plans: u16,
}

impl Policy {
    /// The provider of that id.
    pub fn provider(&self, id: ProviderId) -> Option<&Provider> {
        self.providers.get(usize::from(id.0))
    }

    /// The route of that id.
    pub(super) fn route(&self, id: RouteId) -> Option<&Arc<Route>> {
        self.routes.get(usize::try_from(id.0).ok()?)
    }

    /// The route of that name.
    pub(super) fn route_named(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| &*route.name == name)
    }

    /// The one route of every request to `host`, if there is one: for requests whose target and method nobody tells.
    pub fn sole_route(&self, host: &str) -> Option<&Arc<Route>> {
        self.route(self.table.sole(host)?)
    }

    /// Whether `path` is an address of ours, or of a system that we take the place of.
    pub fn is_own(&self, path: &[u8]) -> bool {
        self.own_path(path).is_some() || self.compatible.serves(path)
    }

    /// Whether a cookie called `name` is sidegate's own: nothing that an upstream should see.
    pub fn is_own_cookie(&self, name: &[u8]) -> bool {
        self.sessions.as_ref().is_some_and(|sessions| {
            let probe = sessions.probe_cookie.as_bytes();
            name == probe || sessions.cookies().any(|cookie| cookie.covers(name))
        })
    }

    /// The part of `path` behind the prefix of sidegate's own endpoints.
    pub fn own_path<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let rest = path.strip_prefix(self.prefix.as_bytes())?;
        (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
    }
}

/// An issuer of tokens.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name in configuration, logs and metrics.
    pub name: Arc<str>,
    /// Its issuer identifier; tokens name it in `iss`, octet for octet.
    pub issuer: Arc<str>,
    /// What its tokens must say.
    pub rules: Rules,
    /// Cookies that carry its tokens.
    pub cookies: Vec<String>,
    /// Headers beside `Authorization` that carry its tokens.
    pub headers: Vec<HeaderName>,
    /// Where people sign in.
    pub login_url: Option<LoginUrl>,
    /// Which claims carry what.
    pub claims: ClaimMap,
    /// Our client at this provider, if people sign in here through it.
    pub relying_party: Option<RelyingParty>,
    /// Whether its tokens may or must come with a proof of possession.
    pub dpop: Dpop,
    /// Which of its tokens it is asked about itself.
    pub introspection: Introspection,
}

/// How sessions are read. Which of them were ended before their time is a fact, not a policy.
#[derive(Debug)]
pub struct SessionPolicy {
    /// The cookie on plain HTTP.
    pub http: CookieSpec,
    /// The cookie on HTTPS.
    pub https: CookieSpec,
    /// What cookies are sealed with.
    pub keys: SealingKeys,
    /// How long sessions live.
    pub limits: Limits,
    /// Where they are kept.
    pub kept: SessionsKept,
    /// The cookie that says that the provider knew no session a while ago; its presence alone counts.
    pub probe_cookie: String,
    /// Where people sign in for all hosts; none: at each of them.
    pub home: Option<Home>,
}

/// The one host where people sign in for all.
#[derive(Clone, Debug)]
pub struct Home {
    /// Scheme and authority, as browsers write them, such as `https://auth.example.com`.
    pub origin: String,
    /// The host alone, in lower case.
    pub host: String,
    /// The session's cookies on http and https for hosts that its domain does not reach; none where it has no domain.
    pub apart: Option<(CookieSpec, CookieSpec)>,
}

impl SessionPolicy {
    /// The cookie for requests over `scheme` to `host`, which is without port and in lower case.
    pub fn cookie(&self, scheme: Scheme, host: &str) -> &CookieSpec {
        let apart = self.home.as_ref().and_then(|home| home.apart.as_ref());
        let (http, https) = match apart {
            Some((http, https)) if !self.http.reaches(host) => (http, https),
            _ => (&self.http, &self.https),
        };
        match scheme {
            Scheme::Http => http,
            Scheme::Https => https,
        }
    }

    /// Where people sign in for `host`, if that is another one.
    pub fn home_of(&self, host: &str) -> Option<&Home> {
        self.home.as_ref().filter(|home| home.host != host)
    }

    /// Whether `host` has the cookies of the host where people sign in, so that no session must be handed over.
    pub fn shares(&self, host: &str) -> bool {
        self.home.is_some() && self.http.domain().is_some() && self.http.reaches(host)
    }

    /// All the cookies that hold sessions.
    fn cookies(&self) -> impl Iterator<Item = &CookieSpec> {
        let apart = self.home.as_ref().and_then(|home| home.apart.as_ref());
        let apart = apart.into_iter().flat_map(|(http, https)| [http, https]);
        [&self.http, &self.https].into_iter().chain(apart)
    }
}

/// Where sessions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionsKept {
    /// In the cookie, sealed.
    InCookie,
    /// In a store; the cookie has the ticket.
    InStore,
}

/// What the gate must know of our registration at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// Our `client_id`: sessions begun by another client do not count.
    pub client: String,
    /// How long after a sign-in a navigation leads to the provider once more, without asking anybody, so that its session does not end
    /// for want of use; `None` for never.
    pub keep_alive: Option<Duration>,
    /// The tenant whose apps share the sessions that the provider keeps for their backends: a session of one counts for the others, by
    /// what the provider says of it to each; `None` where it does not.
    pub tenant: Option<Arc<str>>,
}

/// Which tokens of a provider are introspected ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Introspection {
    /// Every token, those we could verify too.
    Always,
    /// None.
    #[default]
    Never,
    /// Those that are no JWT.
    Opaque,
}

/// Proofs of possession ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)) with the tokens of one provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dpop {
    /// Tokens may come with a proof; those bound to a key must.
    Accept(NonceRule),
    /// No proof is judged, and so no token that is bound to a key is accepted.
    #[default]
    Off,
    /// No token is accepted without a proof.
    Require(NonceRule),
}

/// Whether a proof must contain a nonce of ours ([RFC 9449 §9](https://www.rfc-editor.org/rfc/rfc9449#section-9)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceRule {
    /// It must.
    Demanded,
    /// It need not.
    None,
}

/// Where a person signs in, with a place for the address to come back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginUrl {
    before: String,
    after: Option<String>,
}

/// Why a text is no login URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginUrlError {
    /// `{return_to}` must stand in it once: twice is once too often.
    #[error("has `{{return_to}}` more than once")]
    SeveralPlaces,
    /// Not in the query, where it would be a value.
    #[error("has `{{return_to}}` outside the query")]
    OutsideQuery,
}

impl LoginUrl {
    /// Reads a URL with at most one `{return_to}`, which must stand in the query.
    pub fn parse(text: &str) -> Result<Self, LoginUrlError> {
        let Some((before, after)) = text.split_once("{return_to}") else {
            return Ok(Self { before: text.to_owned(), after: None });
        };
        if after.contains("{return_to}") {
            return Err(LoginUrlError::SeveralPlaces);
        }
        if !before.contains('?') || before.contains('#') {
            return Err(LoginUrlError::OutsideQuery);
        }
        Ok(Self { before: before.to_owned(), after: Some(after.to_owned()) })
    }

    /// The URL with `address` in its place, percent-encoded as a query value; unchanged if it has no place.
    pub fn with_return_to(&self, address: &str) -> String {
        let Some(after) = &self.after else {
            return self.before.clone();
        };
        let encoded =
            percent_encoding::utf8_percent_encode(address, percent_encoding::NON_ALPHANUMERIC);
        format!("{}{encoded}{after}", self.before)
    }
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
