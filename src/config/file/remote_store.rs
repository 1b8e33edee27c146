//! Redis or Valkey, as written: where it is, how it is made up, and who we are to it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::file::list::List;
use crate::config::file::secret::Secret;
use crate::config::units::Span;

/// Redis or Valkey: exactly one of `url`, `sentinel` and `cluster`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedisStore {
    /// One server: `redis://HOST:PORT/DATABASE`, `rediss://…` for TLS, or `unix:///PATH`.
    #[schemars(extend("examples" = ["redis://127.0.0.1:6379"]))]
    pub(crate) url: Option<String>,
    /// A primary that Sentinels know.
    pub(crate) sentinel: Option<Sentinel>,
    /// Some nodes of a Cluster, `redis://HOST:PORT` or `rediss://HOST:PORT`: they tell of the others.
    #[schemars(extend("examples" = [["redis://10.0.0.1:6379", "redis://10.0.0.2:6379"]]))]
    pub(crate) cluster: Option<List<String>>,
    /// The user of its access control lists; left out: the default user.
    #[schemars(extend("examples" = ["sidegate"]))]
    pub(crate) username: Option<String>,
    /// The user's password.
    pub(crate) password: Option<Secret>,
    /// What the keys begin with, so that several may share it.
    #[serde(default = "default_prefix")]
    pub(crate) prefix: String,
    /// How long one call may take, connecting included; 10s at most.
    #[serde(default = "default_timeout")]
    pub(crate) timeout: Span,
    /// A PEM file with the authorities that its certificate is checked against; left out: those of the system.
    #[schemars(extend("examples" = ["/etc/sidegate/ca.crt"]))]
    pub(crate) ca: Option<PathBuf>,
    /// A PEM file with sidegate's own certificate for it, and its chain.
    #[schemars(extend("examples" = ["/etc/sidegate/redis.crt"]))]
    pub(crate) certificate: Option<PathBuf>,
    /// The private key of `certificate`, in PEM.
    pub(crate) key: Option<Secret>,
    /// Whether `/readyz` says no while it does not answer. Tokens and sealed cookies are served on without it.
    #[serde(default)]
    pub(crate) required_for_readiness: bool,
}

/// Sentinels, and what they know.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sentinel {
    /// The name by which they know the primary.
    #[schemars(extend("examples" = ["mymaster"]))]
    pub(crate) primary: String,
    /// Where they are, `redis://HOST:PORT`; `rediss://` where they and the primary speak TLS.
    #[schemars(extend("examples" = [["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"]]))]
    pub(crate) addresses: List<String>,
    /// Which of the primary's databases.
    #[serde(default)]
    pub(crate) database: u16,
    /// Our user at the Sentinels; left out: the default user.
    #[schemars(extend("examples" = ["sidegate"]))]
    pub(crate) username: Option<String>,
    /// The password there; left out: none.
    pub(crate) password: Option<Secret>,
}

fn default_prefix() -> String {
    String::from("sidegate:")
}

const fn default_timeout() -> Span {
    Span::millis(250)
}
