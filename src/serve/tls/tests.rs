use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use http::Response;
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use pingora::tls::{ServerName, TlsConnector};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::base::time::Timestamp;
use crate::serve::drain::Drain;
use crate::serve::guard::{self, Admission, ConnectionContext, Guard, Process};
use crate::serve::listener::ListenAddress;
use crate::telemetry::metrics::Metrics;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const PATIENCE: Duration = Duration::from_secs(10);

type Ca = CertifiedIssuer<'static, KeyPair>;

/// A directory of files with a CA of its own.
struct Files {
    directory: TempDir,
    ca: Ca,
}

impl Files {
    fn new() -> Self {
        install_crypto();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = Self { directory: tempfile::tempdir().unwrap(), ca };
        files.write("ca.pem", &files.ca.pem());
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Files `<stem>.pem` and `<stem>.key` of a certificate for `names`.
    fn certificate(&self, stem: &str, names: &[&str]) -> CertificateFiles {
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
        self.signed(stem, CertificateParams::new(names).unwrap())
    }

    fn signed(&self, stem: &str, params: CertificateParams) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        self.write(&format!("{stem}.pem"), &certificate.pem());
        self.write(&format!("{stem}.key"), &key.serialize_pem());
        self.pair(stem)
    }

    fn pair(&self, stem: &str) -> CertificateFiles {
        CertificateFiles {
            certificate: self.path(&format!("{stem}.pem")),
            key: self.path(&format!("{stem}.key")),
        }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap()).unwrap();
        roots
    }

    fn client(&self) -> ClientConfig {
        ClientConfig::builder().with_root_certificates(self.roots()).with_no_client_auth()
    }

    fn client_with(&self, files: &CertificateFiles) -> ClientConfig {
        let chain = vec![CertificateDer::from_pem_file(&files.certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let builder = ClientConfig::builder().with_root_certificates(self.roots());
        builder.with_client_auth_cert(chain, key).unwrap()
    }
}

fn settings(certificates: Vec<CertificateFiles>) -> ListenerTlsSettings {
    ListenerTlsSettings {
        certificates,
        client_auth: None,
        min_version: Version::Tls12,
        http2: Http2::Offered,
    }
}

/// Answers with the names of the client's certificate.
struct Names;

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

struct Running {
    address: SocketAddr,
    tls: Arc<ListenerTls>,
    metrics: Metrics,
    process: Process,
}

fn serve(settings: &ListenerTlsSettings) -> Running {
    serve_within(settings, guard::Settings::default())
}

fn serve_within(settings: &ListenerTlsSettings, limits: guard::Settings) -> Running {
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

type TlsStream = pingora::tls::ClientTlsStream<TcpStream>;

impl Running {
    async fn connect(&self, config: ClientConfig, name: &str) -> std::io::Result<TlsStream> {
        let socket = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await
    }

    /// The certificate that a client asking for `name` is shown.
    async fn shown(&self, files: &Files, name: &str) -> Option<Vec<u8>> {
        let mut config = files.client();
        config.dangerous().set_certificate_verifier(Arc::new(Anything));
        let stream = self.connect(config, name).await.ok()?;
        let shown = stream.get_ref().1.peer_certificates()?.first()?.to_vec();
        Some(shown)
    }

    fn counted(&self, line: &str) -> bool {
        self.metrics.render(NOW).lines().any(|found| found == line)
    }
}

/// Looks at nothing: for tests of what is shown.
#[derive(Debug)]
struct Anything;

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

async fn ask(stream: &mut TlsStream) -> std::io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no answer")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn der(path: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(path).unwrap().to_vec()
}

#[tokio::test]
async fn the_name_that_is_asked_for_chooses_the_certificate() {
    let files = Files::new();
    let first = files.certificate("first", &["first.test"]);
    let exact = files.certificate("exact", &["App.Example.test"]);
    let wildcard = files.certificate("wildcard", &["*.example.test"]);
    let running = serve(&settings(vec![first.clone(), exact.clone(), wildcard.clone()]));
    for (name, expected) in [
        ("app.example.test", &exact),
        ("APP.example.TEST", &exact),
        ("other.example.test", &wildcard),
        ("a.b.example.test", &first),
        ("example.test", &first),
        ("unknown.test", &first),
        ("127.0.0.1", &first),
    ] {
        assert_eq!(running.shown(&files, name).await, Some(der(&expected.certificate)), "{name}");
    }
}

#[test]
fn a_trailing_dot_does_not_change_the_certificate() {
    let files = Files::new();
    let first = files.certificate("first", &["first.test"]).load().unwrap();
    let other = files.certificate("other", &["other.test"]).load().unwrap();
    let names = names::Names::new(&first, std::slice::from_ref(&other));
    assert!(Arc::ptr_eq(names.find(Some("Other.Test.")), &other.key));
    assert!(Arc::ptr_eq(names.find(None), &first.key));
}

#[tokio::test]
async fn http2_is_spoken_where_it_is_offered_and_only_there() {
    let files = Files::new();
    let mut tls = settings(vec![files.certificate("app", &["app.test"])]);
    for (http2, expected) in [(Http2::Offered, "h2"), (Http2::Off, "http/1.1")] {
        tls.http2 = http2;
        let running = serve(&tls);
        let mut config = files.client();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = running.connect(config, "app.test").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(expected.as_bytes()));
    }
}

#[tokio::test]
async fn old_versions_are_refused_when_they_shall_be() {
    let files = Files::new();
    let mut tls = settings(vec![files.certificate("app", &["app.test"])]);
    let old = || {
        ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
            .with_root_certificates(files.roots())
            .with_no_client_auth()
    };
    assert!(serve(&tls).connect(old(), "app.test").await.is_ok());
    tls.min_version = Version::Tls13;
    let running = serve(&tls);
    assert!(running.connect(old(), "app.test").await.is_err());
    let counted = "sidegate_connections_refused_total{listener=\"edge\",why=\"handshake\"} 1";
    assert!(running.counted(counted));
    assert!(running.connect(files.client(), "app.test").await.is_ok());
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut() {
    let files = Files::new();
    let limits =
        guard::Settings { handshake: Duration::from_millis(300), ..guard::Settings::default() };
    let running = serve_within(&settings(vec![files.certificate("app", &["app.test"])]), limits);
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    socket.write_all(b"\x16\x03\x01").await.unwrap();
    let cut = tokio::time::timeout(PATIENCE, socket.read(&mut [0; 8])).await.expect("never cut");
    assert_eq!(cut.unwrap_or(0), 0);
    assert!(
        running
            .counted("sidegate_connections_refused_total{listener=\"edge\",why=\"handshake\"} 1")
    );
}

#[tokio::test]
async fn the_client_certificate_is_told_to_the_app() {
    let files = Files::new();
    let mut params = CertificateParams::new(vec!["ada.example.test".into()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "ada");
    params.subject_alt_names.push(SanType::URI("spiffe://example.test/ada".try_into().unwrap()));
    let ada = files.signed("ada", params);
    let mut tls = settings(vec![files.certificate("app", &["app.test"])]);
    let auth = |mode| Some(ClientAuth { ca: files.path("ca.pem"), mode });

    tls.client_auth = auth(ClientAuthMode::Optional);
    let running = serve(&tls);
    let answer = ask(&mut running.connect(files.client_with(&ada), "app.test").await.unwrap())
        .await
        .unwrap();
    let told = r#"CN=ada ["ada.example.test"] ["spiffe://example.test/ada"]"#;
    assert!(answer.ends_with(told), "{answer}");
    let answer =
        ask(&mut running.connect(files.client(), "app.test").await.unwrap()).await.unwrap();
    assert!(answer.ends_with("nobody"), "{answer}");

    tls.client_auth = auth(ClientAuthMode::Required);
    let running = serve(&tls);
    let stranger = Files::new();
    let eve = stranger.certificate("eve", &["eve.test"]);
    for config in [files.client(), files.client_with(&eve)] {
        // With TLS 1.3 the client learns of the refusal when it reads.
        let refused = match running.connect(config, "app.test").await {
            Ok(mut stream) => ask(&mut stream).await.is_err(),
            Err(_) => true,
        };
        assert!(refused);
    }
}

#[tokio::test]
async fn changed_files_are_served_and_open_connections_stay() {
    let files = Files::new();
    let pair = files.certificate("app", &["app.test"]);
    let running = serve(&settings(vec![pair.clone()]));
    let before = der(&pair.certificate);
    assert_eq!(running.shown(&files, "app.test").await, Some(before.clone()));
    let mut open = running.connect(files.client(), "app.test").await.unwrap();

    files.certificate("app", &["app.test"]);
    running.tls.refresh("edge", &running.metrics, NOW);
    let shown = running.shown(&files, "app.test").await;
    assert_eq!(shown, Some(der(&pair.certificate)));
    assert_ne!(shown, Some(before));
    assert!(ask(&mut open).await.unwrap().ends_with("nobody"));
    assert!(running.counted("sidegate_certificate_reloads_total{result=\"ok\"} 1"));
    running.tls.refresh("edge", &running.metrics, NOW);
    assert!(running.counted("sidegate_certificate_reloads_total{result=\"ok\"} 1"));
}

#[tokio::test]
async fn files_that_are_of_no_use_leave_the_old_ones_in_force() {
    let files = Files::new();
    let pair = files.certificate("app", &["app.test"]);
    let before = der(&pair.certificate);
    let running = serve(&settings(vec![pair]));
    files.write("app.key", "half a file");
    running.tls.refresh("edge", &running.metrics, NOW);
    running.tls.refresh("edge", &running.metrics, NOW);
    assert!(running.counted("sidegate_certificate_reloads_total{result=\"failed\"} 1"));
    assert_eq!(running.shown(&files, "app.test").await, Some(before));
}

#[tokio::test]
async fn a_directory_that_is_swapped_by_a_link_is_a_change() {
    let files = Files::new();
    for version in ["v1", "v2"] {
        fs::create_dir(files.path(version)).unwrap();
        files.certificate(&format!("{version}/app"), &["app.test"]);
    }
    let link = |version: &str| {
        std::os::unix::fs::symlink(version, files.path("new")).unwrap();
        fs::rename(files.path("new"), files.path("data")).unwrap();
    };
    link("v1");
    let running = serve(&settings(vec![files.pair("data/app")]));
    link("v2");
    running.tls.refresh("edge", &running.metrics, NOW);
    assert_eq!(running.shown(&files, "app.test").await, Some(der(&files.path("v2/app.pem"))));
}

#[tokio::test]
async fn the_end_of_certificates_is_told() {
    let files = Files::new();
    let running = serve(&settings(vec![files.certificate("app", &["app.test"])]));
    let text = running.metrics.render(NOW);
    let start =
        "sidegate_certificate_expiry_timestamp_seconds{listener=\"edge\",name=\"app.test\"} ";
    let told: u64 =
        text.lines().find_map(|line| line.strip_prefix(start)).unwrap().parse().unwrap();
    assert_eq!(Timestamp::from_secs(told), running.tls.expiries()[0].1);
}

#[tokio::test]
async fn an_idle_http2_connection_does_not_hold_the_drain() {
    let files = Files::new();
    let running = serve(&settings(vec![files.certificate("app", &["app.test"])]));
    let mut config = files.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = running.connect(config, "app.test").await.unwrap();
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("https://app.test/").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    let mut body = response.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "nobody");
    running.process.drain.begin();
    let drained = running.process.drain.wait(PATIENCE).await;
    assert_eq!(drained, crate::serve::drain::Drained::Done);
    let _ = connection.await.unwrap();
}

#[tokio::test]
async fn http2_without_a_request_has_the_header_deadline() {
    let files = Files::new();
    let limits =
        guard::Settings { header: Duration::from_millis(300), ..guard::Settings::default() };
    let running = serve_within(&settings(vec![files.certificate("app", &["app.test"])]), limits);
    let mut config = files.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = running.connect(config, "app.test").await.unwrap();
    let (_requests, connection) = h2::client::handshake(stream).await.unwrap();
    let _ = tokio::time::timeout(PATIENCE, connection).await.expect("never cut");
    assert!(running.counted(
        "sidegate_connections_refused_total{listener=\"edge\",why=\"header_deadline\"} 1"
    ));
}

fn why(files: CertificateFiles) -> String {
    match ListenerTls::load(&settings(vec![files])) {
        Ok(_) => String::from("loaded"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_file_that_is_of_no_use_is_named_with_its_fault() {
    let files = Files::new();
    let good = files.certificate("app", &["app.test"]);
    let other = files.certificate("other", &["app.test"]);
    files.write("empty.pem", "");
    files.write("text.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    files.write("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let with = |certificate: &str| CertificateFiles {
        certificate: files.path(certificate),
        ..good.clone()
    };
    let key = |key: PathBuf| CertificateFiles { key, ..good.clone() };
    for (pair, file, fault) in [
        (with("absent.pem"), "absent.pem", "cannot read"),
        (with("empty.pem"), "empty.pem", "no certificate"),
        (with("app.key"), "app.key", "no certificate"),
        (with("text.pem"), "text.pem", "not valid PEM"),
        (with("junk.pem"), "junk.pem", "cannot be parsed"),
        (key(files.path("empty.pem")), "empty.pem", "no private key"),
        (key(files.path("app.pem")), "app.pem", "no private key"),
        (key(other.key), "other.key", "does not belong"),
    ] {
        let said = why(pair);
        assert!(said.contains(file) && said.contains(fault), "{said}");
    }
    assert_eq!(why(good), "loaded");
    let none = ListenerTls::load(&settings(Vec::new())).err();
    assert!(matches!(none, Some(TlsError::NoneConfigured)));
}

#[test]
fn a_ca_that_is_not_there_refuses_the_listener() {
    let files = Files::new();
    let mut tls = settings(vec![files.certificate("app", &["app.test"])]);
    tls.client_auth =
        Some(ClientAuth { ca: files.path("absent.pem"), mode: ClientAuthMode::Required });
    assert!(ListenerTls::load(&tls).is_err());
}

#[test]
fn an_upstream_without_a_name_to_check_is_refused() {
    for name in ["", "a b", "-"] {
        let found = UpstreamTls::load(&UpstreamTlsSettings {
            server_name: name.into(),
            ca: None,
            client: None,
        });
        assert!(matches!(found, Err(TlsError::BadServerName { .. })), "{name:?}");
    }
}

#[test]
fn an_upstreams_ca_and_client_certificate_are_loaded_and_checked() {
    let files = Files::new();
    let client = files.certificate("client", &["client.test"]);
    let mut upstream = UpstreamTlsSettings {
        server_name: "app.test".into(),
        ca: Some(files.path("ca.pem")),
        client: Some(client.clone()),
    };
    let loaded = UpstreamTls::load(&upstream).unwrap();
    assert_eq!(loaded.server_name(), "app.test");
    assert_eq!(loaded.ca().unwrap().len(), 1);
    assert_eq!(loaded.client().unwrap().leaf().borrow_raw_cert(), &der(&client.certificate));
    upstream.ca = Some(files.path("client.key"));
    assert!(matches!(UpstreamTls::load(&upstream), Err(TlsError::NoCertificate { .. })));
}
