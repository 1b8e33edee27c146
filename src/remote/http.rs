//! Outbound HTTP: one small client with a deadline over the whole exchange, a bounded body, no redirects, no cookies, no
//! decompression and no credentials in URLs.
//!
//! It does not judge what it fetches: statuses and bodies are handed to the caller.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{ClientBuilder, Method, RequestBuilder, Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use crate::remote::egress::{self, Egress, GuardedResolver, is_loopback};

mod error;
mod get;
mod post;
mod trust;

pub use error::{Cause, FetchError};
pub use get::Validators;
pub use trust::{ClientError, ClientSettings};

use error::failure;
use trust::Trust;

/// The response headers that callers may read, save for those who name others.
const KEPT_HEADERS: [HeaderName; 8] = [
    header::AGE,
    header::CACHE_CONTROL,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::RETRY_AFTER,
];

/// The outbound HTTP client. Clones share connections. `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are honoured, save for
/// loopback, which no proxy could reach.
#[derive(Clone, Debug)]
pub struct Client {
    configured: reqwest::Client,
    discovered: reqwest::Client,
    loopback: reqwest::Client,
    trust: Arc<Trust>,
}

/// Where a request goes, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Where to.
    pub url: &'a Url,
    /// Who named it.
    pub egress: Egress,
    /// For the whole exchange, from the name's resolution to the body's last byte.
    pub deadline: Duration,
}

/// An answer of any status that is no redirect.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Those headers that are kept: caching, validators, content type, retry-after, or what was asked for.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Client {
    /// A client with the platform's roots and those of the settings. Reads their files: call it at start and reload only.
    ///
    /// # Errors
    /// A file of roots that is missing or has no certificate.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        let (trust, roots) = Trust::read(settings)?;
        Ok(Self {
            configured: trust::build(&roots, |builder| builder)?,
            discovered: trust::build(&roots, |builder| builder.dns_resolver(GuardedResolver))?,
            loopback: trust::build(&roots, ClientBuilder::no_proxy)?,
            trust: Arc::new(trust),
        })
    }

    /// Whether the other client trusts the same roots and reads as much.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.trust == other.trust
    }

    /// A request to `target` with `headers`, to be added to and sent.
    fn request(&self, method: Method, target: Target<'_>, headers: HeaderMap) -> RequestBuilder {
        let side = self.side(target.url, target.egress);
        side.request(method, target.url.clone()).headers(headers)
    }

    /// Sends, if the address is one to go to. Of the answer's fields those that are `kept` are left, each as often as it is there.
    async fn send(
        &self,
        target: Target<'_>,
        request: RequestBuilder,
        kept: &[HeaderName],
    ) -> Result<Reply, FetchError> {
        egress::permit(target.url, target.egress)?;
        match timeout(target.deadline, self.exchange(target.url, request, kept)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::Deadline(target.deadline)),
        }
    }

    async fn exchange(
        &self,
        url: &Url,
        request: RequestBuilder,
        kept: &[HeaderName],
    ) -> Result<Reply, FetchError> {
        let mut response = request.send().await.map_err(failure)?;
        refuse_redirect(url, &response)?;
        refuse_encoding(&response)?;
        let body = self.body(&mut response).await?;
        Ok(Reply { status: response.status(), headers: only(kept, response.headers()), body })
    }

    fn side(&self, url: &Url, egress: Egress) -> &reqwest::Client {
        match egress {
            Egress::Configured if is_loopback(url) => &self.loopback,
            Egress::Configured => &self.configured,
            Egress::Discovered => &self.discovered,
        }
    }

    /// Reads the body, never more than the bound.
    async fn body(&self, response: &mut Response) -> Result<Bytes, FetchError> {
        let limit = self.trust.max_body_bytes();
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if body.len() + chunk.len() > limit {
                return Err(FetchError::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

/// What every request says: what is wanted, and that it is wanted plain.
fn accepting(accept: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

fn refuse_redirect(asked: &Url, response: &Response) -> Result<(), FetchError> {
    let status = response.status();
    if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
        return Ok(());
    }
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|text| asked.join(text).ok());
    let target =
        target.map_or_else(|| "nowhere".to_owned(), |url| url.origin().ascii_serialization());
    Err(FetchError::Redirected { status, target })
}

fn refuse_encoding(response: &Response) -> Result<(), FetchError> {
    match response.headers().get(header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(FetchError::Encoded(String::from_utf8_lossy(encoding.as_bytes()).into_owned()))
        }
        _ => Ok(()),
    }
}

fn only(kept: &[HeaderName], fields: &HeaderMap) -> HeaderMap {
    let mut found = HeaderMap::with_capacity(kept.len());
    for name in kept {
        for value in fields.get_all(name) {
            found.append(name, value.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests;
