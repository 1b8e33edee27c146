//! What only Authgear has, as written: its resolver, and sign-ins that leave a cookie of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{Size, Span};

/// Whom the provider's credentials are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-remarks" = {
    "resolver+jwt": "write jwt+resolver",
    "both": "write jwt+resolver",
}))]
pub(crate) enum VerifyWord {
    /// By its keys, here: access tokens that are JWTs.
    Jwt,
    /// JWTs here, and from time to time by the resolver too; all else by the resolver.
    #[serde(rename = "jwt+resolver")]
    JwtAndResolver,
    /// By the resolver: every token and every cookie of its own.
    Resolver,
}

/// What a sign-in leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResponseTypeWord {
    /// A session of sidegate's, made with the tokens that a code brings.
    #[default]
    Code,
    /// The provider's own cookie, for all apps of its domain. Only Authgear has it, and its resolver must be asked.
    None,
}

/// Authgear's resolver: it is shown the token and the cookies of a request, and says whose they are.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ResolverSection {
    /// Where it is; left out: the issuer, then `/_resolver/resolve`. Plain http only on loopback.
    #[schemars(extend("examples" = ["https://auth.example.com/_resolver/resolve"]))]
    pub(crate) url: Option<String>,
    /// The `Host` that it is asked under, where its address is not that of the project.
    #[schemars(extend("examples" = ["auth.example.com"]))]
    pub(crate) host: Option<String>,
    /// What the names of Authgear's cookies begin with: `http.cookie_prefix` there.
    #[schemars(extend("default" = "", "examples" = ["staging_"]))]
    pub(crate) cookie_prefix: Option<String>,
    /// How long an answer that names somebody is remembered, and a sign-out so goes unnoticed; 1h at most.
    #[schemars(extend("default" = "10s"))]
    pub(crate) cache: Option<Span>,
    /// How long another answer is remembered, 1h at most.
    #[schemars(extend("default" = "5s"))]
    pub(crate) cache_invalid: Option<Span>,
    /// With `verify: jwt+resolver`: how long a JWT counts until the resolver is asked about it again, 1h at most.
    #[schemars(extend("default" = "1m"))]
    pub(crate) recheck: Option<Span>,
    /// How long a request waits for it, 1m at most.
    #[schemars(extend("default" = "2s"))]
    pub(crate) timeout: Option<Span>,
    /// Memory for answers.
    #[schemars(extend("default" = "16MiB"))]
    pub(crate) memory: Option<Size>,
}
