//! Provider metadata: where a provider keeps its keys
//! ([OpenID Connect Discovery 1.0](https://openid.net/specs/openid-connect-discovery-1_0.html),
//! [RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)).
//!
//! Reads only the members that are needed; when to fetch is decided elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use url::Url;

use crate::remote::egress::{self, Egress, EgressError};
use crate::remote::http::{Client, FetchError, Get, Reply};
use crate::token::Algorithm;

/// What a provider says of itself, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Equal to the configured one, byte for byte.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: Url,
    /// The algorithms of its ID tokens, as it names them; `None` if it does not say. At least one of them is ours.
    pub algorithms: Option<Vec<String>>,
}

/// Why there is no metadata.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// An address in the document is not one to go to.
    #[error("provider metadata has an unusable `{member}`")]
    BadEndpoint {
        /// The member.
        member: &'static str,
        /// What is wrong with it.
        source: EndpointError,
    },
    /// The configured issuer cannot be discovered.
    #[error("issuer `{issuer}` cannot be discovered: {why}")]
    BadIssuer {
        /// As configured.
        issuer: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The document could not be fetched.
    #[error("cannot fetch {url}")]
    Fetch {
        /// Its address.
        url: Url,
        /// Why.
        source: FetchError,
    },
    /// The document is somebody else's.
    #[error("provider metadata is of issuer `{found}`, expected `{expected}`{hint}")]
    IssuerMismatch {
        /// What the document says.
        found: String,
        /// What is configured.
        expected: String,
        /// What the operator may have meant.
        hint: &'static str,
    },
    /// A member is not there.
    #[error("provider metadata has no `{0}`")]
    Missing(&'static str),
    /// It signs with nothing that we accept.
    #[error(
        "provider metadata offers only the signature algorithms {found}, expected one of RS, PS, ES or EdDSA"
    )]
    NoAlgorithm {
        /// What it offers.
        found: String,
    },
    /// The document is not a JSON object, or a malformed one.
    #[error("provider metadata is not a well-formed JSON object")]
    NotJson(#[source] serde_json::Error),
    /// The server answers with an error.
    #[error("{url} answers {status}, expected 200")]
    Status {
        /// Which address.
        url: Url,
        /// With what.
        status: StatusCode,
        /// Its headers; it may say when to come back.
        headers: HeaderMap,
    },
    /// A member has the wrong type.
    #[error("provider metadata member `{member}` is {found}, expected {expected}")]
    WrongType {
        /// The member.
        member: &'static str,
        /// What it is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

/// Why an address in provider metadata is unusable.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Where it leads.
    #[error("the address is refused")]
    Egress(#[from] EgressError),
    /// It has a fragment.
    #[error("found a fragment in the URL, expected none")]
    Fragment,
    /// Plain http, though the issuer is on https.
    #[error("found http, expected https as in the issuer")]
    LessThanIssuer,
    /// No URL.
    #[error("found no absolute URL")]
    NotUrl(#[source] url::ParseError),
}

/// Fetches and checks the metadata of `issuer`; `deadline` is for each of the at most two exchanges.
///
/// The OpenID Connect address is tried first; when there is nothing, that of RFC 8414.
///
/// # Errors
/// [`DiscoveryError`], with everything that an operator needs to find the cause.
pub async fn discover(
    client: &Client,
    issuer: &str,
    deadline: Duration,
) -> Result<Metadata, DiscoveryError> {
    let address = issuer_url(issuer)?;
    match fetch(client, openid_address(&address), deadline).await {
        Err(missing) if missing.is_not_found() => {
            // When neither exists the operator needs the first address, the common one.
            let second = fetch(client, oauth_address(&address), deadline).await;
            let body =
                second.map_err(|other| if other.is_not_found() { missing } else { other })?;
            parse(&body, issuer)
        }
        body => parse(&body?, issuer),
    }
}

/// Checks a metadata document against the issuer it was asked of
/// ([OpenID Connect Discovery 1.0 §4.3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation)).
/// Stricter than the standard: members may not occur twice, and an address may not carry credentials or a fragment.
///
/// # Errors
/// [`DiscoveryError`]
pub fn parse(document: &[u8], issuer: &str) -> Result<Metadata, DiscoveryError> {
    let Members(members) = serde_json::from_slice(document).map_err(DiscoveryError::NotJson)?;
    let found = text(&members, "issuer")?;
    if found != issuer {
        return Err(mismatch(found, issuer));
    }
    let jwks_uri = endpoint(&members, "jwks_uri", &issuer_url(issuer)?)?;
    let algorithms = algorithms(&members)?;
    Ok(Metadata { issuer: issuer.to_owned(), jwks_uri, algorithms })
}

impl DiscoveryError {
    fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: StatusCode::NOT_FOUND, .. })
    }
}

fn issuer_url(issuer: &str) -> Result<Url, DiscoveryError> {
    let refuse = |why| DiscoveryError::BadIssuer { issuer: issuer.to_owned(), why };
    let url =
        Url::parse(issuer).map_err(|_| refuse("it is no URL; name a jwks_uri or a key file"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it has a query or fragment"));
    }
    if !url.has_host() || !matches!(url.scheme(), "https" | "http") {
        return Err(refuse("it is no http(s) URL; name a jwks_uri or a key file"));
    }
    Ok(url)
}

/// [OpenID Connect Discovery 1.0 §4](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig): the well-known
/// part follows the issuer's path, without its terminating slash.
fn openid_address(issuer: &Url) -> Url {
    let mut address = issuer.clone();
    address.set_path(&format!(
        "{}/.well-known/openid-configuration",
        issuer.path().trim_end_matches('/')
    ));
    address
}

/// [RFC 8414 §3.1](https://www.rfc-editor.org/rfc/rfc8414#section-3.1): the well-known part precedes the issuer's path.
fn oauth_address(issuer: &Url) -> Url {
    let mut address = issuer.clone();
    address.set_path(&format!(
        "/.well-known/oauth-authorization-server{}",
        issuer.path().trim_end_matches('/')
    ));
    address
}

async fn fetch(
    client: &Client,
    url: Url,
    deadline: Duration,
) -> Result<bytes::Bytes, DiscoveryError> {
    let request = Get { url: &url, egress: Egress::Configured, deadline, validators: None };
    match client.get(request).await {
        Ok(Reply { status: StatusCode::OK, body, .. }) => Ok(body),
        Ok(Reply { status, headers, .. }) => Err(DiscoveryError::Status { url, status, headers }),
        Err(source) => Err(DiscoveryError::Fetch { url, source }),
    }
}

fn mismatch(found: &str, expected: &str) -> DiscoveryError {
    let hint = if found.trim_end_matches('/') == expected.trim_end_matches('/') {
        "; they differ in the trailing slash: configure the issuer exactly as the provider writes it"
    } else if found.eq_ignore_ascii_case(expected) {
        "; they differ in upper and lower case: configure the issuer exactly as the provider writes it"
    } else {
        ""
    };
    DiscoveryError::IssuerMismatch { found: found.to_owned(), expected: expected.to_owned(), hint }
}

fn text<'a>(
    members: &'a BTreeMap<String, Value>,
    member: &'static str,
) -> Result<&'a str, DiscoveryError> {
    match members.get(member) {
        None => Err(DiscoveryError::Missing(member)),
        Some(Value::String(text)) => Ok(text),
        Some(other) => {
            Err(DiscoveryError::WrongType { member, found: kind(other), expected: "a string" })
        }
    }
}

fn endpoint(
    members: &BTreeMap<String, Value>,
    member: &'static str,
    issuer: &Url,
) -> Result<Url, DiscoveryError> {
    endpoint_url(text(members, member)?, issuer)
        .map_err(|source| DiscoveryError::BadEndpoint { member, source })
}

fn endpoint_url(text: &str, issuer: &Url) -> Result<Url, EndpointError> {
    let url = Url::parse(text).map_err(EndpointError::NotUrl)?;
    if url.fragment().is_some() {
        return Err(EndpointError::Fragment);
    }
    if issuer.scheme() == "https" && url.scheme() == "http" {
        return Err(EndpointError::LessThanIssuer);
    }
    egress::permit(&url, Egress::of_discovered(issuer, &url))?;
    Ok(url)
}

/// A list without any algorithm of ours is refused here, at discovery: it must never be understood as "anything goes".
fn algorithms(members: &BTreeMap<String, Value>) -> Result<Option<Vec<String>>, DiscoveryError> {
    const MEMBER: &str = "id_token_signing_alg_values_supported";
    let Some(value) = members.get(MEMBER) else { return Ok(None) };
    let wrong = |found| DiscoveryError::WrongType {
        member: MEMBER,
        found,
        expected: "an array of strings",
    };
    let Value::Array(items) = value else { return Err(wrong(kind(value))) };
    let names: Option<Vec<String>> =
        items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    let names = names.ok_or_else(|| wrong("an array of other things"))?;
    if !names.iter().any(|name| Algorithm::from_str(name).is_ok()) {
        return Err(DiscoveryError::NoAlgorithm { found: format!("{names:?}") });
    }
    Ok(Some(names))
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "an array",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
        Value::Number(_) => "a number",
        Value::Object(_) => "an object",
        Value::String(_) => "a string",
    }
}

/// The members of a JSON object, none of them twice: two readers of a doubled member may see different values.
struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member {name:?} occurs twice")));
            }
            members.insert(name, value);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests;
