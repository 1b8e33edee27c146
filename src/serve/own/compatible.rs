//! Endpoints of oauth2-proxy that have no like among ours.

use http::StatusCode;
use http::header::HeaderValue;
use serde_json::json;

use crate::gate::Reason;
use crate::serve::own::establish::identity;
use crate::serve::own::links::{login_path, scripted};
use crate::serve::own::login::Refused;
use crate::serve::own::visit::{Absent, Visit};
use crate::serve::pages::{Explanation, Leaving};
use crate::serve::reply::{Audience, Reply};
use crate::session::ReturnTo;

/// Goes on with the fragment of the address at which the page is shown.
const GO: &str = r#"(function(){var a=document.getElementById("go");location.replace(a.getAttribute("href")+location.hash)})()"#;

/// All is well, as far as can be told without asking anybody.
pub(super) fn well() -> Reply {
    Reply::text("OK", HeaderValue::from_static("text/plain; charset=utf-8"))
}

/// Whether sessions can be kept.
pub(super) async fn ready(visit: &Visit<'_>) -> Reply {
    match visit.desk.sessions.check().await {
        Ok(()) => well(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Reply::empty(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// The page that leads on to signing in. A page and no redirect: proxies in front show it in place of what was wanted, under a status of
/// theirs.
pub(super) fn sign_in_page(visit: &Visit<'_>) -> Reply {
    let Ok(wanted) = visit.foreign_return_to() else {
        return Reply::refusal(Reason::MalformedTarget, visit.asker);
    };
    let return_to = match visit.return_to(wanted.as_deref()) {
        Ok(return_to) => return_to,
        Err(Refused::Failed(failure, detail)) => {
            return failure.reply(visit, detail.as_deref(), None);
        }
        Err(Refused::Repeated) => ReturnTo::root(),
    };
    let link = login_path(visit.prefix(), &return_to, None);
    if visit.asker.audience == Audience::Person {
        return scripted(visit, Leaving { link: &link, key: "", script: GO });
    }
    let link = format!("{}{link}", visit.base());
    let explanation = Explanation {
        code: "login_required",
        message: Reason::MissingCredential.public_text(),
        link: Some(&link),
        ..Explanation::default()
    };
    let challenge = HeaderValue::from_static("Bearer realm=\"sidegate\"");
    Reply::explain(StatusCode::UNAUTHORIZED, &explanation, visit.asker)
        .with(http::header::WWW_AUTHENTICATE, challenge)
}

/// Who is signed in, and no token of theirs (CVE-2024-39315).
pub(super) async fn user_info(visit: &Visit<'_>) -> Reply {
    let present = match visit.present().await {
        Ok(present) => present,
        Err(Absent::Unknown) => return Reply::empty(StatusCode::SERVICE_UNAVAILABLE),
        Err(_) => return nobody(),
    };
    let Some(identity) = identity(visit, &present.session) else { return nobody() };
    let info = json!({
        "user": identity.user(),
        "email": identity.trusted_email(),
        "groups": identity.groups(),
        "preferredUsername": identity.preferred_username(),
    });
    Reply::json(info.to_string())
}

fn nobody() -> Reply {
    Reply::json(json!({ "error": "login_required" }).to_string())
        .with_status(StatusCode::UNAUTHORIZED)
}
