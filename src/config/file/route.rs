//! Routes, as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::file::identity::Identity;
use crate::config::file::list::List;
use crate::config::file::session::RouteSignIn;
use crate::config::units::{Size, Span};

/// Some requests: who may make them, what goes along, where they go.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Route {
    /// Its name in logs and metrics, and the audience of its assertions; left out: its first host and path.
    #[schemars(extend("examples" = ["admin"]))]
    pub(crate) name: Option<String>,
    /// Which requests; left out: all.
    pub(crate) r#match: Matcher,
    /// Whether an identity is needed.
    pub(crate) access: Access,
    /// What a caller must be or have; all of it must hold.
    pub(crate) require: Option<Require>,
    /// The kinds of credential that count here; left out: all.
    #[schemars(extend("examples" = [["bearer", "cookie"]]))]
    pub(crate) accepts: Option<List<CredentialWord>>,
    /// The names of the providers that count here; left out: all.
    #[schemars(extend("examples" = [["main"]]))]
    pub(crate) providers: Option<List<String>>,
    /// What goes upstream about the caller.
    pub(crate) identity: Option<Identity>,
    /// The name of the upstream; left out: the only one.
    #[schemars(extend("examples" = ["app"]))]
    pub(crate) upstream: Option<String>,
    /// What connections may turn into; left out: nothing but HTTP.
    #[schemars(extend("examples" = [["websocket"]]))]
    pub(crate) upgrades: Option<List<UpgradeWord>>,
    /// The origins whose pages may open a WebSocket with a cookie as credential; left out: only the page's own.
    #[schemars(extend("examples" = [["https://app.example.com"]]))]
    pub(crate) websocket_origins: Option<List<String>>,
    /// What becomes of CORS preflights, which never carry credentials; left out: they are judged as any other request.
    pub(crate) preflight: Option<Preflight>,
    /// Other limits than the top-level `limits` has.
    pub(crate) limits: RouteLimits,
    /// Other times than the top-level `timeouts` has.
    pub(crate) timeouts: RouteTimeouts,
    /// Another login page than the provider's; `{return_to}` in its query is the address to come back to.
    #[schemars(extend("examples" = ["https://login.example.com/signin?rd={return_to}"]))]
    pub(crate) login_url: Option<String>,
    /// How people sign in here, at a provider with a `client_id`.
    pub(crate) sign_in: Option<RouteSignIn>,
}

/// Which requests a route is for. What is left out matches everything.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Matcher {
    /// Hosts without port: `app.example.com`, or `*.example.com` for every host below.
    #[schemars(extend("examples" = [["app.example.com", "*.example.com"]]))]
    pub(crate) hosts: Option<List<String>>,
    /// `/x` is that path alone, `/x/*` is `/x` and everything below `/x/`, `/*` is everything, and `~ REGEX` is what the
    /// regular expression matches from the first byte to the last.
    #[schemars(extend("examples" = [["/admin/*", "~ /api/v[0-9]+/.*"]]))]
    pub(crate) paths: Option<List<String>>,
    /// Methods, in upper case.
    #[schemars(extend("examples" = [["GET", "POST"]]))]
    pub(crate) methods: Option<List<String>>,
}

/// Whether an identity is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Access {
    /// Whoever; an identity goes along if there is one. A bad credential is still refused.
    Optional,
    /// Whoever; no identity work is done, and no identity goes along.
    Public,
    /// Only callers with an identity.
    #[default]
    Required,
}

/// What a caller must be or have. Every key that is written must hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(crate) struct Require {
    /// One of these groups.
    #[schemars(extend("examples" = [["admins"]]))]
    pub(crate) groups_any: Option<List<String>>,
    /// All of these groups.
    #[schemars(extend("examples" = [["staff", "oncall"]]))]
    pub(crate) groups_all: Option<List<String>>,
    /// One of these roles.
    #[schemars(extend("examples" = [["editor", "owner"]]))]
    pub(crate) roles_any: Option<List<String>>,
    /// All of these roles.
    #[schemars(extend("examples" = [["editor"]]))]
    pub(crate) roles_all: Option<List<String>>,
    /// One of these scopes.
    #[schemars(extend("examples" = [["orders:read"]]))]
    pub(crate) scopes_any: Option<List<String>>,
    /// All of these scopes.
    #[schemars(extend("examples" = [["orders:read", "orders:write"]]))]
    pub(crate) scopes_all: Option<List<String>>,
    /// For each claim, by exact name or JSON Pointer, one of these values, equal in type too. A claim that is a list must
    /// have one of them in it.
    #[schemars(with = "Option<BTreeMap<String, List<Scalar>>>", extend("examples" = [{"tenant": "acme", "/plan/tier": [1, 2]}]))]
    pub(crate) claims: Option<BTreeMap<String, List<Value>>>,
    /// A mail address at one of these domains, or one of `emails`. An address that is not verified does not count.
    #[schemars(extend("examples" = [["example.com"]]))]
    pub(crate) email_domains: Option<List<String>>,
    /// One of these mail addresses, or one at `email_domains`. An address that is not verified does not count.
    #[schemars(extend("examples" = [["ada@example.com"]]))]
    pub(crate) emails: Option<List<String>>,
    /// One of these subjects, by `sub`.
    #[schemars(extend("examples" = [["248289761001"]]))]
    pub(crate) subjects: Option<List<String>>,
    /// How long ago the caller may have signed in, by `auth_time`. Older: sign in again.
    pub(crate) max_auth_age: Option<Span>,
    /// One of these authentication methods, by `amr`.
    #[schemars(extend("examples" = [["mfa", "hwk"]]))]
    pub(crate) amr_any: Option<List<String>>,
    /// All of these authentication methods, by `amr`.
    #[schemars(extend("examples" = [["pwd", "otp"]]))]
    pub(crate) amr_all: Option<List<String>>,
    /// One of these authentication context classes, by `acr`.
    #[schemars(extend("examples" = [["urn:example:loa:2"]]))]
    pub(crate) acr_any: Option<List<String>>,
}

/// The schema of a claim's value.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a schema alone; the values stay JSON")]
enum Scalar {
    Text(String),
    Number(f64),
    Truth(bool),
}

/// A kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CredentialWord {
    /// `Authorization: Bearer`.
    Bearer,
    /// The SSO cookies of the providers.
    Cookie,
    /// `Authorization: DPoP`, with a proof (RFC 9449).
    Dpop,
    /// The other headers of the providers.
    Header,
    /// The cookie of a session that began with a sign-in here.
    Session,
}

/// What a connection may turn into.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpgradeWord {
    /// RFC 6455.
    Websocket,
}

/// `refuse`, `forward`, or how preflights are answered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Preflight {
    Rule(PreflightRule),
    Word(PreflightWord),
}

/// What becomes of preflights that are not answered here.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PreflightWord {
    /// They go upstream, without an identity.
    Forward,
    /// They are judged as any other request.
    Refuse,
}

/// How preflights are answered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreflightRule {
    /// The origins that may ask.
    #[schemars(extend("examples" = [["https://www.example.com"]]))]
    pub(crate) origins: List<String>,
    /// The methods they may use.
    #[serde(default = "default_methods")]
    pub(crate) methods: List<String>,
    /// The headers they may send.
    #[serde(default = "default_headers")]
    pub(crate) headers: List<String>,
    /// How long browsers may remember the answer.
    #[serde(default = "default_max_age")]
    pub(crate) max_age: Span,
    /// Whether they may send cookies.
    #[serde(default)]
    pub(crate) credentials: bool,
}

fn default_methods() -> List<String> {
    List(["GET", "HEAD", "POST"].map(str::to_owned).to_vec())
}

fn default_headers() -> List<String> {
    List(["Authorization", "Content-Type"].map(str::to_owned).to_vec())
}

const fn default_max_age() -> Span {
    Span::secs(600)
}

/// Limits of one route.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RouteLimits {
    /// The body of a request.
    #[schemars(extend("examples" = ["1GiB"]))]
    pub(crate) body: Option<Size>,
}

/// Times of one route.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RouteTimeouts {
    /// A whole exchange.
    #[schemars(extend("examples" = ["1h"]))]
    pub(crate) request: Option<Span>,
}
