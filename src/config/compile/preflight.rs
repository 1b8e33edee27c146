//! What a route does with upgrades and with requests of other origins.

use http::header::{HeaderName, HeaderValue};

use crate::config::compile::{times, words};
use crate::config::file::{List, Preflight as Written, PreflightRule, PreflightWord, Route};
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::Span;
use crate::gate::{Preflight, Upgrades};
use crate::serve::settings::ListenerSettings;
use crate::telemetry::Door;

/// Whether connections of the route may leave HTTP.
pub(super) fn upgrades(route: &Route, path: &KeyPath, report: &mut Report) -> Upgrades {
    let origins = origins(route.websocket_origins.as_ref(), &path.key("websocket_origins"), report);
    if route.upgrades.is_some() {
        return Upgrades::WebSocket { origins };
    }
    if route.websocket_origins.is_some() {
        let remedy = "write upgrades: [websocket], or remove it";
        report.refuse(
            &path.key("websocket_origins"),
            "no WebSocket can be opened on this route",
            remedy,
        );
    }
    Upgrades::Refuse
}

/// What becomes of CORS preflights of the route.
pub(super) fn preflight(
    written: Option<&Written>,
    path: &KeyPath,
    report: &mut Report,
) -> Option<Preflight> {
    match written {
        None | Some(Written::Word(PreflightWord::Refuse)) => Some(Preflight::Refuse),
        Some(Written::Word(PreflightWord::Forward)) => Some(Preflight::Forward),
        Some(Written::Rule(rule)) => answer(rule, path, report),
    }
}

/// Warns of preflights that are to be answered here, though only proxies in front ask: they pass a 2xx on to the app.
pub(super) fn check_answers(routes: &[Route], listeners: &[ListenerSettings], report: &mut Report) {
    let is = |door: Door| listeners.iter().any(|listener| listener.door == door);
    if is(Door::Proxy) || !is(Door::ForwardAuth) {
        return;
    }
    let path = KeyPath::root().key("routes");
    for (index, route) in routes.iter().enumerate() {
        if matches!(route.preflight, Some(Written::Rule(_))) {
            let message =
                "a proxy in front cannot be given the answer to a preflight: it is refused";
            let remedy =
                "write preflight: forward and have the app answer, or answer in the proxy itself";
            report.warn(&path.index(index).key("preflight"), message, remedy);
        }
    }
}

fn answer(rule: &PreflightRule, path: &KeyPath, report: &mut Report) -> Option<Preflight> {
    let origins = origins(Some(&rule.origins), &path.key("origins"), report);
    let methods = joined(&rule.methods, &path.key("methods"), report, |text, path, report| {
        words::method(text, path, report).map(|method| method.as_str().to_owned())
    });
    let headers = joined(&rule.headers, &path.key("headers"), report, header);
    let max_age =
        times::span(rule.max_age, Span::secs(0), Span::secs(86_400), &path.key("max_age"), report);
    let (methods, headers, max_age) = (methods?, headers?, max_age?);
    Some(Preflight::Answer { origins, methods, headers, max_age, credentials: rule.credentials })
}

fn header(text: &str, path: &KeyPath, report: &mut Report) -> Option<String> {
    if text == "*" || HeaderName::try_from(text).is_err() {
        report.refuse(
            path,
            format!("`{text}` is no header name"),
            "list the headers by name, such as Content-Type",
        );
        return None;
    }
    Some(text.to_owned())
}

/// The items as one comma-separated field; `None` if one of them is none.
fn joined(
    list: &List<String>,
    path: &KeyPath,
    report: &mut Report,
    read: impl Fn(&str, &KeyPath, &mut Report) -> Option<String>,
) -> Option<HeaderValue> {
    let items = list.0.iter().enumerate();
    let read: Vec<_> = items.map(|(index, text)| read(text, &path.index(index), report)).collect();
    let items: Option<Vec<String>> = read.into_iter().collect();
    HeaderValue::try_from(items?.join(", ")).ok()
}

fn origins(list: Option<&List<String>>, path: &KeyPath, report: &mut Report) -> Vec<String> {
    let items = list.iter().flat_map(|list| list.0.iter().enumerate());
    items.filter_map(|(index, text)| words::origin(text, &path.index(index), report)).collect()
}
