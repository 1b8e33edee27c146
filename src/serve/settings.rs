//! What the configuration gives the running program: typed, checked, ready. No YAML reaches this far.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use url::Url;

use crate::base::secret::Secret;
use crate::gate::{Policy, ProviderId, SignInFlow};
use crate::remote::backend;
use crate::remote::http::ClientSettings;
use crate::remote::introspection::IntrospectionSettings;
use crate::remote::jwks::ProviderKeys;
use crate::remote::relying_party::RelyingPartySettings;
use crate::remote::renewal::Schedule;
use crate::remote::resolver::ResolverSettings;
use crate::remote::sessions::StoreSettings;
use crate::serve::listener::ListenAddress;
use crate::serve::pages::Pages;
use crate::serve::tls::{ListenerTlsSettings, UpstreamTlsSettings};
use crate::session::{AllowedHosts, Keep};
use crate::telemetry::Door;
use crate::telemetry::audit::RequestLog;
use crate::telemetry::log::Level;
use crate::token::SigningKey;

/// Everything.
#[derive(Debug)]
pub struct Settings {
    /// What stays as it is until the program ends.
    pub process: ProcessSettings,
    /// What a reload replaces.
    pub service: ServiceSettings,
}

/// What a reload cannot change: sockets, threads, and what guards connections.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessSettings {
    /// Where requests come in; at least one.
    pub listeners: Vec<ListenerSettings>,
    /// Where probes and metrics are answered.
    pub admin: Option<ListenAddress>,
    /// Worker threads.
    pub threads: usize,
    /// The least severe operational message that is logged.
    pub log_level: Level,
    /// What guards connections.
    pub guard: GuardSettings,
    /// How long running requests may take to end once the program is told to stop.
    pub drain: Duration,
}

/// One listener.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenerSettings {
    /// Its name in logs and metrics.
    pub name: String,
    /// Where it listens.
    pub address: ListenAddress,
    /// What comes in there.
    pub door: Door,
    /// Its certificates, if it speaks TLS.
    pub tls: Option<ListenerTlsSettings>,
    /// How many connections it takes at once, if fewer than all together may have.
    pub max_connections: Option<usize>,
}

/// What guards connections, on every listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    /// How many connections all listeners take together.
    pub max_connections: usize,
    /// How many connections one client address may have.
    pub max_connections_per_ip: Option<usize>,
    /// How long a whole request header may take.
    pub header_deadline: Duration,
    /// How long a connection may be silent between requests.
    pub idle_deadline: Duration,
    /// How long a client may take to send or to take the next piece of a body.
    pub body_deadline: Duration,
    /// How many requests one connection may carry.
    pub max_requests: Option<u32>,
}

/// What a reload replaces, as a whole.
#[derive(Debug)]
pub struct ServiceSettings {
    /// What the gate goes by. Its generation is set when it is put to work.
    pub policy: Policy,
    /// Where requests go, by upstream id.
    pub upstreams: Vec<UpstreamSettings>,
    /// Peers whose forwarded headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How large a request header may be.
    pub limits: RequestLimits,
    /// Which requests are logged.
    pub requests: RequestLog,
    /// How much memory remembered callers may take, in bytes.
    pub identity_cache_bytes: u64,
    /// Who signs assertions.
    pub assertion: AssertionSettings,
    /// Where each provider's keys come from, by provider id.
    pub keys: Vec<ProviderKeys>,
    /// How outbound requests are made.
    pub outbound: ClientSettings,
    /// What people are shown.
    pub pages: Arc<Pages>,
    /// How people sign in and out, if they do so here: where the policy has sessions.
    pub sign_in: Option<SignInSettings>,
    /// The providers that are asked about tokens, by provider id.
    pub introspections: Vec<IntrospectingSettings>,
    /// The providers whose resolver is asked about callers, by provider id.
    pub resolvers: Vec<ResolvingSettings>,
    /// Addresses that open apps.
    pub app_links: AppLinks,
}

/// How large a request header may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// All header fields together, in bytes.
    pub header_bytes: usize,
    /// The number of header fields.
    pub headers: usize,
    /// The target, in bytes.
    pub target_bytes: usize,
    /// All cookies together, in bytes.
    pub cookie_bytes: usize,
}

/// Who signs assertions.
#[derive(Debug)]
pub struct AssertionSettings {
    /// Its `iss`.
    pub issuer: String,
    /// The keys: the first signs, all are published. None: one is made at start.
    pub keys: Vec<SigningKey>,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    /// Its name in logs and metrics.
    pub name: String,
    /// Its servers; at least one.
    pub servers: Vec<Server>,
    /// How it is spoken to, if with TLS.
    pub tls: Option<UpstreamTlsSettings>,
    /// The `Host` it sees.
    pub host: UpstreamHost,
    /// How long a connection may take to be made, TLS included.
    pub connect: Duration,
    /// How long the first byte of its answer may take, and each one after.
    pub read: Duration,
    /// How long it may take to accept what is written.
    pub write: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
    /// How often a request that may be repeated is tried on another connection.
    pub retries: usize,
    /// Whether it may say who has signed in, by a header of its answers.
    pub is_login_service: bool,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// By host name or address, and port. Names are looked up as the program runs.
    Tcp {
        /// Host name or IP address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// By the path of a unix socket.
    Unix(PathBuf),
}

/// The `Host` an upstream sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamHost {
    /// This one.
    Literal(String),
    /// The one the client asked for.
    Preserve,
    /// The server's own.
    Server,
}

/// How people sign in and out.
#[derive(Debug)]
pub struct SignInSettings {
    /// The providers at which they do, in written order.
    pub parties: Vec<PartySettings>,
    /// Where sessions are kept.
    pub store: StoreSettings,
    /// The file of what was ended, for a restart; `None` to forget it then.
    pub revocations_file: Option<PathBuf>,
    /// Which claims sessions keep.
    pub keep: Keep,
    /// Whether session cookies outlive the browser.
    pub persistent: bool,
    /// Where browsers may be sent afterwards, beside the origin they are at.
    pub return_hosts: AllowedHosts,
    /// Whether the fragment of the address that people come from is kept, by a page with a script.
    pub keeps_fragments: bool,
    /// How people sign out.
    pub sign_out: SignOutSettings,
}

/// One provider at which people sign in.
#[derive(Clone, Debug)]
pub struct PartySettings {
    /// Its place among the policy's providers.
    pub provider: ProviderId,
    /// Its name in the configuration and in our addresses.
    pub name: String,
    /// What people know it by.
    pub title: String,
    /// Our client there.
    pub relying_party: RelyingPartySettings,
    /// Where it sends browsers back to, if not to the origin that they come from.
    pub redirect_uri: Option<String>,
    /// Whether its answers come to the one callback that has no provider's name in it.
    pub has_sole_callback: bool,
    /// How long ago an ID token may have been issued.
    pub id_token_max_age: Duration,
    /// Claims that an ID token must have, by name and text.
    pub id_token_claims: Vec<(String, String)>,
    /// When sessions are renewed.
    pub schedule: Schedule,
    /// How long after a sign-in its own session is used once more.
    pub keep_alive: Option<Duration>,
    /// What a sign-in leaves behind.
    pub flow: SignInFlow,
    /// What its webhooks are signed with, if it sends any.
    pub webhook: Option<Secret<String>>,
    /// How the sessions that it keeps for backends are used, if they are.
    pub backend: Option<BackendSettings>,
    /// Which tokens of devices are exchanged for sessions of browsers, if any are.
    pub exchange: Option<ExchangeSettings>,
}

/// Which tokens of devices are exchanged for sessions of browsers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeSettings {
    /// Access tokens.
    pub access_tokens: bool,
    /// ID tokens with device secrets, at the provider.
    pub device_secrets: bool,
    /// For whom the provider exchanges those; `None` for itself.
    pub audience: Option<String>,
}

/// How the sessions that a provider keeps for backends are used for one app.
#[derive(Clone, Debug)]
pub struct BackendSettings {
    /// How the provider is asked.
    pub calls: backend::BackendSettings,
    /// The login service of the app, if not the provider's own page.
    pub login_url: Option<Url>,
    /// What a login service proves itself with when it hands in a session.
    pub secret: Option<Secret<String>>,
    /// The tenant whose apps share them.
    pub tenant: Option<String>,
}

/// How people sign out.
#[derive(Clone, Debug, Default)]
pub struct SignOutSettings {
    /// Addresses that a sign-out may lead to, beside those of our own origin.
    pub return_to: Vec<Url>,
    /// Where it leads if nobody says; `None` for our own page.
    pub usually: Option<String>,
    /// Cookies of apps to delete, by name.
    pub clear_cookies: Vec<String>,
    /// Services that are told, by a GET.
    pub notify: Vec<Url>,
    /// Whether the session at the provider ends too.
    pub at_provider: bool,
}

/// A provider that is asked about tokens.
#[derive(Clone, Debug)]
pub struct IntrospectingSettings {
    /// Its place among the policy's providers.
    pub provider: ProviderId,
    /// Our client there.
    pub relying_party: RelyingPartySettings,
    /// How long answers are remembered.
    pub introspection: IntrospectionSettings,
}

/// A provider whose resolver is asked about callers.
#[derive(Clone, Debug)]
pub struct ResolvingSettings {
    /// Its place among the policy's providers.
    pub provider: ProviderId,
    /// How it is asked.
    pub settings: ResolverSettings,
}

/// Addresses that open apps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppLinks {
    /// What iPhones read, if it is served here.
    pub apple: Option<Bytes>,
    /// What Android reads, if it is served here.
    pub android: Option<Bytes>,
    /// The paths of links, exactly.
    pub paths: Vec<String>,
}
