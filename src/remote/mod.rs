//! Outbound IO: the only modules that open connections. What is fetched is handed on as typed values;
//! nothing here decides about a request.

pub mod backend;
pub mod discovery;
pub mod egress;
mod flight;
pub mod http;
pub mod introspection;
pub mod jwks;
#[cfg(test)]
mod origin;
pub mod provider;
pub mod relying_party;
mod remembered;
pub mod renewal;
pub mod replay;
pub mod resolver;
pub mod sessions;

use url::Url;

/// The longest error text that is kept for a status page or a log line, in characters.
const ERROR_TEXT_CHARS: usize = 400;

/// A URL for an error text: without its query, which may hold a key.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

/// An error with all its sources, on one bounded line without control characters: parts of it may be the provider's words.
pub(crate) fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors say what their source says, too.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text.chars().filter(|c| !c.is_control()).take(ERROR_TEXT_CHARS).collect()
}
