//! Systems whose place sidegate can take, as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A system whose addresses are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum System {
    /// Authelia: `/api/authz/forward-auth`, `/api/authz/auth-request`, `/api/authz/ext-authz/`, and the headers `Remote-*`.
    Authelia,
    /// Authgear: `/_resolver/resolve`, and the headers `x-authgear-*`.
    Authgear,
    /// oauth2-proxy: `/oauth2/auth` and the others, `/ping`, `/ready`, and the headers `X-Auth-Request-*`.
    #[serde(rename = "oauth2-proxy")]
    Oauth2Proxy,
}
