//! Upstreams, as written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::file::list::List;
use crate::config::units::Span;

/// The URL of a server, or an upstream with all it has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("examples" = ["http://127.0.0.1:3000"]))]
pub(crate) enum Upstreams {
    /// `http://HOST:PORT`, `https://HOST:PORT` or `unix:/path`.
    Server(String),
    Upstream(Box<Upstream>),
}

/// One application behind sidegate, on one or several servers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    /// Its name for routes, logs and metrics. Needed where there are several.
    #[schemars(extend("examples" = ["app"]))]
    pub(crate) name: Option<String>,
    /// Its servers, used in turn: `http://HOST:PORT`, `https://HOST:PORT` or `unix:/path`. Host names are looked up
    /// again as the program runs. All are spoken to in the same way, with TLS or without.
    #[schemars(extend("examples" = [["http://127.0.0.1:3000"]]))]
    pub(crate) servers: List<String>,
    /// How `https` servers are verified; certificates always are.
    pub(crate) tls: Option<UpstreamTls>,
    /// The `Host` that the upstream sees: `preserve` for the client's, `server` for the server's own, or a name.
    #[serde(default = "preserve")]
    #[schemars(extend("examples" = ["preserve", "server", "app.internal"]))]
    pub(crate) host: String,
    /// Other times than `timeouts` has.
    pub(crate) timeouts: Option<UpstreamTimeouts>,
    /// How often a request is tried again, on the next server, when no connection could be made. What may have been sent is
    /// repeated only if its method is safe and nothing was answered yet.
    #[serde(default = "default_retries")]
    #[schemars(range(max = 10))]
    pub(crate) retries: u8,
    /// Whether its answers may say who has signed in, by the header `X-Edge-Session`. Whoever runs it can sign in as anybody whose
    /// session at the provider they know.
    #[serde(default)]
    pub(crate) login_service: bool,
}

fn preserve() -> String {
    String::from("preserve")
}

const fn default_retries() -> u8 {
    1
}

impl Upstream {
    /// The upstream that the URL of a server alone stands for.
    pub(crate) fn of(server: String) -> Self {
        Self {
            name: None,
            servers: List(vec![server]),
            tls: None,
            host: preserve(),
            timeouts: None,
            retries: default_retries(),
            login_service: false,
        }
    }
}

/// How the certificate of an upstream is verified, and what sidegate shows of itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamTls {
    /// The name that the upstream's certificate must have; left out: the host of the URL. Needed where that is an IP
    /// address or where servers have different hosts.
    #[schemars(extend("examples" = ["app.internal"]))]
    pub(crate) server_name: Option<String>,
    /// A PEM file with the authorities that are trusted for this upstream; left out: those of the system.
    #[schemars(extend("examples" = ["/etc/sidegate/internal-ca.pem"]))]
    pub(crate) ca: Option<PathBuf>,
    /// A PEM file with sidegate's own certificate for this upstream, and its chain.
    #[schemars(extend("examples" = ["/etc/sidegate/client.crt"]))]
    pub(crate) certificate: Option<PathBuf>,
    /// A PEM file with the private key of `certificate`.
    #[schemars(extend("examples" = ["/etc/sidegate/client.key"]))]
    pub(crate) key: Option<PathBuf>,
}

/// Times for one upstream; what is left out is as in `timeouts`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UpstreamTimeouts {
    /// How long a connection may take to be made, TLS included.
    pub(crate) connect: Option<Span>,
    /// How long the first byte of the answer may take, and each one after.
    pub(crate) read: Option<Span>,
    /// How long the upstream may take to accept what is written.
    pub(crate) write: Option<Span>,
    /// How long an unused connection is kept for the next request.
    pub(crate) keep: Option<Span>,
}
