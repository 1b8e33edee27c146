//! Callers whom only their provider's resolver can tell: asked once for all who wait, remembered for a short while.
//!
//! How long a sign-out goes unnoticed is bounded by [`ResolverSettings::remember`]. What is remembered is told apart by the
//! endpoint, the purpose and everything that is shown: what one person brought can never be taken for another's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use url::Url;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::gate::{Offered, ResolverAnswer, ResolverUse};
use crate::oidc::resolver::{FIELDS, Resolved, read};
use crate::remote::egress::Egress;
use crate::remote::error_text;
use crate::remote::http::{Client, Target};
use crate::remote::remembered::{Answers, Bounds, Question, Remembered, size};
use crate::telemetry::metrics::{ResolutionResult, SessionMetrics};

pub use crate::remote::remembered::NoAnswer;

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
        let target = Target { url, egress: Egress::Configured, deadline: *patience };
        let reply = self.client.look_up(target, headers, &FIELDS).await;
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
    answers: Arc<Answers<ResolverAnswer>>,
    metrics: SessionMetrics,
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
        let bounds = Bounds { memory: settings.memory, longest, patience: settings.patience };
        let (provider, answers) = (provider.to_owned(), Answers::new(&bounds, weight));
        Arc::new(Self { provider, source, settings, answers, metrics })
    }

    /// What is known of `offered` at `now`, if need be by asking.
    pub async fn answer(
        self: &Arc<Self>,
        offered: &Offered,
        purpose: ResolverUse,
        now: Timestamp,
    ) -> ResolverAnswer {
        let question = self.question(offered, purpose);
        if let Some(answer) = self.answers.known(&question, now) {
            self.metrics.resolved(ResolutionResult::Remembered);
            return answer;
        }
        let ask = || {
            let (this, offered) = (Arc::clone(self), offered.clone());
            async move { this.ask(&offered, purpose, now).await }
        };
        let answer = self.answers.wait(question, now, ask).await;
        answer.unwrap_or(ResolverAnswer::Unavailable)
    }

    /// What the resolver says of `offered` right now, which is remembered: somebody has just signed in there.
    pub async fn answer_anew(&self, offered: &Offered, now: Timestamp) -> ResolverAnswer {
        let purpose = ResolverUse::Identify;
        let remembered = self.ask(offered, purpose, now).await;
        self.answers.keep(self.question(offered, purpose), remembered)
    }

    async fn ask(
        &self,
        offered: &Offered,
        purpose: ResolverUse,
        now: Timestamp,
    ) -> Remembered<ResolverAnswer> {
        let remembered = match self.source.resolve(offered).await {
            Ok(resolved) => self.judged(resolved, purpose, now),
            Err(no_answer) => {
                tracing::warn!(provider = %self.provider, error = %no_answer, "resolver did not answer");
                Remembered::in_place_of_one(ResolverAnswer::Unavailable, now)
            }
        };
        self.metrics.resolved(result(&remembered.answer));
        remembered
    }

    fn judged(
        &self,
        resolved: Resolved,
        purpose: ResolverUse,
        now: Timestamp,
    ) -> Remembered<ResolverAnswer> {
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

    fn question(&self, offered: &Offered, purpose: ResolverUse) -> Question {
        let purpose: &[u8] = match purpose {
            ResolverUse::Identify => b"identify",
            ResolverUse::Recheck => b"recheck",
        };
        let ResolverSettings { url, host, .. } = &self.settings;
        let host = host.as_deref().unwrap_or_default();
        let shown = [offered.authorization(), offered.cookie()];
        let [authorization, cookie] =
            shown.map(|part| part.map_or(&[][..], |text| text.expose().as_bytes()));
        let url = url.as_str().as_bytes();
        Question::of(&[url, host.as_bytes(), purpose, authorization, cookie])
    }
}

fn weight(answer: &ResolverAnswer) -> usize {
    match answer {
        ResolverAnswer::Valid { claims, .. } => size(claims),
        ResolverAnswer::Invalid { clear } => clear.iter().map(HeaderValue::len).sum(),
        ResolverAnswer::SawNone | ResolverAnswer::Unavailable => 0,
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
