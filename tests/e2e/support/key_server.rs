//! A provider as far as its keys go: metadata and a key set. A test decides what the address of the keys answers.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::tokens::{AUDIENCE, Issuer};
use super::upstream::{Recorded, Upstream};

/// The running server, and the key that it publishes first.
pub(crate) struct KeyServer {
    pub(crate) issuer: Issuer,
    server: Upstream,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl KeyServer {
    /// One that publishes a key of its own.
    pub(crate) async fn start() -> Self {
        let issuer = Issuer::new();
        let answer = Arc::new(Mutex::new(ok(&issuer.jwks())));
        let keys = Arc::clone(&answer);
        let server = Upstream::answering(move |request| match request.target().as_str() {
            "/jwks" => keys.lock().clone(),
            _ => ok(&metadata(request)),
        })
        .await;
        Self { issuer, server, answer }
    }

    /// Its issuer identifier, which is its address.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// A `provider:` that takes its word, found by discovery.
    pub(crate) fn provider(&self) -> String {
        format!("provider:\n  type: jwt\n  issuer: {}\n  audience: {AUDIENCE}\n", self.url())
    }

    /// A token for `user` by the key that is published first.
    pub(crate) fn token(&self, user: &str) -> String {
        self.token_by(&self.issuer, user)
    }

    /// A token for `user` in this server's name by any key.
    pub(crate) fn token_by(&self, issuer: &Issuer, user: &str) -> String {
        issuer.token_with(user, |claims| claims["iss"] = self.url().into())
    }

    /// Publishes `set` from now on.
    pub(crate) fn publish(&self, set: &Value) {
        self.answer(ok(set));
    }

    /// Answers with these bytes where the keys are, from now on.
    pub(crate) fn answer(&self, bytes: impl Into<Vec<u8>>) {
        *self.answer.lock() = bytes.into();
    }

    /// How often it was asked for its keys.
    pub(crate) fn fetches(&self) -> usize {
        self.server.requests().iter().filter(|request| request.target() == "/jwks").count()
    }

    /// How often it was asked for anything.
    pub(crate) fn requests(&self) -> usize {
        self.server.requests().len()
    }
}

fn metadata(request: &Recorded) -> Value {
    let url = format!("http://{}", request.values("host").concat());
    json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") })
}

fn ok(body: &Value) -> Vec<u8> {
    answer("200 OK", "application/json", body.to_string().as_bytes())
}

/// The bytes of an answer.
pub(crate) fn answer(status: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}
