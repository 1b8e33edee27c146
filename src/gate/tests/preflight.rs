//! CORS preflights: answered by rule, passed on, or judged as any other request.

use std::time::Duration;

use http::HeaderValue;

use super::fixture::*;
use crate::gate::{Decision, Preflight};

fn answering() -> Gate {
    let preflight = Preflight::Answer {
        origins: vec!["https://pages.example".to_owned()],
        methods: HeaderValue::from_static("GET, PUT"),
        headers: HeaderValue::from_static("authorization"),
        max_age: Duration::from_secs(60),
        credentials: true,
    };
    routes([route("/*").preflight(preflight)])
}

fn asking(origin: &str) -> Ask {
    ask("OPTIONS", "/x").preflight(origin)
}

#[test]
fn a_preflight_is_judged_as_any_other_request_by_default() {
    check(asking("https://pages.example"), deny("missing_credential"));
    check(asking("https://pages.example").navigating(), deny("missing_credential"));
    check(asking("https://pages.example").by_ada(), allow("ada"));
}

#[test]
fn a_listed_origin_is_answered() {
    let verdict = answering().decide(asking("https://pages.example"));
    let Decision::Preflight(answer) = verdict.decision else { panic!("{verdict:?}") };
    assert_eq!(answer.origin, "https://pages.example");
    assert_eq!((answer.max_age, answer.credentials), (60, true));
}

#[test]
fn any_other_origin_is_refused() {
    for origin in
        ["https://evil.example", "null", "*", "", "https://pages.example.evil.example", "\u{e9}"]
    {
        answering().check(asking(origin), forbid("preflight_refused"));
    }
    let twice = asking("https://pages.example").header("origin", "https://pages.example");
    answering().check(twice, forbid("preflight_refused"));
}

#[test]
fn only_what_is_a_preflight_is_treated_as_one() {
    let forwarding = routes([route("/*").preflight(Preflight::Forward)]);
    forwarding.check(asking("https://pages.example"), ANONYMOUS);
    for request in [
        ask("OPTIONS", "/x"),
        ask("OPTIONS", "/x").header("origin", "https://pages.example"),
        ask("OPTIONS", "/x").header("access-control-request-method", "PUT"),
        get("/x").preflight("https://pages.example"),
        ask("POST", "/x").preflight("https://pages.example"),
    ] {
        forwarding.check(request, deny("missing_credential"));
    }
}

#[test]
fn a_forwarded_preflight_carries_no_identity() {
    let forwarding = routes([route("/*").preflight(Preflight::Forward)]);
    let verdict = forwarding.decide(asking("https://pages.example").by_ada());
    assert_eq!(verdict.outcome(), ANONYMOUS);
    assert_eq!(verdict.decision.reason().label(), "preflight");
}
