//! The metadata of a provider that people sign in at: fetched in the background, refreshed, kept whatever happens to the
//! provider.
//!
//! Requests read the last good metadata and wait for the network only before there ever was any. What a document must say is
//! judged by [`crate::oidc::discovery`].

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::oidc::discovery::{Endpoints, Metadata};
use crate::remote::discovery::{self, DiscoveryError};
use crate::remote::error_text;
use crate::remote::http::Client;

/// How a provider's metadata is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataSettings {
    /// The provider's name in the configuration: for logs and status.
    pub name: String,
    /// Its issuer, byte for byte.
    pub issuer: String,
    /// Whether there is a document to fetch.
    pub source: MetadataSource,
    /// Addresses that are used instead of those in the document.
    pub endpoints: Endpoints,
    /// When to fetch.
    pub bounds: MetadataBounds,
}

/// Where metadata comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataSource {
    /// The configured addresses are all there is.
    Configured,
    /// The provider's document.
    Discovery,
}

/// When metadata is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataBounds {
    /// Between two fetches.
    pub refresh: Duration,
    /// Before the first retry after a failure; doubled with each further one.
    pub retry_min: Duration,
    /// The longest wait before a retry.
    pub retry_max: Duration,
    /// For one exchange.
    pub timeout: Duration,
}

impl Default for MetadataBounds {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(3600),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
        }
    }
}

/// Keeps one provider's metadata. Dropping it ends its background task.
#[derive(Debug)]
pub struct ProviderMetadata {
    shared: Arc<Shared>,
    task: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    settings: MetadataSettings,
    client: Client,
    held: ArcSwapOption<Metadata>,
    error: Mutex<Option<String>>,
    attempts: watch::Sender<u64>,
}

impl ProviderMetadata {
    /// Starts to keep metadata. Returns at once: fetching happens in the background. Must be called on a tokio runtime.
    ///
    /// With a `previous` keeper of the same issuer, as after a reload, its metadata is at hand at once.
    pub fn start(settings: MetadataSettings, client: Client, previous: Option<&Self>) -> Self {
        let held = match settings.source {
            MetadataSource::Configured => Some(Arc::new(Metadata::configured(
                settings.issuer.clone(),
                settings.endpoints.clone(),
            ))),
            MetadataSource::Discovery => previous.and_then(|known| known.shared.heir(&settings)),
        };
        let discovers = settings.source == MetadataSource::Discovery;
        let shared = Arc::new(Shared {
            settings,
            client,
            held: ArcSwapOption::new(held),
            error: Mutex::default(),
            attempts: watch::Sender::default(),
        });
        let task = discovers.then(|| tokio::spawn(tend(Arc::clone(&shared))));
        Self { shared, task }
    }

    /// The last good metadata. One atomic load.
    pub fn current(&self) -> Option<Arc<Metadata>> {
        self.shared.held.load_full()
    }

    /// The metadata, for whose first arrival it waits that long, but not longer than the attempt that is under way.
    pub async fn wait(&self, deadline: Duration) -> Option<Arc<Metadata>> {
        if let Some(held) = self.current() {
            return Some(held);
        }
        let mut attempts = self.shared.attempts.subscribe();
        let settled = attempts.wait_for(|done| *done > 0 || self.shared.held.load().is_some());
        // Whether it settled, or took too long, is told by what is held.
        let _ = timeout(deadline, settled).await;
        self.current()
    }

    /// Why the last attempt failed; `None` if it did not.
    pub fn error(&self) -> Option<String> {
        self.shared.error.lock().clone()
    }

    /// A counter that moves whenever an attempt has ended, for those who wait for a change.
    pub fn events(&self) -> watch::Receiver<u64> {
        self.shared.attempts.subscribe()
    }
}

impl Drop for ProviderMetadata {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Shared {
    /// What a successor with those settings starts with. Addresses are configured anew, and may not be what they were.
    fn heir(&self, settings: &MetadataSettings) -> Option<Arc<Metadata>> {
        let same = self.settings.issuer == settings.issuer
            && self.settings.source == settings.source
            && self.settings.endpoints == settings.endpoints;
        self.held.load_full().filter(|_| same)
    }

    /// One attempt, whatever comes of it. Returns how long to wait for the next.
    async fn attempt(&self, failures: &mut u32) -> Duration {
        let bounds = &self.settings.bounds;
        let found = discovery::discover(&self.client, &self.settings.issuer, bounds.timeout).await;
        let wait = match found {
            Ok(metadata) => {
                *failures = 0;
                self.accept(metadata);
                jittered(bounds.refresh)
            }
            Err(error) => {
                *failures = failures.saturating_add(1);
                self.report(&error);
                let doubled =
                    bounds.retry_min.saturating_mul(1 << failures.saturating_sub(1).min(16));
                jittered(doubled.min(bounds.retry_max))
            }
        };
        self.attempts.send_modify(|done| *done += 1);
        wait
    }

    fn accept(&self, metadata: Metadata) {
        let name = &self.settings.name;
        let metadata = metadata.merge(&self.settings.endpoints);
        let failed = self.error.lock().take().is_some();
        if self.held.load().as_deref() != Some(&metadata) {
            tracing::info!(provider = %name, "provider metadata loaded");
            self.held.store(Some(Arc::new(metadata)));
        } else if failed {
            tracing::info!(provider = %name, "provider metadata can be refreshed again");
        }
    }

    /// A failure that repeats itself is told once.
    fn report(&self, error: &DiscoveryError) {
        let (name, text) = (&self.settings.name, error_text(error));
        let before = self.error.lock().replace(text.clone());
        if before.as_ref() == Some(&text) {
            tracing::debug!(provider = %name, error = %text, "provider metadata refresh failed again");
        } else if self.held.load().is_some() {
            tracing::warn!(provider = %name, error = %text, "provider metadata refresh failed; keeping the old one");
        } else {
            tracing::warn!(provider = %name, error = %text, "no provider metadata yet; nobody can sign in there");
        }
    }
}

async fn tend(shared: Arc<Shared>) {
    let mut failures = 0;
    loop {
        let wait = shared.attempt(&mut failures).await;
        sleep(wait).await;
    }
}

/// 75 to 100 % of it, so that replicas do not come together. A failing generator means no jitter.
fn jittered(wait: Duration) -> Duration {
    let mut dice = [25];
    let _ = aws_lc_rs::rand::fill(&mut dice);
    wait / 100 * (75 + u32::from(dice[0]) % 26)
}

#[cfg(test)]
mod tests;
