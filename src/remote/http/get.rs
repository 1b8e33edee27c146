//! What is fetched without a secret of ours: documents, of which we may have a copy, and answers to what others showed us.

use reqwest::Method;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::remote::http::{Client, FetchError, KEPT_HEADERS, Reply, Target, accepting};

/// What identifies a copy ([RFC 9110 §8.8](https://www.rfc-editor.org/rfc/rfc9110#section-8.8)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

impl Reply {
    /// What to send with the next request for the same, if the server gave any.
    pub fn validators(&self) -> Option<Validators> {
        let etag = self.headers.get(header::ETAG).cloned();
        let last_modified = self.headers.get(header::LAST_MODIFIED).cloned();
        (etag.is_some() || last_modified.is_some()).then_some(Validators { etag, last_modified })
    }
}

impl Client {
    /// Fetches, under the condition that it is another than the copy at hand if that has `validators`. The deadline covers everything.
    ///
    /// # Errors
    /// [`FetchError`]; a status is none, save for redirects.
    pub async fn get(
        &self,
        target: Target<'_>,
        validators: Option<&Validators>,
    ) -> Result<Reply, FetchError> {
        let mut headers = accepting("application/json, application/jwk-set+json");
        let etag = validators.and_then(|known| known.etag.clone());
        let date = validators.and_then(|known| known.last_modified.clone());
        headers.extend(etag.map(|etag| (header::IF_NONE_MATCH, etag)));
        headers.extend(date.map(|date| (header::IF_MODIFIED_SINCE, date)));
        self.send(target, self.request(Method::GET, target, headers), &KEPT_HEADERS).await
    }

    /// Fetches with `headers` beside the usual; of the answer's, those that are `kept` are left. The deadline covers everything.
    ///
    /// # Errors
    /// [`FetchError`]; a status is none, save for redirects.
    pub async fn look_up(
        &self,
        target: Target<'_>,
        headers: HeaderMap,
        kept: &[HeaderName],
    ) -> Result<Reply, FetchError> {
        self.send(target, self.request(Method::GET, target, headers), kept).await
    }
}
