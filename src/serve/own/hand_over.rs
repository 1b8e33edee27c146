//! Sessions on their way from the host where people sign in to the host that sent them there, and their arrival.

use std::sync::Arc;

use http::header::HeaderValue;

use crate::remote::replay::OneTime;
use crate::remote::sessions::StoreError;
use crate::serve::own::callback::with_fragment;
use crate::serve::own::desk::random;
use crate::serve::own::establish::{Failed, kept};
use crate::serve::own::failure::Failure;
use crate::serve::own::links::{back, login_path, redirect};
use crate::serve::own::once;
use crate::serve::own::unnoticed::probed;
use crate::serve::own::visit::{Absent, Present, Visit, only};
use crate::serve::reply::Reply;
use crate::session::{
    CookieSpec, Departure, Handover, Parcel, Referral, ReturnTo, Session, Ticket,
};

/// Leads the browser back to the host that sent it, with a code for `parcel`.
pub(crate) fn hand_over(
    visit: &Visit<'_>,
    referral: &Referral,
    return_to: &ReturnTo,
    parcel: Parcel,
) -> Reply {
    let (Some(id), Some(nonce)) = (random(), visit.desk.nonce()) else {
        return Failure::StoreUnavailable.reply(visit, Some("no randomness"), None);
    };
    let handover = Handover::new(id, referral, return_to, parcel, visit.now);
    match handover.seal(&visit.sessions.keys, &referral.origin, nonce) {
        Ok(code) => {
            redirect(&format!("{}{}/handover?code={code}", referral.origin, visit.prefix()))
        }
        Err(error) => Failure::CookieTooLarge.reply(visit, Some(&error.to_string()), None),
    }
}

/// Hands over the session that the browser has here already: that is a use of it.
pub(crate) async fn existing(
    visit: &Visit<'_>,
    referral: &Referral,
    return_to: &ReturnTo,
    present: &Present,
) -> Reply {
    let newest = visit.desk.renewals.latest(&present.session);
    let session = newest.touched(&visit.sessions.limits, visit.now);
    let ticket = present.ticket.as_ref();
    match kept(visit, &session, ticket).await {
        Ok(cookies) => {
            let reply = hand_over(visit, referral, return_to, Parcel::of(&session, ticket));
            reply.with_cookies(cookies)
        }
        Err((failure, detail)) => failure.reply(visit, detail.as_deref(), None),
    }
}

/// Takes a session that was handed over, if this browser asked for it.
pub(crate) async fn arrive(visit: &Visit<'_>) -> Reply {
    let Some(origin) = visit.origin().filter(|_| visit.home().is_some()) else {
        return Reply::not_found(visit.asker);
    };
    let Ok(Some(code)) = only(visit.query().as_bytes(), "code") else {
        return Failure::MalformedAnswer.reply(visit, Some("expected one code"), None);
    };
    let handover = match Handover::open(&visit.sessions.keys, &origin.text(), &code) {
        Ok(handover) => handover,
        Err(error) => return Failure::StateInvalid.reply(visit, Some(&error.to_string()), None),
    };
    let spec = visit.departures().spec(handover.departure);
    let Some(departure) = departure(visit, &spec, &handover) else {
        return without_departure(visit, &handover).await;
    };
    let reply = match taken(visit, &handover, &departure).await {
        Ok(reply) => reply,
        Err((failure, detail)) => {
            let again = login_path(visit.prefix(), &departure.return_to, None);
            failure.reply(visit, detail.as_deref(), Some(&again))
        }
    };
    reply.with_cookies(spec.clear(1))
}

/// The departure of this browser that the code is for.
fn departure(visit: &Visit<'_>, spec: &CookieSpec, handover: &Handover) -> Option<Departure> {
    let text = spec.read(visit.headers()).ok()??;
    let keys = &visit.sessions.keys;
    let departure = Departure::open(keys, spec, visit.host(), &text.value, visit.now).ok()?;
    // The cookie's name has a part of the id alone.
    (departure.id == handover.departure).then_some(departure)
}

/// The cookie of the departure is gone: used up, too old, or this is another browser.
async fn without_departure(visit: &Visit<'_>, handover: &Handover) -> Reply {
    // Somebody else may have the cookie, and have led this browser here to get its session: the code is used up.
    let used = used_first(visit, handover).await;
    if visit.present().await.is_ok() {
        return back(&handover.return_to);
    }
    let again = login_path(visit.prefix(), &handover.return_to, None);
    let detail = used.err().and_then(|(_, detail)| detail);
    Failure::CookieNotReturned.reply(visit, detail.as_deref(), Some(&again))
}

async fn taken(
    visit: &Visit<'_>,
    handover: &Handover,
    departure: &Departure,
) -> Result<Reply, Failed> {
    if handover.is_over(visit.now) {
        return Err((Failure::AttemptExpired, Some("the code is too old".to_owned())));
    }
    used_first(visit, handover).await?;
    let (session, ticket) = match &handover.parcel {
        Parcel::Nobody => {
            let cookies = probed(visit, &departure.return_to);
            return Ok(back(&departure.return_to).with_cookies(cookies));
        }
        Parcel::Session(session) => ((**session).clone(), None),
        Parcel::Ticket(ticket) => (stored(visit, ticket).await?, Some(ticket)),
    };
    let cookies = received(visit, &session, ticket).await?;
    let mut hint = visit.hint();
    hint.complete(visit.now);
    let reply = with_fragment(visit, departure.id, &departure.return_to);
    Ok(reply.with_cookies(cookies).with_cookies(visit.keep_hint(&hint)))
}

/// A code is used once: in this process, and in all that share its store.
async fn used_first(visit: &Visit<'_>, handover: &Handover) -> Result<(), Failed> {
    once::used_first(visit, (OneTime::Handover, &handover.id), handover.ends()).await
}

async fn stored(visit: &Visit<'_>, ticket: &Ticket) -> Result<Session, Failed> {
    let unavailable = |error: StoreError| (Failure::StoreUnavailable, Some(error.to_string()));
    if !visit.desk.sessions.are_stored() {
        return Err((Failure::AttemptExpired, Some("sessions are in cookies now".to_owned())));
    }
    let session = visit.desk.sessions.load(ticket, visit.now).await.map_err(unavailable)?;
    session.ok_or((Failure::SignedOutMeanwhile, None))
}

/// Keeps the session here too, under its own id: what ends it at one host ends it at all.
async fn received(
    visit: &Visit<'_>,
    session: &Session,
    ticket: Option<&Ticket>,
) -> Result<Vec<HeaderValue>, Failed> {
    if visit.desk.sessions.are_stored() && ticket.is_none() {
        return Err((Failure::AttemptExpired, Some("sessions are in a store now".to_owned())));
    }
    let found = Present { session: Arc::new(session.clone()), ticket: ticket.cloned() };
    visit.living(found).map_err(|absent| match absent {
        Absent::Ended => (Failure::SignedOutMeanwhile, None),
        _ => (Failure::AttemptExpired, Some("the session is over".to_owned())),
    })?;
    let cookies = kept(visit, session, ticket).await?;
    tracing::info!(provider = session.provider, session = ?session.id, "signed in by another host");
    Ok(cookies)
}
