//! Sign-ins at another host: the way there from the app's host, and which hosts may ask for one.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::gate::{Home, Scheme};
use crate::serve::own::desk::random;
use crate::serve::own::failure::Failure;
use crate::serve::own::links::redirect;
use crate::serve::own::login::{Refused, Wishes};
use crate::serve::own::start::{OTHER_ATTEMPTS, leave};
use crate::serve::own::visit::{Visit, only};
use crate::serve::reply::Reply;
use crate::session::{AttemptId, Departure, HandoverError, Origin, Prompt, Referral, ReturnTo};

/// The host that sent a browser here to sign in.
pub(crate) struct Referred {
    /// As it came: what is said again on the way to a provider's choice.
    pub(crate) text: String,
    pub(crate) referral: Referral,
}

impl Referred {
    /// Who sent the browser; nobody, if that was too long ago: then the app's host sends it again.
    ///
    /// # Errors
    /// What is no referral, or that of a host which is not served any more.
    pub(crate) fn of(visit: &Visit<'_>) -> Result<Option<Self>, Refused> {
        let text = only(visit.query().as_bytes(), "referral")?;
        let Some(text) = text.filter(|_| visit.is_home()) else { return Ok(None) };
        match Referral::open(&visit.sessions.keys, visit.host(), &text, visit.now) {
            Ok(referral) if is_served(visit, &referral.origin) => {
                Ok(Some(Self { text: text.into_owned(), referral }))
            }
            Ok(_) => Err(Refused::Failed(Failure::UnknownHost, None)),
            Err(HandoverError::Expired) => Ok(None),
            Err(error) => Err(Refused::Failed(Failure::StateInvalid, Some(error.to_string()))),
        }
    }
}

/// Whether people who are at `origin` may be led there after signing in here.
fn is_served(visit: &Visit<'_>, origin: &str) -> bool {
    let own = visit.origin();
    own.is_some_and(|own| ReturnTo::parse(origin, &own, &visit.desk.return_hosts).is_ok())
}

/// Leads the browser to the host where people sign in. Where that host's session does not count here, the browser gets a cookie that
/// the session will be handed to: whoever brings a code without it did not begin here.
pub(crate) fn depart(visit: &Visit<'_>, home: &Home, wishes: &Wishes) -> Reply {
    let Some(origin) = visit.origin().filter(|_| may_ask(visit, home)) else {
        return Failure::UnknownHost.reply(visit, Some("no route names this host"), None);
    };
    if visit.sessions.shares(visit.host()) {
        return redirect(&address(visit, home, wishes, None));
    }
    let (Some(id), Some(nonce), Some(referral_nonce)) =
        (random(), visit.desk.nonce(), visit.desk.nonce())
    else {
        return Failure::StoreUnavailable.reply(visit, Some("no randomness"), None);
    };
    let departure = Departure {
        id: AttemptId::from_bytes(id),
        return_to: wishes.return_to.clone(),
        created: visit.now,
    };
    let location = refer(visit, home, wishes, (&departure, &origin, referral_nonce));
    let (keys, cookies) = (&visit.sessions.keys, visit.departures());
    let spec = cookies.spec(departure.id);
    let sealed = departure.seal(keys, &spec, visit.host(), nonce);
    let Ok(mut fields) = spec.write(&sealed, Some(Departure::LIFETIME), 0) else {
        return Failure::CookieTooLarge.reply(visit, None, None);
    };
    let surplus = cookies.surplus(visit.headers(), keys, visit.host(), visit.now, OTHER_ATTEMPTS);
    fields.extend(surplus.iter().flat_map(|spec| spec.clear(1)));
    let silent = wishes.prompt == Some(Prompt::None);
    leave(visit, departure.id, silent, &location).with_cookies(fields)
}

/// Only hosts that the configuration names, and none over plain http where people sign in over https.
fn may_ask(visit: &Visit<'_>, home: &Home) -> bool {
    let safe = visit.request.scheme == Scheme::Https || home.origin.starts_with("http://");
    safe && visit.desk.return_hosts.has(visit.host())
}

fn refer(
    visit: &Visit<'_>,
    home: &Home,
    wishes: &Wishes,
    (departure, origin, nonce): (&Departure, &Origin, crate::session::Nonce),
) -> String {
    let referral =
        Referral { departure: departure.id, origin: origin.text(), created: departure.created };
    let referral = referral.seal(&visit.sessions.keys, &home.host, nonce);
    address(visit, home, wishes, Some(&referral))
}

/// The address where the same sign-in begins at `home`, with what was wished for.
fn address(visit: &Visit<'_>, home: &Home, wishes: &Wishes, referral: Option<&str>) -> String {
    let return_to = if wishes.return_to.is_local() { visit.base() } else { String::new() };
    let return_to = return_to + wishes.return_to.as_str();
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let prompt = wishes.prompt.map(Prompt::name);
    let parameters = [
        ("return_to", Some(return_to.as_str())),
        ("provider", wishes.provider.as_deref()),
        ("prompt", prompt),
        ("referral", referral),
    ];
    let query: Vec<String> = parameters
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", encoded(value?))))
        .collect();
    format!("{}{}/login?{}", home.origin, visit.prefix(), query.join("&"))
}
