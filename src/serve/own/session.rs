//! What a browser's own scripts may know of its session, and how they keep it alive.

use http::StatusCode;
use http::header::{self, HeaderValue};
use serde_json::{Value, json};

use crate::gate::Reason;
use crate::serve::own::links::login_path;
use crate::serve::own::visit::{Absent, Present, Visit};
use crate::serve::reply::Reply;
use crate::session::{ReturnTo, Session};

/// Warns before the session ends, and renews it.
const SCRIPT: &str = include_str!("session.js");

/// The script, the same for everyone.
pub(crate) fn script() -> Reply {
    Reply::text(SCRIPT, HeaderValue::from_static("text/javascript; charset=utf-8"))
        .replacing(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"))
}

/// Who is signed in and until when. Extends nothing, asks nobody.
pub(crate) async fn tell(visit: &Visit<'_>) -> Reply {
    match visit.present().await {
        Ok(Present { session, .. }) => Reply::json(described(visit, &session).to_string()),
        Err(Absent::Unknown) => unavailable(visit),
        Err(_) => Reply::json(nobody(visit).to_string()),
    }
}

/// Extends the idle time of the session, as any request of the person would. Only scripts of our own origin may.
pub(crate) async fn renew(visit: &Visit<'_>) -> Reply {
    if !visit.comes_from_ourselves() {
        return Reply::refusal(Reason::CrossOriginUpgrade, visit.asker)
            .with_status(StatusCode::FORBIDDEN);
    }
    let Present { session, ticket } = match visit.present().await {
        Ok(present) => present,
        Err(Absent::Unknown) => return unavailable(visit),
        Err(_) => {
            let reply = Reply::json(nobody(visit).to_string());
            return reply.with_status(StatusCode::UNAUTHORIZED);
        }
    };
    let session = session.touched(&visit.sessions.limits, visit.now);
    let saved = visit.desk.sessions.save(&session, ticket.as_ref(), visit.place(), visit.now).await;
    let Ok(value) = saved else { return unavailable(visit) };
    let chunks = visit.cookie().chunks_present(visit.headers());
    let lifetime = session.persistent.then(|| visit.now.until(session.ends));
    let Ok(cookies) = visit.cookie().write(&value, lifetime, chunks) else {
        return unavailable(visit);
    };
    Reply::json(described(visit, &session).to_string()).with_cookies(cookies)
}

fn described(visit: &Visit<'_>, session: &Session) -> Value {
    let claim = |name: &str| session.claims.get(name).cloned().unwrap_or_default();
    json!({
        "authenticated": true,
        "subject": session.subject,
        "issuer": session.issuer,
        "provider": session.provider,
        "name": claim("name"),
        "email": claim("email"),
        "preferred_username": claim("preferred_username"),
        "authenticated_at": claim("auth_time"),
        "acr": claim("acr"),
        "amr": claim("amr"),
        "started_at": session.started.as_secs(),
        "idle_expires_at": session.idle_until.as_secs(),
        "expires_at": session.ends.as_secs(),
        "expires_in": visit.now.until(session.idle_until.min(session.ends)).as_secs(),
        "login_url": login_url(visit),
        "logout_url": format!("{}{}/logout", visit.base(), visit.prefix()),
    })
}

fn nobody(visit: &Visit<'_>) -> Value {
    json!({"authenticated": false, "login_url": login_url(visit)})
}

fn login_url(visit: &Visit<'_>) -> String {
    format!("{}{}", visit.base(), login_path(visit.prefix(), &ReturnTo::root(), None))
}

fn unavailable(visit: &Visit<'_>) -> Reply {
    Reply::refusal(Reason::SessionsUnavailable, visit.asker)
        .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every page of an app may load it.
    #[test]
    fn the_script_has_at_most_two_kibibytes() {
        assert!(SCRIPT.len() <= 2048, "{} bytes", SCRIPT.len());
    }
}
