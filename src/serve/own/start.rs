//! From the choice of a provider to its login page: an attempt, its cookie, and the way there.

use http::header::HeaderValue;

use crate::gate::SignInFlow;
use crate::oidc::authorization::{AuthorizationRequest, ResponseMode};
use crate::remote::error_text;
use crate::remote::relying_party::{ExchangeError, RelyingParty};
use crate::serve::own::desk::{Party, random};
use crate::serve::own::failure::Failure;
use crate::serve::own::links::{redirect, scripted};
use crate::serve::own::login_service;
use crate::serve::own::unnoticed;
use crate::serve::own::visit::Visit;
use crate::serve::pages::Leaving;
use crate::serve::reply::Reply;
use crate::session::{
    Asked, Attempt, AttemptId, AttemptStart, Nonce, Prompt, Referral, ReturnTo, SameSite, State,
};

/// How many sign-ins one browser may have begun at once: the new one beside these.
pub(crate) const OTHER_ATTEMPTS: usize = 4;

/// Keeps the fragment, which no server sees, where the end of the sign-in finds it.
const LEAVE: &str = r#"(function(){var a=document.getElementById("go");try{if(location.hash)sessionStorage.setItem("sidegate "+a.dataset.key,location.hash)}catch(e){}location.replace(a.href)})()"#;

/// What an attempt begins with.
pub(crate) struct Beginning {
    pub(crate) return_to: ReturnTo,
    pub(crate) asked: Asked,
    pub(crate) restarted: bool,
    /// The host that wants the session, if another one does.
    pub(crate) referral: Option<Referral>,
}

/// Leads the browser to the provider, with the cookie that the answer will need.
pub(crate) async fn start(visit: &Visit<'_>, party: &Party, beginning: Beginning) -> Reply {
    let (Some(entropy), Some(nonce), Some(state_nonce)) =
        (random(), visit.desk.nonce(), visit.desk.nonce())
    else {
        return Failure::StoreUnavailable.reply(visit, Some("no randomness"), None);
    };
    let redirect_uri = redirect_uri(visit, party);
    let Beginning { return_to, asked, restarted, referral } = beginning;
    let service = party.settings.backend.as_ref().and_then(|one| one.login_url.as_ref());
    if service.is_some() && asked.prompt == Some(Prompt::None) {
        // Who has a session at the provider is known by it, without any redirect; a login service would ask.
        return unnoticed::go_on(visit, referral.as_ref(), &return_to);
    }
    let attempt = Attempt::new(
        &entropy,
        AttemptStart {
            provider: party.name().to_owned(),
            return_to,
            created: visit.now,
            restarted,
            asked,
            redirect_uri,
            referral,
        },
    );
    let keys = &visit.sessions.keys;
    let state = State::of(&attempt).seal(keys, visit.host(), state_nonce);
    let location = match service {
        Some(url) => Ok(login_service::address(visit, party, url, (&attempt, &state)).await),
        None => address(party, &attempt, &state).await,
    };
    let location = match location {
        Ok(location) => location,
        Err(error) => return fail(visit, &attempt, &error).await,
    };
    match attempt_cookies(visit, party, &attempt, nonce) {
        Some(fields) => {
            let silent = attempt.asked.prompt == Some(Prompt::None);
            leave(visit, attempt.id, silent, &location).with_cookies(fields)
        }
        None => Failure::CookieTooLarge.reply(visit, None, None),
    }
}

/// The provider's login page cannot be led to.
async fn fail(visit: &Visit<'_>, attempt: &Attempt, error: &ExchangeError) -> Reply {
    let failure =
        if error.is_outage() { Failure::ProviderUnavailable } else { Failure::ProviderError };
    let detail = error_text(error);
    if attempt.asked.prompt == Some(Prompt::None) {
        return unnoticed::fail(visit, attempt, failure, Some(&detail), None).await;
    }
    failure.reply(visit, Some(&detail), None)
}

/// The fields that keep `attempt` in the browser, and delete those of others that are too many; none if it is too large.
fn attempt_cookies(
    visit: &Visit<'_>,
    party: &Party,
    attempt: &Attempt,
    nonce: Nonce,
) -> Option<Vec<HeaderValue>> {
    let (keys, host) = (&visit.sessions.keys, visit.host());
    let cookies = visit.attempts(same_site(party));
    let spec = cookies.spec(attempt.id);
    let sealed = attempt.seal(keys, &spec, host, nonce);
    let mut fields = spec.write(&sealed, Some(Attempt::LIFETIME), 0).ok()?;
    let surplus = cookies.surplus(visit.headers(), keys, host, visit.now, OTHER_ATTEMPTS);
    fields.extend(surplus.iter().flat_map(|spec| spec.clear(1)));
    Some(fields)
}

/// The address of the provider's login page for `attempt`.
async fn address(party: &Party, attempt: &Attempt, state: &str) -> Result<String, ExchangeError> {
    let settings = party.client.settings();
    let metadata = party.client.ready(settings.timeout).await?;
    let challenge = attempt.challenge();
    let request = AuthorizationRequest {
        client_id: &settings.registration.client_id,
        redirect_uri: &attempt.redirect_uri,
        scopes: &settings.scopes,
        state,
        nonce: &attempt.nonce,
        challenge: &challenge,
        response_mode: settings.response_mode,
        prompt: attempt.asked.prompt,
        max_age: attempt.asked.max_age,
        acr_values: &attempt.asked.acr_values,
        login_hint: None,
        ui_locales: None,
        extra: &settings.extra,
    };
    match party.settings.flow {
        SignInFlow::Code => party.client.authorization_url(&metadata, &request).await,
        SignInFlow::Cookie => RelyingParty::bare_authorization_url(&metadata, &request),
    }
}

/// A plain redirect; browsers that show pages get one that keeps the fragment of the address they come from.
pub(crate) fn leave(visit: &Visit<'_>, id: AttemptId, silent: bool, location: &str) -> Reply {
    if visit.desk.keeps_fragments && visit.shows_pages() && !silent {
        let leaving = Leaving { link: location, key: &id.short(), script: LEAVE };
        return scripted(visit, leaving);
    }
    redirect(location)
}

/// One for each provider, so that no provider's answer can be taken for another's
/// ([RFC 9700 §4.4.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.4.2)).
fn redirect_uri(visit: &Visit<'_>, party: &Party) -> String {
    party.settings.redirect_uri.clone().unwrap_or_else(|| {
        let callback = format!("{}{}/callback", visit.desk_base(), visit.prefix());
        match party.settings.has_sole_callback {
            true => callback,
            false => format!("{callback}/{}", party.name()),
        }
    })
}

/// A form that the provider makes the browser post comes from another site.
pub(crate) fn same_site(party: &Party) -> SameSite {
    match party.client.settings().response_mode {
        ResponseMode::FormPost => SameSite::None,
        ResponseMode::Query => SameSite::Lax,
    }
}
