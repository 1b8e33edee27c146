//! The beginning of a sign-in: which provider, what to ask it for, and the way there.

use http::{Method, StatusCode};

use crate::base::host::Authority;
use crate::gate::{self, Access, Reason, SignInDemand, Target};
use crate::serve::own::depart::{Referred, depart};
use crate::serve::own::desk::Party;
use crate::serve::own::establish::is_too_weak;
use crate::serve::own::failure::Failure;
use crate::serve::own::hand_over;
use crate::serve::own::links::{back, login_path};
use crate::serve::own::start::{Beginning, start};
use crate::serve::own::unnoticed;
use crate::serve::own::visit::{Absent, Present, Repeated, Visit, only};
use crate::serve::pages::Choice;
use crate::serve::reply::Reply;
use crate::session::{Asked, Hint, Prompt, ReturnTo, Session};

/// Hands the fragment on with whatever is chosen.
const CHOOSE: &str =
    r#"document.querySelectorAll("a.button").forEach(function(a){a.hash=location.hash})"#;

/// What a browser asks for.
pub(crate) struct Wishes {
    pub(crate) return_to: ReturnTo,
    pub(crate) provider: Option<String>,
    pub(crate) prompt: Option<Prompt>,
    /// The host that sent the browser here, if one did.
    pub(crate) referred: Option<Referred>,
}

impl Wishes {
    fn of(visit: &Visit<'_>) -> Result<Self, Refused> {
        let query = visit.query().as_bytes();
        // A provider may send people here too, in words of its own
        // ([OpenID Connect Core §4](https://openid.net/specs/openid-connect-core-1_0.html#ThirdPartyInitiatedLogin)).
        let return_to = only(query, "return_to")?.or(only(query, "target_link_uri")?);
        let return_to = return_to.or(visit.foreign_return_to()?);
        let issuer = only(query, "iss")?;
        let provider = only(query, "provider")?.map(std::borrow::Cow::into_owned);
        let prompt = only(query, "prompt")?.and_then(|text| Prompt::parse(&text));
        Ok(Self {
            return_to: visit.return_to(return_to.as_deref())?,
            provider: provider.or_else(|| issuer.map(|issuer| named_by(visit, &issuer))),
            prompt,
            referred: Referred::of(visit)?,
        })
    }

    /// The path that begins the same sign-in at the provider of that name, or wherever it is to begin.
    fn path(&self, visit: &Visit<'_>, provider: Option<&str>) -> String {
        let mut link = login_path(visit.prefix(), &self.return_to, provider);
        if let Some(prompt) = self.prompt {
            link = format!("{link}&prompt={}", prompt.name());
        }
        if let Some(referred) = &self.referred {
            link = format!("{link}&referral={}", referred.text);
        }
        link
    }

    /// Whether people are to be asked even though they are signed in.
    fn force(&self) -> bool {
        self.prompt.is_some_and(|prompt| prompt != Prompt::None)
    }
}

/// Why a sign-in cannot begin.
pub(crate) enum Refused {
    /// For the reason that the page gives.
    Failed(Failure, Option<String>),
    /// A parameter was given more than once.
    Repeated,
}

impl From<Repeated> for Refused {
    fn from(Repeated: Repeated) -> Self {
        Self::Repeated
    }
}

/// The name of the provider with that issuer identifier; what nobody is called, if there is none.
fn named_by(visit: &Visit<'_>, issuer: &str) -> String {
    let party = visit.desk.parties().iter().find(|party| party.issuer() == issuer);
    party.map(|party| party.name().to_owned()).unwrap_or_default()
}

/// Begins a sign-in, or shows who offers one.
pub(crate) async fn begin(visit: &Visit<'_>) -> Reply {
    let wishes = match Wishes::of(visit) {
        Ok(wishes) => wishes,
        Err(Refused::Failed(failure, detail)) => {
            return failure.reply(visit, detail.as_deref(), None);
        }
        Err(Refused::Repeated) => return Reply::refusal(Reason::MalformedTarget, visit.asker),
    };
    let demand = demand(visit, &wishes.return_to);
    let mut hint = visit.hint();
    if let Some(reply) = needless(visit, &wishes, demand.as_ref(), &mut hint).await {
        return reply;
    }
    if let Some(home) = visit.home() {
        return depart(visit, home, &wishes);
    }
    let parties = parties(visit, demand.as_ref());
    let party = match choose(&parties, &wishes, &hint) {
        Chosen::Nobody => return Failure::NoProvider.reply(visit, None, None),
        Chosen::One(party) => party,
        Chosen::Unknown => return Failure::UnknownProvider.reply(visit, None, None),
        Chosen::Ask if wishes.prompt == Some(Prompt::None) => {
            let referral = wishes.referred.as_ref().map(|referred| &referred.referral);
            return unnoticed::go_on(visit, referral, &wishes.return_to);
        }
        Chosen::Ask => return chooser(visit, &parties, &wishes, &hint),
    };
    let asked = asked(&wishes, demand.as_ref());
    let referral = wishes.referred.map(|referred| referred.referral);
    let return_to = wishes.return_to;
    start(visit, party, Beginning { return_to, asked, restarted: false, referral }).await
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
    let absent = match visit.present().await {
        Ok(present) if will_do(visit, wishes, demand, &present.session) => {
            return Some(needed_no_more(visit, wishes, &present).await);
        }
        present => present.err()?,
    };
    hint.is_looping(visit.now).then(|| {
        hint.forget_completed();
        let reply = if wishes.prompt == Some(Prompt::None) {
            // Nobody was to notice, so nobody is told: guests stay guests.
            let referral = wishes.referred.as_ref().map(|referred| &referred.referral);
            unnoticed::go_on(visit, referral, &wishes.return_to)
        } else {
            let again = wishes.path(visit, None);
            diagnosis(absent).reply(visit, None, Some(&again))
        };
        reply.with_cookies(visit.keep_hint(hint))
    })
}

/// Whether the session is one for the address that is wanted, so that going there does not lead here again.
fn will_do(
    visit: &Visit<'_>,
    wishes: &Wishes,
    demand: Option<&SignInDemand<'_>>,
    session: &Session,
) -> bool {
    let counts = |demand: &SignInDemand<'_>| {
        let party = visit.desk.party_named(&session.provider);
        let counts = party.is_some_and(|party| demand.route.providers.contains(&party.id()));
        (counts || demand.route.access == Access::Public) && !is_too_weak(visit, demand, session)
    };
    !wishes.force()
        && !is_to_be_kept_alive(visit, wishes, session)
        && wishes.provider.as_ref().is_none_or(|name| *name == session.provider)
        && demand.is_none_or(counts)
}

/// On to the page that is wanted, by way of the host that sent the browser here.
async fn needed_no_more(visit: &Visit<'_>, wishes: &Wishes, present: &Present) -> Reply {
    match &wishes.referred {
        Some(Referred { referral, .. }) => {
            hand_over::existing(visit, referral, &wishes.return_to, present).await
        }
        None => back(&wishes.return_to),
    }
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
    match parties {
        [] => Chosen::Nobody,
        [only] => Chosen::One(only),
        _ if wishes.force() => Chosen::Ask,
        _ => hint.provider.as_deref().and_then(named).map_or(Chosen::Ask, Chosen::One),
    }
}

fn chooser(visit: &Visit<'_>, parties: &[&Party], wishes: &Wishes, hint: &Hint) -> Reply {
    let choice = |party: &&Party| {
        let link = wishes.path(visit, Some(party.name()));
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
