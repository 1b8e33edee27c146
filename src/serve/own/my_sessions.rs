//! A person's own sessions: where they are signed in, and the end of those they do not want.
//!
//! Only where sessions are in a store: of those in cookies nobody has a list. A session is named by its alias, which leads nowhere, and is
//! looked for among the person's own.

use std::borrow::Cow;

use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::base::time::Timestamp;
use crate::gate::Reason;
use crate::remote::sessions::{Known, ListError};
use crate::serve::own::links::{login_path, redirect};
use crate::serve::own::visit::{Absent, Present, Visit, only};
use crate::serve::pages::{Explanation, OwnSession};
use crate::serve::reply::{Audience, Reply};
use crate::session::{Note, ReturnTo, Revoked, Session, SessionId};
use crate::telemetry::audit::Moment;

/// The longest `User-Agent` that is looked at, in bytes.
const MAX_AGENT_BYTES: usize = 512;

/// Browsers by what they say of themselves. Others say the later words too.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// Shows the sessions of whoever asks, and ends those that a form of that page names.
pub(crate) async fn visit(visit: &Visit<'_>) -> Reply {
    let present = match visit.present().await {
        Ok(present) => present,
        Err(Absent::Unknown) => return unavailable(visit),
        Err(_) => return nobody(visit),
    };
    let session = &present.session;
    let listed = visit.desk.sessions.of_person(&session.issuer, &session.subject, visit.now).await;
    let known = match listed {
        Ok(known) => known,
        Err(ListError::InCookies) => return Reply::not_found(visit.asker),
        Err(ListError::Store(error)) => {
            tracing::warn!(%error, "sessions could not be listed");
            return unavailable(visit);
        }
    };
    if *visit.request.method == Method::POST {
        return end(visit, &present, &known).await;
    }
    show(visit, session.id, &known)
}

/// What is noted of `session`, which begins with this request.
pub(crate) fn noted(visit: &Visit<'_>, session: &Session) -> Note {
    let agent = visit.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    Note {
        provider: session.provider.clone(),
        subject: session.subject.clone(),
        host: visit.host().to_owned(),
        device: agent.and_then(device),
        started: session.started,
        ends: session.ends,
    }
}

fn show(visit: &Visit<'_>, own: SessionId, known: &[Known]) -> Reply {
    if visit.asker.audience == Audience::Program {
        let sessions: Vec<Value> = known.iter().map(|one| told(one, own)).collect();
        return Reply::json(json!({ "sessions": sessions }).to_string());
    }
    let sessions: Vec<OwnSession> = known.iter().map(|one| shown(one, own)).collect();
    let action = format!("{}/my-sessions", visit.prefix());
    let (pages, language) = (visit.asker.pages, visit.asker.language);
    let page = pages.own_sessions(&sessions, &action, language, visit.asker.request_id);
    // Without referrers, browsers would send the forms without their origin.
    Reply::page(StatusCode::OK, page, Reply::policy_with_forms())
        .replacing(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"))
}

/// Only a form of our own page ends anything: another site can post here, and brings the cookie along where that is for all sites.
async fn end(visit: &Visit<'_>, present: &Present, known: &[Known]) -> Reply {
    if !visit.comes_from_ourselves() {
        return Reply::refusal(Reason::CrossOriginUpgrade, visit.asker)
            .with_status(StatusCode::FORBIDDEN);
    }
    let own = present.session.id;
    let (Ok(named), Ok(others)) = (only(visit.body, "session"), only(visit.body, "others")) else {
        return Reply::refusal(Reason::MalformedTarget, visit.asker);
    };
    let is_meant = |one: &&Known| match &named {
        Some(alias) => one.id.alias() == **alias,
        None => others.as_deref() == Some("1") && one.id != own,
    };
    let until = visit.desk.latest_end(&visit.runtime.policy, visit.now);
    for one in known.iter().filter(is_meant) {
        let what = Revoked::Session(one.id);
        if visit.desk.sessions.end(&what, visit.now, until, visit.now).await.is_err() {
            return unavailable(visit);
        }
        visit.runtime.metrics.sessions().ended("by_its_owner");
        tracing::info!(session = ?one.id, "a session was ended by whose it is");
    }
    if named.as_deref() == Some(own.alias().as_str()) {
        let page = format!("{}/signed-out", visit.prefix());
        return redirect(&page).with_cookies(visit.clear_session());
    }
    redirect(&format!("{}/my-sessions", visit.prefix()))
}

fn nobody(visit: &Visit<'_>) -> Reply {
    let link = login_path(visit.prefix(), &ReturnTo::root(), None);
    let explanation = Explanation {
        code: "login_required",
        message: Reason::MissingCredential.public_text(),
        link: Some(&link),
        ..Explanation::default()
    };
    Reply::explain(StatusCode::UNAUTHORIZED, &explanation, visit.asker)
}

fn unavailable(visit: &Visit<'_>) -> Reply {
    Reply::refusal(Reason::SessionsUnavailable, visit.asker)
        .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
}

fn told(one: &Known, own: SessionId) -> Value {
    let note = one.note.as_ref();
    json!({
        "session": one.id.alias(),
        "current": one.id == own,
        "device": note.and_then(|note| note.device.as_deref()),
        "host": note.map(|note| note.host.as_str()),
        "started_at": note.map(|note| note.started.as_secs()),
        "used_at": one.used.as_secs(),
        "expires_at": note.map(|note| note.ends.as_secs()),
    })
}

fn shown(one: &Known, own: SessionId) -> OwnSession {
    let note = one.note.as_ref();
    OwnSession {
        alias: one.id.alias(),
        current: one.id == own,
        device: note.and_then(|note| note.device.clone()),
        host: note.map(|note| note.host.clone()),
        started: note.map(|note| minute(note.started)),
        used: minute(one.used),
    }
}

/// To the minute; which zone it is, the page says.
fn minute(time: Timestamp) -> String {
    let moment = Moment { unix_millis: time.as_secs().saturating_mul(1000) };
    moment.to_string().get(..16).unwrap_or_default().replace('T', " ")
}

/// A browser and its system, as far as they tell.
fn device(agent: &str) -> Option<String> {
    let agent = agent.get(..MAX_AGENT_BYTES.min(agent.len())).unwrap_or_default();
    let find = |table: &[(&str, &'static str)]| {
        table.iter().find(|(word, _)| agent.contains(word)).map(|(_, name)| *name)
    };
    let words = [find(&BROWSERS), find(&SYSTEMS)];
    let words: Vec<Cow<'_, str>> = words.into_iter().flatten().map(Cow::Borrowed).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_a_browser_and_a_system() {
        for (agent, expected) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
                Some("Firefox, Linux"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36 Edg/128.0.0.0",
                Some("Edge, Windows"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                Some("Safari, iPhone"),
            ),
            ("curl/8.5.0", None),
            ("", None),
        ] {
            assert_eq!(device(agent).as_deref(), expected, "{agent}");
        }
        let long = format!("{}é Firefox/1", "x".repeat(MAX_AGENT_BYTES - 1));
        assert_eq!(device(&long), None);
    }

    #[test]
    fn times_are_to_the_minute() {
        assert_eq!(minute(Timestamp::from_secs(1_795_599_059)), "2026-11-25 09:30");
    }
}
