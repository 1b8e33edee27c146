//! Key sets of providers: fetched in the background, refreshed ahead of their expiry, kept whatever happens to the provider.
//!
//! Requests read a ring of the last good sets with one atomic load and never wait for the network, save when a token's key is
//! not at hand: then all of them share one fetch, at most once per cooldown. What a key may be used for is decided by the
//! token module; whether a request passes, by the gate.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use crate::base::time::Timestamp;
use crate::clock::Clock;
use crate::gate::{KeyAnswer, KeyQuestion, KeyRing};
use crate::remote::http::Client;

mod board;
mod copy;
mod file;
mod freshness;
mod provider;
mod reading;
mod settings;
mod source;
mod task;
mod unknown;

use board::Board;
use provider::Provider;
use task::Tended;

pub use reading::Unread;
pub use settings::{KeySourceSettings, ProviderKeys, RefreshBounds};

/// Hears of what happens to key sets, for metrics. Called from background tasks and requests: must not block.
pub trait KeyObserver: Send + Sync {
    /// An attempt ended, or was not made.
    fn refreshed(&self, provider: &str, result: RefreshResult);

    /// The provider's set has that many keys, and its source confirmed it at that moment.
    fn holds(&self, provider: &str, keys: usize, confirmed: Timestamp);
}

/// How an attempt to refresh a key set ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshResult {
    /// Not made: it was too early after the last, or the answer is known.
    Cooldown,
    /// It failed; the old set stays.
    Failed,
    /// There is a new set.
    Fresh,
    /// The set is still the same.
    NotModified,
}

impl RefreshResult {
    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cooldown => "cooldown",
            Self::Failed => "failed",
            Self::Fresh => "fresh",
            Self::NotModified => "not_modified",
        }
    }
}

/// How a provider's keys fare, for readiness and status pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderStatus {
    /// Its name in the configuration.
    pub name: String,
    /// How many usable keys are at hand; 0 if there was never a set.
    pub keys: usize,
    /// Since when this set is in use; `None` if there was never one.
    pub loaded: Option<Timestamp>,
    /// When its source confirmed it last.
    pub confirmed: Option<Timestamp>,
    /// Why the last attempt failed; `None` if it did not.
    pub error: Option<String>,
}

/// Keeps the key sets of one configuration's providers. Dropping it ends its background tasks, save for those that a later
/// configuration took over.
pub struct KeyKeeper {
    board: Arc<Board>,
}

impl KeyKeeper {
    /// Starts to keep the keys of `providers`, whose numbers are their places in the list. Returns at once: fetching happens in
    /// the background. Must be called on a tokio runtime.
    ///
    /// With a `previous` keeper, as after a reload, a provider whose settings are the same goes on undisturbed, with its first
    /// observer and clock; one whose issuer and source are the same starts with the keys at hand.
    pub fn start(
        providers: Vec<ProviderKeys>,
        client: Client,
        clock: Clock,
        observer: Arc<dyn KeyObserver>,
        previous: Option<&Self>,
    ) -> Self {
        let known = previous.map_or(&[][..], |keeper| keeper.board.providers());
        let tend = |settings: ProviderKeys| {
            undisturbed(known, &settings, &client).unwrap_or_else(|| {
                let provider =
                    Provider::new(settings, client.clone(), clock.clone(), Arc::clone(&observer));
                if let Some(predecessor) =
                    known.iter().find(|old| old.provider().has_source_of(&provider.settings))
                {
                    provider.adopt(predecessor.provider());
                }
                Tended::start(provider)
            })
        };
        Self { board: Board::of(providers.into_iter().map(tend).collect()) }
    }

    /// The keys of all providers as of now. One atomic load.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.board.ring()
    }

    /// Whether there are newer keys than those at hand. Waits for the network at most about a second, and causes a fetch at
    /// most once per provider and cooldown.
    pub async fn answer(&self, question: &KeyQuestion) -> KeyAnswer {
        match self.board.providers().get(usize::from(question.provider.0)) {
            Some(tended) => tended.provider().answer(question.kid.as_deref(), question.why).await,
            None => KeyAnswer::Unavailable,
        }
    }

    /// How each provider's keys fare, in written order.
    pub fn status(&self) -> Vec<ProviderStatus> {
        self.board.providers().iter().map(|tended| tended.provider().status()).collect()
    }

    /// A counter that moves whenever an attempt has ended, for those who wait for a change.
    pub fn events(&self) -> watch::Receiver<u64> {
        self.board.events()
    }

    /// Waits until every provider's first attempt has ended, well or badly. For one-shot commands; it has the deadline of the
    /// attempts themselves, twice [`RefreshBounds::timeout`].
    pub fn first_attempts(&self) -> impl Future<Output = ()> + Send + 'static {
        let (board, mut events) = (Arc::clone(&self.board), self.board.events());
        async move {
            let all_done =
                |_: &u64| board.providers().iter().all(|tended| tended.provider().attempts() > 0);
            // The sender lives on the board that this future holds: waiting cannot fail.
            let _ = events.wait_for(all_done).await;
        }
    }
}

/// The running provider of the same settings and client, if there is one.
fn undisturbed(
    known: &[Arc<Tended>],
    settings: &ProviderKeys,
    client: &Client,
) -> Option<Arc<Tended>> {
    let same = |tended: &&Arc<Tended>| {
        tended.provider().settings == *settings && tended.provider().client.is_like(client)
    };
    known.iter().find(same).cloned()
}

#[cfg(test)]
mod tests;
