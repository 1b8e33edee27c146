//! What concerns the process as a whole, as written: limits, times, logs, the admin listener.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::file::list::List;
use crate::config::units::{Size, Span};

/// `none`, or the listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Admin {
    Listener(AdminListener),
    Word(AdminWord),
}

/// The word for no admin listener.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AdminWord {
    /// No admin listener: no probes, no metrics.
    None,
}

/// The listener of probes and metrics.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AdminListener {
    /// `HOST:PORT`, `[IPV6]:PORT`, `unix:/path` or `systemd:NAME`. Whoever reaches it can read the metrics.
    pub(crate) address: String,
}

impl Default for AdminListener {
    fn default() -> Self {
        Self { address: String::from("127.0.0.1:9180") }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self::Listener(AdminListener::default())
    }
}

/// What is logged. No log ever has tokens, cookies or query strings in it.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// Which requests have a line.
    pub(crate) requests: LoggedRequests,
    /// The least severe message about the program itself that is logged.
    pub(crate) level: LogLevel,
}

/// Which requests have a line in the log.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LoggedRequests {
    /// All of them.
    #[default]
    All,
    /// Those that were not passed on.
    Refused,
    /// None.
    None,
}

/// How severe a message is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogLevel {
    /// Something does not work.
    Error,
    /// Something may not work soon, or was refused.
    Warn,
    /// What happened, at the pace of minutes.
    #[default]
    Info,
    /// What happened, at the pace of requests.
    Debug,
    /// Every step.
    Trace,
}

/// How much is accepted. More is refused with 431 or 413; connections beyond the number are closed.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// All header fields of a request together.
    pub(crate) header_bytes: Size,
    /// How many header fields a request may have.
    #[schemars(range(min = 1, max = 250))]
    pub(crate) headers: usize,
    /// The target of a request: path and query.
    pub(crate) target_bytes: Size,
    /// All cookies of a request together.
    pub(crate) cookie_bytes: Size,
    /// A token; a longer one is refused unread.
    pub(crate) token_bytes: Size,
    /// The body of a request; left out: as long as it is. Routes can say otherwise.
    #[schemars(extend("examples" = ["10MiB"]))]
    pub(crate) body: Option<Size>,
    /// How many connections all listeners take together.
    #[schemars(range(min = 1))]
    pub(crate) connections: usize,
    /// How many connections one client address may have; left out: as many as all together.
    #[schemars(range(min = 1), extend("examples" = [100]))]
    pub(crate) connections_per_ip: Option<usize>,
    /// How many requests one connection may carry; left out: as many as come.
    #[schemars(range(min = 1), extend("examples" = [1000]))]
    pub(crate) keepalive_requests: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: Size::kib(64),
            headers: 100,
            target_bytes: Size::kib(16),
            cookie_bytes: Size::kib(32),
            token_bytes: Size::kib(16),
            body: None,
            connections: 10_000,
            connections_per_ip: None,
            keepalive_requests: None,
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// A whole request header, from its first byte to its last.
    pub(crate) header: Span,
    /// How long a client's connection may be silent between requests.
    pub(crate) idle: Span,
    /// How long a client may take to send, or to take, the next piece of a body.
    pub(crate) body: Span,
    /// Making a connection to an upstream, TLS included.
    pub(crate) connect: Span,
    /// How long an upstream may be silent: before the first byte of its answer, and between any two after.
    pub(crate) read: Span,
    /// How long an upstream may take to accept what is written.
    pub(crate) write: Span,
    /// How long an unused connection to an upstream is kept for the next request. Less than the upstream keeps it.
    pub(crate) keep: Span,
    /// A whole exchange, from the end of the request header to the end of the answer; left out: as long as it takes.
    /// Routes can say otherwise.
    #[schemars(extend("examples" = ["5m"]))]
    pub(crate) request: Option<Span>,
    /// How long running requests may take to end once the program is told to stop.
    pub(crate) drain: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header: Span::secs(10),
            idle: Span::secs(75),
            body: Span::secs(60),
            connect: Span::secs(5),
            read: Span::secs(60),
            write: Span::secs(60),
            keep: Span::secs(50),
            request: None,
            drain: Span::secs(30),
        }
    }
}

/// The memory of verified callers. An entry ends with its token at the latest.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cache {
    /// How much memory it may take.
    pub(crate) size: Size,
    /// How long a caller is remembered at most.
    pub(crate) max_age: Span,
}

impl Default for Cache {
    fn default() -> Self {
        Self { size: Size::mib(64), max_age: Span::secs(600) }
    }
}

/// How providers are reached. Proxies are taken from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Egress {
    /// PEM files with authorities that are trusted beside those of the system.
    #[schemars(extend("examples" = ["/etc/sidegate/internal-ca.pem"]))]
    pub(crate) ca: Option<List<PathBuf>>,
}
