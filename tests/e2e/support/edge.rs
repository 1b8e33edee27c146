//! Names below `.test` over real TLS: one authority for the whole run, what it has issued, who believes it, and sidegate with it.
//!
//! Apps are at `NAME.edge.test` or, on another site, `NAME.other.test`; providers at `NAME.idp.test`, Authgear at `auth.edge.test`.
//! Clients of the tests take these names for this machine; sidegate, which asks the system, gets to them by a [tunnel].

use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pingora::tls::ClientTlsStream;
use rcgen::{BasicConstraints, CertifiedIssuer, IsCa, KeyPair, PublicKeyData};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::certificates::{connect, parameters};
use super::http::install_crypto;
use super::process::Sidegate;
use super::tunnel;

/// Whose names the certificate of apps is for, and that of stand-ins.
const APPS: [&str; 2] = ["*.edge.test", "*.other.test"];
const PROVIDERS: [&str; 3] = ["*.idp.test", "auth.edge.test", "resolver.edge.test"];

/// The listener of sidegates at the edge.
pub(crate) const LISTENER: &str = "listeners:\n  - { name: edge, address: '127.0.0.1:0', tls: { certificate: EDGE/apps.crt, key: EDGE/tls.key } }\n";

/// Made once: every client and every program of the run believes the same authority.
static EDGE: LazyLock<Edge> = LazyLock::new(Edge::new);

struct Edge {
    root: CertificateDer<'static>,
    /// PEM.
    authority: String,
    apps: String,
    providers: String,
    /// PEM: the one key of both certificates.
    key: String,
    /// The digest of that key, as Chromium wants it.
    pin: String,
}

impl Edge {
    fn new() -> Self {
        install_crypto();
        let mut params = parameters("the authority of the edge", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let issue =
            |name, names: &[&str]| parameters(name, names).signed_by(&key, &issuer).unwrap().pem();
        Self {
            root: issuer.der().clone(),
            authority: issuer.pem(),
            apps: issue("apps", &APPS),
            providers: issue("providers", &PROVIDERS),
            pin: STANDARD.encode(digest(&SHA256, &key.subject_public_key_info())),
            key: key.serialize_pem(),
        }
    }
}

/// Whether TLS to `host` is real. That of all other names ends right behind the browser.
pub(crate) fn is_ours(host: &str) -> bool {
    [".edge.test", ".idp.test", ".other.test"].iter().any(|end| host.ends_with(end))
}

/// PEM of the authority.
pub(crate) fn authority() -> &'static str {
    &EDGE.authority
}

/// The Base64 of the SHA-256 of the key in every certificate.
pub(crate) fn pin() -> &'static str {
    &EDGE.pin
}

/// A directory with `ca.crt`, `apps.crt`, `providers.crt` and their `tls.key`.
pub(crate) fn files() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let Edge { authority, apps, providers, key, .. } = &*EDGE;
    for (name, text) in
        [("ca.crt", authority), ("apps.crt", apps), ("providers.crt", providers), ("tls.key", key)]
    {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

/// Has a script of `tests/peers` speak TLS as one of the providers, and believe the authority; the files must outlive it.
pub(crate) fn provide(script: &mut Command) -> TempDir {
    let files = files();
    let at = |name: &str| files.path().join(name);
    script
        .env("TLS_CERTIFICATE", at("providers.crt"))
        .env("TLS_KEY", at("tls.key"))
        .env("NODE_EXTRA_CA_CERTS", at("ca.crt"));
    files
}

/// A client that believes the authority and presents nothing.
pub(crate) fn config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(EDGE.root.clone()).unwrap();
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

/// A connection over TLS to `address`, where the server is called `name`.
pub(crate) async fn open(address: SocketAddr, name: &str) -> ClientTlsStream<TcpStream> {
    connect(config(), address, name).await.unwrap()
}

/// Sidegate with a listener called `edge` that has the certificate of apps, and a way to providers, whose authority it believes.
/// `configuration` has neither `listen` nor `admin`; `EDGE` in it is the directory of [`files`].
pub(crate) fn sidegate(configuration: &str, environment: Vec<(String, String)>) -> Sidegate {
    sidegate_with("", configuration, environment)
}

/// The same with more `listeners`, a line each.
pub(crate) fn sidegate_with(
    listeners: &str,
    configuration: &str,
    environment: Vec<(String, String)>,
) -> Sidegate {
    run(&format!("{LISTENER}{listeners}{configuration}"), environment)
}

/// The same with no listeners but those of `configuration`.
pub(crate) fn run(configuration: &str, mut environment: Vec<(String, String)>) -> Sidegate {
    environment.extend(tunnel::environment());
    Sidegate::run_in_with(configured(configuration), environment)
}

/// A directory with [`files`] and the `config.yaml` of a sidegate that believes their authority.
pub(crate) fn configured(configuration: &str) -> TempDir {
    let directory = files();
    let common = "admin: none\negress: { ca: EDGE/ca.crt }\n";
    let configuration = filled_in(&format!("{common}{configuration}"), directory.path());
    std::fs::write(directory.path().join("config.yaml"), configuration).unwrap();
    directory
}

/// `text` with the directory in place of `EDGE`.
pub(crate) fn filled_in(text: &str, directory: &Path) -> String {
    text.replace("EDGE/", &format!("{}/", directory.display()))
}
