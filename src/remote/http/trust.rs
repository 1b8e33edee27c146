//! What a client trusts, and the library's clients that trust it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder};

use crate::remote::error_text;

const USER_AGENT: &str = concat!("sidegate/", env!("CARGO_PKG_VERSION"));

/// Shorter than servers keep connections, some for five seconds: a form that meets the end of one is lost, for it is not sent
/// twice.
const CONNECTION_IDLE: Duration = Duration::from_secs(4);

/// What the client trusts and how much it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// PEM files with further roots, beside those of the platform (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).
    pub roots: Vec<PathBuf>,
    /// The largest body that is read.
    pub max_body_bytes: usize,
}

impl Default for ClientSettings {
    /// The platform's roots and bodies of up to 1 MiB.
    fn default() -> Self {
        Self { roots: Vec::new(), max_body_bytes: 1 << 20 }
    }
}

/// Why no client can be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file of roots is not PEM.
    #[error("{} is not a PEM file of certificates", path.display())]
    BadRoots {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: reqwest::Error,
    },
    /// TLS could not be set up.
    #[error("cannot set up outbound TLS")]
    Build(#[source] reqwest::Error),
    /// A file of roots has none.
    #[error("{} has no certificate, expected at least one in PEM", path.display())]
    NoRoots {
        /// The file.
        path: PathBuf,
    },
    /// A file of roots cannot be read.
    #[error("cannot read {}", path.display())]
    UnreadableRoots {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What two clients must have in common to be interchangeable: the roots by content, since files change under their names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trust {
    pems: Vec<Vec<u8>>,
    max_body_bytes: usize,
}

impl Trust {
    /// What the settings' files say, and their certificates.
    pub(super) fn read(settings: &ClientSettings) -> Result<(Self, Vec<Certificate>), ClientError> {
        let pems =
            settings.roots.iter().map(|path| read_roots(path)).collect::<Result<Vec<_>, _>>()?;
        let mut roots = Vec::new();
        for (path, pem) in settings.roots.iter().zip(&pems) {
            roots.extend(parse_roots(path, pem)?);
        }
        Ok((Self { pems, max_body_bytes: settings.max_body_bytes }, roots))
    }

    /// How large a body may be.
    pub(super) const fn max_body_bytes(&self) -> usize {
        self.max_body_bytes
    }
}

/// A machine without any root certificate (an empty container) still gets a client: key files and loopback providers need
/// none, and every https exchange fails with its reason.
pub(super) fn build(
    roots: &[Certificate],
    variant: fn(ClientBuilder) -> ClientBuilder,
) -> Result<reqwest::Client, ClientError> {
    install_crypto();
    let platform = variant(base_builder()).tls_certs_merge(roots.iter().cloned()).build();
    match platform {
        Err(error) if roots.is_empty() => {
            tracing::warn!(error = %error_text(&error), "no root certificates; https providers cannot be reached");
            variant(base_builder()).tls_certs_only([]).build().map_err(ClientError::Build)
        }
        other => other.map_err(ClientError::Build),
    }
}

fn base_builder() -> ClientBuilder {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .referer(false)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(CONNECTION_IDLE)
}

/// TLS needs one process-wide crypto provider. Whoever comes first installs it; all of us install the same.
pub(super) fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

fn read_roots(path: &Path) -> Result<Vec<u8>, ClientError> {
    std::fs::read(path)
        .map_err(|source| ClientError::UnreadableRoots { path: path.to_owned(), source })
}

fn parse_roots(path: &Path, pem: &[u8]) -> Result<Vec<Certificate>, ClientError> {
    let roots = Certificate::from_pem_bundle(pem)
        .map_err(|source| ClientError::BadRoots { path: path.to_owned(), source })?;
    if roots.is_empty() {
        return Err(ClientError::NoRoots { path: path.to_owned() });
    }
    Ok(roots)
}
