//! Listeners and their certificates, as written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// An address, or a listener with all it has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("examples" = ["127.0.0.1:8080"]))]
pub(crate) enum Listen {
    /// `HOST:PORT`, `[IPV6]:PORT`, `unix:/path`, or `systemd:NAME` for a socket that systemd passes. The host is an IP address;
    /// `0.0.0.0` and `[::]` are all of them.
    Address(String),
    Listener(Box<Listener>),
}

/// One place where requests come in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    /// `HOST:PORT`, `[IPV6]:PORT`, `unix:/path`, or `systemd:NAME` for a socket that systemd passes. The host is an IP address;
    /// `0.0.0.0` and `[::]` are all of them. Port 0 takes any free port and logs it.
    #[schemars(extend("examples" = ["0.0.0.0:8443", "unix:/run/sidegate/app.sock"]))]
    pub(crate) address: String,
    /// What comes in here.
    #[serde(default)]
    pub(crate) door: Door,
    /// Its name in logs and metrics; left out: its address.
    #[schemars(extend("examples" = ["public"]))]
    pub(crate) name: Option<String>,
    /// Certificates; left out: plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// How many connections this listener takes at once; left out: as many as all listeners together,
    /// `limits.connections`.
    #[schemars(range(min = 1), extend("examples" = [1000]))]
    pub(crate) max_connections: Option<usize>,
}

/// What comes in at a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Door {
    /// Envoy's questions about requests, `envoy.service.auth.v3` by gRPC or HTTP.
    ExtAuthz,
    /// The questions of nginx, Traefik, Caddy and HAProxy about requests, and what people need to sign in.
    ForwardAuth,
    /// Requests that are judged and passed on.
    #[default]
    Proxy,
}

/// How a listener speaks TLS. Certificates are read again when their files change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// A PEM file with the certificate and its chain: short for `certificates` with one entry.
    #[schemars(extend("examples" = ["/etc/sidegate/tls.crt"]))]
    pub(crate) certificate: Option<PathBuf>,
    /// A PEM file with the private key of `certificate`.
    #[schemars(extend("examples" = ["/etc/sidegate/tls.key"]))]
    pub(crate) key: Option<PathBuf>,
    /// Several certificates. The client's server name selects one; the first is for clients that name none.
    pub(crate) certificates: Option<Vec<CertificatePair>>,
    /// A PEM file with the authorities whose client certificates are accepted.
    #[schemars(extend("examples" = ["/etc/sidegate/clients.pem"]))]
    pub(crate) client_ca: Option<PathBuf>,
    /// Whether clients must have a certificate; left out: `required` where there is a `client_ca`.
    pub(crate) client_auth: Option<ClientAuth>,
    /// The oldest protocol version that is spoken.
    #[serde(default)]
    pub(crate) min_version: TlsVersion,
    /// Whether HTTP/2 is offered beside HTTP/1.1.
    #[serde(default = "yes")]
    pub(crate) http2: bool,
}

const fn yes() -> bool {
    true
}

/// A certificate and its private key, as PEM files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificatePair {
    /// A PEM file with the certificate and its chain.
    #[schemars(extend("examples" = ["/etc/sidegate/tls.crt"]))]
    pub(crate) certificate: PathBuf,
    /// A PEM file with the private key.
    #[schemars(extend("examples" = ["/etc/sidegate/tls.key"]))]
    pub(crate) key: PathBuf,
}

/// Whether clients must have a certificate.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientAuth {
    /// A client may have one; if it has, it must be good.
    Optional,
    /// Without a good one the connection ends.
    Required,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, Deserialize, serde::Serialize, JsonSchema)]
#[schemars(extend("x-remarks" = {
    "1.0": "TLS 1.0 is broken; write \"1.2\" or \"1.3\"",
    "1.1": "TLS 1.1 is broken; write \"1.2\" or \"1.3\"",
}))]
pub(crate) enum TlsVersion {
    /// RFC 5246, with forward secrecy and authenticated encryption alone.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    V1_3,
}

impl Listener {
    /// The listener that an address alone stands for.
    pub(crate) fn at(address: String) -> Self {
        Self { address, door: Door::default(), name: None, tls: None, max_connections: None }
    }
}
