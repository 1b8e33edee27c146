//! The client's certificate: read once, after the handshake, and kept with the connection.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::digest;
use percent_encoding::percent_decode_str;
use pingora::listeners::TlsAccept;
use pingora::protocols::tls::{SslDigest, TlsRef};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::base::client_certificate::{AlternativeNames, ClientCertificate};

/// The client certificate of the connection that `digest` describes, if it presented one whose
/// names can be trusted to be what they look like.
pub fn client_certificate(digest: &SslDigest) -> Option<&ClientCertificate> {
    digest.extension.get()
}

/// Reads the certificate when a handshake is complete.
pub(super) struct ReadCertificate;

#[async_trait]
impl TlsAccept for ReadCertificate {
    async fn handshake_complete_callback(
        &self,
        tls: &TlsRef,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        let certificate = facts(tls.peer_certificate_der()?)?;
        Some(Arc::new(certificate))
    }
}

/// The certificate in `text`, PEM that is percent-encoded, as Envoy tells that of its client; nothing where there is none, or none
/// that can be read.
pub(crate) fn certificate_in_url(text: &str) -> Option<ClientCertificate> {
    if text.is_empty() {
        return None;
    }
    let pem: Cow<'_, [u8]> = percent_decode_str(text).into();
    facts(&CertificateDer::from_pem_slice(&pem).ok()?)
}

/// What the certificate says; nothing if it cannot be parsed or tries to look like another one.
fn facts(der: &[u8]) -> Option<ClientCertificate> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let mut thumbprint = [0; 32];
    thumbprint.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
    let found = ClientCertificate::new(thumbprint, parsed.subject().to_string(), names(&parsed));
    found.inspect_err(|error| tracing::warn!(%error, "client certificate is ignored")).ok()
}

fn names(certificate: &X509Certificate<'_>) -> AlternativeNames {
    let mut names = AlternativeNames::default();
    let extension = certificate.subject_alternative_name().ok().flatten();
    for name in extension.iter().flat_map(|extension| &extension.value.general_names) {
        match *name {
            GeneralName::DNSName(name) => names.dns.push(name.into()),
            GeneralName::RFC822Name(name) => names.emails.push(name.into()),
            GeneralName::URI(name) => names.uris.push(name.into()),
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use rcgen::generate_simple_self_signed;

    use super::*;

    #[test]
    fn a_certificate_in_a_url_is_the_same_as_in_a_handshake() {
        let made = generate_simple_self_signed(["ada.example.com".to_owned()]).unwrap();
        let written = utf8_percent_encode(&made.cert.pem(), NON_ALPHANUMERIC).to_string();
        let found = certificate_in_url(&written).unwrap();
        assert_eq!(Some(&found), facts(made.cert.der()).as_ref());
        assert_eq!(found.names().dns, ["ada.example.com"]);
    }

    #[test]
    fn what_is_no_certificate_proves_nothing() {
        for text in [
            "",
            "garbage",
            "%2D%2D",
            "-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----%0A",
        ] {
            assert_eq!(certificate_in_url(text), None, "{text}");
        }
    }
}
