//! This proxy as a client of one provider: builds a message, sends it, parses the answer.
//!
//! The messages are those of [`crate::oidc`]. Nothing is retried here and nothing remembered: who calls knows whether a second
//! try is right.

mod contact;
mod error;
mod settings;

pub use error::ExchangeError;
pub use settings::{
    AssertionAudience, HintRule, LogoutSettings, PushedRequests, RelyingPartySettings,
};

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{self, HeaderName};
use url::Url;

use crate::base::secret::Secret;
use crate::clock::Clock;
use crate::oidc::Form;
use crate::oidc::authorization::{AuthorizationRequest, pushed_url};
use crate::oidc::client::AssertionContext;
use crate::oidc::discovery::{Metadata, issuer_url};
use crate::oidc::grant::{self, Answer, TokenResponse};
use crate::oidc::introspection::{self, Checks, Introspected};
use crate::oidc::pushed::{self, PushedResponse};
use crate::oidc::revocation::{self, RevocationOutcome, TokenHint};
use crate::oidc::userinfo::{self, UserInfo};
use crate::remote::egress::Egress;
use crate::remote::http::{Client, Reply, Target};
use crate::remote::provider::ProviderMetadata;
use crate::remote::relying_party::contact::{Contact, Reach};
use crate::remote::shown;
use crate::token::KeySet;

/// One provider's client.
#[derive(Debug)]
pub struct RelyingParty {
    settings: RelyingPartySettings,
    client: Client,
    clock: Clock,
    metadata: ProviderMetadata,
    contact: Contact,
}

impl RelyingParty {
    /// Starts to keep the provider's metadata, with what a `previous` one of the same issuer knows. Must be called on a tokio
    /// runtime.
    pub fn start(
        settings: RelyingPartySettings,
        client: Client,
        clock: Clock,
        previous: Option<&Self>,
    ) -> Self {
        let known = previous.map(|previous| &previous.metadata);
        let metadata = ProviderMetadata::start(settings.metadata.clone(), client.clone(), known);
        let contact = previous.map_or_else(Contact::new, |previous| previous.contact.clone());
        Self { settings, client, clock, metadata, contact }
    }

    /// What was configured.
    pub const fn settings(&self) -> &RelyingPartySettings {
        &self.settings
    }

    /// The provider's metadata as of now.
    pub const fn metadata(&self) -> &ProviderMetadata {
        &self.metadata
    }

    /// The metadata, for whose first arrival it waits that long.
    ///
    /// # Errors
    /// [`ExchangeError::NoMetadata`]
    pub async fn ready(&self, deadline: Duration) -> Result<Arc<Metadata>, ExchangeError> {
        self.metadata.wait(deadline).await.ok_or(ExchangeError::NoMetadata)
    }

    /// The address to send a browser to; the request is pushed before if the settings or the provider want that. Where it is not,
    /// it is made sure that somebody answers there.
    ///
    /// # Errors
    /// [`ExchangeError`]
    pub async fn authorization_url(
        &self,
        metadata: &Metadata,
        request: &AuthorizationRequest<'_>,
    ) -> Result<String, ExchangeError> {
        let endpoint = needed(&metadata.endpoints.authorization, "authorization_endpoint")?;
        let pushes = match self.settings.pushed_requests {
            PushedRequests::Always => true,
            PushedRequests::Auto => metadata.requires_pushed_requests,
            PushedRequests::Never => false,
        };
        if !pushes {
            self.check_contact(metadata).await?;
            return Ok(request.url(endpoint));
        }
        let pushed = self.push(metadata, request).await?;
        Ok(pushed_url(endpoint, &self.settings.registration.client_id, &pushed.request_uri))
    }

    /// The same for a request that asks for nothing but that the person is signed in at the provider.
    ///
    /// # Errors
    /// [`ExchangeError`] where the provider has no such endpoint.
    pub fn bare_authorization_url(
        metadata: &Metadata,
        request: &AuthorizationRequest<'_>,
    ) -> Result<String, ExchangeError> {
        let endpoint = needed(&metadata.endpoints.authorization, "authorization_endpoint")?;
        Ok(request.bare_url(endpoint))
    }

    /// Pushes an authorization request.
    ///
    /// # Errors
    /// [`ExchangeError`]
    pub async fn push(
        &self,
        metadata: &Metadata,
        request: &AuthorizationRequest<'_>,
    ) -> Result<PushedResponse, ExchangeError> {
        const NAME: &str = "pushed_authorization_request_endpoint";
        let endpoint = needed(&metadata.endpoints.pushed_authorization_request, NAME)?;
        let reply = self.post(metadata, endpoint, request.form()).await?;
        Ok(pushed::parse(&answer(&reply))?)
    }

    /// Redeems a code. Without an ID token it is no sign-in.
    ///
    /// # Errors
    /// [`ExchangeError`]
    pub async fn redeem(
        &self,
        metadata: &Metadata,
        code: &Secret<String>,
        redirect_uri: &str,
        verifier: &Secret<String>,
    ) -> Result<TokenResponse, ExchangeError> {
        let tokens = self.grant(metadata, grant::code_form(code, redirect_uri, verifier)).await?;
        tokens.require_id_token()?;
        Ok(tokens)
    }

    /// Redeems a refresh token. [`ExchangeError::is_final`] says whether the grant has ended.
    ///
    /// # Errors
    /// [`ExchangeError`]
    pub async fn refresh(
        &self,
        metadata: &Metadata,
        refresh_token: &Secret<String>,
    ) -> Result<TokenResponse, ExchangeError> {
        self.grant(metadata, grant::refresh_form(refresh_token)).await
    }

    /// As [`Self::refresh`], with `patience` for the answer: where refresh tokens are good once, nobody can ask for it again.
    ///
    /// # Errors
    /// [`ExchangeError`]
    pub async fn refresh_patiently(
        &self,
        metadata: &Metadata,
        refresh_token: &Secret<String>,
        patience: Duration,
    ) -> Result<TokenResponse, ExchangeError> {
        let endpoint = needed(&metadata.endpoints.token, "token_endpoint")?;
        let form = grant::refresh_form(refresh_token);
        let reply = self.post_within(metadata, endpoint, form, patience).await?;
        Ok(grant::parse(&answer(&reply))?)
    }

    /// Asks for the claims of `subject`, with `keys` for an answer that is signed.
    ///
    /// # Errors
    /// [`ExchangeError`]
    pub async fn userinfo(
        &self,
        metadata: &Metadata,
        access_token: &Secret<String>,
        subject: &str,
        keys: &KeySet,
    ) -> Result<UserInfo, ExchangeError> {
        let url = needed(&metadata.endpoints.userinfo, "userinfo_endpoint")?;
        let reply = self.client.get_authorized(self.target(url), access_token).await;
        self.contact.exchanged(Reach::of(&reply));
        let reply = reply.map_err(|source| ExchangeError::Fetch { url: shown(url), source })?;
        let rules = &self.settings.rules;
        Ok(userinfo::parse(&answer(&reply), subject, keys, rules, self.clock.now())?)
    }

    /// Gives a token back.
    ///
    /// # Errors
    /// [`ExchangeError`]; an answer of any status is none.
    pub async fn revoke(
        &self,
        metadata: &Metadata,
        token: &Secret<String>,
        hint: TokenHint,
    ) -> Result<RevocationOutcome, ExchangeError> {
        let endpoint = needed(&metadata.endpoints.revocation, "revocation_endpoint")?;
        let reply = self.post(metadata, endpoint, revocation::form(token, hint)).await?;
        Ok(revocation::outcome(&answer(&reply)))
    }

    /// Asks about an access token.
    ///
    /// # Errors
    /// [`ExchangeError`]; an inactive token is none.
    pub async fn introspect(
        &self,
        metadata: &Metadata,
        token: &Secret<String>,
        checks: &Checks,
    ) -> Result<Introspected, ExchangeError> {
        let endpoint = needed(&metadata.endpoints.introspection, "introspection_endpoint")?;
        let reply = self.post(metadata, endpoint, introspection::form(token)).await?;
        Ok(introspection::parse(&answer(&reply), checks, self.clock.now())?)
    }

    /// Fails if nobody would redeem what a sign-in brings. Any answer of the token endpoint will do, and to a GET it is a refusal
    /// ([RFC 6749 §3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)).
    async fn check_contact(&self, metadata: &Metadata) -> Result<(), ExchangeError> {
        let Some(url) = metadata.endpoints.token.clone() else { return Ok(()) };
        let Target { egress, deadline, .. } = self.target(&url);
        let client = self.client.clone();
        let probe = || async move {
            Reach::of(&client.get(Target { url: &url, egress, deadline }, None).await)
        };
        match self.contact.reach(probe).await {
            Reach::Answers => Ok(()),
            Reach::Silent => Err(ExchangeError::Unreachable),
        }
    }

    /// Exchanges an ID token and a device secret of the type `kind` for tokens of our own. Without an ID token it is no sign-in.
    ///
    /// # Errors
    /// [`ExchangeError`]
    pub async fn exchange(
        &self,
        metadata: &Metadata,
        (id_token, device_secret): &(Secret<String>, Secret<String>),
        kind: &str,
        audience: &str,
    ) -> Result<TokenResponse, ExchangeError> {
        let secrets = (id_token, device_secret);
        let form = grant::exchange_form(secrets, kind, audience, &self.settings.scopes);
        let tokens = self.grant(metadata, form).await?;
        tokens.require_id_token()?;
        Ok(tokens)
    }

    /// A token of the client itself ([RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).
    ///
    /// # Errors
    /// [`ExchangeError`]
    pub async fn client_token(&self, metadata: &Metadata) -> Result<TokenResponse, ExchangeError> {
        self.grant(metadata, grant::client_credentials_form(&[], None)).await
    }

    /// Posts JSON to an address of the configuration, with a token.
    ///
    /// # Errors
    /// [`ExchangeError::Fetch`]; an answer of any status is none.
    pub(in crate::remote) async fn post_json(
        &self,
        url: &Url,
        token: &Secret<String>,
        body: &Secret<String>,
    ) -> Result<Reply, ExchangeError> {
        let (egress, deadline) = (Egress::Configured, self.settings.timeout);
        let reply =
            self.client.post_authorized(Target { url, egress, deadline }, token, body).await;
        reply.map_err(|source| ExchangeError::Fetch { url: shown(url), source })
    }

    async fn grant(&self, metadata: &Metadata, form: Form) -> Result<TokenResponse, ExchangeError> {
        let endpoint = needed(&metadata.endpoints.token, "token_endpoint")?;
        let reply = self.post(metadata, endpoint, form).await?;
        Ok(grant::parse(&answer(&reply))?)
    }

    async fn post(
        &self,
        metadata: &Metadata,
        url: &Url,
        form: Form,
    ) -> Result<Reply, ExchangeError> {
        self.post_within(metadata, url, form, self.settings.timeout).await
    }

    async fn post_within(
        &self,
        metadata: &Metadata,
        url: &Url,
        mut form: Form,
        deadline: Duration,
    ) -> Result<Reply, ExchangeError> {
        let audience = match self.settings.assertion_audience {
            AssertionAudience::Issuer => metadata.issuer.as_str(),
            AssertionAudience::TokenEndpoint => {
                metadata.endpoints.token.as_ref().map_or(url.as_str(), Url::as_str)
            }
        };
        let jti = unique()?;
        let context = AssertionContext { audience, now: self.clock.now(), jti: &jti };
        let authorization = self.settings.registration.authenticate(&mut form, context)?;
        let (target, form) = (Target { deadline, ..self.target(url) }, form.encode());
        let reply = self.client.post_form(target, authorization.as_ref(), &form).await;
        self.contact.exchanged(Reach::of(&reply));
        reply.map_err(|source| ExchangeError::Fetch { url: shown(url), source })
    }

    fn target<'u>(&self, url: &'u Url) -> Target<'u> {
        Target { url, egress: self.egress(url), deadline: self.settings.timeout }
    }

    /// The operator may name any network, a document not.
    fn egress(&self, url: &Url) -> Egress {
        if self.settings.metadata.endpoints.has(url) {
            return Egress::Configured;
        }
        issuer_url(&self.settings.metadata.issuer)
            .map_or(Egress::Discovered, |issuer| Egress::of_discovered(&issuer, url))
    }
}

fn needed<'a>(endpoint: &'a Option<Url>, name: &'static str) -> Result<&'a Url, ExchangeError> {
    endpoint.as_ref().ok_or(ExchangeError::NoEndpoint(name))
}

/// What came back, for those who read it.
pub(in crate::remote) fn answer(reply: &Reply) -> Answer<'_> {
    let text = |name: HeaderName| reply.headers.get(name).and_then(|value| value.to_str().ok());
    Answer {
        status: reply.status.as_u16(),
        content_type: text(header::CONTENT_TYPE),
        retry_after: text(header::RETRY_AFTER),
        body: &reply.body,
    }
}

/// 128 bits that nobody has seen before.
fn unique() -> Result<String, ExchangeError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ExchangeError::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests;
