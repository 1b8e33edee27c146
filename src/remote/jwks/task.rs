//! The task that keeps one provider's key set: restore the copy, fetch, judge, publish, wait, again.
//!
//! Nothing that goes wrong here takes a good set away.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use crate::remote::error_text;
use crate::remote::jwks::RefreshResult;
use crate::remote::jwks::copy::Copy;
use crate::remote::jwks::freshness::{self, HasKeys};
use crate::remote::jwks::provider::{Held, Outcome, Provider};
use crate::remote::jwks::settings::KeySourceSettings;
use crate::remote::jwks::source::{FILE_POLL, Found, Source, SourceError};
use crate::token::KeySet;
use crate::token::KeySetError;

/// A provider with the task that tends it. The task ends when the last configuration that has the provider goes.
pub(super) struct Tended {
    provider: Arc<Provider>,
    task: JoinHandle<()>,
}

impl Tended {
    /// Starts the task.
    pub(super) fn start(provider: Arc<Provider>) -> Arc<Self> {
        let tending =
            Tending { provider: Arc::clone(&provider), source: Source::new(), failures: 0 };
        Arc::new(Self { provider, task: tokio::spawn(tending.run()) })
    }

    /// The provider.
    pub(super) fn provider(&self) -> &Arc<Provider> {
        &self.provider
    }
}

impl Drop for Tended {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the task alone knows.
struct Tending {
    provider: Arc<Provider>,
    source: Source,
    failures: u32,
}

/// Why an attempt brought no keys.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error("no key set within {} ms", .0.as_millis())]
    Deadline(Duration),
    #[error("what was found{content_type} is no usable key set")]
    NotKeySet { content_type: String, source: KeySetError },
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl Tending {
    async fn run(mut self) {
        self.restore().await;
        loop {
            let wait = self.attempt().await;
            self.provider.until_due(wait).await;
        }
    }

    /// One attempt, whatever comes of it. Returns how long to wait for the next.
    async fn attempt(&mut self) -> Duration {
        self.provider.begin();
        match self.refresh().await {
            Ok((outcome, lifetime)) => self.succeed(outcome, lifetime).await,
            Err(error) => self.fail(&error),
        }
    }

    async fn refresh(&mut self) -> Result<(Outcome, Duration), RefreshError> {
        let provider = Arc::clone(&self.provider);
        // Discovery may take several exchanges; together they get no more than two.
        let whole = provider.settings.bounds.timeout * 2;
        let look = self.source.look(&provider.settings, &provider.client, provider.clock.now());
        let found = timeout(whole, look).await.map_err(|_| RefreshError::Deadline(whole))??;
        match found {
            Found::Unchanged { lifetime } => Ok((Outcome::Unchanged, lifetime)),
            Found::Document { json, mark, lifetime, content_type } => {
                let outcome = self.judge(json, &content_type)?;
                self.source.accept(mark);
                Ok((outcome, lifetime))
            }
        }
    }

    fn judge(&self, document: Bytes, content_type: &str) -> Result<Outcome, RefreshError> {
        if self.provider.held().is_some_and(|held| held.document == document) {
            return Ok(Outcome::Unchanged);
        }
        let parsed =
            KeySet::parse(&document).map_err(|source| not_key_set(content_type, source))?;
        let name = &self.provider.settings.name;
        for skipped in &parsed.skipped {
            tracing::warn!(provider = %name, kid = skipped.kid, why = skipped.why, "key skipped");
        }
        tracing::info!(provider = %name, keys = parsed.keys.len(), "key set loaded");
        self.provider
            .replace(Held { keys: Arc::new(parsed.keys), document }, self.provider.clock.now());
        Ok(Outcome::Changed)
    }

    async fn succeed(&mut self, outcome: Outcome, lifetime: Duration) -> Duration {
        self.failures = 0;
        let provider = &self.provider;
        if provider.confirm(provider.clock.now()) {
            tracing::info!(provider = %provider.settings.name, "key set can be refreshed again");
        }
        self.report(outcome);
        provider.end(outcome, Duration::ZERO);
        self.save().await;
        match provider.settings.source {
            KeySourceSettings::File(_) => lifetime,
            _ => freshness::refresh_in(lifetime, dice()),
        }
    }

    fn fail(&mut self, error: &RefreshError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let provider = &self.provider;
        self.log_failure(error_text(error));
        self.report(Outcome::Failed);
        let asked_for = error.retry_after(provider).unwrap_or_default();
        provider.end(Outcome::Failed, asked_for.max(provider.settings.bounds.cooldown));
        self.retry_in().max(asked_for)
    }

    /// A failure that repeats itself is told once.
    fn log_failure(&self, error: String) {
        let name = &self.provider.settings.name;
        let has_keys = self.provider.held().is_some();
        let text = error.clone();
        match (self.provider.fail(error), has_keys) {
            (true, true) => {
                tracing::warn!(provider = %name, error = %text, "key set refresh failed; keeping the old one")
            }
            (true, false) => tracing::warn!(provider = %name, error = %text, "no key set yet"),
            (false, _) => {
                tracing::debug!(provider = %name, error = %text, "key set refresh failed again")
            }
        }
    }

    /// Looking at a file that has not changed is no refresh worth counting.
    fn report(&self, outcome: Outcome) {
        let result = match outcome {
            Outcome::Changed => RefreshResult::Fresh,
            Outcome::Failed => RefreshResult::Failed,
            Outcome::Unchanged if !self.provider.settings.source.is_remote() => return,
            Outcome::Unchanged => RefreshResult::NotModified,
        };
        self.provider.observer.refreshed(&self.provider.settings.name, result);
    }

    fn retry_in(&self) -> Duration {
        let bounds = &self.provider.settings.bounds;
        let has_keys = if self.provider.held().is_some() { HasKeys::Yes } else { HasKeys::Never };
        match self.provider.settings.source {
            KeySourceSettings::File(_) => FILE_POLL,
            KeySourceSettings::Inline(_) => bounds.max,
            _ => freshness::retry_in(self.failures, bounds, has_keys, dice()),
        }
    }

    /// Uses the copy on disk until the provider answers.
    async fn restore(&self) {
        let settings = self.provider.settings.clone();
        let Some(path) = settings.disk_copy.filter(|_| settings.source.is_remote()) else { return };
        if self.provider.held().is_some() {
            return;
        }
        let label = settings.source.label();
        let read = spawn_blocking(move || Copy::read(&path, &settings.issuer, &label)).await;
        match read {
            Ok(Ok(Some(copy))) => self.use_copy(&copy),
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => {
                tracing::warn!(provider = %settings.name, error = %error_text(&error), "key set copy not used");
            }
        }
    }

    fn use_copy(&self, copy: &Copy) {
        let name = &self.provider.settings.name;
        match KeySet::parse(copy.jwks().as_bytes()) {
            Ok(parsed) => {
                let document = Bytes::copy_from_slice(copy.jwks().as_bytes());
                self.provider
                    .replace(Held { keys: Arc::new(parsed.keys), document }, copy.fetched_at());
                tracing::info!(provider = %name, fetched_at = copy.fetched_at().as_secs(), "key set restored from its copy");
            }
            Err(error) => {
                tracing::warn!(provider = %name, error = %error_text(&error), "key set copy not used")
            }
        }
    }

    /// Writes the copy on disk. A full disk is no reason to distrust the keys.
    async fn save(&self) {
        let settings = &self.provider.settings;
        let Some(path) = settings.disk_copy.clone().filter(|_| settings.source.is_remote()) else {
            return;
        };
        let Some(held) = self.provider.held() else { return };
        let Ok(jwks) = String::from_utf8(held.document.to_vec()) else { return };
        let now = self.provider.clock.now();
        let copy = Copy::new(settings.issuer.clone(), settings.source.label(), now, jwks);
        if let Ok(Err(error)) = spawn_blocking(move || copy.write(&path)).await {
            tracing::warn!(provider = %settings.name, error = %error_text(&error), "key set copy not written");
        }
    }
}

impl RefreshError {
    fn retry_after(&self, provider: &Provider) -> Option<Duration> {
        match self {
            Self::Source(error) => error.retry_after(provider.clock.now()),
            Self::Deadline(_) | Self::NotKeySet { .. } => None,
        }
    }
}

fn not_key_set(content_type: &str, source: KeySetError) -> RefreshError {
    let content_type =
        if content_type.is_empty() { String::new() } else { format!(" ({content_type})") };
    RefreshError::NotKeySet { content_type, source }
}

/// For jitter; a failing generator means none.
fn dice() -> u32 {
    let mut bytes = [0; 4];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u32::from_ne_bytes(bytes)
}
