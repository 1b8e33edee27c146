//! Keys, configuration and the process itself change while requests come in: not one of them may fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::sync::RwLock;
use tokio::task::JoinHandle;

use crate::support::http::client;
use crate::support::oidc_provider::{AUDIENCE, OidcProvider};
use crate::support::process::Sidegate;
use crate::support::upstream::Upstream;

const CLIENTS: usize = 8;

/// Clients that ask one after the other until told to stop.
struct Load {
    token: Arc<RwLock<String>>,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(url: &str, token: String) -> Self {
        let token = Arc::new(RwLock::new(token));
        let (stop, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let ask = |_| {
            let state = (url.to_owned(), Arc::clone(&token), Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(ask(state))
        };
        let clients = (0..CLIENTS).map(ask).collect();
        Self { token, stop, asked, clients }
    }

    /// Waits until `count` more requests are answered.
    async fn answered(&self, count: usize) {
        let until = self.asked.load(Ordering::Relaxed) + count;
        while self.asked.load(Ordering::Relaxed) < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops, and tells what went wrong.
    async fn failures(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut failures = Vec::new();
        for client in self.clients {
            failures.extend(client.await.unwrap());
        }
        failures
    }
}

type State = (String, Arc<RwLock<String>>, Arc<AtomicBool>, Arc<AtomicUsize>);

async fn ask((url, token, stop, asked): State) -> Vec<String> {
    let client = client();
    let mut failures = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let token = token.read().await.clone();
        match client.get(&url).bearer_auth(token).send().await {
            Ok(answer) if answer.status() == StatusCode::OK => {}
            Ok(answer) => failures.push(answer.status().to_string()),
            Err(error) => failures.push(format!("{error:?}")),
        }
        asked.fetch_add(1, Ordering::Relaxed);
    }
    failures
}

fn configuration(provider: &OidcProvider, upstream: &str, route: &str) -> String {
    let issuer = &provider.issuer;
    format!(
        "listen: 127.0.0.1:0\nadmin: {{ address: 127.0.0.1:0 }}\nlog: {{ requests: none }}\n\
         upstream: {upstream}\nprovider:\n  issuer: {issuer}\n  audience: {AUDIENCE}\n\
         routes:\n  - {{ name: {route} }}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_provider_rotates_its_keys() {
    let Some(provider) = OidcProvider::start().await else { return };
    let upstream = Upstream::start().await;
    let sidegate = Sidegate::run(&configuration(&provider, &upstream.url(), "all"));
    let url = format!("http://{}/", sidegate.address().await);
    let load = Load::start(&url, provider.token("ada", "RS256").await);
    load.answered(100).await;
    provider.rotate().await;
    load.answered(100).await;
    *load.token.write().await = provider.token("ada", "RS256").await;
    load.answered(200).await;
    assert_eq!(load.failures().await, [""; 0], "{}", sidegate.program.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_configuration_is_reloaded() {
    let Some(provider) = OidcProvider::start().await else { return };
    let upstream = Upstream::start().await;
    let sidegate = Sidegate::run(&configuration(&provider, &upstream.url(), "zero"));
    let url = format!("http://{}/", sidegate.address().await);
    let load = Load::start(&url, provider.token("ada", "ES256").await);
    for name in ["one", "two", "three", "four", "five"] {
        load.answered(60).await;
        sidegate.configure(&configuration(&provider, &upstream.url(), name));
        sidegate.program.signal("HUP").await;
    }
    sidegate.program.wait_for(|line| line.contains("configuration reloaded").then_some(())).await;
    load.answered(100).await;
    assert_eq!(load.failures().await, [""; 0], "{}", sidegate.program.output());
}

/// Whoever asks when it ends gets an answer or finds nobody listening any more: nothing that was begun is cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_that_was_begun_fails_when_it_is_told_to_stop() {
    let Some(provider) = OidcProvider::start().await else { return };
    let upstream = Upstream::start().await;
    let sidegate = Sidegate::run(&configuration(&provider, &upstream.url(), "all"));
    let url = format!("http://{}/", sidegate.address().await);
    let load = Load::start(&url, provider.token("ada", "ES256").await);
    load.answered(200).await;
    let ended = sidegate.stop().await;
    let failures = load.failures().await;
    let refused = |failure: &String| failure.contains("ConnectionRefused");
    let others: Vec<_> = failures.into_iter().filter(|failure| !refused(failure)).collect();
    assert_eq!(others, [""; 0]);
    assert!(ended.success(), "{ended}");
}
