//! Front-channel logout: the provider shows us in a frame, so that we end the session it names
//! ([Front-Channel Logout 1.0](https://openid.net/specs/openid-connect-frontchannel-1_0.html)).
//!
//! Nothing of such a request is proven, and in a frame of another site no cookie comes along. So only a session that the
//! provider names ends, by an identifier that nobody can guess; without one, only that of the browser that shows its cookie.

use http::StatusCode;
use http::header::HeaderValue;

use crate::oidc::logout::{FrontChannelLogout, parse_front_channel};
use crate::serve::own::desk::Party;
use crate::serve::own::visit::Visit;
use crate::serve::reply::Reply;
use crate::session::Revoked;

/// Ends the session that the provider called `name` is done with.
pub(crate) async fn logout(visit: &Visit<'_>, name: &str) -> Reply {
    let Some(party) = visit.desk.party_named(name) else {
        return Reply::empty(StatusCode::NOT_FOUND);
    };
    let what = match parse_front_channel(visit.query()) {
        // Whoever else may speak for the provider names its sessions.
        Ok(FrontChannelLogout::Session { issuer, sid }) if speaks_for(party, &issuer) => {
            Some(Revoked::Sid { issuer: party.issuer().to_owned(), sid })
        }
        Ok(FrontChannelLogout::Session { .. }) | Err(_) => {
            return page(StatusCode::BAD_REQUEST, party);
        }
        Ok(FrontChannelLogout::Browser) => of_browser(visit, party).await,
    };
    let Some(what) = what else { return page(StatusCode::OK, party) };
    let until = visit.desk.latest_end(&visit.runtime.policy, visit.now);
    if visit.desk.sessions.end(&what, visit.now, until, visit.now).await.is_err() {
        return page(StatusCode::SERVICE_UNAVAILABLE, party);
    }
    visit.runtime.metrics.sessions().ended("front_channel");
    page(StatusCode::OK, party).with_cookies(visit.clear_session())
}

fn speaks_for(party: &Party, issuer: &str) -> bool {
    let others = &party.client.settings().logout.front_channel_issuers;
    issuer == party.issuer() || others.iter().any(|other| other == issuer)
}

async fn of_browser(visit: &Visit<'_>, party: &Party) -> Option<Revoked> {
    let present = visit.present().await.ok()?;
    let ours = present.session.provider == party.name();
    ours.then(|| Revoked::Session(present.session.id))
}

/// An empty page that the provider may frame, and nobody else.
fn page(status: StatusCode, party: &Party) -> Reply {
    let origin =
        url::Url::parse(party.issuer()).map(|issuer| issuer.origin().ascii_serialization());
    let policy =
        format!("default-src 'none'; frame-ancestors {}", origin.as_deref().unwrap_or("'none'"));
    let policy = HeaderValue::try_from(policy)
        .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    Reply::page(status, "<!doctype html><title>.</title>".to_owned(), policy)
}
