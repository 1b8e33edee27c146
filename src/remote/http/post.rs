//! Requests that carry secrets: forms, and what is asked for with an access token. Bounds and refusals are those of `get`.

use std::time::Duration;

use bytes::Bytes;
use reqwest::RequestBuilder;
use reqwest::header::{self, HeaderMap, HeaderValue};
use tokio::time::timeout;
use url::Url;

use crate::base::secret::Secret;
use crate::oidc::FORM_MEDIA_TYPE;
use crate::remote::egress::{self, Egress};
use crate::remote::http::{Client, FetchError, Reply};

/// One form.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// Where to.
    pub url: &'a Url,
    /// Who named it.
    pub egress: Egress,
    /// For the whole exchange, from the name's resolution to the body's last byte.
    pub deadline: Duration,
    /// The client's credentials, if they go in a header.
    pub authorization: Option<&'a HeaderValue>,
    /// The form, encoded.
    pub body: &'a Secret<String>,
}

/// One GET with an access token.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizedGet<'a> {
    /// Where to.
    pub url: &'a Url,
    /// Who named it.
    pub egress: Egress,
    /// For the whole exchange, from the name's resolution to the body's last byte.
    pub deadline: Duration,
    /// The token, for the `Bearer` scheme.
    pub token: &'a Secret<String>,
}

/// One JSON document with an access token.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizedPost<'a> {
    /// Where to.
    pub url: &'a Url,
    /// Who named it.
    pub egress: Egress,
    /// For the whole exchange, from the name's resolution to the body's last byte.
    pub deadline: Duration,
    /// The token, for the `Bearer` scheme.
    pub token: &'a Secret<String>,
    /// The document.
    pub body: &'a Secret<String>,
}

/// Where a request goes, and how long it may take.
struct Target<'a> {
    url: &'a Url,
    egress: Egress,
    deadline: Duration,
}

/// Bytes that are wiped once they are sent.
struct Wiped(Secret<String>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

impl Client {
    /// Posts a form. The deadline covers everything; nothing is sent twice.
    ///
    /// # Errors
    /// [`FetchError`]; a status is none, save for redirects.
    pub async fn post_form(&self, request: Post<'_>) -> Result<Reply, FetchError> {
        let Post { url, egress, deadline, .. } = request;
        let mut headers = headers("application/json");
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM_MEDIA_TYPE));
        if let Some(authorization) = request.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let body = Bytes::from_owner(Wiped(request.body.clone()));
        let builder = self.side(url, egress).post(url.clone()).headers(headers).body(body);
        self.send_within(Target { url, egress, deadline }, builder).await
    }

    /// Fetches what an access token opens.
    ///
    /// # Errors
    /// [`FetchError`]; a status is none, save for redirects.
    pub async fn get_authorized(&self, request: AuthorizedGet<'_>) -> Result<Reply, FetchError> {
        let AuthorizedGet { url, egress, deadline, token } = request;
        let mut headers = headers("application/json, application/jwt");
        headers.insert(header::AUTHORIZATION, bearer(token));
        let builder = self.side(url, egress).get(url.clone()).headers(headers);
        self.send_within(Target { url, egress, deadline }, builder).await
    }

    /// Posts JSON with an access token. Nothing is sent twice.
    ///
    /// # Errors
    /// [`FetchError`]; a status is none, save for redirects.
    pub async fn post_authorized(&self, request: AuthorizedPost<'_>) -> Result<Reply, FetchError> {
        let AuthorizedPost { url, egress, deadline, token, body } = request;
        let mut headers = headers("application/json");
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::AUTHORIZATION, bearer(token));
        let body = Bytes::from_owner(Wiped(body.clone()));
        let builder = self.side(url, egress).post(url.clone()).headers(headers).body(body);
        self.send_within(Target { url, egress, deadline }, builder).await
    }

    async fn send_within(
        &self,
        target: Target<'_>,
        request: RequestBuilder,
    ) -> Result<Reply, FetchError> {
        egress::permit(target.url, target.egress)?;
        match timeout(target.deadline, self.send(target.url, request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::Deadline(target.deadline)),
        }
    }
}

/// A token that is no header value is not sent: an empty one is refused like any other bad token.
fn bearer(token: &Secret<String>) -> HeaderValue {
    let text = Secret::new(format!("Bearer {}", token.expose()));
    let mut value =
        HeaderValue::from_str(text.expose()).unwrap_or(HeaderValue::from_static("Bearer"));
    value.set_sensitive(true);
    value
}

fn headers(accept: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

#[cfg(test)]
mod tests;
