//! The end of a sign-in: the provider's answer, and what to do where it does not fit.
//!
//! Nothing is sent to any provider before the answer is known to belong to an attempt of this browser, at this provider.

use http::Method;
use http::header::{self, HeaderValue};

use crate::base::secret::Secret;
use crate::gate::{Reason, SignInFlow};
use crate::oidc::authorization::{
    Callback, CallbackError, ErrorCode, ResponseMode, parse_bare, parse_form, parse_query,
};
use crate::serve::own::desk::Party;
use crate::serve::own::establish::{Established, Failed, establish};
use crate::serve::own::failure::Failure;
use crate::serve::own::hand_over;
use crate::serve::own::links::{back, back_with_session, login_path, scripted};
use crate::serve::own::login::demand;
use crate::serve::own::sso_cookie::{self, Unseen};
use crate::serve::own::start::{Beginning, same_site, start};
use crate::serve::own::unnoticed;
use crate::serve::own::visit::Visit;
use crate::serve::pages::Leaving;
use crate::serve::reply::Reply;
use crate::session::{Attempt, AttemptId, CookieSpec, Prompt, ReturnTo, State};

/// Takes up the fragment that was kept when the browser left.
const ARRIVE: &str = r#"(function(){var a=document.getElementById("go"),h="",k="sidegate "+a.dataset.key;try{h=sessionStorage.getItem(k)||"";sessionStorage.removeItem(k)}catch(e){}location.replace(a.getAttribute("href")+h)})()"#;

/// Takes the answer of the provider called `name`.
pub(crate) async fn arrive(visit: &Visit<'_>, name: &str) -> Reply {
    let Some(party) = visit.desk.party_named(name) else {
        return Failure::UnknownProvider.reply(visit, None, None);
    };
    let posted = *visit.request.method == Method::POST;
    if posted && party.client.settings().response_mode == ResponseMode::Query {
        let reply = Reply::refusal(Reason::MethodNotAllowed, visit.asker);
        return reply.replacing(header::ALLOW, HeaderValue::from_static("GET"));
    }
    let callback = match party.settings.flow {
        SignInFlow::Code if posted => parse_form(visit.body),
        SignInFlow::Code => parse_query(visit.query()),
        SignInFlow::Cookie => parse_bare(visit.query()),
    };
    let callback = match callback {
        Ok(callback) => callback,
        Err(error) => return malformed(visit, &error),
    };
    let state = match State::open(&visit.sessions.keys, visit.host(), callback.state()) {
        Ok(state) => state,
        Err(error) => return strange(visit, &error.to_string()).await,
    };
    if state.provider != party.name() {
        return Failure::IssuerMismatch.reply(visit, Some("state of another provider"), None);
    }
    let spec = visit.attempts(same_site(party)).spec(state.attempt);
    let reply = match attempt(visit, &spec, &state) {
        Some(attempt) => answered(visit, party, &attempt, &callback).await,
        None => return without_attempt(visit, party, state).await,
    };
    reply.with_cookies(spec.clear(1))
}

/// Takes the answer where no provider's name is in the address: only one is told that address.
pub(crate) async fn arrive_at_sole(visit: &Visit<'_>) -> Reply {
    let sole = visit.desk.parties().iter().find(|party| party.settings.has_sole_callback);
    match sole {
        Some(party) => arrive(visit, party.name()).await,
        None => Failure::UnknownProvider.reply(visit, None, None),
    }
}

/// The attempt of this browser that `state` names.
pub(crate) fn attempt(visit: &Visit<'_>, spec: &CookieSpec, state: &State) -> Option<Attempt> {
    let text = spec.read(visit.headers()).ok()??;
    let keys = &visit.sessions.keys;
    let attempt = Attempt::open(keys, spec, visit.host(), &text.value, visit.now).ok()?;
    // Both are sealed by us: an attacker who could try ids could not make either.
    (attempt.id == state.attempt && attempt.provider == state.provider).then_some(attempt)
}

/// An answer to an attempt of this browser.
async fn answered(
    visit: &Visit<'_>,
    party: &Party,
    attempt: &Attempt,
    callback: &Callback,
) -> Reply {
    let again = again(visit, attempt);
    let Ok(metadata) = party.client.ready(party.client.settings().timeout).await else {
        return Failure::ProviderUnavailable.reply(visit, None, Some(&again));
    };
    if let Err(error) = callback.check_issuer(&metadata) {
        return Failure::IssuerMismatch.reply(visit, Some(&error.to_string()), None);
    }
    match callback {
        Callback::Error { error, description, .. } => {
            refused(visit, attempt, error, description).await
        }
        Callback::Bare { .. } => seen(visit, party, attempt).await,
        Callback::Code { code, .. } => redeemed(visit, party, attempt, code).await,
    }
}

/// The provider's own cookie must be seen here before anybody goes on: else the page would lead here again.
async fn seen(visit: &Visit<'_>, party: &Party, attempt: &Attempt) -> Reply {
    match sso_cookie::look(visit, party, attempt).await {
        Ok(()) => completed(visit, party, arrived(visit, attempt)),
        Err(Unseen { failure, detail, clear }) => {
            failed(visit, attempt, failure, detail.as_deref()).await.with_cookies(clear)
        }
    }
}

/// `onward`, with a note of the sign-in that led there.
fn completed(visit: &Visit<'_>, party: &Party, onward: Reply) -> Reply {
    let mut hint = visit.hint();
    hint.complete(visit.now);
    hint.provider = Some(party.name().to_owned());
    onward.with_cookies(visit.keep_hint(&hint))
}

async fn redeemed(
    visit: &Visit<'_>,
    party: &Party,
    attempt: &Attempt,
    code: &Secret<String>,
) -> Reply {
    let outcome = establish(visit, party, attempt, code).await;
    concluded(visit, party, attempt, outcome).await
}

/// The answer to whoever came back from signing in.
pub(crate) async fn concluded(
    visit: &Visit<'_>,
    party: &Party,
    attempt: &Attempt,
    outcome: Result<Established, Failed>,
) -> Reply {
    match outcome {
        Ok(Established { cookies, weak: false, parcel }) => {
            let onward = match &attempt.referral {
                Some(referral) => hand_over::hand_over(visit, referral, &attempt.return_to, parcel),
                None => arrived(visit, attempt),
            };
            completed(visit, party, onward.with_cookies(cookies))
        }
        Ok(Established { cookies, weak: true, .. }) => {
            let again = again(visit, attempt);
            Failure::TooWeak.reply(visit, None, Some(&again)).with_cookies(cookies)
        }
        Err((failure, detail)) => failed(visit, attempt, failure, detail.as_deref()).await,
    }
}

async fn failed(
    visit: &Visit<'_>,
    attempt: &Attempt,
    failure: Failure,
    detail: Option<&str>,
) -> Reply {
    let again = again(visit, attempt);
    match attempt.asked.prompt {
        Some(Prompt::None) => unnoticed::fail(visit, attempt, failure, detail, Some(&again)).await,
        _ => failure.reply(visit, detail, Some(&again)),
    }
}

/// Begins anew where the sign-in began.
fn again(visit: &Visit<'_>, attempt: &Attempt) -> String {
    let path = login_path(visit.prefix(), &attempt.return_to, Some(&attempt.provider));
    let origin = attempt.referral.as_ref().map(|referral| referral.origin.as_str());
    format!("{}{path}", origin.unwrap_or_default())
}

/// To where the person wanted to go; browsers that keep fragments take theirs along.
fn arrived(visit: &Visit<'_>, attempt: &Attempt) -> Reply {
    match attempt.asked.prompt {
        Some(Prompt::None) => back_with_session(visit, &attempt.return_to),
        _ => with_fragment(visit, attempt.id, &attempt.return_to),
    }
}

/// To `return_to`, with the fragment that was kept under the name of `id`, if there is one.
pub(crate) fn with_fragment(visit: &Visit<'_>, id: AttemptId, return_to: &ReturnTo) -> Reply {
    let plain = return_to.as_str().contains('#');
    if visit.desk.keeps_fragments && visit.shows_pages() && !plain {
        let link = return_to.as_str();
        return scripted(visit, Leaving { link, key: &id.short(), script: ARRIVE });
    }
    back_with_session(visit, return_to)
}

/// The provider says no. Whoever was not to be asked goes on as a guest, and is left in peace for a while.
async fn refused(
    visit: &Visit<'_>,
    attempt: &Attempt,
    error: &ErrorCode,
    description: &str,
) -> Reply {
    if attempt.asked.prompt == Some(Prompt::None) && error.needs_person() {
        return unnoticed::go_on(visit, attempt.referral.as_ref(), &attempt.return_to);
    }
    let detail = format!("{error}: {description}");
    let failure = match error {
        ErrorCode::AccessDenied => Failure::AccessDenied,
        ErrorCode::UnmetAuthenticationRequirements => Failure::TooWeak,
        ErrorCode::TemporarilyUnavailable => Failure::ProviderUnavailable,
        _ => Failure::ProviderError,
    };
    failed(visit, attempt, failure, Some(&detail)).await
}

/// The attempt's cookie is gone: too old, pushed out by others, used up, or never sent.
async fn without_attempt(visit: &Visit<'_>, party: &Party, state: State) -> Reply {
    if visit.present().await.is_ok() {
        return back(&state.return_to);
    }
    let again = login_path(visit.prefix(), &state.return_to, Some(&state.provider));
    if !visit.headers().contains_key(header::COOKIE) && state.is_fresh(visit.now) {
        return Failure::CookieNotReturned.reply(visit, None, Some(&again));
    }
    if state.restarted {
        let failure = if state.is_fresh(visit.now) {
            Failure::CookieNotReturned
        } else {
            Failure::AttemptExpired
        };
        return failure.reply(visit, None, Some(&again));
    }
    let demand = demand(visit, &state.return_to);
    let asked = crate::session::Asked {
        prompt: demand.as_ref().and_then(|demand| demand.prompt),
        max_age: demand.as_ref().and_then(|demand| demand.max_age),
        acr_values: demand.map(|demand| demand.acr_values).unwrap_or_default(),
    };
    let return_to = state.return_to;
    start(visit, party, Beginning { return_to, asked, restarted: true, referral: None }).await
}

/// Not a state of ours, or not for this host.
async fn strange(visit: &Visit<'_>, why: &str) -> Reply {
    if visit.present().await.is_ok() {
        return back(&ReturnTo::root());
    }
    Failure::StateInvalid.reply(visit, Some(why), None)
}

fn malformed(visit: &Visit<'_>, error: &CallbackError) -> Reply {
    Failure::MalformedAnswer.reply(visit, Some(&error.to_string()), None)
}
