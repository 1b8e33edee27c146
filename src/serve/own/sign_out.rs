//! Signing out: here, at the provider, and wherever else the configuration says.

mod provider;

use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::gate::{Home, Scheme};
use crate::remote::egress::Egress;
use crate::remote::error_text;
use crate::remote::http::Target;
use crate::serve::own::failure::Failure;
use crate::serve::own::links::{GO, redirect, scripted};
use crate::serve::own::visit::{Absent, Present, Visit, only};
use crate::serve::pages::{Explanation, Leaving, SignOutForm};
use crate::serve::reply::{Audience, Reply};
use crate::session::{Farewell, ReturnTo, Revoked, Session};

/// How long other services that are told of a sign-out may take.
const NOTICE: Duration = Duration::from_secs(5);

/// What browsers shall forget of us ([Clear Site Data](https://www.w3.org/TR/clear-site-data/)): what is cached was made for
/// somebody who is gone.
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// Signs out who asks for it from a page of ours, and asks everybody else.
pub(crate) async fn logout(visit: &Visit<'_>) -> Reply {
    let posted = *visit.request.method == Method::POST;
    let parameters = if posted { visit.body } else { visit.query().as_bytes() };
    let Ok(return_to) = only(parameters, "return_to") else {
        return Failure::MalformedAnswer.reply(visit, Some("return_to is given twice"), None);
    };
    let return_to = allowed(visit, return_to.as_deref());
    if posted && visit.comes_from_ourselves() {
        return sign_out(visit, return_to).await;
    }
    confirm(visit, return_to)
}

/// Signs out who follows a link of a page of ours, as oauth2-proxy does, and asks everybody else: only browsers that say where a link
/// was are believed.
pub(crate) async fn by_link(visit: &Visit<'_>) -> Reply {
    let query = visit.query().as_bytes();
    let Ok(return_to) = only(query, "rd") else {
        return Failure::MalformedAnswer.reply(visit, Some("rd is given twice"), None);
    };
    let return_to = allowed(visit, return_to.as_deref());
    let is_link = *visit.request.method == Method::GET && visit.is_navigation();
    if is_link && visit.comes_from_ourselves() {
        return sign_out(visit, return_to).await;
    }
    confirm(visit, return_to)
}

/// Where a person goes after signing out: an address of the list, or one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
enum After {
    /// Our own page.
    Page,
    /// Somewhere else, or a path of ours.
    There(String),
}

fn allowed(visit: &Visit<'_>, text: Option<&str>) -> After {
    // Whole, since the provider must know it: it is an address that is registered there.
    let usual = visit.desk.sign_out.usually.as_ref().map(|address| whole(visit, address));
    let text = match text {
        // Our own page that asks names it, too.
        Some(text) if usual.as_deref() != Some(text) => text,
        _ => return usual.map_or(After::Page, After::There),
    };
    let listed = Url::parse(text).ok().filter(|url| visit.desk.sign_out.return_to.contains(url));
    if let Some(url) = listed {
        return After::There(url.into());
    }
    let origin = visit.origin();
    let ours =
        origin.and_then(|origin| ReturnTo::parse(text, &origin, &visit.desk.return_hosts).ok());
    ours.map_or(After::Page, |address| After::There(address.as_str().to_owned()))
}

/// Any page can lead a browser here: only a click on our own page ends the session.
fn confirm(visit: &Visit<'_>, after: After) -> Reply {
    if visit.asker.audience == Audience::Program {
        let explanation = Explanation {
            code: "confirmation_required",
            message: "signing out takes a POST from a page of this origin",
            ..Explanation::default()
        };
        return Reply::explain(StatusCode::FORBIDDEN, &explanation, visit.asker);
    }
    let action = format!("{}/logout", visit.prefix());
    let return_to = match &after {
        After::Page => None,
        After::There(address) => Some(address.as_str()),
    };
    let form = SignOutForm { action: &action, cancel: "/", return_to };
    let (pages, language) = (visit.asker.pages, visit.asker.language);
    let page = pages.sign_out(form, language, visit.asker.request_id);
    // Without referrers, browsers would send the form without its origin.
    Reply::page(StatusCode::OK, page, Reply::policy_with_forms())
        .replacing(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"))
}

async fn sign_out(visit: &Visit<'_>, after: After) -> Reply {
    let location = match visit.present().await {
        Ok(present) => match ended(visit, &present, &after).await {
            Ok(location) => by_home(visit, location),
            Err(reply) => return *reply,
        },
        Err(Absent::Unknown) => return Failure::StoreUnavailable.reply(visit, None, None),
        Err(_) => match provider::sso_sign_out(visit, &after) {
            Some(location) => by_home(visit, location),
            None => at_home(visit, &after).unwrap_or_else(|| here(visit, &after)),
        },
    };
    let reply = leave(visit, &location).with_cookies(visit.clear_session());
    let reply = reply.with_cookies(upstream_cookies(visit));
    reply.with(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\""))
}

/// The host where people sign in, if it has cookies of its own.
fn home_apart<'v>(visit: &Visit<'v>) -> Option<&'v Home> {
    visit.home().filter(|_| !visit.sessions.shares(visit.host()))
}

/// On to `location` by way of the host where people sign in: what was ended here is a cookie there too, which would be forgotten to
/// be ended when this process is. Straight on, where the address would be too long for that.
fn by_home(visit: &Visit<'_>, location: String) -> String {
    let (Some(home), Some(nonce)) = (home_apart(visit), visit.desk.nonce()) else {
        return location;
    };
    let farewell = Farewell { onward: whole(visit, &location), created: visit.now };
    let next = farewell.seal(&visit.sessions.keys, &home.host, nonce);
    next.map_or(location, |next| {
        format!("{}{}/signed-out?next={next}", home.origin, visit.prefix())
    })
}

/// The question at the host where people sign in: there may be a session there, though there is none here.
fn at_home(visit: &Visit<'_>, after: &After) -> Option<String> {
    let question = format!("{}{}/logout", home_apart(visit)?.origin, visit.prefix());
    Some(match after {
        After::Page => question,
        After::There(address) => {
            let address = whole(visit, address);
            format!("{question}?return_to={}", utf8_percent_encode(&address, NON_ALPHANUMERIC))
        }
    })
}

/// The address as it is told at another origin.
fn whole(visit: &Visit<'_>, address: &str) -> String {
    if address.starts_with('/') { visit.base() + address } else { address.to_owned() }
}

/// Browsers apply `form-action` to where a form's answer redirects too, and then on from there: a provider that asks further
/// providers would be cut short ([CSP 3 §6.4.1](https://www.w3.org/TR/CSP3/#directive-form-action)). A page ends the form.
fn leave(visit: &Visit<'_>, location: &str) -> Reply {
    if location.starts_with('/') || !visit.shows_pages() {
        return redirect(location);
    }
    scripted(visit, Leaving { link: location, key: "", script: GO })
}

/// Ends the session here first: what follows may fail.
async fn ended(visit: &Visit<'_>, present: &Present, after: &After) -> Result<String, Box<Reply>> {
    let session = &present.session;
    let until = visit.desk.latest_end(&visit.runtime.policy, visit.now);
    let tokens = visit.desk.sessions.tokens(session);
    let what = Revoked::Session(session.id);
    let end = visit.desk.sessions.end(&what, visit.now, until, visit.now);
    if let Err(error) = end.await {
        let detail = error.to_string();
        return Err(Box::new(Failure::StoreUnavailable.reply(visit, Some(&detail), None)));
    }
    end_at_other_apps(visit, session).await;
    visit.runtime.metrics.sessions().ended("signed_out");
    tracing::info!(provider = session.provider, session = ?session.id, "signed out");
    notify(visit);
    let there = match visit.desk.party_named(&session.provider) {
        Some(party) => provider::leave(visit, party, (session.id, tokens), after).await,
        None => None,
    };
    Ok(there.unwrap_or_else(|| here(visit, after)))
}

/// Whatever else came out of the same session of the provider ends with it, where that is kept for backends.
async fn end_at_other_apps(visit: &Visit<'_>, session: &Session) {
    let party = visit.desk.party_named(&session.provider);
    let is_backend = party.is_some_and(|party| party.backend.is_some());
    let Some(sid) = session.sid.clone().filter(|_| is_backend) else { return };
    let until = visit.desk.latest_end(&visit.runtime.policy, visit.now);
    let what = Revoked::Sid { issuer: session.issuer.clone(), sid };
    if let Err(error) = visit.desk.sessions.end(&what, visit.now, until, visit.now).await {
        tracing::warn!(%error, "sessions of other apps could not be ended in the store");
    }
}

fn here(visit: &Visit<'_>, after: &After) -> String {
    match after {
        After::Page => format!("{}/signed-out", visit.prefix()),
        After::There(address) => address.clone(),
    }
}

/// Tells other services, in the background.
fn notify(visit: &Visit<'_>) {
    for url in visit.desk.sign_out.notify.clone() {
        let client = visit.desk.outbound.clone();
        tokio::spawn(async move {
            let target = Target { url: &url, egress: Egress::Configured, deadline: NOTICE };
            if let Err(error) = client.get(target, None).await {
                let error = error_text(&error);
                tracing::warn!(%url, error, "service could not be told of a sign-out");
            }
        });
    }
}

/// Deletes the cookies of apps that would keep their own sessions otherwise, for the host and its path `/`. Browsers take nothing for
/// names that begin with `__Host-` or `__Secure-`, not even their end, without `Secure` (CVE-2025-55162).
fn upstream_cookies(visit: &Visit<'_>) -> Vec<HeaderValue> {
    let secure = if visit.request.scheme == Scheme::Https { "; Secure" } else { "" };
    let delete =
        |name: &String| HeaderValue::try_from(format!("{name}=; Path=/; Max-Age=0{secure}")).ok();
    visit.desk.sign_out.clear_cookies.iter().filter_map(delete).collect()
}
