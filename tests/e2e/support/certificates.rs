//! An authority of the test's own, the files it issues, and clients and servers that use them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use pingora::tls::{ClientTlsStream, ServerName, TlsAcceptor, TlsConnector};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::http::install_crypto;

/// An authority and a directory of what it has issued: `NAME.crt` and `NAME.key`; its own certificate is `ca.crt`.
pub(crate) struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        install_crypto();
        let mut params = parameters("authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { directory: tempfile::tempdir().unwrap(), issuer };
        authority.write("ca.crt", &authority.issuer.pem());
        authority
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// Writes a file as a whole, as those do who replace certificates.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let new = self.path(&format!("{file}.new"));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.path(file)).unwrap();
    }

    /// Issues a certificate for `names` into the files of `stem`; its bytes.
    pub(crate) fn issue(&self, stem: &str, names: &[&str]) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters(stem, names).signed_by(&key, &self.issuer).unwrap();
        self.write(&format!("{stem}.key"), &key.serialize_pem());
        self.write(&format!("{stem}.crt"), &certificate.pem());
        certificate.der().to_vec()
    }

    /// The files of `stem`, as the configuration has them.
    pub(crate) fn pair(&self, stem: &str) -> String {
        let file = |end: &str| self.path(&format!("{stem}.{end}")).display().to_string();
        format!("certificate: {}, key: {}", file("crt"), file("key"))
    }

    /// Those who believe this authority, and no other.
    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    fn chain(&self, stem: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::from_pem_file(self.path(&format!("{stem}.crt"))).unwrap();
        (vec![chain], PrivateKeyDer::from_pem_file(self.path(&format!("{stem}.key"))).unwrap())
    }

    /// A client that believes this authority and presents nothing.
    pub(crate) fn client(&self) -> ClientConfig {
        ClientConfig::builder().with_root_certificates(self.roots()).with_no_client_auth()
    }

    /// A client that believes this authority and presents what is in the files of `stem`, which `owner` has issued.
    pub(crate) fn client_with(&self, owner: &Self, stem: &str) -> ClientConfig {
        let (chain, key) = owner.chain(stem);
        let builder = ClientConfig::builder().with_root_certificates(self.roots());
        builder.with_client_auth_cert(chain, key).unwrap()
    }

    /// A server that presents what is in the files of `stem`.
    pub(crate) fn server(&self, stem: &str) -> TlsAcceptor {
        let (chain, key) = self.chain(stem);
        let builder = ServerConfig::builder().with_no_client_auth();
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
    }

    /// As [`server`](Self::server), for clients with certificates of this authority only.
    pub(crate) fn server_for_known_clients(&self, stem: &str) -> TlsAcceptor {
        let (chain, key) = self.chain(stem);
        let verifier = WebPkiClientVerifier::builder(Arc::new(self.roots())).build().unwrap();
        let builder = ServerConfig::builder().with_client_cert_verifier(verifier);
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
    }
}

/// What makes certificates differ: whose they are, and for which names. One with the name of its issuer looks self-signed.
pub(crate) fn parameters(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// A connection to `address` over TLS, as `config` has it, to the server called `name`.
pub(crate) async fn connect(
    config: ClientConfig,
    address: SocketAddr,
    name: &str,
) -> std::io::Result<ClientTlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}
