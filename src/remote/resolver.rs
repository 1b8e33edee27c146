//! Callers whom only their provider's resolver can tell: asked once for all who wait, remembered for a short while.
//!
//! How long a sign-out goes unnoticed is bounded by [`ResolverSettings::remember`]. Keys of the memory are SHA-256 of the endpoint,
//! the purpose and everything that is shown, each with its length: what one person brought can never be taken for another's.

use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use moka::sync::Cache;
use tokio::time::timeout;
use url::Url;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::gate::{Offered, ResolverAnswer, ResolverUse};
use crate::oidc::resolver::{FIELDS, Resolved, read};
use crate::remote::egress::Egress;
use crate::remote::error_text;
use crate::remote::flight::{Boarding, Flights};
use crate::remote::http::{Client, Lookup};
use crate::telemetry::metrics::{ResolutionResult, SessionMetrics};

type Key = [u8; 32];

/// How many credentials may be asked about at once: a stranger can make up as many as he likes.
const FLIGHTS: usize = 64;

/// How long a resolver that did not answer is not asked about the same credentials again.
const PAUSE: Duration = Duration::from_secs(1);

/// What an entry costs beside its claims, in bytes.
const ENTRY_OVERHEAD: usize = 256;

/// How a resolver is asked, and for how long its answers count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverSettings {
    /// Where it is.
    pub url: Url,
    /// The `Host` that it is asked under, if not that of its address.
    pub host: Option<String>,
    /// The cookies that it looks at: it may delete these, and no others.
    pub cookies: Vec<String>,
    /// How long an answer that names somebody is remembered.
    pub remember: Duration,
    /// How long another answer is remembered.
    pub remember_invalid: Duration,
    /// How long a token that was verified here counts before the resolver is asked about it again.
    pub recheck: Duration,
    /// How long a request waits for the resolver.
    pub patience: Duration,
    /// Memory for answers, in bytes.
    pub memory: u64,
}

/// Asks a resolver. Its deadline is its own business.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Whom `offered` names.
    ///
    /// # Errors
    /// [`NoAnswer`] whenever the resolver says neither who it is nor that it is nobody.
    async fn resolve(&self, offered: &Offered) -> Result<Resolved, NoAnswer>;
}

/// The resolver did not answer the question. The text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// A resolver that is asked by HTTP.
pub struct ResolverAtProvider {
    /// How it is asked.
    pub settings: ResolverSettings,
    /// What asks it.
    pub client: Client,
}

#[async_trait]
impl Resolve for ResolverAtProvider {
    async fn resolve(&self, offered: &Offered) -> Result<Resolved, NoAnswer> {
        let ResolverSettings { url, host, cookies, patience, .. } = &self.settings;
        let headers = fields(offered, host.as_deref())
            .ok_or_else(|| NoAnswer("what is offered is no header value".to_owned()))?;
        let (egress, deadline) = (Egress::Configured, *patience);
        let lookup = Lookup { url, egress, deadline, headers, kept: &FIELDS };
        let reply = self.client.look_up(lookup).await;
        let reply = reply.map_err(|error| NoAnswer(error_text(&error)))?;
        match reply.status {
            StatusCode::OK => {
                read(&reply.headers, cookies).map_err(|error| NoAnswer(error.to_string()))
            }
            StatusCode::NOT_FOUND => {
                let text = "status 404: the resolver knows no project of this host; set `host:` of `resolver:`";
                Err(NoAnswer(text.to_owned()))
            }
            status => Err(NoAnswer(format!("status {}, expected 200", status.as_u16()))),
        }
    }
}

fn fields(offered: &Offered, host: Option<&str>) -> Option<HeaderMap> {
    let secret = |text: &Secret<String>| {
        let mut value = HeaderValue::try_from(text.expose()).ok()?;
        value.set_sensitive(true);
        Some(value)
    };
    let mut headers = HeaderMap::new();
    if let Some(text) = offered.authorization() {
        headers.insert(header::AUTHORIZATION, secret(text)?);
    }
    if let Some(text) = offered.cookie() {
        headers.insert(header::COOKIE, secret(text)?);
    }
    if let Some(host) = host {
        headers.insert(header::HOST, HeaderValue::try_from(host).ok()?);
    }
    Some(headers)
}

/// The answers of one resolver.
pub struct Resolutions {
    provider: String,
    source: Arc<dyn Resolve>,
    settings: ResolverSettings,
    memory: Cache<Key, Remembered, RandomState>,
    flights: Arc<Flights<Key, ResolverAnswer>>,
    metrics: SessionMetrics,
}

#[derive(Clone)]
struct Remembered {
    answer: ResolverAnswer,
    until: Timestamp,
}

impl Resolutions {
    /// Nothing known yet about callers of `provider`.
    pub fn new(
        provider: &str,
        source: Arc<dyn Resolve>,
        settings: ResolverSettings,
        metrics: SessionMetrics,
    ) -> Arc<Self> {
        let longest = settings.remember.max(settings.remember_invalid).max(settings.recheck);
        let memory = Cache::builder()
            .max_capacity(settings.memory)
            .weigher(|_: &Key, remembered: &Remembered| remembered.weight())
            .time_to_live(longest.max(PAUSE))
            .build_with_hasher(RandomState::new());
        let provider = provider.to_owned();
        let flights = Flights::new(FLIGHTS);
        Arc::new(Self { provider, source, settings, memory, flights, metrics })
    }

    /// What is known of `offered` at `now`, if need be by asking.
    pub async fn answer(
        self: &Arc<Self>,
        offered: &Offered,
        purpose: ResolverUse,
        now: Timestamp,
    ) -> ResolverAnswer {
        let key = self.key(offered, purpose);
        if let Some(answer) = self.known(&key, now) {
            self.metrics.resolved(ResolutionResult::Remembered);
            return answer;
        }
        let ask = || Arc::clone(self).ask((key, purpose), offered.clone(), now);
        match self.flights.board(&key, || self.known(&key, now), ask) {
            Boarding::Full => ResolverAnswer::Unavailable,
            Boarding::Known(answer) => answer,
            Boarding::UnderWay(landing) => {
                let landed = timeout(self.settings.patience, landing.wait()).await;
                landed.ok().flatten().unwrap_or(ResolverAnswer::Unavailable)
            }
        }
    }

    /// What the resolver says of `offered` right now, which is remembered: somebody has just signed in there.
    pub async fn answer_anew(
        self: &Arc<Self>,
        offered: &Offered,
        now: Timestamp,
    ) -> ResolverAnswer {
        let purpose = ResolverUse::Identify;
        let key = self.key(offered, purpose);
        Arc::clone(self).ask((key, purpose), offered.clone(), now).await
    }

    fn known(&self, key: &Key, now: Timestamp) -> Option<ResolverAnswer> {
        self.memory.get(key).filter(|known| now < known.until).map(|known| known.answer)
    }

    async fn ask(
        self: Arc<Self>,
        (key, purpose): (Key, ResolverUse),
        offered: Offered,
        now: Timestamp,
    ) -> ResolverAnswer {
        let remembered = match self.source.resolve(&offered).await {
            Ok(resolved) => self.judged(resolved, purpose, now),
            Err(no_answer) => {
                tracing::warn!(provider = %self.provider, error = %no_answer, "resolver did not answer");
                Remembered { answer: ResolverAnswer::Unavailable, until: now + PAUSE }
            }
        };
        let answer = remembered.answer.clone();
        self.metrics.resolved(result(&answer));
        self.memory.insert(key, remembered);
        answer
    }

    fn judged(&self, resolved: Resolved, purpose: ResolverUse, now: Timestamp) -> Remembered {
        let good = match purpose {
            ResolverUse::Identify => self.settings.remember,
            ResolverUse::Recheck => self.settings.recheck,
        };
        let bad = now + self.settings.remember_invalid;
        match resolved {
            Resolved::Valid(claims) => {
                let (claims, until) = (Arc::new(claims), now + good);
                Remembered { answer: ResolverAnswer::Valid { claims, until }, until }
            }
            Resolved::Invalid { clear } => {
                Remembered { answer: ResolverAnswer::Invalid { clear: clear.into() }, until: bad }
            }
            Resolved::SawNone => Remembered { answer: ResolverAnswer::SawNone, until: bad },
        }
    }

    fn key(&self, offered: &Offered, purpose: ResolverUse) -> Key {
        let purpose: &[u8] = match purpose {
            ResolverUse::Identify => b"identify",
            ResolverUse::Recheck => b"recheck",
        };
        let host = self.settings.host.as_deref().unwrap_or_default();
        let exposed = |part: Option<&Secret<String>>| {
            part.map(|text| text.expose().clone()).unwrap_or_default()
        };
        let (authorization, cookie) = (exposed(offered.authorization()), exposed(offered.cookie()));
        let mut hash = Context::new(&SHA256);
        for part in [
            self.settings.url.as_str().as_bytes(),
            host.as_bytes(),
            purpose,
            authorization.as_bytes(),
            cookie.as_bytes(),
        ] {
            hash.update(&part.len().to_be_bytes());
            hash.update(part);
        }
        let mut key = Key::default();
        key.copy_from_slice(hash.finish().as_ref());
        key
    }
}

impl Remembered {
    fn weight(&self) -> u32 {
        let more = match &self.answer {
            ResolverAnswer::Valid { claims, .. } => {
                serde_json::to_vec(claims.as_map()).map_or(0, |json| json.len())
            }
            ResolverAnswer::Invalid { clear } => clear.iter().map(HeaderValue::len).sum(),
            ResolverAnswer::SawNone | ResolverAnswer::Unavailable => 0,
        };
        u32::try_from(more + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
    }
}

const fn result(answer: &ResolverAnswer) -> ResolutionResult {
    match answer {
        ResolverAnswer::Invalid { .. } => ResolutionResult::Invalid,
        ResolverAnswer::SawNone => ResolutionResult::SawNone,
        ResolverAnswer::Unavailable => ResolutionResult::Unavailable,
        ResolverAnswer::Valid { .. } => ResolutionResult::Valid,
    }
}

#[cfg(test)]
mod tests;
