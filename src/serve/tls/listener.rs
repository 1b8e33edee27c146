//! TLS of one listener: its certificates, who must present one, and their replacement on the fly.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pingora::listeners::tls::{Acceptor, TlsSettings};
use pingora::protocols::Stream;
use pingora::protocols::l4::stream::Stream as L4Stream;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, SupportedProtocolVersion};

use super::client::ReadCertificate;
use super::files::{self, CertificateFiles, Presentable, Stamp, TlsError};
use super::names::Names;
use super::provider;
use crate::base::time::Timestamp;
use crate::telemetry::metrics::{Metrics, Reload};

/// The lowest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Whether clients must present a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthMode {
    /// They may; a bad one ends the handshake all the same.
    Optional,
    /// They must.
    Required,
}

/// Client certificates of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// PEM: the CAs that may have issued them.
    pub ca: PathBuf,
    /// Whether they are a must.
    pub mode: ClientAuthMode,
}

/// TLS of one listener, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTlsSettings {
    /// The certificates; the first answers to names that no other is for.
    pub certificates: Vec<CertificateFiles>,
    /// Client certificates, if wanted.
    pub client_auth: Option<ClientAuth>,
    /// The lowest version.
    pub min_version: Version,
    /// Whether HTTP/2 is offered beside HTTP/1.1.
    pub http2: Http2,
}

/// Whether HTTP/2 is offered ([RFC 7301](https://www.rfc-editor.org/rfc/rfc7301)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Http2 {
    /// It is not.
    Off,
    /// It is preferred.
    #[default]
    Offered,
}

/// TLS of one listener, in force.
pub struct ListenerTls {
    settings: ListenerTlsSettings,
    current: ArcSwap<Loaded>,
    upkeep: Mutex<Upkeep>,
}

/// What the files said.
struct Loaded {
    acceptor: Acceptor,
    certificates: Vec<Presentable>,
}

struct Upkeep {
    stamps: Vec<Stamp>,
    /// Whether what is in force was told in logs and metrics.
    told: Told,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    No,
    Yes,
}

impl ListenerTls {
    /// Reads and checks all files.
    ///
    /// # Errors
    /// [`TlsError`] of the first file that is of no use.
    pub fn load(settings: &ListenerTlsSettings) -> Result<Self, TlsError> {
        // Taken before the files are read: what changes meanwhile is read next time.
        let upkeep = Upkeep { stamps: settings.stamps(), told: Told::No };
        let current = ArcSwap::from_pointee(settings.load()?);
        Ok(Self { settings: settings.clone(), current, upkeep: Mutex::new(upkeep) })
    }

    /// Reads all files again if one has changed. Connections that are open keep what they have;
    /// session tickets of before are not honoured. If a file is of no use, what is in force
    /// stays, a log line and a metric say so, and it is tried again when a file changes.
    ///
    /// To be called every few seconds, first right after [`Self::load`]: that call tells when
    /// the certificates end. Reads files, so not while a request waits.
    pub fn refresh(&self, listener: &str, metrics: &Metrics, now: Timestamp) {
        let mut upkeep = self.upkeep.lock();
        if !upkeep.stamps.iter().all(Stamp::is_current) {
            upkeep.stamps = self.settings.stamps();
            upkeep.told = self.reload(listener, metrics);
        }
        if upkeep.told == Told::No {
            self.current.load().tell(listener, metrics, now);
            upkeep.told = Told::Yes;
        }
    }

    fn reload(&self, listener: &str, metrics: &Metrics) -> Told {
        match self.settings.load() {
            Ok(loaded) => {
                self.current.store(Arc::new(loaded));
                metrics.certificates_reloaded(Reload::Ok);
                tracing::info!(listener, "certificates reloaded");
                Told::No
            }
            Err(error) => {
                metrics.certificates_reloaded(Reload::Failed);
                tracing::error!(
                    listener,
                    error = &error as &dyn Error,
                    "certificates not reloaded; keeping the old ones"
                );
                Told::Yes
            }
        }
    }

    /// For each certificate its first name and its end.
    pub fn expiries(&self) -> Vec<(String, Timestamp)> {
        self.current.load().expiries()
    }

    /// The handshake. None when it fails: what clients get wrong is counted, not logged.
    pub(crate) async fn accept(&self, stream: Stream) -> Option<Stream> {
        // pingora's service hands over the bare socket, as no TLS is configured there.
        let socket = stream.into_any().downcast::<L4Stream>().ok()?;
        let current = self.current.load_full();
        let stream = current.acceptor.tls_handshake(*socket).await;
        stream.ok().map(|stream| Box::new(stream) as Stream)
    }
}

impl ListenerTlsSettings {
    fn files(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.certificates.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        pairs.chain(self.client_auth.iter().map(|auth| &auth.ca)).map(PathBuf::as_path)
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.files().map(Stamp::of).collect()
    }

    fn load(&self) -> Result<Loaded, TlsError> {
        let certificates: Result<Vec<_>, _> =
            self.certificates.iter().map(CertificateFiles::load).collect();
        let certificates = certificates?;
        let (first, others) = certificates.split_first().ok_or(TlsError::NoneConfigured)?;
        let names = Arc::new(Names::new(first, others));
        Ok(Loaded { acceptor: acceptor(self.server_config(names)?), certificates })
    }

    fn server_config(&self, names: Arc<Names>) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(self.min_version.and_above())
            .expect("the provider speaks TLS 1.2 and 1.3");
        let builder = match &self.client_auth {
            Some(auth) => builder.with_client_cert_verifier(auth.verifier()?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(names);
        config.alpn_protocols = self.http2.protocols();
        // What a client sends before the handshake is complete can be replayed (RFC 8446 §8).
        config.max_early_data_size = 0;
        Ok(config)
    }
}

/// pingora's acceptor around our configuration. Its own constructor for that takes no call-backs,
/// so one that does is made first and then given the configuration.
fn acceptor(config: ServerConfig) -> Acceptor {
    let mut settings = TlsSettings::with_callbacks(Box::new(ReadCertificate))
        .expect("it only fills in a structure");
    settings.set_cert_resolver(Arc::clone(&config.cert_resolver));
    let mut acceptor = settings.build();
    acceptor.acceptor = Arc::new(config).into();
    acceptor
}

static TLS12_AND_ABOVE: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
static TLS13_AND_ABOVE: [&SupportedProtocolVersion; 1] = [&TLS13];

impl Version {
    fn and_above(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls12 => &TLS12_AND_ABOVE,
            Self::Tls13 => &TLS13_AND_ABOVE,
        }
    }
}

impl Http2 {
    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Off => vec![b"http/1.1".into()],
            Self::Offered => vec![b"h2".into(), b"http/1.1".into()],
        }
    }
}

impl ClientAuth {
    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let bad = || TlsError::BadCa { path: self.ca.clone() };
        let mut roots = RootCertStore::empty();
        for certificate in files::certificates(&self.ca)? {
            roots.add(certificate).map_err(|_| bad())?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let builder = match self.mode {
            ClientAuthMode::Optional => builder.allow_unauthenticated(),
            ClientAuthMode::Required => builder,
        };
        builder.build().map_err(|_| bad())
    }
}

impl Loaded {
    fn expiries(&self) -> Vec<(String, Timestamp)> {
        self.certificates.iter().map(|found| (found.first_name().into(), found.not_after)).collect()
    }

    fn tell(&self, listener: &str, metrics: &Metrics, now: Timestamp) {
        metrics.certificates_served(listener, &self.expiries());
        self.certificates.iter().for_each(|certificate| certificate.warn_of_dates(listener, now));
    }
}

impl Presentable {
    fn first_name(&self) -> &str {
        self.names.first().map(String::as_str).unwrap_or_default()
    }

    /// Served all the same: refusing it would take down what clients may still accept.
    fn warn_of_dates(&self, listener: &str, now: Timestamp) {
        let name = self.first_name();
        if self.not_after <= now {
            tracing::warn!(listener, name, "certificate has expired");
        } else if self.not_before > now {
            tracing::warn!(listener, name, "certificate is not yet valid");
        }
    }
}
