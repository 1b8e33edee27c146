//! The configuration file as it is written: every key, its type, its default and its description.
//!
//! This is the one source of the JSON Schema, and with it of the structure check and of what
//! editors show. Nothing here judges: what was written well-formed but makes no sense is found when
//! it is compiled.

mod app_links;
mod authgear;
mod backend;
mod client;
mod compatible;
mod edge;
mod identity;
mod list;
mod process;
mod provider;
mod remote_store;
mod route;
mod secret;
mod session;
mod upstream;

pub(crate) use app_links::{AppLinks, Association};
pub(crate) use authgear::{ResolverSection, ResponseTypeWord, VerifyWord};
pub(crate) use backend::{BackendSessions, ExchangeSection};
pub(crate) use client::{
    ClientAssertionAudience, ClientAuthentication, DpopWord, Endpoints, Frequency, HintWord,
    IntrospectedTokens, IntrospectionSection, LogoutSection, LogoutStyleWord, LogoutTokenExpiry,
    LogoutTokenType, Parameter, PushedRequestsWord, ResponseModeWord,
};
pub(crate) use compatible::System;
pub(crate) use edge::{ClientAuth, Door, Listen, Listener, Tls, TlsVersion};
pub(crate) use identity::{
    Assertion, AssertionSpec, Disposal, HeaderSet, Identity, RouteAssertion,
};
pub(crate) use list::List;
pub(crate) use process::{Admin, Cache, Egress, Limits, Log, LogLevel, LoggedRequests, Timeouts};
pub(crate) use provider::{KeyRefresh, Provider, ProviderType, TokenTypeWord, TokenTypes};
pub(crate) use remote_store::{RedisStore, Sentinel};
pub(crate) use route::{
    Access, CredentialWord, Matcher, Preflight, PreflightRule, PreflightWord, Require, Route,
};
pub(crate) use secret::Secret;
pub(crate) use session::{
    PromptWord, RouteSignIn, SameSiteWord, Session, SessionCookie, SignIn, SignOut, SilentWord,
    Store, StoreSection, StoreWord,
};
pub(crate) use upstream::{Upstream, UpstreamTls, Upstreams};

use schemars::JsonSchema;
use serde::Deserialize;

/// The configuration of sidegate. Unknown keys, numbers without units and keys written twice are errors; `sidegate check`
/// tells all problems of a file at once. Relative paths begin at the directory of this file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Sidegate configuration")]
pub(crate) struct File {
    /// Where requests come in: short for `listeners` with one entry.
    pub(crate) listen: Option<Listen>,
    /// Where requests come in, each with its own address and certificates.
    pub(crate) listeners: Option<Vec<Listener>>,
    /// Where requests go: short for `upstreams` with one entry.
    pub(crate) upstream: Option<Upstreams>,
    /// Where requests go. Routes name them; with one alone no route has to.
    pub(crate) upstreams: Option<Vec<Upstream>>,
    /// Who vouches for callers: short for `providers` with one entry.
    pub(crate) provider: Option<Provider>,
    /// Who vouches for callers. The `iss` of a token selects the provider, by exact match.
    pub(crate) providers: Option<Vec<Provider>>,
    /// Which requests need whom, and where they go. The most specific match wins: the more exact host, then the more exact
    /// path, then a named method; the order does not matter. Left out: every request needs an identity and goes to the
    /// only upstream. A request that matches no route is refused.
    pub(crate) routes: Option<Vec<Route>>,
    /// Addresses that open apps: never judged, never led anywhere.
    pub(crate) app_links: Option<AppLinks>,
    /// Identity headers for all routes that do not say otherwise.
    #[serde(default)]
    pub(crate) identity: Identity,
    /// The signed assertion by which upstreams can verify that sidegate named the caller.
    #[serde(default)]
    pub(crate) assertion: Assertion,
    /// Where sidegate's own endpoints live. No route can match below it. Left out: `/.auth`, or `/oauth2` in place of oauth2-proxy.
    #[schemars(extend("examples" = ["/.auth"]))]
    pub(crate) prefix: Option<String>,
    /// Other systems whose place sidegate takes: what asks them goes on asking, at the same addresses. Left out: none.
    #[schemars(extend("examples" = ["oauth2-proxy"]))]
    pub(crate) compatible_with: Option<List<System>>,
    /// Sign-in sessions: with this section, and a provider that has a `client_id`, people sign in here.
    pub(crate) session: Option<Session>,
    /// How people sign in, for all providers.
    pub(crate) sign_in: Option<SignIn>,
    /// How people sign out.
    pub(crate) sign_out: Option<SignOut>,
    /// The listener of probes and metrics, `/livez`, `/readyz` and `/metrics`; `none` for none. Nothing of it is
    /// ever on a listener for requests.
    #[serde(default)]
    pub(crate) admin: Admin,
    /// What is logged, as one JSON object per line on standard output.
    #[serde(default)]
    pub(crate) log: Log,
    /// Addresses or networks of proxies in front whose `X-Forwarded-*` and `Forwarded` headers are believed. Everybody
    /// else's are replaced. A network of all addresses is refused.
    #[serde(default)]
    #[schemars(extend("examples" = [["10.0.0.0/8", "192.0.2.7"]]))]
    pub(crate) trusted_proxies: Vec<String>,
    /// How much of everything is accepted.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// How long everything may take.
    #[serde(default)]
    pub(crate) timeouts: Timeouts,
    /// The memory of verified callers, which spares their next requests the signature check.
    #[serde(default)]
    pub(crate) cache: Cache,
    /// How providers are reached.
    #[serde(default)]
    pub(crate) egress: Egress,
    /// Worker threads; left out: one per core.
    #[schemars(range(min = 1, max = 1024), extend("examples" = [4]))]
    pub(crate) threads: Option<usize>,
}

impl File {
    /// Where sidegate's own endpoints live.
    pub(crate) fn prefix(&self) -> &str {
        let usual = if self.takes_place_of(System::Oauth2Proxy) { "/oauth2" } else { "/.auth" };
        self.prefix.as_deref().unwrap_or(usual)
    }

    /// Whether what asked `system` asks sidegate now.
    pub(crate) fn takes_place_of(&self, system: System) -> bool {
        self.compatible_with.as_ref().is_some_and(|list| list.0.contains(&system))
    }
}
