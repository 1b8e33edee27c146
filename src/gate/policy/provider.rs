//! An issuer of tokens as the gate knows it: what its tokens must say, how they come, and where people sign in.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;

use crate::gate::resolver::Resolver;
use crate::identity::ClaimMap;
use crate::token::Rules;

/// An issuer of tokens.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name in configuration, logs and metrics.
    pub name: Arc<str>,
    /// Its issuer identifier; tokens name it in `iss`, octet for octet.
    pub issuer: Arc<str>,
    /// What its tokens must say.
    pub rules: Rules,
    /// Cookies that carry its tokens.
    pub cookies: Vec<String>,
    /// Headers beside `Authorization` that carry its tokens.
    pub headers: Vec<HeaderName>,
    /// Where people sign in.
    pub login_url: Option<LoginUrl>,
    /// Which claims carry what.
    pub claims: ClaimMap,
    /// Our client at this provider, if people sign in here through it.
    pub relying_party: Option<RelyingParty>,
    /// Whether its tokens may or must come with a proof of possession.
    pub dpop: Dpop,
    /// Which of its tokens it is asked about itself.
    pub introspection: Introspection,
    /// Its resolver, if that is asked.
    pub resolver: Option<Resolver>,
}

impl Provider {
    /// The cookies that carry its tokens, and those that its resolver looks at.
    pub fn cookie_names(&self) -> impl Iterator<Item = &String> {
        let resolved = self.resolver.iter().flat_map(|resolver| &resolver.cookies);
        self.cookies.iter().chain(resolved)
    }
}

/// What the gate must know of our registration at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// Our `client_id`: sessions begun by another client do not count.
    pub client: String,
    /// What a sign-in there leaves behind.
    pub flow: SignInFlow,
    /// How long after a sign-in a navigation leads to the provider once more, without asking anybody, so that its session does not end
    /// for want of use; `None` for never.
    pub keep_alive: Option<Duration>,
    /// The tenant whose apps share the sessions that the provider keeps for their backends: a session of one counts for the others, by
    /// what the provider says of it to each; `None` where it does not.
    pub tenant: Option<Arc<str>>,
}

/// What a sign-in at a provider leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignInFlow {
    /// A session of our own, made of the tokens that a code brings.
    #[default]
    Code,
    /// The provider's own cookie, which its resolver knows.
    Cookie,
}

/// Which tokens of a provider are introspected ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Introspection {
    /// Every token, those we could verify too.
    Always,
    /// None.
    #[default]
    Never,
    /// Those that are no JWT.
    Opaque,
}

/// Proofs of possession ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)) with the tokens of one provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dpop {
    /// Tokens may come with a proof; those bound to a key must.
    Accept(NonceRule),
    /// No proof is judged, and so no token that is bound to a key is accepted.
    #[default]
    Off,
    /// No token is accepted without a proof.
    Require(NonceRule),
}

/// Whether a proof must contain a nonce of ours ([RFC 9449 §9](https://www.rfc-editor.org/rfc/rfc9449#section-9)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceRule {
    /// It must.
    Demanded,
    /// It need not.
    None,
}

/// Where a person signs in, with a place for the address to come back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginUrl {
    before: String,
    after: Option<String>,
}

/// Why a text is no login URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginUrlError {
    /// `{return_to}` must stand in it once: twice is once too often.
    #[error("has `{{return_to}}` more than once")]
    SeveralPlaces,
    /// Not in the query, where it would be a value.
    #[error("has `{{return_to}}` outside the query")]
    OutsideQuery,
}

impl LoginUrl {
    /// Reads a URL with at most one `{return_to}`, which must stand in the query.
    pub fn parse(text: &str) -> Result<Self, LoginUrlError> {
        let Some((before, after)) = text.split_once("{return_to}") else {
            return Ok(Self { before: text.to_owned(), after: None });
        };
        if after.contains("{return_to}") {
            return Err(LoginUrlError::SeveralPlaces);
        }
        if !before.contains('?') || before.contains('#') {
            return Err(LoginUrlError::OutsideQuery);
        }
        Ok(Self { before: before.to_owned(), after: Some(after.to_owned()) })
    }

    /// The URL with `address` in its place, percent-encoded as a query value; unchanged if it has no place.
    pub fn with_return_to(&self, address: &str) -> String {
        let Some(after) = &self.after else {
            return self.before.clone();
        };
        let encoded =
            percent_encoding::utf8_percent_encode(address, percent_encoding::NON_ALPHANUMERIC);
        format!("{}{encoded}{after}", self.before)
    }
}
