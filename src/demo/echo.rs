//! The demo's app: shows what reached it, and knows nothing of how anybody signs in.
//!
//! For people a page, for programs JSON. Of credentials it tells the size and never the value, so that a screenshot of the
//! demo gives nothing away.

use http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, PROXY_AUTHORIZATION,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use minijinja::{Value, context};
use serde_json::json;

use super::addresses::Addresses;
use super::page::Pages;
use super::site::{Answer, Request, Site};

/// The headers in which sidegate says who is calling, and what each means.
const IDENTITY: [(&str, &str); 4] = [
    ("X-Forwarded-User", "who is calling: the subject of the token"),
    ("X-Forwarded-Preferred-Username", "the name they go by"),
    ("X-Forwarded-Email", "their address"),
    ("X-Forwarded-Groups", "the groups they are in"),
];

/// The headers in which sidegate says how the request came.
const DELIVERY: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

/// The app's places: the first part of the path, what the navigation calls it, and what is to be said of it to who is known.
/// Any other path is the first one's.
const PLACES: [(&str, &str, &str); 7] = [
    ("", "Home", "This app knows nothing of sign-in. Sidegate told it who you are."),
    ("public", "Public", "This page is public. Sidegate asks nobody here."),
    (
        "guest",
        "Guest",
        "Everybody may see this page. Sidegate looked whether somebody is signed in, and you are.",
    ),
    (
        "admin",
        "Admin",
        "You may be here because you are in the group admin. This app did not check that: sidegate did.",
    ),
    (
        "fresh",
        "Fresh",
        "You typed your password within the last minute. A minute from now, sidegate will ask for it again.",
    ),
    (
        "mfa",
        "MFA",
        "You signed in with a second factor. Sidegate asked for it when you came to this page.",
    ),
    (
        "sso",
        "SSO cookie",
        "Here sidegate keeps no session: the login service set a cookie that is a JWT, and sidegate checks it.",
    ),
];

/// An app that answers every path with what it received.
#[derive(Debug)]
pub struct EchoApp {
    pages: Pages,
    sign_out: String,
}

impl EchoApp {
    /// The app; its form for signing out leads to sidegate, and on to the login service.
    pub fn new(addresses: &Addresses) -> Self {
        let issuer = addresses.issuer();
        Self {
            pages: Pages::new(&format!("'self' {issuer}")),
            sign_out: format!("{issuer}/signout"),
        }
    }

    fn page(&self, request: &Request) -> Response<Vec<u8>> {
        let (headers, place) = (request.headers(), place(request.uri().path()));
        let context = context! {
            method => request.method().as_str(),
            target => request.uri().to_string(),
            places => PLACES.map(|(path, name, _)| context! { path, name, current => path == place.0 }).to_vec(),
            place => place.0,
            said => place.2,
            user => headers.get("x-forwarded-user").map(shown),
            groups => groups(headers),
            identity => IDENTITY.iter().map(|row| identity_row(headers, row)).collect::<Vec<Value>>(),
            delivery => rows(headers, is_delivery),
            others => rows(headers, |name| !is_delivery(name) && !is_identity(name)),
            sign_out => self.sign_out.as_str(),
        };
        self.pages.render(StatusCode::OK, "echo.html", "The echo app", context)
    }
}

impl Site for EchoApp {
    fn answer(&self, request: &Request) -> Answer {
        if request.uri().path() == "/events" {
            return Answer::Ticks;
        }
        if wants_json(request.headers()) {
            return Answer::Whole(document(request));
        }
        Answer::Whole(self.page(request))
    }
}

/// Whether JSON is asked for by name and HTML is not.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).map_or("", |value| value.to_str().unwrap_or(""));
    accept.contains("application/json") && !accept.contains("text/html")
}

fn document(request: &Request) -> Response<Vec<u8>> {
    let headers = request.headers();
    let identity: serde_json::Map<String, serde_json::Value> = IDENTITY
        .iter()
        .map(|(name, _)| ((*name).to_owned(), json!(headers.get(*name).map(shown))))
        .collect();
    let all: Vec<_> =
        headers.iter().map(|(name, value)| json!([name.as_str(), display(name, value)])).collect();
    let document = json!({
        "method": request.method().as_str(),
        "target": request.uri().to_string(),
        "identity": identity,
        "headers": all,
    });
    let mut response = Response::new(format!("{document:#}\n").into_bytes());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Where a path lies.
fn place(path: &str) -> &'static (&'static str, &'static str, &'static str) {
    let first = path.split('/').nth(1).unwrap_or("");
    PLACES.iter().find(|(known, ..)| *known == first).unwrap_or(&PLACES[0])
}

fn identity_row(headers: &HeaderMap, (name, meaning): &(&'static str, &'static str)) -> Value {
    context! { name => *name, meaning => *meaning, value => headers.get(*name).map(shown) }
}

fn groups(headers: &HeaderMap) -> Vec<String> {
    let list = headers.get("x-forwarded-groups").map(shown).unwrap_or_default();
    list.split(',').map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned).collect()
}

fn rows(headers: &HeaderMap, wanted: impl Fn(&HeaderName) -> bool) -> Vec<Value> {
    let wanted = headers.iter().filter(|(name, _)| wanted(name));
    wanted
        .map(|(name, value)| context! { name => name.as_str(), value => display(name, value) })
        .collect()
}

fn is_delivery(name: &HeaderName) -> bool {
    DELIVERY.contains(&name.as_str())
}

fn is_identity(name: &HeaderName) -> bool {
    IDENTITY.iter().any(|(known, _)| name.as_str().eq_ignore_ascii_case(known))
}

/// The value as it may be shown: of a credential, only that it is there and how long it is.
fn display(name: &HeaderName, value: &HeaderValue) -> String {
    let credential =
        [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name) || value.is_sensitive();
    if credential || is_token(value.as_bytes()) {
        return format!("present ({} bytes)", value.len());
    }
    shown(value)
}

/// Whether a value is a JWT, whatever its header is called: all begin with `{"` in base64url.
fn is_token(value: &[u8]) -> bool {
    value.starts_with(b"eyJ") && value.iter().filter(|byte| **byte == b'.').count() >= 2
}

fn shown(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests;
