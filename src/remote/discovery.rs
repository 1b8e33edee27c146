//! Fetches provider metadata ([OpenID Connect Discovery 1.0](https://openid.net/specs/openid-connect-discovery-1_0.html),
//! [RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)).
//!
//! What a document must say is judged by [`crate::oidc::discovery`]; when to fetch is decided elsewhere.

use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{HeaderValue, RETRY_AFTER};
use url::Url;

use crate::oidc::discovery::{self, KeyMetadata, Metadata, MetadataError};
use crate::remote::egress::Egress;
use crate::remote::http::{Client, FetchError, Reply, Target};
use crate::remote::shown;

/// Why there is no metadata.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The document could not be fetched.
    #[error("cannot fetch {url}")]
    Fetch {
        /// Its address.
        url: String,
        /// Why.
        source: FetchError,
    },
    /// The document, or the issuer it should be of, is not usable.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The server answers with an error.
    #[error("{url} answers {status}, expected 200")]
    Status {
        /// Which address.
        url: String,
        /// With what.
        status: StatusCode,
        /// When to come back, if it says.
        retry_after: Option<HeaderValue>,
    },
}

/// Fetches and checks the metadata of `issuer`; `deadline` is for each of the at most two exchanges.
///
/// # Errors
/// [`DiscoveryError`], with everything that an operator needs to find the cause.
pub async fn discover(
    client: &Client,
    issuer: &str,
    deadline: Duration,
) -> Result<Metadata, DiscoveryError> {
    Ok(discovery::parse(&document(client, issuer, deadline).await?, issuer)?)
}

/// Fetches the metadata of `issuer` and checks what concerns its keys; `deadline` is for each of the at most two exchanges.
///
/// # Errors
/// [`DiscoveryError`], with everything that an operator needs to find the cause.
pub async fn discover_keys(
    client: &Client,
    issuer: &str,
    deadline: Duration,
) -> Result<KeyMetadata, DiscoveryError> {
    Ok(discovery::parse_keys(&document(client, issuer, deadline).await?, issuer)?)
}

/// The OpenID Connect address is tried first; when there is nothing, that of RFC 8414.
async fn document(
    client: &Client,
    issuer: &str,
    deadline: Duration,
) -> Result<Bytes, DiscoveryError> {
    let address = discovery::issuer_url(issuer)?;
    match fetch(client, discovery::openid_address(&address), deadline).await {
        Err(missing) if missing.is_not_found() => {
            // When neither exists the operator needs the first address, the common one.
            let second = fetch(client, discovery::oauth_address(&address), deadline).await;
            second.map_err(|other| if other.is_not_found() { missing } else { other })
        }
        body => body,
    }
}

impl DiscoveryError {
    fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: StatusCode::NOT_FOUND, .. })
    }
}

async fn fetch(client: &Client, url: Url, deadline: Duration) -> Result<Bytes, DiscoveryError> {
    let target = Target { url: &url, egress: Egress::Configured, deadline };
    let reply = client.get(target, None).await;
    let url = shown(&url);
    match reply {
        Ok(Reply { status: StatusCode::OK, body, .. }) => Ok(body),
        Ok(Reply { status, mut headers, .. }) => {
            Err(DiscoveryError::Status { url, status, retry_after: headers.remove(RETRY_AFTER) })
        }
        Err(source) => Err(DiscoveryError::Fetch { url, source }),
    }
}

#[cfg(test)]
mod tests;
