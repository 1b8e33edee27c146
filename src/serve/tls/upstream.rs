//! TLS to an upstream: the name its certificate is checked against, by whom it was issued, and
//! what we present.

use std::path::PathBuf;
use std::sync::Arc;

use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls_pki_types::ServerName;

use super::files::{self, CertificateFiles, TlsError};

/// TLS to an upstream, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTlsSettings {
    /// The name to ask for and to check. Never empty: pingora checks nothing without one.
    pub server_name: String,
    /// PEM: the CAs that may have issued the upstream's certificate; none means the system's.
    pub ca: Option<PathBuf>,
    /// What to present, if the upstream demands a certificate.
    pub client: Option<CertificateFiles>,
}

/// TLS to an upstream, loaded: the parts of a pingora `HttpPeer`.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    server_name: String,
    ca: Option<Arc<[WrappedX509]>>,
    client: Option<Arc<CertKey>>,
}

impl UpstreamTls {
    /// Reads and checks all files.
    ///
    /// # Errors
    /// [`TlsError`] of the first file that is of no use, or of the server name.
    pub fn load(settings: &UpstreamTlsSettings) -> Result<Self, TlsError> {
        if ServerName::try_from(settings.server_name.as_str()).is_err() {
            return Err(TlsError::BadServerName { found: settings.server_name.clone() });
        }
        let ca = settings.ca.as_ref().map(|path| files::certificates(path)).transpose()?;
        let client = settings.client.as_ref().map(client).transpose()?;
        Ok(Self {
            server_name: settings.server_name.clone(),
            ca: ca.map(|found| found.iter().map(|der| wrap(der)).collect()),
            client: client.map(Arc::new),
        })
    }

    /// The name to check: for `HttpPeer::new`.
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// The CAs: for `PeerOptions::ca`.
    pub fn ca(&self) -> Option<Arc<[WrappedX509]>> {
        self.ca.clone()
    }

    /// What to present: for `HttpPeer::client_cert_key`.
    pub fn client(&self) -> Option<Arc<CertKey>> {
        self.client.clone()
    }
}

/// The pair was checked, so that pingora need not panic over it.
fn client(files: &CertificateFiles) -> Result<CertKey, TlsError> {
    let checked = files.load()?;
    let chain = checked.key.cert.iter().map(|certificate| certificate.to_vec()).collect();
    Ok(CertKey::new(chain, files::private_key(&files.key)?.secret_der().into()))
}

fn wrap(der: &[u8]) -> WrappedX509 {
    WrappedX509::new(der.into(), parse_x509)
}
