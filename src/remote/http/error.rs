//! Why an exchange failed, and which layer did.

use std::error::Error;
use std::time::Duration;

use reqwest::StatusCode;

use crate::remote::egress::EgressError;

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

/// Sorts the library's error by the layer that failed, and keeps its innermost words: the outer ones repeat the URL.
pub(super) fn failure(error: reqwest::Error) -> FetchError {
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
