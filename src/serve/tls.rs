//! TLS, both ways: what listeners present and demand, what upstreams are shown and checked against.
//!
//! Files are read and checked here, before anything is served, and again when they change. Which
//! names and modes there are is the configuration's; deadlines are [`super::guard`]'s.

mod client;
mod files;
mod listener;
mod names;
mod upstream;

pub(crate) use client::certificate_in_url;
pub use client::client_certificate;
pub use files::{CertificateFiles, TlsError};
pub use listener::{ClientAuth, ClientAuthMode, Http2, ListenerTls, ListenerTlsSettings, Version};
pub use upstream::{UpstreamTls, UpstreamTlsSettings};

use std::sync::Arc;

/// Makes aws-lc the cryptography of every TLS connection of the process, pingora's included,
/// which would otherwise choose for itself. The first call decides; later ones do nothing.
pub fn install_crypto() {
    // An error says that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests;
