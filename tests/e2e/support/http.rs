//! An HTTP client for tests: shows every answer as it is, follows nothing, and gives up in time.

use std::sync::Once;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::Value;

use super::process::PATIENCE;

/// A client of its own pool and without a memory for cookies.
pub(crate) fn client() -> Client {
    install_crypto();
    Client::builder().redirect(Policy::none()).timeout(PATIENCE).no_proxy().build().unwrap()
}

/// The body of `response` as JSON.
pub(crate) async fn json(response: Response) -> Value {
    let body = response.bytes().await.unwrap();
    serde_json::from_slice(&body)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&body)))
}

/// Chooses the crypto library of the process, which reqwest asks for even where nothing is encrypted.
pub(crate) fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}
