//! The back channel of login services: sessions are handed in for a handle, and handles of ours are redeemed. Who asks proves to be
//! the login service by a secret; browsers have no part in it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::StatusCode;
use http::header::{self, HeaderValue};
use serde_json::{Map, Value, json};

use crate::oidc::backend_session;
use crate::remote::replay::{FirstUse, OneTime};
use crate::serve::own::desk::{Party, random};
use crate::serve::own::establish::Failed;
use crate::serve::own::failure::Failure;
use crate::serve::own::visit::Visit;
use crate::serve::reply::Reply;
use crate::session::{Handle, HandleKind};
use crate::token::distinct_object;

/// Why a request of a login service is refused.
enum Refused {
    /// It does not prove to be one.
    Client,
    /// What it says is not what it should be.
    Request(&'static str),
    /// It cannot be served now.
    Unavailable,
}

/// Takes a session: `provider`, `session_id`, and the `state` of the sign-in that it ends. The answer is a handle, with which the
/// browser comes back.
pub(crate) fn take(visit: &Visit<'_>) -> Reply {
    answer(taken(visit))
}

/// Tells the session behind a handle that the browser brought to the login service, once: `provider` and `handle`.
pub(crate) async fn redeem(visit: &Visit<'_>) -> Reply {
    answer(redeemed(visit).await)
}

fn taken(visit: &Visit<'_>) -> Result<Value, Refused> {
    let (party, members) = told(visit)?;
    let text = |name| members.get(name).and_then(Value::as_str);
    let session_id = text("session_id").and_then(backend_session::session_id);
    let session_id = session_id
        .ok_or(Refused::Request("session_id: expected up to 512 bytes of visible ASCII"))?;
    let state = text("state").filter(|state| (1..=Handle::MAX_STATE).contains(&state.len()));
    let state = state.ok_or(Refused::Request("state: expected the one of the login address"))?;
    let (id, nonce) = random().zip(visit.desk.nonce()).ok_or(Refused::Unavailable)?;
    let (provider, state) = (party.name().to_owned(), state.to_owned());
    let handle = Handle { id, created: visit.now, provider, session_id, state };
    let text = handle.seal(&visit.sessions.keys, HandleKind::Adopt, nonce);
    Ok(json!({ "handle": text, "expires_in": Handle::LIFETIME.as_secs() }))
}

async fn redeemed(visit: &Visit<'_>) -> Result<Value, Refused> {
    const UNKNOWN: Refused = Refused::Request("handle: unknown, used before, or too old");
    let (party, members) = told(visit)?;
    let text = members.get("handle").and_then(Value::as_str);
    let text = text.ok_or(Refused::Request("handle: expected the one of the login address"))?;
    let handle = Handle::open(&visit.sessions.keys, HandleKind::StepUp, text);
    let handle = handle.ok().filter(|handle| handle.provider == party.name()).ok_or(UNKNOWN)?;
    match used_first(visit, &handle).await {
        Ok(()) => Ok(json!({ "session_id": handle.session_id.expose() })),
        Err((Failure::StoreUnavailable, _)) => Err(Refused::Unavailable),
        Err(_) => Err(UNKNOWN),
    }
}

/// A handle is used once, and soon: in this process, and in all that share its store.
pub(crate) async fn used_first(visit: &Visit<'_>, handle: &Handle) -> Result<(), Failed> {
    let over = |why: &str| (Failure::AttemptExpired, Some(why.to_owned()));
    if handle.is_over(visit.now) {
        return Err(over("the handle is too old"));
    }
    let (sessions, uses) = (Some(&*visit.desk.sessions), &visit.desk.first_uses);
    let (what, id, until) = (OneTime::Handle, &handle.id, handle.ends());
    match uses.claim_everywhere(sessions, (what, "", id), until, visit.now).await {
        FirstUse::Again => Err(over("the handle was used before")),
        FirstUse::First => Ok(()),
        FirstUse::Unknown => {
            let why = "nobody can tell whether the handle was used before".to_owned();
            Err((Failure::StoreUnavailable, Some(why)))
        }
    }
}

/// The app whose login service asks, and what it says.
fn told<'v>(visit: &Visit<'v>) -> Result<(&'v Party, Map<String, Value>), Refused> {
    let kind = visit.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_json = kind.is_some_and(|kind| kind.starts_with(b"application/json"));
    let members = distinct_object(visit.body).filter(|_| is_json);
    let members = members.ok_or(Refused::Request("expected a JSON object, as application/json"))?;
    let name = members.get("provider").and_then(Value::as_str);
    let party = name.and_then(|name| visit.desk.party_named(name)).ok_or(Refused::Client)?;
    if is_login_service(visit, party) { Ok((party, members)) } else { Err(Refused::Client) }
}

fn is_login_service(visit: &Visit<'_>, party: &Party) -> bool {
    let secret = party.settings.backend.as_ref().and_then(|backend| backend.secret.as_ref());
    let mut values = visit.headers().get_all(header::AUTHORIZATION).iter();
    let (Some(secret), Some(shown), None) = (secret, values.next(), values.next()) else {
        return false;
    };
    let shown = shown.as_bytes().strip_prefix(b"Bearer ").unwrap_or_default();
    verify_slices_are_equal(shown, secret.expose().as_bytes()).is_ok()
}

fn answer(outcome: Result<Value, Refused>) -> Reply {
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(Refused::Client) => {
            tracing::warn!("a login service did not prove to be one");
            (StatusCode::UNAUTHORIZED, json!({ "error": "invalid_client" }))
        }
        Err(Refused::Request(why)) => {
            let body = json!({ "error": "invalid_request", "error_description": why });
            (StatusCode::BAD_REQUEST, body)
        }
        Err(Refused::Unavailable) => {
            (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": "temporarily_unavailable" }))
        }
    };
    let reply = Reply::json(body.to_string()).with_status(status);
    match status {
        StatusCode::UNAUTHORIZED => {
            reply.with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            reply.with(header::RETRY_AFTER, HeaderValue::from_static("5"))
        }
        _ => reply,
    }
}
