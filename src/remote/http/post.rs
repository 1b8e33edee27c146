//! Requests that carry secrets: forms, and what is asked for with an access token. Bounds and refusals are those of `get`.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{self, HeaderMap, HeaderValue};

use crate::base::secret::Secret;
use crate::oidc::FORM_MEDIA_TYPE;
use crate::remote::http::{Client, FetchError, KEPT_HEADERS, Reply, Target, accepting};

/// Bytes that are wiped once they are sent.
struct Wiped(Secret<String>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

impl Client {
    /// Posts a form, encoded, with the client's credentials if they go in a header. The deadline covers everything; nothing is sent
    /// twice.
    ///
    /// # Errors
    /// [`FetchError`]; a status is none, save for redirects.
    pub async fn post_form(
        &self,
        target: Target<'_>,
        authorization: Option<&HeaderValue>,
        form: &Secret<String>,
    ) -> Result<Reply, FetchError> {
        let mut headers = accepting("application/json");
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM_MEDIA_TYPE));
        headers.extend(authorization.map(|value| (header::AUTHORIZATION, value.clone())));
        self.post(target, headers, form).await
    }

    /// Fetches what an access token opens, by the `Bearer` scheme.
    ///
    /// # Errors
    /// [`FetchError`]; a status is none, save for redirects.
    pub async fn get_authorized(
        &self,
        target: Target<'_>,
        token: &Secret<String>,
    ) -> Result<Reply, FetchError> {
        let mut headers = accepting("application/json, application/jwt");
        headers.insert(header::AUTHORIZATION, bearer(token));
        self.send(target, self.request(Method::GET, target, headers), &KEPT_HEADERS).await
    }

    /// Posts a document in JSON with an access token, by the `Bearer` scheme. Nothing is sent twice.
    ///
    /// # Errors
    /// [`FetchError`]; a status is none, save for redirects.
    pub async fn post_authorized(
        &self,
        target: Target<'_>,
        token: &Secret<String>,
        document: &Secret<String>,
    ) -> Result<Reply, FetchError> {
        let mut headers = accepting("application/json");
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::AUTHORIZATION, bearer(token));
        self.post(target, headers, document).await
    }

    async fn post(
        &self,
        target: Target<'_>,
        headers: HeaderMap,
        body: &Secret<String>,
    ) -> Result<Reply, FetchError> {
        let body = Bytes::from_owner(Wiped(body.clone()));
        let request = self.request(Method::POST, target, headers).body(body);
        self.send(target, request, &KEPT_HEADERS).await
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

#[cfg(test)]
mod tests;
