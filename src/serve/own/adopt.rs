//! Sessions that a provider keeps for backends become sessions of ours: by a handle that the browser brings from the login service, or
//! by a header of the login service's own answer.
//!
//! Neither says who somebody is. The provider is asked for that, by the app's own client, before there is any session.

use http::header::{self, HeaderValue};
use serde_json::Value;

use crate::base::secret::Secret;
use crate::oidc::backend_session::{self, ClientAttributes};
use crate::remote::backend::{BackendFailure, BackendSessions, Brought};
use crate::serve::own::callback::{attempt, concluded};
use crate::serve::own::desk::{Party, random};
use crate::serve::own::establish::{Established, Failed, is_too_weak, kept, unkept};
use crate::serve::own::failure::Failure;
use crate::serve::own::hand_in::used_first;
use crate::serve::own::links::{back, login_path};
use crate::serve::own::login::demand;
use crate::serve::own::start::same_site;
use crate::serve::own::visit::{Visit, only};
use crate::serve::reply::Reply;
use crate::session::{
    Handle, HandleKind, Parcel, ReturnTo, Session, SessionId, State, keep_claims,
};
use crate::token::{distinct_object, sha256_base64url};

/// Takes a browser that comes from the login service, if it began its sign-in here.
pub(crate) async fn arrive(visit: &Visit<'_>) -> Reply {
    let Ok(Some(text)) = only(visit.query().as_bytes(), "handle") else {
        return Failure::MalformedAnswer.reply(visit, Some("expected one handle"), None);
    };
    let strange = |why: String| Failure::StateInvalid.reply(visit, Some(&why), None);
    let handle = match Handle::open(&visit.sessions.keys, HandleKind::Adopt, &text) {
        Ok(handle) => handle,
        Err(error) => return strange(error.to_string()),
    };
    let state = match State::open(&visit.sessions.keys, visit.host(), &handle.state) {
        Ok(state) => state,
        Err(error) => return strange(error.to_string()),
    };
    if state.provider != handle.provider {
        return Failure::IssuerMismatch.reply(visit, Some("state of another provider"), None);
    }
    let Some(party) = visit.desk.party_named(&handle.provider) else {
        return Failure::UnknownProvider.reply(visit, None, None);
    };
    let used = used_first(visit, &handle).await;
    let spec = visit.attempts(same_site(party)).spec(state.attempt);
    let Some(attempt) = attempt(visit, &spec, &state) else { return astray(visit, &state).await };
    let outcome = match used {
        Ok(()) => adopted(visit, party, &handle.session_id, Some(&attempt.return_to)).await,
        Err(failed) => Err(failed),
    };
    concluded(visit, party, &attempt, outcome).await.with_cookies(spec.clear(1))
}

/// Another browser, or one that has finished: nobody is signed in by a link that somebody else gave them
/// ([RFC 9700 §4.7](https://www.rfc-editor.org/rfc/rfc9700#section-4.7)). The handle is used up.
async fn astray(visit: &Visit<'_>, state: &State) -> Reply {
    if visit.present().await.is_ok() {
        return back(&state.return_to);
    }
    let again = login_path(visit.prefix(), &state.return_to, Some(&state.provider));
    Failure::CookieNotReturned.reply(visit, None, Some(&again))
}

/// Takes the session that a login service behind us names in its answer: the `Set-Cookie` fields for the browser that it answers.
/// Without any, nobody is signed in, and the log says why.
pub(crate) async fn by_header(visit: &Visit<'_>, value: &HeaderValue) -> Vec<HeaderValue> {
    let members = distinct_object(value.as_bytes()).unwrap_or_default();
    let text = |name| members.get(name).and_then(Value::as_str);
    let party = text("provider").and_then(|name| visit.desk.party_named(name));
    let session_id = text("session_id").and_then(backend_session::session_id);
    let (Some(party), Some(session_id)) = (party, session_id) else {
        tracing::error!(
            "a login service hands in no session: expected JSON with `provider` and `session_id`"
        );
        return Vec::new();
    };
    match adopted(visit, party, &session_id, None).await {
        Ok(established) => established.cookies,
        Err((failure, detail)) => {
            let (code, provider) = (failure.code(), party.name());
            tracing::error!(code, provider, detail, "a session that was handed in is not taken");
            Vec::new()
        }
    }
}

/// Makes a session of ours, for a person who goes to `return_to` if that is known.
async fn adopted(
    visit: &Visit<'_>,
    party: &Party,
    session_id: &Secret<String>,
    return_to: Option<&ReturnTo>,
) -> Result<Established, Failed> {
    let Some(backend) = &party.backend else {
        let why = "the provider has no `backend_sessions`".to_owned();
        return Err((Failure::UnknownProvider, Some(why)));
    };
    let session = asked(visit, party, backend, session_id).await?;
    let demand = return_to.and_then(|return_to| demand(visit, return_to));
    let weak = demand.is_some_and(|demand| is_too_weak(visit, &demand, &session));
    let ticket = visit.desk.sessions.new_ticket(session.id).map_err(|error| unkept(&error))?;
    let cookies = kept(visit, &session, ticket.as_ref()).await?;
    visit.runtime.metrics.sessions().started(&session.provider);
    tracing::info!(provider = party.name(), session = ?session.id, "signed in by a login service");
    let parcel = Parcel::of(&session, ticket.as_ref());
    Ok(Established { cookies, weak, parcel })
}

async fn asked(
    visit: &Visit<'_>,
    party: &Party,
    backend: &BackendSessions,
    session_id: &Secret<String>,
) -> Result<Session, Failed> {
    let brought = backend.authenticate(session_id, &attributes(visit), visit.now).await;
    let brought = brought.map_err(|error| (failure(&error), Some(error.to_string())))?;
    let no_randomness = || (Failure::StoreUnavailable, Some("no randomness".to_owned()));
    let id = SessionId::from_bytes(random().ok_or_else(no_randomness)?);
    let sid = sha256_base64url(session_id.expose());
    let session = made(visit, party, id, (brought, sid));
    let before = visit.present().await.ok().map(|present| present.session);
    Ok(match before.filter(|before| is_same_sign_in(before, &session)) {
        Some(before) => session.ending_by(before.ends),
        None => session,
    })
}

/// The same session of the provider, and nobody proved anything since: it does not make ours live longer.
fn is_same_sign_in(before: &Session, session: &Session) -> bool {
    before.issuer == session.issuer
        && before.sid == session.sid
        && before.claims.get("auth_time") == session.claims.get("auth_time")
}

/// `sid` is the hash of the session's name: what ends the one for an app ends it for all.
fn made(
    visit: &Visit<'_>,
    party: &Party,
    id: SessionId,
    (brought, sid): (Brought, String),
) -> Session {
    let (now, limits) = (visit.now, &visit.sessions.limits);
    let Brought { token, tokens, expires_in } = brought;
    let ends = now + limits.absolute;
    Session {
        id,
        provider: party.name().to_owned(),
        client: party.client_id().to_owned(),
        issuer: party.issuer().to_owned(),
        subject: token.subject().to_owned(),
        sid: Some(sid),
        claims: keep_claims(token.claims(), &visit.desk.keep),
        started: now,
        idle_until: (now + limits.idle).min(ends),
        ends,
        renewal: party.settings.schedule.after(expires_in, now),
        persistent: visit.desk.persistent,
        tokens,
        renewals: 0,
    }
}

fn attributes(visit: &Visit<'_>) -> ClientAttributes {
    let agent = visit.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    ClientAttributes { user_agent: agent.map(str::to_owned), ip_address: visit.request.client }
}

const fn failure(error: &BackendFailure) -> Failure {
    match error {
        BackendFailure::Gone => Failure::SignedOutMeanwhile,
        BackendFailure::Mismatch(_) => Failure::IdentityRefused,
        BackendFailure::Unavailable(_) => Failure::ProviderUnavailable,
    }
}
