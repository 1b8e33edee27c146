//! One attempt to get a provider's key set from where it lives: discovery, a known address, a file or the configuration.
//!
//! Remembers what makes the next attempt cheaper (address, validators, file stamp); decides nothing about when.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{self, HeaderValue};
use tokio::time::Instant;
use url::Url;

use crate::base::time::Timestamp;
use crate::remote::discovery::{self, DiscoveryError};
use crate::remote::egress::Egress;
use crate::remote::http::{Client, FetchError, Reply, Target, Validators};
use crate::remote::jwks::file::{self, FileError, Stamp};
use crate::remote::jwks::freshness;
use crate::remote::jwks::settings::{KeySourceSettings, ProviderKeys, RefreshBounds};
use crate::remote::{error_text, shown};

/// How long a discovered address is used before the metadata is read again.
const METADATA_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// How often a file is looked at.
pub(super) const FILE_POLL: Duration = Duration::from_secs(2);

/// A provider's source and what is known of it from earlier attempts.
pub(super) struct Source {
    address: Option<Address>,
    confirmed: Option<Mark>,
}

/// Where the keys are, and since when that is known.
struct Address {
    url: Url,
    egress: Egress,
    found: Instant,
}

/// What identifies a document, so that it need not be transferred or parsed again.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Mark {
    Constant,
    File(Stamp),
    Http { url: String, validators: Option<Validators> },
}

/// What an attempt found.
pub(super) enum Found {
    /// A document, not judged yet, which is good for that long once it is accepted.
    Document { json: Bytes, mark: Mark, lifetime: Duration, content_type: String },
    /// The document that was accepted last is still the one.
    Unchanged { lifetime: Duration },
}

/// Why an attempt found nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("provider metadata cannot be had")]
    Discovery(#[from] DiscoveryError),
    #[error("cannot fetch {url}")]
    Fetch { url: String, source: FetchError },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{url} answers {status}, expected 200")]
    Status { url: String, status: StatusCode, retry_after: Option<HeaderValue> },
}

impl SourceError {
    /// How long the provider asks to be left alone.
    pub(super) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Status { status, retry_after: Some(value), .. }
            | Self::Discovery(DiscoveryError::Status {
                status, retry_after: Some(value), ..
            }) if matches!(
                *status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            ) =>
            {
                freshness::retry_after(value, now)
            }
            _ => None,
        }
    }

    fn is_gone(&self) -> bool {
        matches!(self, Self::Status { status: StatusCode::NOT_FOUND | StatusCode::GONE, .. })
    }
}

impl Source {
    /// A source of which nothing is known yet.
    pub(super) const fn new() -> Self {
        Self { address: None, confirmed: None }
    }

    /// Looks for the provider's key set.
    pub(super) async fn look(
        &mut self,
        provider: &ProviderKeys,
        client: &Client,
        now: Timestamp,
    ) -> Result<Found, SourceError> {
        match &provider.source {
            KeySourceSettings::Discovery => self.look_discovered(provider, client, now).await,
            KeySourceSettings::File(path) => self.look_at_file(path).await,
            KeySourceSettings::Inline(json) => Ok(self.look_inline(json, &provider.bounds)),
            KeySourceSettings::JwksUri(url) => {
                self.fetch(url.clone(), Egress::Configured, client, &provider.bounds, now).await
            }
        }
    }

    /// The document with this mark holds usable keys: from now on "unchanged" is good news.
    pub(super) fn accept(&mut self, mark: Mark) {
        self.confirmed = Some(mark);
    }

    /// An address that leads nowhere any more may have moved: the metadata is read again at once.
    async fn look_discovered(
        &mut self,
        provider: &ProviderKeys,
        client: &Client,
        now: Timestamp,
    ) -> Result<Found, SourceError> {
        let began = Instant::now();
        let (url, egress) = self.address(provider, client).await?;
        let outcome = self.fetch(url, egress, client, &provider.bounds, now).await;
        match outcome {
            Err(error) if error.is_gone() && self.address_is_older_than(began) => {
                self.address = None;
                let (url, egress) = self.address(provider, client).await?;
                self.fetch(url, egress, client, &provider.bounds, now).await
            }
            outcome => outcome,
        }
    }

    fn address_is_older_than(&self, moment: Instant) -> bool {
        self.address.as_ref().is_some_and(|address| address.found < moment)
    }

    /// The address from the metadata, which is read again when it is a day old. A failure then keeps the old address.
    async fn address(
        &mut self,
        provider: &ProviderKeys,
        client: &Client,
    ) -> Result<(Url, Egress), SourceError> {
        if let Some(known) = &self.address
            && known.found.elapsed() < METADATA_LIFETIME
        {
            return Ok((known.url.clone(), known.egress));
        }
        match discovery::discover_keys(client, &provider.issuer, provider.bounds.timeout).await {
            Ok(metadata) => Ok(self.learn(metadata.jwks_uri, &provider.issuer)),
            Err(error) => self.fall_back(&provider.name, error),
        }
    }

    fn learn(&mut self, url: Url, issuer: &str) -> (Url, Egress) {
        let egress = Url::parse(issuer)
            .map_or(Egress::Discovered, |issuer| Egress::of_discovered(&issuer, &url));
        self.address = Some(Address { url: url.clone(), egress, found: Instant::now() });
        (url, egress)
    }

    fn fall_back(
        &self,
        provider: &str,
        error: DiscoveryError,
    ) -> Result<(Url, Egress), SourceError> {
        let Some(known) = &self.address else { return Err(error.into()) };
        tracing::warn!(provider, error = %error_text(&error), "provider metadata refresh failed; keeping the old one");
        Ok((known.url.clone(), known.egress))
    }

    async fn fetch(
        &self,
        url: Url,
        egress: Egress,
        client: &Client,
        bounds: &RefreshBounds,
        now: Timestamp,
    ) -> Result<Found, SourceError> {
        let validators = self.validators_for(&url);
        let target = Target { url: &url, egress, deadline: bounds.timeout };
        match client.get(target, validators).await {
            Ok(reply) if reply.status == StatusCode::OK => Ok(document(url, reply, bounds, now)),
            Ok(reply) if reply.status == StatusCode::NOT_MODIFIED && validators.is_some() => {
                Ok(Found::Unchanged { lifetime: freshness::lifetime(&reply.headers, bounds, now) })
            }
            Ok(Reply { status, mut headers, .. }) => {
                let retry_after = headers.remove(header::RETRY_AFTER);
                Err(SourceError::Status { url: shown(&url), status, retry_after })
            }
            Err(source) => Err(SourceError::Fetch { url: shown(&url), source }),
        }
    }

    fn validators_for(&self, url: &Url) -> Option<&Validators> {
        match &self.confirmed {
            Some(Mark::Http { url: known, validators }) if known == url.as_str() => {
                validators.as_ref()
            }
            _ => None,
        }
    }

    async fn look_at_file(&self, path: &Path) -> Result<Found, SourceError> {
        let known = match &self.confirmed {
            Some(Mark::File(stamp)) => Some(stamp.clone()),
            _ => None,
        };
        let found = match file::read_if_changed(path.to_owned(), known).await? {
            Some((json, stamp)) => Found::Document {
                json,
                mark: Mark::File(stamp),
                lifetime: FILE_POLL,
                content_type: String::new(),
            },
            None => Found::Unchanged { lifetime: FILE_POLL },
        };
        Ok(found)
    }

    fn look_inline(&self, json: &[u8], bounds: &RefreshBounds) -> Found {
        let lifetime = bounds.max;
        match &self.confirmed {
            Some(_) => Found::Unchanged { lifetime },
            None => Found::Document {
                json: Bytes::copy_from_slice(json),
                mark: Mark::Constant,
                lifetime,
                content_type: String::new(),
            },
        }
    }
}

fn document(url: Url, reply: Reply, bounds: &RefreshBounds, now: Timestamp) -> Found {
    let content_type = reply
        .headers
        .get(header::CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    Found::Document {
        mark: Mark::Http { url: url.into(), validators: reply.validators() },
        lifetime: freshness::lifetime(&reply.headers, bounds, now),
        content_type: content_type.unwrap_or_default().into_owned(),
        json: reply.body,
    }
}
