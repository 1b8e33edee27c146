//! Sessions that a provider keeps for the backends of its apps, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::file::list::List;
use crate::config::file::secret::Secret;

/// How the sessions that the provider keeps for backends are used. Their names never leave sidegate's own keeping.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BackendSessions {
    /// The app's login service, to which people are led. It gets `return_to`, `state`, `adopt` and `handle` in the query. Left out: the
    /// provider's own page.
    #[schemars(extend("examples" = ["https://login.example.com/signin"]))]
    pub(crate) login_url: Option<String>,
    /// What the login service proves itself with at `/.auth/sessions`: 32 characters at least. Left out: nobody can hand in sessions
    /// there.
    #[schemars(extend("examples" = [{"file": "/run/secrets/login_service"}]))]
    pub(crate) secret: Option<Secret>,
    /// The tenant: the `tid` that its tokens must have. Apps of one tenant and issuer share the session of a browser, if they share its
    /// cookie.
    #[schemars(extend("examples" = ["acme"]))]
    pub(crate) tenant: Option<String>,
    /// The API for which access tokens are asked for.
    #[schemars(extend("examples" = ["https://api.example.com"]))]
    pub(crate) resource: Option<String>,
    /// The words, as `message` of an answer with status 400 or 404, by which the provider says that a session is over.
    pub(crate) gone_messages: List<String>,
}

impl Default for BackendSessions {
    fn default() -> Self {
        Self {
            login_url: None,
            secret: None,
            tenant: None,
            resource: None,
            gone_messages: List(vec!["Session not found".to_owned()]),
        }
    }
}

/// Which tokens an app on a device may exchange for the session of a web view.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExchangeSection {
    /// Access tokens that open the page which is wanted.
    pub(crate) access_tokens: bool,
    /// ID tokens with a device secret (OpenID Connect Native SSO), which the provider exchanges.
    pub(crate) device_secrets: bool,
    /// For whom the provider exchanges them; left out: its issuer.
    #[schemars(extend("examples" = ["api://default"]))]
    pub(crate) audience: Option<String>,
}

impl Default for ExchangeSection {
    fn default() -> Self {
        Self { access_tokens: true, device_secrets: true, audience: None }
    }
}
