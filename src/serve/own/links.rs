//! Where browsers are led: redirects, pages that lead on by themselves, and the addresses of our own endpoints.

use http::StatusCode;
use http::header::{self, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::serve::own::visit::Visit;
use crate::serve::pages::Leaving;
use crate::serve::reply::Reply;
use crate::session::ReturnTo;

/// A page whose only script may run.
pub(crate) fn scripted(visit: &Visit<'_>, leaving: Leaving<'_>) -> Reply {
    let (pages, language) = (visit.asker.pages, visit.asker.language);
    let page = pages.leaving(leaving, language, visit.asker.request_id);
    Reply::page(StatusCode::OK, page, Reply::policy_with_script(leaving.script))
}

/// 303: whatever came, the next request is a GET, and never takes a body along
/// ([RFC 9700 §4.12](https://www.rfc-editor.org/rfc/rfc9700#section-4.12)).
pub(crate) fn redirect(location: &str) -> Reply {
    let reply = Reply::empty(StatusCode::SEE_OTHER)
        .with(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    match HeaderValue::try_from(location) {
        Ok(location) => reply.with(header::LOCATION, location),
        Err(_) => reply.with(header::LOCATION, HeaderValue::from_static("/")),
    }
}

/// Goes where the page leads.
pub(crate) const GO: &str = r#"location.replace(document.getElementById("go").href)"#;

/// As [`back`], for a browser that has just got its session. Where the session's cookie goes only with requests that began on the same
/// site ([RFC 6265bis §5.2](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5.2)), a page of ours is where
/// the next one begins: a redirect would go on with what began at the provider.
pub(crate) fn back_with_session(visit: &Visit<'_>, return_to: &ReturnTo) -> Reply {
    if visit.cookie().is_strict() && visit.is_navigation() {
        return scripted(visit, Leaving { link: return_to.as_str(), key: "", script: GO });
    }
    back(return_to)
}

/// Where the person wanted to go.
pub(crate) fn back(return_to: &ReturnTo) -> Reply {
    redirect(return_to.as_str())
}

/// The path that begins a sign-in.
pub(crate) fn login_path(prefix: &str, return_to: &ReturnTo, provider: Option<&str>) -> String {
    let encoded = utf8_percent_encode(return_to.as_str(), NON_ALPHANUMERIC);
    let provider = provider.map(|name| format!("&provider={name}")).unwrap_or_default();
    format!("{prefix}/login?return_to={encoded}{provider}")
}
