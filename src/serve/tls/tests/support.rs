//! A CA with its files, and a listener over TLS to ask.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Response;
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use pingora::tls::{ServerName, TlsConnector};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::base::time::Timestamp;
use crate::serve::drain::Drain;
use crate::serve::guard::{self, Admission, ConnectionContext, Guard, Process};
use crate::serve::listener::ListenAddress;
use crate::serve::tls::{
    CertificateFiles, Http2, ListenerTls, ListenerTlsSettings, Version, client_certificate,
    install_crypto, provider,
};
use crate::telemetry::metrics::Metrics;

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

type Ca = CertifiedIssuer<'static, KeyPair>;

/// A directory of files with a CA of its own.
pub(super) struct Files {
    directory: TempDir,
    ca: Ca,
}

impl Files {
    pub(super) fn new() -> Self {
        install_crypto();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = Self { directory: tempfile::tempdir().unwrap(), ca };
        files.write("ca.pem", &files.ca.pem());
        files
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Files `<stem>.pem` and `<stem>.key` of a certificate for `names`.
    pub(super) fn certificate(&self, stem: &str, names: &[&str]) -> CertificateFiles {
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
        self.signed(stem, CertificateParams::new(names).unwrap())
    }

    pub(super) fn signed(&self, stem: &str, params: CertificateParams) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        self.write(&format!("{stem}.pem"), &certificate.pem());
        self.write(&format!("{stem}.key"), &key.serialize_pem());
        self.pair(stem)
    }

    pub(super) fn pair(&self, stem: &str) -> CertificateFiles {
        CertificateFiles {
            certificate: self.path(&format!("{stem}.pem")),
            key: self.path(&format!("{stem}.key")),
        }
    }

    pub(super) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap()).unwrap();
        roots
    }

    pub(super) fn client(&self) -> ClientConfig {
        ClientConfig::builder().with_root_certificates(self.roots()).with_no_client_auth()
    }

    pub(super) fn client_with(&self, files: &CertificateFiles) -> ClientConfig {
        let chain = vec![CertificateDer::from_pem_file(&files.certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let builder = ClientConfig::builder().with_root_certificates(self.roots());
        builder.with_client_auth_cert(chain, key).unwrap()
    }
}

pub(super) fn settings(certificates: Vec<CertificateFiles>) -> ListenerTlsSettings {
    ListenerTlsSettings {
        certificates,
        client_auth: None,
        min_version: Version::Tls12,
        http2: Http2::Offered,
    }
}

/// Answers with the names of the client's certificate.
pub(super) struct Names;

#[async_trait]
impl ServeHttp for Names {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let context = session.take_connection_user_context();
        if let Some(context) =
            context.and_then(|context| context.downcast::<ConnectionContext>().ok())
        {
            context.header_complete();
        }
        let digest = session.digest().and_then(|digest| digest.ssl_digest.as_deref());
        let certificate = digest.and_then(client_certificate);
        let body = certificate.map_or_else(
            || "nobody".into(),
            |certificate| {
                format!(
                    "{} {:?} {:?}",
                    certificate.subject(),
                    certificate.names().dns,
                    certificate.names().uris
                )
            },
        );
        let body = body.into_bytes();
        Response::builder().header("content-length", body.len()).body(body).unwrap()
    }
}

pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) tls: Arc<ListenerTls>,
    pub(super) metrics: Metrics,
    pub(super) process: Process,
}

pub(super) fn serve(settings: &ListenerTlsSettings) -> Running {
    serve_within(settings, guard::Settings::default())
}

pub(super) fn serve_within(settings: &ListenerTlsSettings, limits: guard::Settings) -> Running {
    let tls = Arc::new(ListenerTls::load(settings).unwrap());
    let bound = "127.0.0.1:0".parse::<ListenAddress>().unwrap().bind().unwrap();
    let ListenAddress::Tcp(address) = *bound.address() else { panic!("not tcp") };
    let metrics = Metrics::new();
    let process = Process { admission: Admission::new(100), drain: Drain::new() };
    let guard = Guard::new(
        Arc::new(Names),
        limits,
        Some(Arc::clone(&tls)),
        &process,
        metrics.listener("edge"),
    );
    let drain = process.drain.clone();
    tokio::spawn(async move { bound.serve(guard, &drain).await });
    tls.refresh("edge", &metrics, NOW);
    Running { address, tls, metrics, process }
}

pub(super) type TlsStream = pingora::tls::ClientTlsStream<TcpStream>;

impl Running {
    pub(super) async fn connect(
        &self,
        config: ClientConfig,
        name: &str,
    ) -> std::io::Result<TlsStream> {
        let socket = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await
    }

    /// The certificate that a client asking for `name` is shown.
    pub(super) async fn shown(&self, files: &Files, name: &str) -> Option<Vec<u8>> {
        let mut config = files.client();
        config.dangerous().set_certificate_verifier(Arc::new(Anything));
        let stream = self.connect(config, name).await.ok()?;
        let shown = stream.get_ref().1.peer_certificates()?.first()?.to_vec();
        Some(shown)
    }

    pub(super) fn counted(&self, line: &str) -> bool {
        self.metrics.render(NOW).lines().any(|found| found == line)
    }
}

/// Looks at nothing: for tests of what is shown.
#[derive(Debug)]
pub(super) struct Anything;

impl rustls::client::danger::ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

pub(super) async fn ask(stream: &mut TlsStream) -> std::io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no answer")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

pub(super) fn der(path: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(path).unwrap().to_vec()
}
