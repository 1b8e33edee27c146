//! What the keeping of key sets is told at start. No defaults are filled in here but those of the bounds.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

/// One provider whose keys are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderKeys {
    /// Its name in the configuration: for logs, metrics and status.
    pub name: String,
    /// Its issuer, byte for byte.
    pub issuer: String,
    /// Where its keys come from.
    pub source: KeySourceSettings,
    /// When to fetch.
    pub bounds: RefreshBounds,
    /// Where to keep a copy for a restart while the provider is down.
    pub disk_copy: Option<PathBuf>,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySourceSettings {
    /// The `jwks_uri` of the provider's metadata.
    Discovery,
    /// A file, read again whenever it changes.
    File(PathBuf),
    /// The configuration itself: a JSON Web Key Set.
    Inline(Vec<u8>),
    /// A known address.
    JwksUri(Url),
}

impl KeySourceSettings {
    /// How a copy on disk names where it came from.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Discovery => "discovery".to_owned(),
            Self::File(path) => format!("file {}", path.display()),
            Self::Inline(_) => "inline".to_owned(),
            Self::JwksUri(url) => url.to_string(),
        }
    }

    /// Whether keys come over the network, so that there may be times without.
    pub(super) const fn is_remote(&self) -> bool {
        matches!(self, Self::Discovery | Self::JwksUri(_))
    }
}

/// When keys are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshBounds {
    /// The shortest lifetime that a provider may give its keys.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
    /// The lifetime when the provider gives none.
    pub default: Duration,
    /// Between two fetches that tokens with doubtful keys cause, counted from the attempt.
    pub cooldown: Duration,
    /// For one exchange.
    pub timeout: Duration,
    /// Before the first retry after a failure; doubled with each further one.
    pub retry_min: Duration,
    /// The longest wait before a retry.
    pub retry_max: Duration,
}

impl Default for RefreshBounds {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(60),
            max: Duration::from_secs(24 * 3600),
            default: Duration::from_secs(3600),
            cooldown: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(30),
        }
    }
}
