//! What the configuration says about requests, compiled: providers, routes and what they ask for.

mod provider;
mod route;

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName};

use crate::gate::compatible::Compatible;
use crate::gate::facts::ProviderId;
use crate::gate::propagate::ManagedNames;
use crate::gate::request::Scheme;
use crate::gate::route::{RouteId, RouteTable};
use crate::session::{CookieSpec, Limits, SealingKeys};
use crate::token::NonceKey;

pub use provider::{
    Dpop, Introspection, LoginUrl, LoginUrlError, NonceRule, Provider, RelyingParty, SignInFlow,
};
pub use route::{
    Access, AssertionSpec, InboundCredential, Preflight, Route, SignInRule, Silent, Upgrades,
    UpstreamId,
};

/// Carry a token, and a proof of possession ([RFC 9449 §4.1](https://www.rfc-editor.org/rfc/rfc9449#section-4.1)).
static CREDENTIALS: [HeaderName; 2] = [AUTHORIZATION, HeaderName::from_static("dpop")];

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

    /// The headers that may carry a credential. Providers may share one.
    pub fn credential_headers(&self) -> impl Iterator<Item = &HeaderName> {
        CREDENTIALS.iter().chain(self.providers.iter().flat_map(|provider| &provider.headers))
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
