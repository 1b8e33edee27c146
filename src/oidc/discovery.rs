//! Provider metadata: where a provider's endpoints and keys are, and what it says it can do
//! ([OpenID Connect Discovery 1.0](https://openid.net/specs/openid-connect-discovery-1_0.html),
//! [RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)).
//!
//! Judges documents; fetching them is somebody else's job. `code_challenge_methods_supported` is not read: the challenge is
//! always S256, whatever a provider says.

mod members;

use std::str::FromStr;

use url::Url;

use crate::base::egress::{Egress, EgressError, permit};
use crate::oidc::discovery::members::Members;
use crate::token::Algorithm;

/// What a provider says of itself, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Equal to the configured one, byte for byte.
    pub issuer: String,
    /// Where its endpoints are.
    pub endpoints: Endpoints,
    /// Whether every authorization request must be pushed
    /// ([RFC 9126 §5](https://www.rfc-editor.org/rfc/rfc9126#section-5)).
    pub requires_pushed_requests: bool,
    /// Whether authorization responses carry `iss` ([RFC 9207 §3](https://www.rfc-editor.org/rfc/rfc9207#section-3)).
    pub iss_parameter: bool,
    /// How clients may authenticate at the token endpoint; `None` if it does not say.
    pub token_auth_methods: Option<Vec<String>>,
    /// The algorithms of its ID tokens, as it names them; `None` if it does not say. At least one of them is ours.
    pub id_token_algorithms: Option<Vec<String>>,
    /// The response modes; `None` if it does not say.
    pub response_modes: Option<Vec<String>>,
    /// Whether it sends logout tokens
    /// ([OpenID Connect Back-Channel Logout 1.0 §2.1](https://openid.net/specs/openid-connect-backchannel-1_0.html#BCSupport)).
    pub backchannel_logout: bool,
    /// Whether its logout tokens and ID tokens carry `sid`.
    pub backchannel_logout_session: bool,
    /// Whether it loads front-channel logout addresses.
    pub frontchannel_logout: bool,
}

/// The addresses of a provider: what its metadata names, or what is configured instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Where browsers are sent to sign in.
    pub authorization: Option<Url>,
    /// Where browsers are sent to sign out.
    pub end_session: Option<Url>,
    /// Where tokens are asked about ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
    pub introspection: Option<Url>,
    /// Where its keys are.
    pub jwks_uri: Option<Url>,
    /// Where authorization requests are pushed ([RFC 9126](https://www.rfc-editor.org/rfc/rfc9126)).
    pub pushed_authorization_request: Option<Url>,
    /// Where tokens are revoked ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).
    pub revocation: Option<Url>,
    /// Where codes and refresh tokens are redeemed.
    pub token: Option<Url>,
    /// Where claims are asked for with an access token.
    pub userinfo: Option<Url>,
}

/// What is needed of a provider whose tokens are verified and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMetadata {
    /// Where its keys are.
    pub jwks_uri: Url,
    /// The algorithms of its ID tokens, as it names them; `None` if it does not say. At least one of them is ours.
    pub algorithms: Option<Vec<String>>,
}

/// Why a document is not the metadata of a provider.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
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

/// Who goes to an endpoint: it decides which networks it may be in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visitor {
    /// The caller's browser, which reaches what the caller reaches.
    Browser,
    /// This machine.
    Ourselves,
}

/// Checks a metadata document against the issuer it was asked of
/// ([OpenID Connect Discovery 1.0 §4.3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation)).
/// Stricter than the standard: members may not occur twice, and an address may not carry credentials or a fragment. Looser:
/// no endpoint is required here, as some are configured; an optional member that is `null` is absent.
///
/// # Errors
/// [`MetadataError`]
pub fn parse(document: &[u8], issuer: &str) -> Result<Metadata, MetadataError> {
    let (members, address) = open(document, issuer)?;
    Ok(Metadata {
        issuer: issuer.to_owned(),
        endpoints: endpoints(&members, &address)?,
        requires_pushed_requests: members.flag("require_pushed_authorization_requests")?,
        iss_parameter: members.flag("authorization_response_iss_parameter_supported")?,
        token_auth_methods: members.names("token_endpoint_auth_methods_supported")?,
        id_token_algorithms: algorithms(&members)?,
        response_modes: members.names("response_modes_supported")?,
        backchannel_logout: members.flag("backchannel_logout_supported")?,
        backchannel_logout_session: members.flag("backchannel_logout_session_supported")?,
        frontchannel_logout: members.flag("frontchannel_logout_supported")?,
    })
}

/// Checks what concerns keys alone: a provider whose tokens are verified here may have endpoints that are none of our
/// business.
///
/// # Errors
/// [`MetadataError`]
pub fn parse_keys(document: &[u8], issuer: &str) -> Result<KeyMetadata, MetadataError> {
    let (members, address) = open(document, issuer)?;
    let jwks_uri = endpoint(&members, "jwks_uri", &address, Visitor::Ourselves)?
        .ok_or(MetadataError::Missing("jwks_uri"))?;
    Ok(KeyMetadata { jwks_uri, algorithms: algorithms(&members)? })
}

/// The configured issuer as an address, to which the well-known paths can be added.
///
/// # Errors
/// [`MetadataError::BadIssuer`]
pub fn issuer_url(issuer: &str) -> Result<Url, MetadataError> {
    let refuse = |why| MetadataError::BadIssuer { issuer: issuer.to_owned(), why };
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
pub fn openid_address(issuer: &Url) -> Url {
    let mut address = issuer.clone();
    address.set_path(&format!(
        "{}/.well-known/openid-configuration",
        issuer.path().trim_end_matches('/')
    ));
    address
}

/// [RFC 8414 §3.1](https://www.rfc-editor.org/rfc/rfc8414#section-3.1): the well-known part precedes the issuer's path.
pub fn oauth_address(issuer: &Url) -> Url {
    let mut address = issuer.clone();
    address.set_path(&format!(
        "/.well-known/oauth-authorization-server{}",
        issuer.path().trim_end_matches('/')
    ));
    address
}

impl Metadata {
    /// The metadata of a provider that is described by the configuration alone.
    pub const fn configured(issuer: String, endpoints: Endpoints) -> Self {
        Self {
            issuer,
            endpoints,
            requires_pushed_requests: false,
            iss_parameter: false,
            token_auth_methods: None,
            id_token_algorithms: None,
            response_modes: None,
            backchannel_logout: false,
            backchannel_logout_session: false,
            frontchannel_logout: false,
        }
    }

    /// The same with the addresses in `configured` instead of its own, where there are any.
    #[must_use]
    pub fn merge(mut self, configured: &Endpoints) -> Self {
        self.endpoints = self.endpoints.merge(configured);
        self
    }
}

impl Endpoints {
    /// Whether `url` is one of them.
    pub fn has(&self, url: &Url) -> bool {
        let all = [
            &self.authorization,
            &self.end_session,
            &self.introspection,
            &self.jwks_uri,
            &self.pushed_authorization_request,
            &self.revocation,
            &self.token,
            &self.userinfo,
        ];
        all.into_iter().flatten().any(|own| own == url)
    }

    /// The same with the addresses in `configured` instead of its own, where there are any.
    #[must_use]
    pub fn merge(self, configured: &Self) -> Self {
        let either = |configured: &Option<Url>, own: Option<Url>| configured.clone().or(own);
        Self {
            authorization: either(&configured.authorization, self.authorization),
            end_session: either(&configured.end_session, self.end_session),
            introspection: either(&configured.introspection, self.introspection),
            jwks_uri: either(&configured.jwks_uri, self.jwks_uri),
            pushed_authorization_request: either(
                &configured.pushed_authorization_request,
                self.pushed_authorization_request,
            ),
            revocation: either(&configured.revocation, self.revocation),
            token: either(&configured.token, self.token),
            userinfo: either(&configured.userinfo, self.userinfo),
        }
    }
}

fn open(document: &[u8], issuer: &str) -> Result<(Members, Url), MetadataError> {
    let members = Members::parse(document)?;
    let found = members.text("issuer")?.ok_or(MetadataError::Missing("issuer"))?;
    if found != issuer {
        return Err(mismatch(found, issuer));
    }
    Ok((members, issuer_url(issuer)?))
}

fn endpoints(members: &Members, issuer: &Url) -> Result<Endpoints, MetadataError> {
    let ours = |member| endpoint(members, member, issuer, Visitor::Ourselves);
    let browsers = |member| endpoint(members, member, issuer, Visitor::Browser);
    Ok(Endpoints {
        authorization: browsers("authorization_endpoint")?,
        end_session: browsers("end_session_endpoint")?,
        introspection: ours("introspection_endpoint")?,
        jwks_uri: ours("jwks_uri")?,
        pushed_authorization_request: ours("pushed_authorization_request_endpoint")?,
        revocation: ours("revocation_endpoint")?,
        token: ours("token_endpoint")?,
        userinfo: ours("userinfo_endpoint")?,
    })
}

fn mismatch(found: &str, expected: &str) -> MetadataError {
    let hint = if found.trim_end_matches('/') == expected.trim_end_matches('/') {
        "; they differ in the trailing slash: configure the issuer exactly as the provider writes it"
    } else if found.eq_ignore_ascii_case(expected) {
        "; they differ in upper and lower case: configure the issuer exactly as the provider writes it"
    } else {
        ""
    };
    MetadataError::IssuerMismatch { found: found.to_owned(), expected: expected.to_owned(), hint }
}

fn endpoint(
    members: &Members,
    member: &'static str,
    issuer: &Url,
    visitor: Visitor,
) -> Result<Option<Url>, MetadataError> {
    let Some(text) = members.text(member)? else { return Ok(None) };
    match endpoint_url(text, issuer, visitor) {
        Ok(url) => Ok(Some(url)),
        Err(source) => Err(MetadataError::BadEndpoint { member, source }),
    }
}

fn endpoint_url(text: &str, issuer: &Url, visitor: Visitor) -> Result<Url, EndpointError> {
    let url = Url::parse(text).map_err(EndpointError::NotUrl)?;
    if url.fragment().is_some() {
        return Err(EndpointError::Fragment);
    }
    if issuer.scheme() == "https" && url.scheme() == "http" {
        return Err(EndpointError::LessThanIssuer);
    }
    let egress = match visitor {
        Visitor::Browser => Egress::Configured,
        Visitor::Ourselves => Egress::of_discovered(issuer, &url),
    };
    permit(&url, egress)?;
    Ok(url)
}

/// A list without any algorithm of ours is refused here, at discovery: it must never be understood as "anything goes".
fn algorithms(members: &Members) -> Result<Option<Vec<String>>, MetadataError> {
    let Some(names) = members.names("id_token_signing_alg_values_supported")? else {
        return Ok(None);
    };
    if !names.iter().any(|name| Algorithm::from_str(name).is_ok()) {
        return Err(MetadataError::NoAlgorithm { found: format!("{names:?}") });
    }
    Ok(Some(names))
}

#[cfg(test)]
mod tests;
