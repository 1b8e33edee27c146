//! Sessions, and how people sign in and out, as written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::file::client::Frequency;
use crate::config::file::list::List;
use crate::config::file::remote_store::RedisStore;
use crate::config::file::secret::Secret;
use crate::config::units::{Size, Span};

/// Sign-in sessions. With this section, and a provider that has a `client_id`, people sign in here.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Session {
    /// The keys that seal session cookies, 32 bytes each as `sidegate keys session` prints them. The first seals; all open, so
    /// that a key can be replaced without signing anybody out.
    #[schemars(length(min = 1), extend("examples" = [[{"file": "/run/secrets/session_key"}]]))]
    pub(crate) keys: Vec<Secret>,
    /// Where sessions are kept.
    #[serde(default)]
    pub(crate) store: Store,
    /// Where replicas agree on renewals, sign-outs and what may be used once, while sessions stay in their cookies; left out:
    /// replicas do not agree. A `store` in Redis does that too.
    pub(crate) coordination: Option<Coordination>,
    /// The cookie.
    #[serde(default)]
    pub(crate) cookie: SessionCookie,
    /// How long a session lives without a request.
    #[serde(default = "default_idle")]
    pub(crate) idle: Span,
    /// How long a session lives at all. A provider that ends it earlier counts.
    #[serde(default = "default_absolute")]
    pub(crate) absolute: Span,
    /// How long before an access token ends the session is renewed at the provider; left out: a fifth of the token's
    /// lifetime, and at least a minute.
    #[schemars(extend("examples" = ["2m"]))]
    pub(crate) renew_ahead: Option<Span>,
    /// A file that keeps what was signed out, so that a restart does not bring it back; left out: it is forgotten then.
    #[schemars(extend("examples" = ["/var/lib/sidegate/revocations"]))]
    pub(crate) revocations_file: Option<PathBuf>,
}

const fn default_idle() -> Span {
    Span::secs(8 * 3600)
}

const fn default_absolute() -> Span {
    Span::secs(24 * 3600)
}

/// `cookie`, `memory`, or one of them with what it has to be told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Store {
    Section(Box<StoreSection>),
    Word(StoreWord),
}

impl Default for Store {
    fn default() -> Self {
        Self::Word(StoreWord::Cookie)
    }
}

/// The stores that have to be told nothing.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-remarks" = {
    "redis": "write store: { redis: { url: \"redis://HOST:6379\" } }",
}))]
pub(crate) enum StoreWord {
    /// Sealed in the browser's cookie: nothing is kept here.
    Cookie,
    /// In the memory of this process: a restart signs everybody out.
    Memory,
}

/// A store: exactly one of `memory` and `redis`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(crate) struct StoreSection {
    /// In the memory of this process: a restart signs everybody out.
    pub(crate) memory: Option<MemoryStore>,
    /// In Redis or Valkey, for several replicas.
    pub(crate) redis: Option<RedisStore>,
}

/// Where replicas agree.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Coordination {
    /// Redis or Valkey.
    pub(crate) redis: RedisStore,
}

/// Sessions in memory.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MemoryStore {
    /// How much memory they may take; the least used ones go first.
    pub(crate) size: Size,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { size: Size::mib(256) }
    }
}

/// The session's cookie: always `HttpOnly`, and `Secure` on https, where its name gets the prefix `__Host-`, or `__Secure-`
/// if it has a `domain`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SessionCookie {
    /// Its name, without prefix.
    pub(crate) name: String,
    /// The domain whose hosts share the session; left out: each host has its own.
    #[schemars(extend("examples" = ["example.com"]))]
    pub(crate) domain: Option<String>,
    /// Which requests from other sites carry it.
    pub(crate) same_site: SameSiteWord,
    /// Whether it outlives the browser's run.
    pub(crate) persistent: bool,
}

impl Default for SessionCookie {
    fn default() -> Self {
        Self {
            name: String::from("sidegate"),
            domain: None,
            same_site: SameSiteWord::default(),
            persistent: false,
        }
    }
}

/// Which requests from other sites carry a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SameSiteWord {
    /// Navigations alone.
    #[default]
    Lax,
    /// All: for apps inside frames of other sites. Needs https.
    None,
    /// None: who follows a link from elsewhere looks signed out at first.
    Strict,
}

/// How people sign in, for all providers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The one host where people sign in and out for all apps, as an origin; left out: each host does that for itself. It counts for
    /// the hosts that routes name, and those of `return_hosts`.
    #[schemars(extend("examples" = ["https://auth.example.com"]))]
    pub(crate) host: Option<String>,
    /// Hosts that a sign-in may lead to, beside the one it began at: `app.example.com`, or `*.example.com` for every host
    /// below.
    #[schemars(extend("examples" = [["*.example.com"]]))]
    pub(crate) return_hosts: Option<List<String>>,
    /// Whether the part of the address behind `#` survives a sign-in: by a tiny page with a script, before going to the
    /// provider and after coming back.
    pub(crate) keep_fragment: bool,
    /// A directory with templates and texts that replace those of the pages that people see.
    #[schemars(extend("examples" = ["/etc/sidegate/templates"]))]
    pub(crate) templates: Option<PathBuf>,
}

impl Default for SignIn {
    fn default() -> Self {
        Self { host: None, return_hosts: None, keep_fragment: true, templates: None }
    }
}

/// How people sign out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SignOut {
    /// Absolute addresses that `return_to` of a sign-out may name, beside those of the own host.
    #[schemars(extend("examples" = [["https://www.example.com/bye"]]))]
    pub(crate) return_to: Option<List<String>>,
    /// Where a sign-out leads that names no address: a path, or one of `return_to`; left out: a page that says so.
    #[schemars(extend("examples" = ["/goodbye"]))]
    pub(crate) default: Option<String>,
    /// Cookies of apps that are deleted, by name.
    #[schemars(extend("examples" = [["grafana_session"]]))]
    pub(crate) clear_cookies: Option<List<String>>,
    /// Addresses that are told by a GET, without anything about the person. Plain http only on loopback.
    #[schemars(extend("examples" = [["https://legacy.example.com/logout-hook"]]))]
    pub(crate) notify: Option<List<String>>,
    /// Whether the session at the provider ends too.
    pub(crate) provider: Frequency,
}

impl Default for SignOut {
    fn default() -> Self {
        Self {
            return_to: None,
            default: None,
            clear_cookies: None,
            notify: None,
            provider: Frequency::Always,
        }
    }
}

/// How people sign in on one route.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(crate) struct RouteSignIn {
    /// The names of the providers to choose from; left out: all of the route at which people can sign in.
    #[schemars(extend("examples" = [["main"]]))]
    pub(crate) providers: Option<List<String>>,
    /// Whether signing in is tried without asking.
    pub(crate) silent: SilentWord,
    /// How long a provider's no to that is taken for an answer; left out: 15m.
    #[schemars(extend("examples" = ["15m"]))]
    pub(crate) probe_interval: Option<Span>,
    /// What the provider is told about asking the person; left out: nothing.
    pub(crate) prompt: Option<PromptWord>,
    /// How long ago the person may have signed in at the provider; left out: `max_auth_age` of `require`.
    #[schemars(extend("examples" = ["10m"]))]
    pub(crate) max_age: Option<Span>,
    /// The authentication context classes to ask for, of which one must come; left out: `acr_any` of `require`.
    #[schemars(extend("examples" = [["urn:example:loa:2"]]))]
    pub(crate) acr_values: Option<List<String>>,
}

/// Whether signing in is tried without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SilentWord {
    /// No.
    #[default]
    Never,
    /// Only so: who has no session at the provider is a guest, or is turned away.
    Only,
    /// Where access is `optional`: who has a session at the provider is signed in by the first page.
    Probe,
}

/// What the provider is told about asking the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PromptWord {
    /// Consent is asked for again.
    Consent,
    /// They sign in again, whoever is signed in.
    Login,
    /// Nothing is asked: it fails where that does not do.
    None,
    /// They choose an account.
    SelectAccount,
}
