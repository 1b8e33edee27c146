//! What a client's TLS certificate says, once the client proved to own it.

/// A verified client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of the certificate's DER: `x5t#S256` of RFC 8705.
    pub thumbprint_sha256: [u8; 32],
    /// The subject, in the text form of RFC 4514.
    pub subject: String,
    /// DNS names of the subject alternative names.
    pub dns_names: Vec<String>,
    /// Mail addresses of the subject alternative names.
    pub emails: Vec<String>,
    /// URIs of the subject alternative names.
    pub uris: Vec<String>,
}
