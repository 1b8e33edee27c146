//! Sidegate as a client of a provider, as written: how it proves to be itself, what it asks for, whom it asks about tokens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::file::list::List;
use crate::config::units::{Size, Span};

/// How a client proves to be itself at the provider's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-remarks" = {
    "client_secret_basic": "write basic",
    "client_secret_post": "write post",
    "client_secret_jwt": "not available: write private_key_jwt with `client_key:`, or basic",
    "tls_client_auth": "not available: write private_key_jwt with `client_key:`, or basic",
}))]
pub(crate) enum ClientAuthentication {
    /// The secret in a header, `client_secret_basic`.
    Basic,
    /// Nothing: a public client.
    None,
    /// The secret in the form, `client_secret_post`.
    Post,
    /// A token signed with `client_key` (RFC 7523).
    PrivateKeyJwt,
}

/// Whom the tokens name that a client proves itself with.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientAssertionAudience {
    /// The issuer.
    #[default]
    Issuer,
    /// The token endpoint: what some providers still want.
    TokenEndpoint,
}

/// How the provider hands over its answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-remarks" = {
    "fragment": "a fragment never reaches a server: write query or form_post",
}))]
pub(crate) enum ResponseModeWord {
    /// As a form that the browser posts; then the sign-in's cookie is `SameSite=None`, which needs https.
    FormPost,
    /// In the query of the redirect.
    #[default]
    Query,
}

/// Whether authorization requests are pushed (RFC 9126).
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PushedRequestsWord {
    /// Each.
    Always,
    /// If the provider requires it.
    #[default]
    Auto,
    /// None.
    Never,
}

/// Whether something is done each time, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Frequency {
    /// Each time.
    Always,
    /// Not at all.
    Never,
}

/// Addresses of the provider that are used instead of those in its discovery document. Plain http only on loopback.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Endpoints {
    /// Where browsers are sent to sign in.
    #[schemars(extend("examples" = ["https://login.example.com/authorize"]))]
    pub(crate) authorization: Option<String>,
    /// Where codes and refresh tokens are redeemed.
    #[schemars(extend("examples" = ["https://login.example.com/token"]))]
    pub(crate) token: Option<String>,
    /// Where claims are asked for.
    #[schemars(extend("examples" = ["https://login.example.com/userinfo"]))]
    pub(crate) userinfo: Option<String>,
    /// Where browsers are sent to sign out.
    #[schemars(extend("examples" = ["https://login.example.com/logout"]))]
    pub(crate) end_session: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    #[schemars(extend("examples" = ["https://login.example.com/revoke"]))]
    pub(crate) revocation: Option<String>,
    /// Where tokens are asked about (RFC 7662).
    #[schemars(extend("examples" = ["https://login.example.com/introspect"]))]
    pub(crate) introspection: Option<String>,
    /// Where authorization requests are pushed (RFC 9126).
    #[schemars(extend("examples" = ["https://login.example.com/par"]))]
    pub(crate) pushed_authorization_request: Option<String>,
    /// Where `backend_sessions` are used: tokens are got out of a session there.
    #[schemars(extend("examples" = ["https://api.transmitsecurity.io/cis/v1/auth/session/authenticate"]))]
    pub(crate) session_authenticate: Option<String>,
    /// Where `backend_sessions` are ended.
    #[schemars(extend("examples" = ["https://api.transmitsecurity.io/cis/v1/auth/session/logout"]))]
    pub(crate) session_logout: Option<String>,
}

/// The value of a parameter, which may be empty: some providers want a bare name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("minLength" = 0))]
pub(crate) struct Parameter(pub(crate) String);

/// How people sign out at the provider.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogoutSection {
    /// How the provider is told.
    pub(crate) style: LogoutStyleWord,
    /// Which ID token it takes as a hint of who signs out.
    pub(crate) id_token_hint: HintWord,
    /// Issuers that its front-channel requests may name beside its own.
    #[schemars(extend("examples" = [["https://acme.okta.com"]]))]
    pub(crate) frontchannel_issuers: Option<List<String>>,
}

/// How the provider is told that somebody signs out.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogoutStyleWord {
    /// As Auth0 has it: at `/v2/logout` where discovery names no `end_session_endpoint`. The parameter `federated`, without a value,
    /// ends the session of the identity provider behind it too.
    Auth0,
    /// By RP-initiated logout, where discovery names an `end_session_endpoint`.
    #[default]
    Oidc,
}

/// Which ID token is a hint of who signs out.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HintWord {
    /// The last one, if it is kept.
    #[default]
    Any,
    /// One that has not run out, got by the refresh token if need be. Without one the provider's session is left alone.
    Fresh,
}

/// What the provider's logout tokens must be.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BackchannelLogout {
    /// Which `typ` they must have.
    pub(crate) typ: LogoutTokenType,
    /// Whether they must have an `exp`.
    pub(crate) exp: LogoutTokenExpiry,
}

/// Which `typ` a logout token must have.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogoutTokenType {
    /// None, `JWT` or `logout+jwt`.
    #[default]
    Any,
    /// `logout+jwt` alone.
    Strict,
}

/// Whether a logout token must have an `exp`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogoutTokenExpiry {
    /// It may be missing, as early versions of the standard had it.
    Optional,
    /// It must be there.
    #[default]
    Required,
}

/// Asking the provider about tokens (RFC 7662), with `client_id` and what goes with it.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct IntrospectionSection {
    /// Which tokens it is asked about; left out: `opaque` for type `oidc` and `jwt`, `always` for type `introspection`.
    pub(crate) tokens: Option<IntrospectedTokens>,
    /// How long an answer about a good token is remembered, and a withdrawn one so still accepted; 1h at most.
    #[schemars(extend("default" = "30s"))]
    pub(crate) cache: Option<Span>,
    /// How long an answer about another token is remembered, 1h at most.
    #[schemars(extend("default" = "10s"))]
    pub(crate) cache_inactive: Option<Span>,
    /// How long a request waits for the provider, 1m at most.
    #[schemars(extend("default" = "5s"))]
    pub(crate) timeout: Option<Span>,
    /// Memory for answers.
    #[schemars(extend("default" = "16MiB"))]
    pub(crate) memory: Option<Size>,
}

/// Which tokens the provider is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IntrospectedTokens {
    /// Every token, also those that could be verified here.
    Always,
    /// Those that are no JWT.
    Opaque,
}

/// Proofs of possession with tokens (RFC 9449).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DpopWord {
    /// Tokens may come with a proof; those that are bound to a key must.
    Accept,
    /// No proof is judged, and no token that is bound to a key is accepted.
    #[default]
    Off,
    /// No token is accepted without a proof.
    Require,
}
