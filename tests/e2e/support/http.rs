//! An HTTP client for tests: shows every answer as it is, follows nothing, and gives up in time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Once};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Response};
use serde_json::Value;

use super::edge;
use super::process::PATIENCE;

/// A client of its own pool and without a memory for cookies. It believes the authority of the [edge], and no other; names that end in
/// `.test` are this machine, and no others are asked for.
pub(crate) fn client() -> Client {
    builder().build().unwrap()
}

/// The same, about to be built.
pub(crate) fn builder() -> ClientBuilder {
    install_crypto();
    let root = Certificate::from_pem(edge::authority().as_bytes()).unwrap();
    let client = Client::builder().redirect(Policy::none()).timeout(PATIENCE).no_proxy();
    client.dns_resolver(Arc::new(ThisMachine)).tls_certs_only([root])
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

/// Every name is this machine.
struct ThisMachine;

impl Resolve for ThisMachine {
    fn resolve(&self, name: Name) -> Resolving {
        let text = name.as_str();
        let is_ours = [".localhost", ".test"].iter().any(|end| text.ends_with(end));
        assert!(is_ours || text == "localhost", "{name:?} would leave this machine");
        let here: Addrs = Box::new([SocketAddr::from((Ipv4Addr::LOCALHOST, 0))].into_iter());
        Box::pin(async move { Ok(here) })
    }
}
