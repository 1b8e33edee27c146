//! The authorization request that a browser is sent to the provider with, and the response that it comes back with
//! ([OpenID Connect Core 1.0 §3.1.2](https://openid.net/specs/openid-connect-core-1_0.html#AuthorizationEndpoint),
//! [RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)).
//!
//! Always the code flow with a challenge and a nonce. What the state means is not decided here.

mod callback;

pub use crate::base::prompt::Prompt;
pub use callback::{Callback, CallbackError, ErrorCode, parse_bare, parse_form, parse_query};

use std::time::Duration;

use url::Url;

use crate::oidc::Form;

/// The parameters that are ours: a configured extra parameter may not have one of these names. Pushed requests and request
/// objects would replace all the others.
const RESERVED: [&str; 17] = [
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "id_token_hint",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "state",
];

/// How the provider hands over the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// A form that the browser posts, across sites.
    FormPost,
    /// The query of the redirect address. Not written out: it is the default of the code flow.
    #[default]
    Query,
}

/// One authorization request.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest<'a> {
    /// Ours at the provider.
    pub client_id: &'a str,
    /// Where the response goes, byte for byte as registered.
    pub redirect_uri: &'a str,
    /// `openid` among them.
    pub scopes: &'a [String],
    /// Comes back with the response.
    pub state: &'a str,
    /// Comes back in the ID token.
    pub nonce: &'a str,
    /// Of the verifier, by the method `S256` ([RFC 7636 §4.2](https://www.rfc-editor.org/rfc/rfc7636#section-4.2)).
    pub challenge: &'a str,
    /// How the response comes back.
    pub response_mode: ResponseMode,
    /// What to ask of the person, if not what the provider thinks right.
    pub prompt: Option<Prompt>,
    /// How long ago the person may have signed in, in whole seconds.
    pub max_age: Option<Duration>,
    /// How strongly the person must have signed in, the preferred first.
    pub acr_values: &'a [String],
    /// Who is expected.
    pub login_hint: Option<&'a str>,
    /// The languages that the person reads, the preferred first (BCP 47).
    pub ui_locales: Option<&'a str>,
    /// Configured, none of them [reserved](is_reserved).
    pub extra: &'a [(String, String)],
}

/// Whether an extra parameter of that name would replace one that security depends on.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || matches!(name, "acr_values" | "scope" | "ui_locales")
}

impl AuthorizationRequest<'_> {
    /// The address to send the browser to. Query parameters that `endpoint` has already are kept, save for those of our names.
    pub fn url(&self, endpoint: &Url) -> String {
        with_query(endpoint, &self.pairs())
    }

    /// The address to send the browser to where it is to come back with nothing but the state: `response_type=none`
    /// ([OAuth 2.0 Multiple Response Types §4](https://openid.net/specs/oauth-v2-multiple-response-types-1_0.html#none)). What
    /// only a code needs is left out.
    pub fn bare_url(&self, endpoint: &Url) -> String {
        const OF_CODES: [&str; 5] =
            ["scope", "nonce", "code_challenge", "code_challenge_method", "response_mode"];
        let mut pairs = self.pairs();
        pairs.retain(|(name, _)| !OF_CODES.contains(name));
        let response_type = pairs.iter_mut().find(|(name, _)| *name == "response_type");
        if let Some((_, value)) = response_type {
            *value = "none".to_owned();
        }
        with_query(endpoint, &pairs)
    }

    /// The request to push ([RFC 9126 §2.1](https://www.rfc-editor.org/rfc/rfc9126#section-2.1)), without the client's
    /// authentication.
    pub fn form(&self) -> Form {
        self.pairs()
            .into_iter()
            .fold(Form::new(), |form, (name, value)| form.with(name.to_owned(), value))
    }

    fn pairs(&self) -> Vec<(&str, String)> {
        let mut pairs = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client_id.to_owned()),
            ("redirect_uri", self.redirect_uri.to_owned()),
            ("scope", self.scopes.join(" ")),
            ("state", self.state.to_owned()),
            ("nonce", self.nonce.to_owned()),
            ("code_challenge", self.challenge.to_owned()),
            ("code_challenge_method", "S256".to_owned()),
        ];
        if self.response_mode == ResponseMode::FormPost {
            pairs.push(("response_mode", "form_post".to_owned()));
        }
        let acr_values = (!self.acr_values.is_empty()).then(|| self.acr_values.join(" "));
        let optional = [
            ("prompt", self.prompt.map(|prompt| prompt.name().to_owned())),
            ("max_age", self.max_age.map(|age| age.as_secs().to_string())),
            ("acr_values", acr_values),
            ("login_hint", self.login_hint.map(str::to_owned)),
            ("ui_locales", self.ui_locales.map(str::to_owned)),
        ];
        pairs.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let extra = self.extra.iter().filter(|(name, _)| !is_reserved(name));
        pairs.extend(extra.map(|(name, value)| (name.as_str(), value.clone())));
        pairs
    }
}

/// Where to send the browser with a request that was pushed
/// ([RFC 9126 §4](https://www.rfc-editor.org/rfc/rfc9126#section-4)).
pub fn pushed_url(endpoint: &Url, client_id: &str, request_uri: &str) -> String {
    let pairs = [("client_id", client_id.to_owned()), ("request_uri", request_uri.to_owned())];
    with_query(endpoint, &pairs)
}

/// `endpoint` with these parameters. One of the same name in it goes: the provider might take the other.
pub(super) fn with_query(endpoint: &Url, pairs: &[(&str, String)]) -> String {
    let own: Vec<(String, String)> = endpoint
        .query_pairs()
        .filter(|(name, _)| !pairs.iter().any(|(ours, _)| ours == name))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let mut url = endpoint.clone();
    url.query_pairs_mut().clear().extend_pairs(&own).extend_pairs(pairs);
    url.into()
}

#[cfg(test)]
mod tests;
