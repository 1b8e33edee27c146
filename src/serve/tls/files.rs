//! Certificate, key and CA files: read, checked, and watched for change.
//!
//! Every error names the file and what is wrong with it. What is done with the contents is not
//! decided here.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::base::time::Timestamp;

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// PEM: the certificate, then those that lead to its root.
    pub certificate: PathBuf,
    /// PEM: the private key, PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// A file for TLS is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It has a PEM block that cannot be decoded.
    #[error("{} is not valid PEM; expected blocks between -----BEGIN and -----END lines", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
    },
    /// It has no certificate.
    #[error("{} has no certificate; expected a PEM block CERTIFICATE", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// It has something else in a certificate's place.
    #[error("{} has a certificate that cannot be parsed", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
    },
    /// It has no private key.
    #[error("{} has no private key; expected a PEM block PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY, not encrypted", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Its key is of a kind that we do not speak.
    #[error("the key in {} is not supported; expected RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519", path.display())]
    UnsupportedKey {
        /// The file.
        path: PathBuf,
    },
    /// The two files do not belong together.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Nothing to present.
    #[error("no certificate is configured; name at least one certificate and key")]
    NoneConfigured,
    /// The CA certificates cannot be used.
    #[error("{} cannot be used as a CA", path.display())]
    BadCa {
        /// The file.
        path: PathBuf,
    },
    /// The name to check an upstream's certificate against is missing: without it pingora checks nothing.
    #[error(
        "server name {found:?} is neither a DNS name nor an IP address; the upstream's certificate is checked against it"
    )]
    BadServerName {
        /// What was found.
        found: String,
    },
}

/// A certificate with its key, fit to present.
pub(super) struct Presentable {
    pub(super) key: Arc<CertifiedKey>,
    /// DNS names, lower case; at least the common name if there are none.
    pub(super) names: Vec<String>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl CertificateFiles {
    /// Reads and checks both files.
    pub(super) fn load(&self) -> Result<Presentable, TlsError> {
        let chain = certificates(&self.certificate)?;
        let leaf = parse(&chain[0], &self.certificate)?;
        let (names, not_before, not_after) = (
            server_names(&leaf),
            moment(leaf.validity.not_before),
            moment(leaf.validity.not_after),
        );
        let key = Arc::new(self.pair(chain)?);
        Ok(Presentable { key, names, not_before, not_after })
    }

    fn pair(&self, chain: Vec<CertificateDer<'static>>) -> Result<CertifiedKey, TlsError> {
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&private_key(&self.key)?)
            .map_err(|_| TlsError::UnsupportedKey { path: self.key.clone() })?;
        let pair = CertifiedKey::new(chain, key);
        match pair.keys_match() {
            Ok(()) => Ok(pair),
            Err(_) => Err(TlsError::Mismatch {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
            }),
        }
    }
}

/// All certificates of a PEM file; at least one, each of which can be parsed.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|_| TlsError::NotPem { path: path.into() })?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate { path: path.into() });
    }
    for certificate in &found {
        parse(certificate, path)?;
    }
    Ok(found)
}

/// The first private key of a PEM file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound => TlsError::NoKey { path: path.into() },
        _ => TlsError::NotPem { path: path.into() },
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { path: path.into(), source })
}

fn parse<'a>(
    certificate: &'a CertificateDer<'_>,
    path: &Path,
) -> Result<X509Certificate<'a>, TlsError> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(TlsError::BadCertificate { path: path.into() }),
    }
}

/// The names that a server certificate is for.
fn server_names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let alternative = leaf.subject_alternative_name().ok().flatten();
    let general = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let dns = general.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    let names: Vec<String> = dns.collect();
    if !names.is_empty() {
        return names;
    }
    let common = leaf.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    common.map(str::to_ascii_lowercase).collect()
}

fn moment(time: x509_parser::time::ASN1Time) -> Timestamp {
    Timestamp::from_secs(u64::try_from(time.timestamp()).unwrap_or_default())
}

/// What tells one version of a file from another: also when a directory is swapped by a symbolic
/// link, as Kubernetes does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    seen: Option<(u64, u64, u64, i64, i64)>,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Self {
        let seen = fs::metadata(path).ok().map(|found| {
            (found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec())
        });
        Self { path: path.into(), seen }
    }

    pub(super) fn is_current(&self) -> bool {
        *self == Self::of(&self.path)
    }
}
