//! Signing out: here, at the provider, and wherever else the configuration says.

use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::base::secret::Secret;
use crate::gate::{Home, Scheme, SignInFlow};
use crate::oidc::logout::{LogoutRequest, sign_out_url};
use crate::oidc::revocation::TokenHint;
use crate::remote::egress::Egress;
use crate::remote::relying_party::HintRule;
use crate::serve::own::desk::{Party, random};
use crate::serve::own::failure::Failure;
use crate::serve::own::links::{GO, login_path, redirect, scripted};
use crate::serve::own::login::demand;
use crate::serve::own::visit::{Absent, Present, Visit, only};
use crate::serve::pages::{Explanation, Leaving, SignOutForm};
use crate::serve::reply::{Audience, Reply};
use crate::session::{Farewell, Parting, ReturnTo, Revoked, Session, SessionId, Tokens};
use crate::token::Jwt;

/// How long other services that are told of a sign-out may take.
const NOTICE: Duration = Duration::from_secs(5);

/// The longest ID token that is looked at, in bytes.
const MAX_HINT_BYTES: usize = 64 * 1024;

/// How long a fresh ID token must still be good: the browser needs a moment to the provider.
const HINT_MARGIN: Duration = Duration::from_secs(10);

/// What browsers shall forget of us ([Clear Site Data](https://www.w3.org/TR/clear-site-data/)): what is cached was made for
/// somebody who is gone.
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// Goes on to the sign-out of the provider.
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
        Err(_) => match sso_sign_out(visit, &after) {
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
    let Some(party) = visit.desk.party_named(&session.provider) else {
        return Ok(here(visit, after));
    };
    if let (Some(backend), Some(id)) = (&party.backend, &tokens.refresh) {
        backend.end(id);
        return Ok(here(visit, after));
    }
    let last = last_tokens(visit, party, tokens).await;
    if let Some(refresh) = last.refresh {
        revoke(party, refresh);
    }
    let fits = party.client.settings().logout.hint == HintRule::Any || last.id.is_some();
    let leaving = LeavingSession { id: session.id, hint: last.id.as_ref() };
    let there = if fits { at_provider(visit, party, leaving, after) } else { None };
    if !fits && visit.desk.sign_out.at_provider {
        let provider = party.name();
        tracing::warn!(
            provider,
            "there is no ID token that has not run out: the person is signed out here alone"
        );
    }
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

/// The tokens with which a session leaves its provider: the ID token so fresh as the provider wants it, or none.
async fn last_tokens(visit: &Visit<'_>, party: &Party, tokens: Tokens) -> Tokens {
    let settings = party.client.settings();
    let is_good = |token: &Secret<String>| {
        let jwt = Jwt::parse(token.expose(), MAX_HINT_BYTES);
        let later = visit.now + settings.rules.leeway + HINT_MARGIN;
        jwt.is_ok_and(|jwt| jwt.claims_hold(&settings.rules, later))
    };
    let wanted = visit.desk.sign_out.at_provider && settings.logout.hint == HintRule::Fresh;
    if !wanted || tokens.id.as_ref().is_some_and(is_good) {
        return tokens;
    }
    let (Some(refresh), Some(metadata)) = (&tokens.refresh, party.client.metadata().current())
    else {
        return Tokens { id: None, ..tokens };
    };
    match party.client.refresh(&metadata, refresh).await {
        Ok(answer) => Tokens {
            refresh: answer.refresh_token.or(tokens.refresh),
            id: answer.id_token.filter(is_good),
            access: None,
        },
        Err(error) => {
            let error = crate::remote::error_text(&error);
            tracing::warn!(provider = party.name(), error, "no fresh ID token for signing out");
            Tokens { id: None, ..tokens }
        }
    }
}

/// What the provider is told of the session that was ended.
#[derive(Clone, Copy)]
struct LeavingSession<'a> {
    id: SessionId,
    hint: Option<&'a Secret<String>>,
}

/// The provider's own sign-out, if it has one and shall be asked
/// ([RP-Initiated Logout 1.0 §2](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout)).
fn at_provider(
    visit: &Visit<'_>,
    party: &Party,
    session: LeavingSession<'_>,
    after: &After,
) -> Option<String> {
    if !visit.desk.sign_out.at_provider {
        return None;
    }
    let metadata = party.client.metadata().current()?;
    let settings = &party.client.settings().logout;
    let page = format!("{}{}/signed-out", visit.desk_base(), visit.prefix());
    let address = match after {
        After::There(address) if Url::parse(address).is_ok() => address.clone(),
        After::Page | After::There(_) => page,
    };
    let parting = Parting { session: session.id, created: visit.now };
    let host = visit.sessions.home.as_ref().map_or_else(|| visit.host(), |home| &home.host);
    let state = visit.desk.nonce().map(|nonce| parting.seal(&visit.sessions.keys, host, nonce));
    let request = LogoutRequest {
        id_token_hint: session.hint,
        client_id: party.client_id(),
        post_logout_redirect_uri: Some(&address),
        state: state.as_deref(),
        extra: &settings.extra,
    };
    let endpoint = metadata.endpoints.end_session.as_ref();
    sign_out_url(settings.style, party.issuer(), endpoint, &request)
}

/// Where nobody has a session of ours, but a cookie of a provider that signs people in by its own: only that can end it.
fn sso_sign_out(visit: &Visit<'_>, after: &After) -> Option<String> {
    let has_cookie = |party: &&Party| {
        let provider = visit.runtime.policy.provider(party.id());
        let resolver = provider.and_then(|provider| provider.resolver.as_ref());
        let offered = resolver.map(|resolver| resolver.offered(visit.headers(), None));
        party.settings.flow == SignInFlow::Cookie && !matches!(offered, None | Some(Ok(None)))
    };
    let party = visit.desk.parties().iter().find(has_cookie)?;
    // There is no session that it could be named by.
    let leaving = LeavingSession { id: SessionId::from_bytes(random()?), hint: None };
    at_provider(visit, party, leaving, after)
}

fn here(visit: &Visit<'_>, after: &After) -> String {
    match after {
        After::Page => format!("{}/signed-out", visit.prefix()),
        After::There(address) => address.clone(),
    }
}

/// In the background: the person need not wait for it ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).
fn revoke(party: &Party, token: Secret<String>) {
    let client = std::sync::Arc::clone(&party.client);
    let name = party.name().to_owned();
    tokio::spawn(async move {
        let Some(metadata) = client.metadata().current() else { return };
        if metadata.endpoints.revocation.is_none() {
            return;
        }
        let outcome = client.revoke(&metadata, &token, TokenHint::Refresh).await;
        match outcome {
            Ok(outcome) => tracing::debug!(provider = name, ?outcome, "refresh token revoked"),
            Err(error) => {
                let error = crate::remote::error_text(&error);
                tracing::warn!(provider = name, error, "refresh token could not be revoked");
            }
        }
    });
}

/// Tells other services, in the background.
fn notify(visit: &Visit<'_>) {
    for url in visit.desk.sign_out.notify.clone() {
        let client = visit.desk.outbound.clone();
        tokio::spawn(async move {
            let get = crate::remote::http::Get {
                url: &url,
                egress: Egress::Configured,
                deadline: NOTICE,
                validators: None,
            };
            if let Err(error) = client.get(get).await {
                let error = crate::remote::error_text(&error);
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
