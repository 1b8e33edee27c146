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

/// An app that answers every path with what it received.
#[derive(Debug)]
pub struct EchoApp {
    pages: Pages,
    sign_out: String,
}

impl EchoApp {
    /// The app; it links to the login service for signing out.
    pub fn new(addresses: &Addresses) -> Self {
        Self { pages: Pages::new("'none'"), sign_out: format!("{}/signout", addresses.issuer()) }
    }

    fn page(&self, request: &Request) -> Response<Vec<u8>> {
        let headers = request.headers();
        let context = context! {
            method => request.method().as_str(),
            target => request.uri().to_string(),
            area => area(request.uri().path()),
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

/// Which of the app's three places a path lies in.
fn area(path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("admin") => "admin",
        Some("public") => "public",
        _ => "home",
    }
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
