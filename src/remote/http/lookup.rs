//! GETs whose fields, and whose answers' fields, are the caller's business.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName};
use tokio::time::timeout;
use url::Url;

use crate::remote::egress::{self, Egress};
use crate::remote::http::{Client, FetchError, Reply, failure, refuse_encoding, refuse_redirect};

/// One GET.
#[derive(Clone, Debug)]
pub struct Lookup<'a> {
    /// Where to.
    pub url: &'a Url,
    /// Who named it.
    pub egress: Egress,
    /// For the whole exchange, from the name's resolution to the body's last byte.
    pub deadline: Duration,
    /// What is sent beside the usual.
    pub headers: HeaderMap,
    /// The fields of the answer to keep, each as often as it is there.
    pub kept: &'a [HeaderName],
}

impl Client {
    /// Fetches. The deadline covers everything.
    ///
    /// # Errors
    /// [`FetchError`]; a status is none, save for redirects.
    pub async fn look_up(&self, request: Lookup<'_>) -> Result<Reply, FetchError> {
        egress::permit(request.url, request.egress)?;
        let deadline = request.deadline;
        match timeout(deadline, self.exchange_fields(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::Deadline(deadline)),
        }
    }

    async fn exchange_fields(&self, request: Lookup<'_>) -> Result<Reply, FetchError> {
        let Lookup { url, egress, headers, kept, .. } = request;
        let sent = self.side(url, egress).get(url.clone()).headers(headers);
        let mut response = sent.send().await.map_err(failure)?;
        refuse_redirect(url, &response)?;
        refuse_encoding(&response)?;
        let body = self.body(&mut response).await?;
        Ok(Reply { status: response.status(), headers: only(kept, response.headers()), body })
    }
}

fn only(kept: &[HeaderName], fields: &HeaderMap) -> HeaderMap {
    let mut found = HeaderMap::new();
    for name in kept {
        for value in fields.get_all(name) {
            found.append(name, value.clone());
        }
    }
    found
}
