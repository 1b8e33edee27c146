//! Tells the metrics what happens to key sets.

use crate::base::time::Timestamp;
use crate::remote::jwks::{KeyObserver, ProviderKeys, RefreshResult};
use crate::telemetry::metrics::{KeyRefresh, Metrics, ProviderMetrics};

/// Counts refreshes, provider by provider.
pub(crate) struct KeyMetrics(Vec<(String, ProviderMetrics)>);

impl KeyMetrics {
    /// Counts for `providers`.
    pub(crate) fn new(metrics: &Metrics, providers: &[ProviderKeys]) -> Self {
        Self(
            providers
                .iter()
                .map(|keys| (keys.name.clone(), metrics.provider(&keys.name)))
                .collect(),
        )
    }

    fn of(&self, provider: &str) -> Option<&ProviderMetrics> {
        self.0.iter().find(|(name, _)| name == provider).map(|(_, metrics)| metrics)
    }
}

impl KeyObserver for KeyMetrics {
    fn refreshed(&self, provider: &str, result: RefreshResult) {
        let result = match result {
            RefreshResult::Cooldown => KeyRefresh::Cooldown,
            RefreshResult::Failed => KeyRefresh::Failed,
            RefreshResult::Fresh => KeyRefresh::Fresh,
            RefreshResult::NotModified => KeyRefresh::NotModified,
        };
        if let Some(metrics) = self.of(provider) {
            metrics.refreshed(result);
        }
    }

    fn holds(&self, provider: &str, keys: usize, confirmed: Timestamp) {
        if let Some(metrics) = self.of(provider) {
            metrics.confirmed(keys, confirmed);
        }
    }
}
