//! Tokens that only their provider can judge: asked once for all who wait, remembered for a short while
//! ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
//!
//! How long a token that was withdrawn goes on being accepted is bounded by [`IntrospectionSettings::remember`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::gate::IntrospectionAnswer;
use crate::remote::remembered::{Answers, Bounds, Question, Remembered, size};
use crate::telemetry::metrics::{IntrospectionResult, SessionMetrics};
use crate::token::Claims;

mod provider;

pub use crate::remote::remembered::NoAnswer;
pub use provider::IntrospectionAtProvider;

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
    answers: Arc<Answers<IntrospectionAnswer>>,
    metrics: SessionMetrics,
}

impl Introspections {
    /// Nothing known yet about the tokens of `provider`.
    pub fn new(
        provider: &str,
        source: Arc<dyn Introspect>,
        settings: IntrospectionSettings,
        metrics: SessionMetrics,
    ) -> Arc<Self> {
        let IntrospectionSettings { remember, remember_inactive, patience, memory } = settings;
        let bounds = Bounds { memory, longest: remember.max(remember_inactive), patience };
        let (provider, answers) = (provider.to_owned(), Answers::new(&bounds, weight));
        Arc::new(Self { provider, source, settings, answers, metrics })
    }

    /// What is known of the token at `now`, if need be by asking.
    pub async fn answer(
        self: &Arc<Self>,
        token: &Secret<String>,
        now: Timestamp,
    ) -> IntrospectionAnswer {
        let question = Question::of(&[self.provider.as_bytes(), token.expose().as_bytes()]);
        if let Some(answer) = self.answers.known(&question, now) {
            self.metrics.introspected(IntrospectionResult::Remembered);
            return answer;
        }
        let ask = || Arc::clone(self).ask(token.clone(), now);
        let answer = self.answers.wait(question, now, ask).await;
        answer.unwrap_or(IntrospectionAnswer::Unavailable)
    }

    async fn ask(
        self: Arc<Self>,
        token: Secret<String>,
        now: Timestamp,
    ) -> Remembered<IntrospectionAnswer> {
        let remembered = match self.source.introspect(&token, now).await {
            Ok(verdict) => self.judged(verdict, now),
            Err(no_answer) => {
                tracing::warn!(provider = %self.provider, error = %no_answer, "introspection failed");
                Remembered::in_place_of_one(IntrospectionAnswer::Unavailable, now)
            }
        };
        self.metrics.introspected(result(&remembered.answer));
        remembered
    }

    /// A token that has ended is not good, whatever the provider says.
    fn judged(&self, verdict: Verdict, now: Timestamp) -> Remembered<IntrospectionAnswer> {
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

fn weight(answer: &IntrospectionAnswer) -> usize {
    match answer {
        IntrospectionAnswer::Active { claims, .. } => size(claims),
        IntrospectionAnswer::Inactive | IntrospectionAnswer::Unavailable => 0,
    }
}

const fn result(answer: &IntrospectionAnswer) -> IntrospectionResult {
    match answer {
        IntrospectionAnswer::Active { .. } => IntrospectionResult::Active,
        IntrospectionAnswer::Inactive => IntrospectionResult::Inactive,
        IntrospectionAnswer::Unavailable => IntrospectionResult::Unavailable,
    }
}

#[cfg(test)]
mod tests;
