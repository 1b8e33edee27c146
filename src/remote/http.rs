//! Outbound HTTP: one small client with a deadline over the whole exchange, a bounded body, no redirects, no cookies, no
//! decompression and no credentials in URLs.
//!
//! It does not judge what it fetches: statuses and bodies are handed to the caller.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, RequestBuilder, Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use crate::remote::egress::{self, Egress, EgressError, GuardedResolver, is_loopback};

mod lookup;
mod post;

pub use lookup::Lookup;
pub use post::{AuthorizedGet, AuthorizedPost, Post};

const USER_AGENT: &str = concat!("sidegate/", env!("CARGO_PKG_VERSION"));
/// Shorter than servers keep connections, some for five seconds: a form that meets the end of one is lost, for it is not sent
/// twice.
const CONNECTION_IDLE: Duration = Duration::from_secs(4);

/// The response headers that callers may read; all others are dropped.
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

/// What the client trusts and how much it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// PEM files with further roots, beside those of the platform (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).
    pub roots: Vec<PathBuf>,
    /// The largest body that is read.
    pub max_body_bytes: usize,
}

impl Default for ClientSettings {
    /// The platform's roots and bodies of up to 1 MiB.
    fn default() -> Self {
        Self { roots: Vec::new(), max_body_bytes: 1 << 20 }
    }
}

/// Why no client can be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file of roots is not PEM.
    #[error("{} is not a PEM file of certificates", path.display())]
    BadRoots {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: reqwest::Error,
    },
    /// TLS could not be set up.
    #[error("cannot set up outbound TLS")]
    Build(#[source] reqwest::Error),
    /// A file of roots has none.
    #[error("{} has no certificate, expected at least one in PEM", path.display())]
    NoRoots {
        /// The file.
        path: PathBuf,
    },
    /// A file of roots cannot be read.
    #[error("cannot read {}", path.display())]
    UnreadableRoots {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The outbound HTTP client. Clones share connections. `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are honoured, save for
/// loopback, which no proxy could reach.
#[derive(Clone, Debug)]
pub struct Client {
    configured: reqwest::Client,
    discovered: reqwest::Client,
    loopback: reqwest::Client,
    trust: Arc<Trust>,
}

/// What two clients must have in common to be interchangeable: the roots by content, since files change under their names.
#[derive(Debug, PartialEq, Eq)]
struct Trust {
    pems: Vec<Vec<u8>>,
    max_body_bytes: usize,
}

/// One GET.
#[derive(Clone, Copy, Debug)]
pub struct Get<'a> {
    /// Where to.
    pub url: &'a Url,
    /// Who named it.
    pub egress: Egress,
    /// For the whole exchange, from the name's resolution to the body's last byte.
    pub deadline: Duration,
    /// Of the copy at hand, for a conditional request.
    pub validators: Option<&'a Validators>,
}

/// What identifies a copy ([RFC 9110 §8.8](https://www.rfc-editor.org/rfc/rfc9110#section-8.8)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

/// An answer of any status that is no redirect.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Those headers that are kept: caching, validators, content type, retry-after.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why an exchange failed. Never contains the URL's query or any header.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The connection broke, or what came was not HTTP.
    #[error("the exchange broke off")]
    Broken(#[source] Cause),
    /// No connection: refused, unreachable, or TLS failed.
    #[error("cannot connect")]
    Connect(#[source] Cause),
    /// Too slow.
    #[error("no complete answer within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// The body is compressed though that was not offered: it may be a bomb, and is not unpacked.
    #[error("the answer is encoded with `{0}`, expected a plain one")]
    Encoded(String),
    /// The address is not one to go to.
    #[error("the address is refused")]
    Egress(#[from] EgressError),
    /// Redirects are not followed: the operator names the final address.
    #[error(
        "the answer is a redirect ({status}) to {target}, which is not followed; configure the final address"
    )]
    Redirected {
        /// Which kind.
        status: StatusCode,
        /// The origin that it leads to.
        target: String,
    },
    /// The name has no address, or a refused one.
    #[error("cannot resolve the host name")]
    Resolve(#[source] Cause),
    /// The body is larger than what is read.
    #[error("the answer is larger than the {limit} bytes that are read")]
    TooLarge {
        /// The bound, in bytes.
        limit: usize,
    },
}

/// The innermost reason of a failed exchange, in the words of the layer that failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

impl Client {
    /// A client with the platform's roots and those of the settings. Reads their files: call it at start and reload only.
    ///
    /// # Errors
    /// A file of roots that is missing or has no certificate.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        let pems =
            settings.roots.iter().map(|path| read_roots(path)).collect::<Result<Vec<_>, _>>()?;
        let mut roots = Vec::new();
        for (path, pem) in settings.roots.iter().zip(&pems) {
            roots.extend(parse_roots(path, pem)?);
        }
        install_crypto();
        Ok(Self {
            configured: build(&roots, |builder| builder)?,
            discovered: build(&roots, |builder| builder.dns_resolver(GuardedResolver))?,
            loopback: build(&roots, ClientBuilder::no_proxy)?,
            trust: Arc::new(Trust { pems, max_body_bytes: settings.max_body_bytes }),
        })
    }

    /// Whether the other client trusts the same roots and reads as much.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.trust == other.trust
    }

    /// Fetches. The deadline covers everything.
    ///
    /// # Errors
    /// [`FetchError`]; a status is none, save for redirects.
    pub async fn get(&self, request: Get<'_>) -> Result<Reply, FetchError> {
        egress::permit(request.url, request.egress)?;
        match timeout(request.deadline, self.exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::Deadline(request.deadline)),
        }
    }

    async fn exchange(&self, request: Get<'_>) -> Result<Reply, FetchError> {
        let headers = request_headers(request.validators);
        let side = self.side(request.url, request.egress);
        self.send(request.url, side.get(request.url.clone()).headers(headers)).await
    }

    async fn send(&self, url: &Url, request: RequestBuilder) -> Result<Reply, FetchError> {
        let mut response = request.send().await.map_err(failure)?;
        refuse_redirect(url, &response)?;
        refuse_encoding(&response)?;
        let body = self.body(&mut response).await?;
        Ok(Reply { status: response.status(), headers: kept(response.headers()), body })
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
        let limit = self.trust.max_body_bytes;
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

impl Reply {
    /// What to send with the next request for the same, if the server gave any.
    pub fn validators(&self) -> Option<Validators> {
        let etag = self.headers.get(header::ETAG).cloned();
        let last_modified = self.headers.get(header::LAST_MODIFIED).cloned();
        (etag.is_some() || last_modified.is_some()).then_some(Validators { etag, last_modified })
    }
}

/// TLS needs one process-wide crypto provider. Whoever comes first installs it; all of us install the same.
fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

fn read_roots(path: &Path) -> Result<Vec<u8>, ClientError> {
    std::fs::read(path)
        .map_err(|source| ClientError::UnreadableRoots { path: path.to_owned(), source })
}

fn parse_roots(path: &Path, pem: &[u8]) -> Result<Vec<Certificate>, ClientError> {
    let roots = Certificate::from_pem_bundle(pem)
        .map_err(|source| ClientError::BadRoots { path: path.to_owned(), source })?;
    if roots.is_empty() {
        return Err(ClientError::NoRoots { path: path.to_owned() });
    }
    Ok(roots)
}

/// A machine without any root certificate (an empty container) still gets a client: key files and loopback providers need
/// none, and every https exchange fails with its reason.
fn build(
    roots: &[Certificate],
    variant: fn(ClientBuilder) -> ClientBuilder,
) -> Result<reqwest::Client, ClientError> {
    let platform = variant(base_builder()).tls_certs_merge(roots.iter().cloned()).build();
    match platform {
        Err(error) if roots.is_empty() => {
            tracing::warn!(error = %super::error_text(&error), "no root certificates; https providers cannot be reached");
            variant(base_builder()).tls_certs_only([]).build().map_err(ClientError::Build)
        }
        other => other.map_err(ClientError::Build),
    }
}

fn base_builder() -> ClientBuilder {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .referer(false)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(CONNECTION_IDLE)
}

fn request_headers(validators: Option<&Validators>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::ACCEPT,
        HeaderValue::from_static("application/json, application/jwk-set+json"),
    );
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let Some(validators) = validators else { return headers };
    if let Some(etag) = &validators.etag {
        headers.insert(header::IF_NONE_MATCH, etag.clone());
    }
    if let Some(date) = &validators.last_modified {
        headers.insert(header::IF_MODIFIED_SINCE, date.clone());
    }
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

fn kept(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(KEPT_HEADERS.len());
    for name in KEPT_HEADERS {
        if let Some(value) = headers.get(&name) {
            kept.insert(name, value.clone());
        }
    }
    kept
}

/// Sorts the library's error by the layer that failed, and keeps its innermost words: the outer ones repeat the URL.
fn failure(error: reqwest::Error) -> FetchError {
    let error = error.without_url();
    let cause = Cause(innermost(&error));
    if error.is_dns() {
        FetchError::Resolve(cause)
    } else if error.is_connect() {
        FetchError::Connect(cause)
    } else {
        FetchError::Broken(cause)
    }
}

fn innermost(error: &dyn Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests;
