//! What a front proxy asks beyond the request: it narrows, and leads nobody in circles.

use std::time::Duration;

use serde_json::json;

use super::fixture::*;
use crate::gate::{BearerError, Decision, Rule, Terms};

fn admins() -> Terms {
    Terms { route: None, rule: Some(Rule { groups_any: vec!["admins".into()], ..Rule::default() }) }
}

fn recent() -> Terms {
    let max_auth_age = Some(Duration::from_secs(600));
    Terms { route: None, rule: Some(Rule { max_auth_age, ..Rule::default() }) }
}

fn named(route: &str) -> Terms {
    Terms { route: Some(route.into()), rule: None }
}

fn signed_in(age: u64) -> crate::session::Session {
    session_with("auth_time", json!(NOW - age))
}

#[test]
fn terms_ask_for_more_than_the_route_and_never_for_less() {
    let gate = routes([route("/*"), route("/vault/*").admins()]);
    gate.check(get("/a").by_ada(), allow("ada"));
    gate.check(get("/a").by_ada().on(admins()), forbid("missing_group"));
    gate.check(
        get("/a").bearer(token().claim("groups", json!(["admins"])).text()).on(admins()),
        allow("ada"),
    );
    gate.check(get("/vault/x").by_ada().on(Terms::default()), forbid("missing_group"));
}

#[test]
fn where_terms_ask_for_somebody_nobody_is_a_guest() {
    let gate = routes([route("/public/*").public(), route("/*").optional()]);
    gate.check(get("/a").on(admins()), deny("missing_credential"));
    gate.check(get("/public/a").on(admins()), deny("missing_credential"));
}

#[test]
fn the_route_that_terms_name_counts_whatever_the_address() {
    let gate = routes([route("/*"), route("/vault/*").admins(), route("/public/*").public()]);
    gate.check(get("/public/a").by_ada().on(named("/vault/*")), forbid("missing_group"));
    gate.check(get("/public/a").by_ada().on(named("/nowhere/*")), refuse("no_route"));
}

#[test]
fn a_session_that_is_too_old_for_terms_is_renewed_by_signing_in_anew() {
    let gate = sign_in_gate([route("/*")]);
    gate.check(get("/a").navigating().session(&signed_in(600)).on(recent()), allow("ada"));
    let location = sign_in("/.auth/login?return_to=%2Fa&prompt=login");
    let verdict = gate.decide(get("/a").navigating().session(&signed_in(601)).on(recent()));
    assert_eq!(verdict.outcome(), location);
    let verdict = gate.decide(get("/a").session(&signed_in(601)).on(recent()));
    let Decision::Challenge(challenge) = &verdict.decision else { panic!("{verdict:?}") };
    let max_age = Some(600);
    let error = BearerError::InsufficientUserAuthentication { acr_values: Vec::new(), max_age };
    assert_eq!(challenge.error.as_ref(), Some(&error));
}

/// A sign-in does not know the terms: it would bring the same strength again.
#[test]
fn who_would_only_go_in_circles_is_refused() {
    let gate = sign_in_gate([route("/*")]);
    let rule = Rule { acr_any: vec!["mfa".into()], ..Rule::default() };
    let strong = Terms { route: None, rule: Some(rule) };
    let request = get("/a").navigating().session(&signed_in(0)).on(strong);
    gate.check(request, forbid("authentication_too_weak"));
    let undated = session_with("auth_time", json!(null));
    gate.check(
        get("/a").navigating().session(&undated).on(recent()),
        forbid("authentication_too_old"),
    );
}
