//! Questions of Envoy: nothing panics, and what passes as public is told whole, and by nobody in two ways.

#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use libfuzzer_sys::fuzz_target;
use prost::Message;
use sidegate::config::load_text;
use sidegate::gate::{Decision, Policy};
use sidegate::serve::ext_authz::examine;
use sidegate::serve::settings::RequestLimits;

const CONFIGURATION: &str = "
listeners: [{ address: '127.0.0.1:0', door: ext_authz }]
provider: { issuer: https://login.example.com, audience: app, cookie: sso, headers: [X-Token] }
routes:
  - { name: public, match: { paths: [/public/*] }, access: public }
  - { name: protected }
";

static SETTINGS: LazyLock<(Policy, RequestLimits)> = LazyLock::new(|| {
    let loaded = load_text("fuzz.yaml", CONFIGURATION, Path::new("/"), |_| None);
    let service = loaded.unwrap_or_else(|problems| panic!("{problems}")).settings.service;
    (service.policy, service.limits)
});

/// A question in lines: method, path, host, scheme, then `name: value` for each field, and `name=value` for each word of context.
fn in_lines(text: &str) -> CheckRequest {
    let mut lines = text.split('\n').map(str::to_owned);
    let mut next = || lines.next().unwrap_or_default();
    let (method, path, host, scheme) = (next(), next(), next(), next());
    let mut http = HttpRequest { method, path, host, scheme, ..HttpRequest::default() };
    let mut attributes = AttributeContext::default();
    for line in lines {
        if let Some((name, value)) = line.split_once(": ") {
            http.headers.insert(name.to_owned(), value.to_owned());
        } else if let Some((name, value)) = line.split_once('=') {
            attributes.context_extensions.insert(name.to_owned(), value.to_owned());
        }
    }
    attributes.request = Some(Request { http: Some(http), time: None });
    CheckRequest { attributes: Some(attributes) }
}

fuzz_target!(|message: &[u8]| {
    let in_lines = || std::str::from_utf8(message).ok().map(in_lines);
    let Some(question) = CheckRequest::decode(message).ok().or_else(in_lines) else { return };
    let (policy, limits) = &*SETTINGS;
    let Some(Decision::Allow(_)) = examine(policy, limits, question.clone()) else { return };
    let attributes = question.attributes.expect("a question that passes says something");
    let http = attributes.request.and_then(|request| request.http).expect("and of a request");
    let named = attributes.context_extensions.get("route").is_some_and(|route| route == "public");
    assert!(named || http.path.starts_with("/public"), "{}", http.path);
    assert!(!http.method.is_empty() && http.method != "CONNECT" && !http.host.is_empty());
    assert!(http.scheme == "http" || http.scheme == "https");
    let raw = http.header_map.map_or(0, |map| map.headers.len());
    assert!(raw == 0 || http.headers.is_empty());
});
