//! The beginning of a sign-in: which provider, what to ask it for, and the way there.

use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::base::host::Authority;
use crate::gate::{self, Reason, SignInDemand, SignInFlow, Target};
use crate::oidc::authorization::{AuthorizationRequest, ResponseMode};
use crate::remote::relying_party::RelyingParty;
use crate::serve::own::desk::{Party, random};
use crate::serve::own::failure::Failure;
use crate::serve::own::visit::{Absent, Repeated, Visit, only};
use crate::serve::pages::{Choice, Leaving};
use crate::serve::reply::Reply;
use crate::session::{
    Asked, Attempt, AttemptStart, Hint, Prompt, ReturnTo, SameSite, Session, State,
};

/// How many sign-ins one browser may have begun at once: the new one beside these.
const OTHER_ATTEMPTS: usize = 4;

/// Keeps the fragment, which no server sees, where the end of the sign-in finds it.
const LEAVE: &str = r#"(function(){var a=document.getElementById("go");try{if(location.hash)sessionStorage.setItem("sidegate "+a.dataset.key,location.hash)}catch(e){}location.replace(a.href)})()"#;

/// Hands the fragment on with whatever is chosen.
const CHOOSE: &str =
    r#"document.querySelectorAll("a.button").forEach(function(a){a.hash=location.hash})"#;

/// What a browser asks for.
struct Wishes {
    return_to: ReturnTo,
    provider: Option<String>,
    prompt: Option<Prompt>,
}

impl Wishes {
    fn of(visit: &Visit<'_>) -> Result<Self, Repeated> {
        let query = visit.query().as_bytes();
        // A provider may send people here too, in words of its own
        // ([OpenID Connect Core §4](https://openid.net/specs/openid-connect-core-1_0.html#ThirdPartyInitiatedLogin)).
        let return_to = only(query, "return_to")?.or(only(query, "target_link_uri")?);
        let issuer = only(query, "iss")?;
        let provider = only(query, "provider")?.map(std::borrow::Cow::into_owned);
        let prompt = only(query, "prompt")?.and_then(|text| Prompt::parse(&text));
        Ok(Self {
            return_to: visit.return_to(return_to.as_deref()),
            provider: provider.or_else(|| issuer.map(|issuer| named_by(visit, &issuer))),
            prompt,
        })
    }
}

/// The name of the provider with that issuer identifier; what nobody is called, if there is none.
fn named_by(visit: &Visit<'_>, issuer: &str) -> String {
    let party = visit.desk.parties().iter().find(|party| party.issuer() == issuer);
    party.map(|party| party.name().to_owned()).unwrap_or_default()
}

/// Begins a sign-in, or shows who offers one.
pub(crate) async fn begin(visit: &Visit<'_>) -> Reply {
    let Ok(wishes) = Wishes::of(visit) else {
        return Reply::refusal(Reason::MalformedTarget, visit.asker);
    };
    let demand = demand(visit, &wishes.return_to);
    let mut hint = visit.hint();
    if let Some(reply) = needless(visit, &wishes, demand.as_ref(), &mut hint).await {
        return reply;
    }
    let parties = parties(visit, demand.as_ref());
    let party = match choose(&parties, &wishes, &hint) {
        Chosen::Nobody => return Failure::NoProvider.reply(visit, None, None),
        Chosen::One(party) => party,
        Chosen::Unknown => return Failure::UnknownProvider.reply(visit, None, None),
        Chosen::Ask if wishes.prompt == Some(Prompt::None) => return back(&wishes.return_to),
        Chosen::Ask => return chooser(visit, &parties, &wishes, &hint),
    };
    let asked = asked(&wishes, demand.as_ref());
    start(visit, party, Beginning { return_to: wishes.return_to, asked, restarted: false }).await
}

/// What an attempt begins with.
pub(crate) struct Beginning {
    pub(crate) return_to: ReturnTo,
    pub(crate) asked: Asked,
    pub(crate) restarted: bool,
}

/// What the address that the person wants asks of a sign-in; nothing for addresses of no route.
pub(crate) fn demand<'v>(visit: &Visit<'v>, return_to: &ReturnTo) -> Option<SignInDemand<'v>> {
    let policy = &visit.runtime.policy;
    match return_to.target() {
        Some(target) => {
            let target = Target::parse(target).ok()?;
            gate::demand(policy, &Method::GET, visit.request.authority, target)
        }
        None => {
            let rest = return_to.as_str().split_once("://")?.1;
            let rest = rest.split('#').next().unwrap_or_default();
            let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let target = if target.starts_with('/') { target } else { "/" };
            let (authority, target) = (Authority::parse(authority)?, Target::parse(target).ok()?);
            gate::demand(policy, &Method::GET, &authority, target)
        }
    }
}

/// Who need not sign in, or would do so forever.
async fn needless(
    visit: &Visit<'_>,
    wishes: &Wishes,
    demand: Option<&SignInDemand<'_>>,
    hint: &mut Hint,
) -> Option<Reply> {
    let forced = wishes.prompt.is_some_and(|prompt| prompt != Prompt::None);
    let present = visit.present().await;
    if let Ok(present) = &present
        && !forced
        && !is_to_be_kept_alive(visit, wishes, &present.session)
        && wishes.provider.as_ref().is_none_or(|name| *name == present.session.provider)
        && !demand
            .is_some_and(|demand| super::establish::is_too_weak(visit, demand, &present.session))
    {
        return Some(back(&wishes.return_to));
    }
    let absent = present.err()?;
    (hint.is_looping(visit.now) && wishes.prompt != Some(Prompt::None)).then(|| {
        hint.forget_completed();
        let again = login_path(visit.prefix(), &wishes.return_to, None);
        diagnosis(absent).reply(visit, None, Some(&again)).with_cookies(visit.keep_hint(hint))
    })
}

/// Whether the browser comes so that the session of its provider is used once more.
fn is_to_be_kept_alive(visit: &Visit<'_>, wishes: &Wishes, session: &Session) -> bool {
    let party = visit.desk.party_named(&session.provider);
    let interval = party.and_then(|party| party.settings.keep_alive);
    wishes.prompt == Some(Prompt::None)
        && interval.is_some_and(|interval| visit.now >= session.started + interval)
}

/// What keeps a session that was just made from coming back.
const fn diagnosis(absent: Absent) -> Failure {
    match absent {
        Absent::OtherKeys => Failure::LoopKeys,
        Absent::Ended | Absent::Over => Failure::LoopClock,
        Absent::Malformed | Absent::NoCookie => Failure::LoopCookie,
        Absent::Unknown => Failure::StoreUnavailable,
    }
}

fn parties<'v>(visit: &Visit<'v>, demand: Option<&SignInDemand<'_>>) -> Vec<&'v Party> {
    match demand {
        Some(demand) => demand.providers.iter().filter_map(|id| visit.desk.party(*id)).collect(),
        None => visit.desk.parties().iter().collect(),
    }
}

enum Chosen<'v> {
    Ask,
    Nobody,
    One(&'v Party),
    Unknown,
}

/// The provider that was named, the only one, or the one of last time. Who wants to sign in anew is asked again.
fn choose<'v>(parties: &[&'v Party], wishes: &Wishes, hint: &Hint) -> Chosen<'v> {
    let named = |name: &str| parties.iter().copied().find(|party| party.name() == name);
    if let Some(name) = &wishes.provider {
        return named(name).map_or(Chosen::Unknown, Chosen::One);
    }
    let anew = wishes.prompt.is_some_and(|prompt| prompt != Prompt::None);
    match parties {
        [] => Chosen::Nobody,
        [only] => Chosen::One(only),
        _ if anew => Chosen::Ask,
        _ => hint.provider.as_deref().and_then(named).map_or(Chosen::Ask, Chosen::One),
    }
}

fn chooser(visit: &Visit<'_>, parties: &[&Party], wishes: &Wishes, hint: &Hint) -> Reply {
    let choice = |party: &&Party| {
        let mut link = login_path(visit.prefix(), &wishes.return_to, Some(party.name()));
        if let Some(prompt) = wishes.prompt {
            link = format!("{link}&prompt={}", prompt.name());
        }
        let preferred = hint.provider.as_deref() == Some(party.name());
        Choice { title: party.settings.title.clone(), link, preferred }
    };
    let choices: Vec<Choice> = parties.iter().map(choice).collect();
    let (pages, language) = (visit.asker.pages, visit.asker.language);
    let script = visit.desk.keeps_fragments.then_some(CHOOSE);
    let page = pages.chooser(&choices, script, language, visit.asker.request_id);
    Reply::page(StatusCode::OK, page, script.map_or_else(Reply::policy, Reply::policy_with_script))
}

/// What to ask the provider for. Only whether people are asked can be wished for by the browser; the rest is the route's.
fn asked(wishes: &Wishes, demand: Option<&SignInDemand<'_>>) -> Asked {
    let demanded = demand.and_then(|demand| demand.prompt);
    Asked {
        prompt: wishes.prompt.or(demanded),
        max_age: demand.and_then(|demand| demand.max_age),
        acr_values: demand.map(|demand| demand.acr_values.clone()).unwrap_or_default(),
    }
}

/// Leads the browser to the provider, with the cookie that the answer will need.
pub(crate) async fn start(visit: &Visit<'_>, party: &Party, beginning: Beginning) -> Reply {
    let (Some(entropy), Some(nonce), Some(state_nonce)) =
        (random(), visit.desk.nonce(), visit.desk.nonce())
    else {
        return Failure::StoreUnavailable.reply(visit, Some("no randomness"), None);
    };
    let redirect_uri = redirect_uri(visit, party);
    let Beginning { return_to, asked, restarted } = beginning;
    let attempt = Attempt::new(
        &entropy,
        AttemptStart {
            provider: party.name().to_owned(),
            return_to,
            created: visit.now,
            restarted,
            asked,
            redirect_uri,
        },
    );
    let keys = &visit.sessions.keys;
    let state = State::of(&attempt).seal(keys, visit.host(), state_nonce);
    let location = match address(party, &attempt, &state).await {
        Ok(location) => location,
        Err(error) => {
            let failure = if error.is_outage() {
                Failure::ProviderUnavailable
            } else {
                Failure::ProviderError
            };
            let detail = crate::remote::error_text(&error);
            return failure.reply(visit, Some(&detail), None);
        }
    };
    let cookies = visit.attempts(same_site(party));
    let spec = cookies.spec(attempt.id);
    let sealed = attempt.seal(keys, &spec, visit.host(), nonce);
    let Ok(mut fields) = spec.write(&sealed, Some(Attempt::LIFETIME), 0) else {
        return Failure::CookieTooLarge.reply(visit, None, None);
    };
    let surplus = cookies.surplus(visit.headers(), keys, visit.host(), visit.now, OTHER_ATTEMPTS);
    fields.extend(surplus.iter().flat_map(|spec| spec.clear(1)));
    leave(visit, &attempt, &location).with_cookies(fields)
}

/// The address of the provider's login page for `attempt`.
async fn address(
    party: &Party,
    attempt: &Attempt,
    state: &str,
) -> Result<String, crate::remote::relying_party::ExchangeError> {
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
fn leave(visit: &Visit<'_>, attempt: &Attempt, location: &str) -> Reply {
    let silent = attempt.asked.prompt == Some(Prompt::None);
    if visit.desk.keeps_fragments && visit.shows_pages() && !silent {
        let leaving = Leaving { link: location, key: &attempt.id.short(), script: LEAVE };
        return scripted(visit, leaving);
    }
    redirect(location)
}

/// A page whose only script may run.
pub(crate) fn scripted(visit: &Visit<'_>, leaving: Leaving<'_>) -> Reply {
    let (pages, language) = (visit.asker.pages, visit.asker.language);
    let page = pages.leaving(leaving, language, visit.asker.request_id);
    Reply::page(StatusCode::OK, page, Reply::policy_with_script(leaving.script))
}

/// 303: whatever came, the next request is a GET, and never takes a body along
/// ([RFC 9700 §4.12](https://www.rfc-editor.org/rfc/rfc9700#section-4.12)).
pub(crate) fn redirect(location: &str) -> Reply {
    let reply = Reply::empty(StatusCode::SEE_OTHER)
        .with(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    match HeaderValue::try_from(location) {
        Ok(location) => reply.with(header::LOCATION, location),
        Err(_) => reply.with(header::LOCATION, HeaderValue::from_static("/")),
    }
}

/// Where the person wanted to go.
pub(crate) fn back(return_to: &ReturnTo) -> Reply {
    redirect(return_to.as_str())
}

/// The path that begins a sign-in.
pub(crate) fn login_path(prefix: &str, return_to: &ReturnTo, provider: Option<&str>) -> String {
    let encoded = utf8_percent_encode(return_to.as_str(), NON_ALPHANUMERIC);
    let provider = provider.map(|name| format!("&provider={name}")).unwrap_or_default();
    format!("{prefix}/login?return_to={encoded}{provider}")
}

/// One for each provider, so that no provider's answer can be taken for another's
/// ([RFC 9700 §4.4.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.4.2)).
fn redirect_uri(visit: &Visit<'_>, party: &Party) -> String {
    party
        .settings
        .redirect_uri
        .clone()
        .unwrap_or_else(|| format!("{}{}/callback/{}", visit.base(), visit.prefix(), party.name()))
}

/// A form that the provider makes the browser post comes from another site.
pub(crate) fn same_site(party: &Party) -> SameSite {
    match party.client.settings().response_mode {
        ResponseMode::FormPost => SameSite::None,
        ResponseMode::Query => SameSite::Lax,
    }
}
