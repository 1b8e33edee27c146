//! What the configuration gives the running program: typed, checked, ready. No YAML reaches this far.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::gate::Policy;
use crate::remote::http::ClientSettings;
use crate::remote::jwks::ProviderKeys;
use crate::serve::listener::ListenAddress;
use crate::serve::pages::Pages;
use crate::serve::tls::{ListenerTlsSettings, UpstreamTlsSettings};
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
    Unix(std::path::PathBuf),
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
