//! Keys for one-shot commands: every provider is asked once.

use std::sync::Arc;

use crate::base::time::Timestamp;
use crate::clock::Clock;
use crate::gate::KeyRing;
use crate::remote::http::{Client, ClientError, ClientSettings};
use crate::remote::jwks::{KeyKeeper, KeyObserver, ProviderKeys, RefreshResult};

/// Nobody watches one-shot commands.
struct Nobody;

impl KeyObserver for Nobody {
    fn refreshed(&self, _provider: &str, _result: RefreshResult) {}

    fn holds(&self, _provider: &str, _keys: usize, _confirmed: Timestamp) {}
}

/// Fetches the keys of all `providers` once, and says how that went, a line each.
pub(crate) async fn fetch(
    providers: Vec<ProviderKeys>,
    outbound: &ClientSettings,
) -> Result<(Arc<KeyRing>, Vec<String>), ClientError> {
    let client = Client::new(outbound)?;
    let keeper = KeyKeeper::start(providers, client, Clock::system(), Arc::new(Nobody), None);
    keeper.first_attempts().await;
    let tell = |status: crate::remote::jwks::ProviderStatus| match status.error {
        None => format!("{}: {} usable", status.name, status.keys),
        Some(error) => format!("{}: {error}", status.name),
    };
    let notes = keeper.status().into_iter().map(tell).collect();
    Ok((keeper.ring(), notes))
}
