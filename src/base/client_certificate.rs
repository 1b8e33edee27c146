//! What a client certificate says about who connects. Checking the certificate is somebody else's job.

/// The facts of a client certificate that was verified in a TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of the certificate: `x5t#S256` of
    /// [RFC 8705 §3.1](https://www.rfc-editor.org/rfc/rfc8705#section-3.1) before its encoding.
    thumbprint_sha256: [u8; 32],
    subject: String,
    names: AlternativeNames,
}

/// The subject alternative names of a certificate, by kind
/// ([RFC 5280 §4.2.1.6](https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.6)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlternativeNames {
    /// DNS names, as written.
    pub dns: Vec<String>,
    /// Email addresses.
    pub emails: Vec<String>,
    /// URIs, a SPIFFE id for instance.
    pub uris: Vec<String>,
}

/// A name that could be read as another one: `admin\0.example.com` and its like.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name in the client certificate has control characters")]
pub struct ControlCharacters;

impl ClientCertificate {
    /// Takes the facts in.
    ///
    /// # Errors
    /// When a name has NUL or another control character: it would be cut or split by whoever reads
    /// it next.
    pub fn new(
        thumbprint_sha256: [u8; 32],
        subject: String,
        names: AlternativeNames,
    ) -> Result<Self, ControlCharacters> {
        let lists = [&names.dns, &names.emails, &names.uris];
        let hostile = |text: &String| text.chars().any(char::is_control);
        if hostile(&subject) || lists.into_iter().flatten().any(hostile) {
            return Err(ControlCharacters);
        }
        Ok(Self { thumbprint_sha256, subject, names })
    }

    /// SHA-256 of the certificate in DER.
    pub const fn thumbprint_sha256(&self) -> &[u8; 32] {
        &self.thumbprint_sha256
    }

    /// The subject's distinguished name, most general part first: `C=NL, O=Example, CN=ada`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The subject alternative names.
    pub const fn names(&self) -> &AlternativeNames {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_dns(name: &str) -> Result<ClientCertificate, ControlCharacters> {
        let names = AlternativeNames { dns: vec![name.into()], ..AlternativeNames::default() };
        ClientCertificate::new([7; 32], "CN=ada".into(), names)
    }

    #[test]
    fn plain_names_are_kept_as_written() {
        let certificate = with_dns("Ada.example.com").unwrap();
        assert_eq!(certificate.names().dns, ["Ada.example.com"]);
        assert_eq!(certificate.subject(), "CN=ada");
    }

    #[test]
    fn names_with_control_characters_are_refused() {
        for name in ["a\0.example.com", "a\n", "\u{85}", "\u{7f}"] {
            assert_eq!(with_dns(name), Err(ControlCharacters), "{name:?}");
        }
        let subject =
            ClientCertificate::new([7; 32], "CN=a\0b".into(), AlternativeNames::default());
        assert_eq!(subject, Err(ControlCharacters));
    }
}
