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
use crate::serve::own::establish::{Established, establish};
use crate::serve::own::failure::Failure;
use crate::serve::own::login::{Beginning, back, demand, login_path, same_site, scripted, start};
use crate::serve::own::sso_cookie::{self, Unseen};
use crate::serve::own::visit::Visit;
use crate::serve::pages::Leaving;
use crate::serve::reply::Reply;
use crate::session::{Attempt, CookieSpec, Prompt, State};

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

/// The attempt of this browser that `state` names.
fn attempt(visit: &Visit<'_>, spec: &CookieSpec, state: &State) -> Option<Attempt> {
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
        Callback::Error { error, description, .. } => refused(visit, attempt, error, description),
        Callback::Bare { .. } => seen(visit, party, attempt).await,
        Callback::Code { code, .. } => redeemed(visit, party, attempt, code).await,
    }
}

/// The provider's own cookie must be seen here before anybody goes on: else the page would lead here again.
async fn seen(visit: &Visit<'_>, party: &Party, attempt: &Attempt) -> Reply {
    match sso_cookie::look(visit, party, attempt).await {
        Ok(()) => completed(visit, party, attempt),
        Err(Unseen { failure, detail, clear }) => {
            let again = again(visit, attempt);
            failure.reply(visit, detail.as_deref(), Some(&again)).with_cookies(clear)
        }
    }
}

fn completed(visit: &Visit<'_>, party: &Party, attempt: &Attempt) -> Reply {
    let mut hint = visit.hint();
    hint.complete(visit.now);
    hint.provider = Some(party.name().to_owned());
    arrived(visit, attempt).with_cookies(visit.keep_hint(&hint))
}

async fn redeemed(
    visit: &Visit<'_>,
    party: &Party,
    attempt: &Attempt,
    code: &Secret<String>,
) -> Reply {
    match establish(visit, party, attempt, code).await {
        Ok(Established { cookies, weak: false }) => {
            completed(visit, party, attempt).with_cookies(cookies)
        }
        Ok(Established { cookies, weak: true }) => {
            let again = again(visit, attempt);
            Failure::TooWeak.reply(visit, None, Some(&again)).with_cookies(cookies)
        }
        Err((failure, detail)) => {
            let again = again(visit, attempt);
            failure.reply(visit, detail.as_deref(), Some(&again))
        }
    }
}

fn again(visit: &Visit<'_>, attempt: &Attempt) -> String {
    login_path(visit.prefix(), &attempt.return_to, Some(&attempt.provider))
}

/// To where the person wanted to go; browsers that keep fragments take theirs along.
fn arrived(visit: &Visit<'_>, attempt: &Attempt) -> Reply {
    let silent = attempt.asked.prompt == Some(Prompt::None);
    let plain = attempt.return_to.as_str().contains('#');
    if visit.desk.keeps_fragments && visit.shows_pages() && !silent && !plain {
        let link = attempt.return_to.as_str();
        return scripted(visit, Leaving { link, key: &attempt.id.short(), script: ARRIVE });
    }
    back(&attempt.return_to)
}

/// The provider says no. Whoever was not to be asked goes on as a guest, and is left in peace for a while.
fn refused(visit: &Visit<'_>, attempt: &Attempt, error: &ErrorCode, description: &str) -> Reply {
    if attempt.asked.prompt == Some(Prompt::None) && error.needs_person() {
        return back(&attempt.return_to).with_cookies(probed(visit, attempt));
    }
    let detail = format!("{error}: {description}");
    let again = again(visit, attempt);
    let failure = match error {
        ErrorCode::AccessDenied => Failure::AccessDenied,
        ErrorCode::UnmetAuthenticationRequirements => Failure::TooWeak,
        ErrorCode::TemporarilyUnavailable => Failure::ProviderUnavailable,
        _ => Failure::ProviderError,
    };
    failure.reply(visit, Some(&detail), Some(&again))
}

/// The cookie that says for a while that the provider knows no session. It is no authority: at worst it spares a redirect.
fn probed(visit: &Visit<'_>, attempt: &Attempt) -> Vec<HeaderValue> {
    let interval =
        demand(visit, &attempt.return_to).and_then(|demand| demand.route.sign_in.silent.interval());
    let seconds = interval.map_or(900, |interval| interval.as_secs());
    let secure = if visit.request.scheme == crate::gate::Scheme::Https { "; Secure" } else { "" };
    let name = &visit.sessions.probe_cookie;
    let text = format!("{name}=1; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).into_iter().collect()
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
    start(visit, party, Beginning { return_to: state.return_to, asked, restarted: true }).await
}

/// Not a state of ours, or not for this host.
async fn strange(visit: &Visit<'_>, why: &str) -> Reply {
    if visit.present().await.is_ok() {
        return back(&crate::session::ReturnTo::root());
    }
    Failure::StateInvalid.reply(visit, Some(why), None)
}

fn malformed(visit: &Visit<'_>, error: &CallbackError) -> Reply {
    Failure::MalformedAnswer.reply(visit, Some(&error.to_string()), None)
}
