//! Tokens that only their provider can judge: asked once for all who wait, remembered for a short while
//! ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
//!
//! How long a token that was withdrawn goes on being accepted is bounded by [`IntrospectionSettings::remember`]. Keys of the
//! memory are SHA-256 of provider and token: it never holds a token, and one provider's answer is no other's.

use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256};
use moka::sync::Cache;
use tokio::time::timeout;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::gate::IntrospectionAnswer;
use crate::remote::flight::{Boarding, Flights};
use crate::telemetry::metrics::{IntrospectionResult, SessionMetrics};
use crate::token::Claims;

mod provider;

pub use provider::IntrospectionAtProvider;

type Key = [u8; 32];

/// How many tokens may be asked about at once: a stranger can make up as many as he likes.
const FLIGHTS: usize = 64;

/// How long a provider that did not answer is not asked about the same token again, in seconds.
const PAUSE: Duration = Duration::from_secs(1);

/// What an entry costs beside its claims, in bytes.
const ENTRY_OVERHEAD: usize = 256;

/// Asks one provider about a token. Its deadline is its own business.
#[async_trait]
pub trait Introspect: Send + Sync {
    /// What the provider says of the token at `now`.
    ///
    /// # Errors
    /// [`NoAnswer`] whenever it says neither "active" nor "inactive", a refusal of our own credentials included.
    async fn introspect(&self, token: &Secret<String>, now: Timestamp)
    -> Result<Verdict, NoAnswer>;
}

/// What a provider says of a token.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is good, and these are its claims.
    Active {
        /// As the provider tells them.
        claims: Arc<Claims>,
        /// When it ends; `None` if the provider does not say.
        expires: Option<Timestamp>,
    },
    /// It is not good, for whatever reason.
    Inactive,
}

/// The provider said nothing of the token. The text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// How long answers are remembered, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntrospectionSettings {
    /// A good token's answer, at most; never beyond the token's own end.
    pub remember: Duration,
    /// A bad token's answer.
    pub remember_inactive: Duration,
    /// How long a request waits for the provider.
    pub patience: Duration,
    /// Memory for answers, in bytes.
    pub memory: u64,
}

impl Default for IntrospectionSettings {
    /// 30 seconds for good tokens, 10 for others, 5 of patience, 16 MiB.
    fn default() -> Self {
        Self {
            remember: Duration::from_secs(30),
            remember_inactive: Duration::from_secs(10),
            patience: Duration::from_secs(5),
            memory: 16 << 20,
        }
    }
}

/// The answers of one provider.
pub struct Introspections {
    provider: String,
    source: Arc<dyn Introspect>,
    settings: IntrospectionSettings,
    memory: Cache<Key, Remembered, RandomState>,
    flights: Arc<Flights<Key, IntrospectionAnswer>>,
    metrics: SessionMetrics,
}

#[derive(Clone)]
struct Remembered {
    answer: IntrospectionAnswer,
    until: Timestamp,
}

impl Introspections {
    /// Nothing known yet about the tokens of `provider`.
    pub fn new(
        provider: &str,
        source: Arc<dyn Introspect>,
        settings: IntrospectionSettings,
        metrics: SessionMetrics,
    ) -> Arc<Self> {
        let longest = settings.remember.max(settings.remember_inactive).max(PAUSE);
        let memory = Cache::builder()
            .max_capacity(settings.memory)
            .weigher(|_: &Key, remembered: &Remembered| remembered.weight())
            .time_to_live(longest)
            .build_with_hasher(RandomState::new());
        let provider = provider.to_owned();
        let flights = Flights::new(FLIGHTS);
        Arc::new(Self { provider, source, settings, memory, flights, metrics })
    }

    /// What is known of the token at `now`, if need be by asking.
    pub async fn answer(
        self: &Arc<Self>,
        token: &Secret<String>,
        now: Timestamp,
    ) -> IntrospectionAnswer {
        let key = key(&self.provider, token);
        if let Some(answer) = self.known(&key, now) {
            self.metrics.introspected(IntrospectionResult::Remembered);
            return answer;
        }
        let ask = || Arc::clone(self).ask(key, token.clone(), now);
        match self.flights.board(&key, || self.known(&key, now), ask) {
            Boarding::Full => IntrospectionAnswer::Unavailable,
            Boarding::Known(answer) => answer,
            Boarding::UnderWay(landing) => {
                let landed = timeout(self.settings.patience, landing.wait()).await;
                landed.ok().flatten().unwrap_or(IntrospectionAnswer::Unavailable)
            }
        }
    }

    fn known(&self, key: &Key, now: Timestamp) -> Option<IntrospectionAnswer> {
        self.memory.get(key).filter(|known| now < known.until).map(|known| known.answer)
    }

    async fn ask(
        self: Arc<Self>,
        key: Key,
        token: Secret<String>,
        now: Timestamp,
    ) -> IntrospectionAnswer {
        let remembered = match self.source.introspect(&token, now).await {
            Ok(verdict) => self.judged(verdict, now),
            Err(no_answer) => {
                tracing::warn!(provider = %self.provider, error = %no_answer, "introspection failed");
                Remembered { answer: IntrospectionAnswer::Unavailable, until: now + PAUSE }
            }
        };
        let answer = remembered.answer.clone();
        self.metrics.introspected(result(&answer));
        self.memory.insert(key, remembered);
        answer
    }

    /// A token that has ended is not good, whatever the provider says.
    fn judged(&self, verdict: Verdict, now: Timestamp) -> Remembered {
        let until = now + self.settings.remember;
        match verdict {
            Verdict::Active { claims, expires } if expires.is_none_or(|expires| now < expires) => {
                let until = expires.map_or(until, |expires| expires.min(until));
                Remembered { answer: IntrospectionAnswer::Active { claims, until }, until }
            }
            Verdict::Active { .. } | Verdict::Inactive => Remembered {
                answer: IntrospectionAnswer::Inactive,
                until: now + self.settings.remember_inactive,
            },
        }
    }
}

impl Remembered {
    fn weight(&self) -> u32 {
        let claims = match &self.answer {
            IntrospectionAnswer::Active { claims, .. } => {
                serde_json::to_vec(claims.as_map()).map_or(0, |json| json.len())
            }
            IntrospectionAnswer::Inactive | IntrospectionAnswer::Unavailable => 0,
        };
        u32::try_from(claims + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
    }
}

const fn result(answer: &IntrospectionAnswer) -> IntrospectionResult {
    match answer {
        IntrospectionAnswer::Active { .. } => IntrospectionResult::Active,
        IntrospectionAnswer::Inactive => IntrospectionResult::Inactive,
        IntrospectionAnswer::Unavailable => IntrospectionResult::Unavailable,
    }
}

fn key(provider: &str, token: &Secret<String>) -> Key {
    let mut hash = Context::new(&SHA256);
    hash.update(&provider.len().to_be_bytes());
    hash.update(provider.as_bytes());
    hash.update(token.expose().as_bytes());
    let mut key = Key::default();
    key.copy_from_slice(hash.finish().as_ref());
    key
}

#[cfg(test)]
mod tests;
