//! Sessions that a provider keeps for the backends of its apps: how they are used.

use std::time::Duration;

use crate::base::secret::Secret;
use crate::config::compile::parties::Place;
use crate::config::compile::urls;
use crate::config::file::BackendSessions;
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::secret;
use crate::oidc::client::ClientAuthentication;
use crate::remote::backend;
use crate::remote::relying_party::RelyingPartySettings;
use crate::serve::settings::BackendSettings;

/// How long what the provider says of a session counts, if its tokens live no shorter and nothing else is written.
pub(super) const LIFETIME: Duration = Duration::from_secs(3600);

/// The shortest secret of a login service, in characters.
const SHORTEST: usize = 32;

/// What is written, if anything is.
pub(super) fn compile(
    place: &Place<'_>,
    client: Option<&RelyingPartySettings>,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<BackendSettings> {
    let written = place.written.backend_sessions.as_ref()?;
    let path = place.path.key("backend_sessions");
    let login_url = written.login_url.as_ref();
    let login_url =
        login_url.and_then(|text| urls::for_browsers(text, &path.key("login_url"), report));
    let secret =
        written.secret.as_ref().and_then(|it| loaded(it, &path.key("secret"), inputs, report));
    let endpoints = &place.written.endpoints;
    let mut endpoint = |key: &str, text: &Option<String>| {
        let path = place.path.key("endpoints").key(key);
        let Some(text) = text else {
            let remedy = "write its address, or `type: mosaic`";
            report.refuse(&path, "is needed for `backend_sessions`", remedy);
            return None;
        };
        urls::outbound(text, urls::Harm::Exchange, &path, report)
    };
    let authenticate = endpoint("session_authenticate", &endpoints.session_authenticate);
    let logout = endpoint("session_logout", &endpoints.session_logout);
    check(place, written, &path, client, report)?;
    let own = place.written.id_token_claims.clone().into_iter().flatten();
    let tenant = written.tenant.iter().map(|tenant| ("tid".to_owned(), tenant.clone()));
    let calls = backend::BackendSettings {
        authenticate: authenticate?,
        logout: logout?,
        resource: written.resource.clone(),
        gone: written.gone_messages.0.clone(),
        claims: own.chain(tenant).collect(),
    };
    Some(BackendSettings { calls, login_url, secret, tenant: written.tenant.clone() })
}

fn loaded(
    written: &crate::config::file::Secret,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<Secret<String>> {
    let found = secret::load(written, path, inputs, report)?;
    if found.expose().len() < SHORTEST {
        let message = format!("the secret is shorter than {SHORTEST} characters");
        report.refuse(path, message, "make one with `openssl rand -base64 32`");
        return None;
    }
    Some(found)
}

/// Where it could not work, or where nothing could ever come of it.
fn check(
    place: &Place<'_>,
    written: &BackendSessions,
    path: &KeyPath,
    client: Option<&RelyingPartySettings>,
    report: &mut Report,
) -> Option<()> {
    let client = client?;
    if !place.is_party() {
        let remedy = "add `session:`, and remove the provider's `login_url:`";
        report.refuse(path, "nobody signs in here: there would be no session", remedy);
        return None;
    }
    if matches!(client.registration.authentication, ClientAuthentication::None) {
        let remedy = "add `client_secret:` or `client_key:`";
        report.refuse(
            path,
            "the provider is asked with a token of the client, which has no proof of its own",
            remedy,
        );
        return None;
    }
    if written.tenant.as_ref().is_some_and(|tenant| tenant.trim().is_empty()) {
        let remedy = "write the `tid` of its tokens, or remove it";
        report.refuse(&path.key("tenant"), "is empty", remedy);
        return None;
    }
    Some(())
}
