//! Certificates: those of listeners, and what upstreams are checked against and shown.
//!
//! Every file is read and checked here, by the code that reads it again when the program runs.

use std::error::Error;
use std::path::{Path, PathBuf};

use crate::config::file::{
    ClientAuth as WrittenAuth, Tls, TlsVersion, UpstreamTls as WrittenUpstream,
};
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::serve::tls::{
    CertificateFiles, ClientAuth, ClientAuthMode, Http2, ListenerTls, ListenerTlsSettings,
    TlsError, UpstreamTls, UpstreamTlsSettings, Version,
};

/// The TLS of a listener.
pub(super) fn listener(
    written: &Tls,
    path: &KeyPath,
    inputs: &Inputs,
    report: &mut Report,
) -> Option<ListenerTlsSettings> {
    let client_auth = client_auth(written, path, inputs, report);
    let settings = ListenerTlsSettings {
        certificates: certificates(written, path, inputs, report)?,
        client_auth,
        min_version: match written.min_version {
            TlsVersion::V1_2 => Version::Tls12,
            TlsVersion::V1_3 => Version::Tls13,
        },
        http2: if written.http2 { Http2::Offered } else { Http2::Off },
    };
    match ListenerTls::load(&settings) {
        Ok(_) => Some(settings),
        Err(error) => refuse(&error, path, report),
    }
}

fn certificates(
    written: &Tls,
    path: &KeyPath,
    inputs: &Inputs,
    report: &mut Report,
) -> Option<Vec<CertificateFiles>> {
    let files = |certificate: &Path, key: &Path| CertificateFiles {
        certificate: inputs.resolve(certificate),
        key: inputs.resolve(key),
    };
    match (&written.certificate, &written.key, &written.certificates) {
        (Some(certificate), Some(key), None) => Some(vec![files(certificate, key)]),
        (None, None, Some(list)) if !list.is_empty() => {
            Some(list.iter().map(|pair| files(&pair.certificate, &pair.key)).collect())
        }
        (None, None, _) => {
            report.refuse(path, "has no certificate", "add `certificate:` and `key:`");
            None
        }
        (_, _, Some(_)) => {
            let remedy = "move `certificate` and `key` into `certificates`";
            report.refuse(
                &path.key("certificates"),
                "is written beside `certificate` or `key`",
                remedy,
            );
            None
        }
        (Some(_), None, None) => {
            report.refuse(path, "has a certificate without its key", "add `key:`");
            None
        }
        (None, Some(_), None) => {
            report.refuse(path, "has a key without its certificate", "add `certificate:`");
            None
        }
    }
}

fn client_auth(
    written: &Tls,
    path: &KeyPath,
    inputs: &Inputs,
    report: &mut Report,
) -> Option<ClientAuth> {
    let mode = match written.client_auth {
        Some(WrittenAuth::Optional) => ClientAuthMode::Optional,
        Some(WrittenAuth::Required) | None => ClientAuthMode::Required,
    };
    if let (Some(_), None) = (written.client_auth, &written.client_ca) {
        let message = "nothing says which client certificates are good";
        report.refuse(
            &path.key("client_auth"),
            message,
            "add `client_ca:` with the file of the authorities",
        );
    }
    written.client_ca.as_ref().map(|ca| ClientAuth { ca: inputs.resolve(ca), mode })
}

/// The TLS towards an upstream whose servers all have the name `host`, if they have one in common.
pub(super) fn upstream(
    written: Option<&WrittenUpstream>,
    host: Option<&str>,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<UpstreamTlsSettings> {
    let Some(server_name) = written.and_then(|tls| tls.server_name.as_deref()).or(host) else {
        let message =
            "the certificates of these servers cannot be checked: they have no host name in common";
        report.refuse(path, message, "add `server_name:` with the name that is in the certificate");
        return None;
    };
    let mut watch = |file: &PathBuf| inputs.watch(file);
    let settings = UpstreamTlsSettings {
        server_name: server_name.to_owned(),
        ca: written.and_then(|tls| tls.ca.as_ref()).map(&mut watch),
        client: client(written, path, &mut watch, report),
    };
    match UpstreamTls::load(&settings) {
        Ok(_) => Some(settings),
        Err(error) => refuse(&error, path, report),
    }
}

fn client(
    written: Option<&WrittenUpstream>,
    path: &KeyPath,
    watch: &mut impl FnMut(&PathBuf) -> PathBuf,
    report: &mut Report,
) -> Option<CertificateFiles> {
    let written = written?;
    let (certificate, key) =
        pair(written.certificate.as_ref(), written.key.as_ref(), path, report)?;
    Some(CertificateFiles { certificate: watch(certificate), key: watch(key) })
}

/// A certificate and its key: both, or neither.
pub(super) fn pair<C, K>(
    certificate: Option<C>,
    key: Option<K>,
    path: &KeyPath,
    report: &mut Report,
) -> Option<(C, K)> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            report.refuse(path, "has a certificate without its key", "add `key:`");
            None
        }
        (None, Some(_)) => {
            report.refuse(path, "has a key without its certificate", "add `certificate:`");
            None
        }
    }
}

fn refuse<T>(error: &TlsError, path: &KeyPath, report: &mut Report) -> Option<T> {
    let message = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    report.refuse(path, message, remedy(error));
    None
}

const fn remedy(error: &TlsError) -> &'static str {
    match error {
        TlsError::Unreadable { .. } => "put it there, readable for the user that sidegate runs as",
        TlsError::Mismatch { .. } => "name a certificate and its own key",
        TlsError::BadServerName { .. } => "write the name that is in the upstream's certificate",
        TlsError::NoKey { .. } | TlsError::UnsupportedKey { .. } => {
            "name a file with a private key"
        }
        TlsError::BadCa { .. }
        | TlsError::BadCertificate { .. }
        | TlsError::NoCertificate { .. }
        | TlsError::NoneConfigured
        | TlsError::NotPem { .. } => "name a PEM file of certificates",
    }
}
