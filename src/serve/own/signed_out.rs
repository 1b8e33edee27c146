//! After a sign-out: where browsers come back to, from the provider or from the host where people sign in.

use http::StatusCode;
use http::header::{self, HeaderValue};

use crate::serve::own::links::{login_path, redirect};
use crate::serve::own::login::demand;
use crate::serve::own::visit::{Absent, Visit, only};
use crate::serve::pages::Explanation;
use crate::serve::reply::Reply;
use crate::session::{Farewell, Parting, ReturnTo};

/// The page after signing out. It needs no session and begins none: it does not lead back in by itself. Who comes from a sign-out that
/// was begun here loses what is left of the session; where people sign in for other hosts, the way leads on to where that host says.
/// Anybody else sees the page, and nothing else happens.
pub(crate) async fn signed_out(visit: &Visit<'_>) -> Reply {
    if let Some(Farewell { onward, .. }) = farewell(visit) {
        return redirect(&onward).with_cookies(left_over(visit).await);
    }
    let Some(parting) = parting(visit) else { return goodbye(visit) };
    tracing::info!(session = ?parting.session, "back from the sign-out of the provider");
    goodbye(visit).with_cookies(left_over(visit).await)
}

/// The sign-out at a provider that the browser comes back from, if the `state` that it brings is one of ours.
fn parting(visit: &Visit<'_>) -> Option<Parting> {
    let state = only(visit.query().as_bytes(), "state").ok()??;
    let opened = Parting::open(&visit.sessions.keys, visit.host(), &state, visit.now);
    opened
        .inspect_err(|error| tracing::info!(%error, "a return from a sign-out not begun here"))
        .ok()
}

fn farewell(visit: &Visit<'_>) -> Option<Farewell> {
    let next = only(visit.query().as_bytes(), "next").ok()??;
    let ours = visit.is_home();
    let open = || Farewell::open(&visit.sessions.keys, visit.host(), &next, visit.now).ok();
    ours.then(open).flatten()
}

/// What deletes the cookie of a session that is over: one that lives is not ended by a link.
async fn left_over(visit: &Visit<'_>) -> Vec<HeaderValue> {
    match visit.present().await {
        Ok(_) | Err(Absent::NoCookie | Absent::Unknown) => Vec::new(),
        Err(_) => visit.clear_session(),
    }
}

fn goodbye(visit: &Visit<'_>) -> Reply {
    // Where people only sign in for others, there is nothing to come back to.
    let leads_somewhere = !visit.is_home() || demand(visit, &ReturnTo::root()).is_some();
    let link = leads_somewhere.then(|| login_path(visit.prefix(), &ReturnTo::root(), None));
    let explanation = Explanation {
        code: "signed_out",
        message: "signed out",
        title: Some("title.signed_out"),
        link: link.as_deref(),
        ..Explanation::default()
    };
    let reply = Reply::explain(StatusCode::OK, &explanation, visit.asker);
    reply.replacing(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
