//! Back-channel logout: the provider tells us which sessions are over
//! ([Back-Channel Logout 1.0](https://openid.net/specs/openid-connect-backchannel-1_0.html)).
//!
//! Exactly 200 where it is done, 400 where the token does not hold, 503 where it could not be done and should be said again.

use http::StatusCode;
use http::header::{self, HeaderValue};

use crate::oidc::logout::{self, LogoutError, LogoutToken};
use crate::remote::error_text;
use crate::remote::jwks::Unread;
use crate::remote::replay::{FirstUse, OneTime};
use crate::serve::own::desk::Party;
use crate::serve::own::visit::Visit;
use crate::serve::reply::Reply;
use crate::session::Revoked;
use crate::token::KeySet;

/// Ends what the logout token of the provider called `name` says.
pub(crate) async fn logout(visit: &Visit<'_>, name: &str) -> Reply {
    let Some(party) = visit.desk.party_named(name) else {
        return refuse("unknown provider");
    };
    if !is_form(visit) {
        return refuse("expected application/x-www-form-urlencoded");
    }
    let token = match verified(visit, party).await {
        Ok(token) => token,
        Err(Refused::Bad(error)) => {
            let error = error_text(&error);
            tracing::warn!(provider = party.name(), error, "logout token refused");
            return refuse(&error);
        }
        Err(Refused::NoKeys) => return again(),
    };
    // What was issued by then is over; whoever signs in later is not meant.
    let until = visit.desk.latest_end(&visit.runtime.policy, visit.now);
    let Some(what) = ended(&token) else { return refuse("neither sub nor sid") };
    if let Err(error) = visit.desk.sessions.end(&what, token.issued, until, visit.now).await {
        tracing::warn!(provider = party.name(), %error, "logout could not be stored");
        return again();
    }
    // Used up only once it has done its work: a provider that was told to come back comes with the same token. Doing the work
    // twice ends nothing more.
    let (what, jti) = (OneTime::LogoutToken, token.jti.as_bytes());
    let (sessions, uses) = (Some(&*visit.desk.sessions), &visit.desk.first_uses);
    match uses.claim_everywhere(sessions, (what, party.name(), jti), until, visit.now).await {
        FirstUse::Again => return refuse("the logout token was used before"),
        FirstUse::First => {}
        FirstUse::Unknown => return again(),
    }
    visit.runtime.metrics.sessions().ended("back_channel");
    tracing::info!(provider = party.name(), "sessions ended by the provider");
    Reply::empty(StatusCode::OK)
}

enum Refused {
    Bad(LogoutError),
    NoKeys,
}

async fn verified(visit: &Visit<'_>, party: &Party) -> Result<LogoutToken, Refused> {
    let text = logout::parse_body(visit.body).map_err(Refused::Bad)?;
    let rules = &party.client.settings().logout.rules;
    let verify = |keys: &KeySet| logout::verify(text.expose(), keys, rules, visit.now);
    let doubts = LogoutError::key_doubt;
    match visit.runtime.keys.read(party.id(), text.expose(), verify, doubts).await {
        Ok((token, _)) => Ok(token),
        Err(Unread::NoKeys) => Err(Refused::NoKeys),
        Err(Unread::Refused(error) | Unread::Unchanged(error)) => Err(Refused::Bad(error)),
    }
}

/// With a `sid`, that login; without, all of the person's (§2.4).
fn ended(token: &LogoutToken) -> Option<Revoked> {
    let issuer = token.issuer.clone();
    match (&token.sid, &token.subject) {
        (Some(sid), _) => Some(Revoked::Sid { issuer, sid: sid.clone() }),
        (None, Some(subject)) => Some(Revoked::Subject { issuer, subject: subject.clone() }),
        (None, None) => None,
    }
}

fn is_form(visit: &Visit<'_>) -> bool {
    let kind = visit.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// §2.8. The description is for whoever runs the provider; it names no value of the token.
fn refuse(description: &str) -> Reply {
    let body = serde_json::json!({"error": "invalid_request", "error_description": description});
    Reply::json(body.to_string()).with_status(StatusCode::BAD_REQUEST)
}

fn again() -> Reply {
    Reply::empty(StatusCode::SERVICE_UNAVAILABLE)
        .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
}
