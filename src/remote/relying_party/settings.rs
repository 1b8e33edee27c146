//! What a relying party is told at start. No defaults are filled in here.

use std::time::Duration;

use crate::oidc::authorization::ResponseMode;
use crate::oidc::client::Registration;
use crate::oidc::logout::{LogoutRules, LogoutStyle};
use crate::remote::provider::MetadataSettings;
use crate::token::Rules;

/// This proxy as a client of one provider.
#[derive(Clone, Debug)]
pub struct RelyingPartySettings {
    /// The provider: name, issuer, addresses.
    pub metadata: MetadataSettings,
    /// Who we are there.
    pub registration: Registration,
    /// Whom our assertions name.
    pub assertion_audience: AssertionAudience,
    /// What is asked for, `openid` among it.
    pub scopes: Vec<String>,
    /// Further parameters of authorization requests, none of them
    /// [reserved](crate::oidc::authorization::is_reserved).
    pub extra: Vec<(String, String)>,
    /// How responses come back.
    pub response_mode: ResponseMode,
    /// Whether requests are pushed.
    pub pushed_requests: PushedRequests,
    /// Whether each sign-in asks for user info.
    pub userinfo: bool,
    /// What is demanded of ID tokens, of [`rules`](crate::oidc::id_token::rules).
    pub rules: Rules,
    /// For one exchange.
    pub timeout: Duration,
    /// How people sign out.
    pub logout: LogoutSettings,
}

/// Whom a client assertion names as its audience.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The issuer: an assertion that is tricked out of us is of no use elsewhere.
    #[default]
    Issuer,
    /// The token endpoint, at whichever endpoint it is shown: what some providers still want.
    TokenEndpoint,
}

/// Whether authorization requests are pushed ([RFC 9126](https://www.rfc-editor.org/rfc/rfc9126)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PushedRequests {
    /// Each.
    Always,
    /// If the provider's metadata requires it.
    #[default]
    Auto,
    /// None.
    Never,
}

/// Which ID token a provider takes as a hint of who signs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HintRule {
    /// The last one, or none.
    #[default]
    Any,
    /// One that has not run out: to anything else it answers with an error page. A new one is got with the refresh token; without,
    /// the provider's session is left alone.
    Fresh,
}

/// How people sign out at the provider.
#[derive(Clone, Debug)]
pub struct LogoutSettings {
    /// What is demanded of logout tokens.
    pub rules: LogoutRules,
    /// How the provider is told.
    pub style: LogoutStyle,
    /// What it wants to see of who signs out.
    pub hint: HintRule,
    /// Issuers of front-channel requests beside the provider's own.
    pub front_channel_issuers: Vec<String>,
    /// Further parameters of the sign-out request.
    pub extra: Vec<(String, String)>,
}
