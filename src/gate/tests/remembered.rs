//! Remembered callers: how long, for whom, and what is judged anew all the same.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::*;
use crate::gate::Rule;

/// What a second request with the remembered caller of the first comes to, and whether that caller was used.
fn again(gate: &Gate, first: Ask, second: Ask) -> (Outcome, bool) {
    let known = gate.decide(first);
    let verdict = gate.decide_knowing(second, &[Some(known.caller())]);
    let same = verdict.decision.caller().is_some_and(|caller| Arc::ptr_eq(caller, known.caller()));
    (verdict.outcome(), same)
}

#[test]
fn a_remembered_caller_is_not_verified_again() {
    assert_eq!(again(&gate(), get("/").by_ada(), get("/x").by_ada()), (allow("ada"), true));
}

#[test]
fn a_caller_is_remembered_until_the_token_expires() {
    let token = token().expires(NOW + 10);
    let request = || get("/").bearer(token.text());
    let gate = gate();
    let known = gate.decide(request());
    assert_eq!(known.caller().usable_until().as_secs(), NOW + 10);
    let gate = gate.at(NOW + 10 + LEEWAY);
    let verdict = gate.decide_knowing(request(), &[Some(known.caller())]);
    assert_eq!(verdict.outcome(), deny("token_expired"));
    let gate = gate.at(NOW + 9);
    let verdict = gate.decide_knowing(request(), &[Some(known.caller())]);
    assert!(Arc::ptr_eq(verdict.caller(), known.caller()));
}

#[test]
fn a_caller_is_remembered_no_longer_than_the_cap() {
    let gate = gate();
    let known = gate.decide(get("/").by_ada());
    assert_eq!(known.caller().usable_until().as_secs(), NOW + 600);
    let gate = gate.at(NOW + 600);
    let verdict = gate.decide_knowing(get("/").by_ada(), &[Some(known.caller())]);
    assert_eq!(verdict.outcome(), allow("ada"));
    assert!(!Arc::ptr_eq(verdict.caller(), known.caller()));
}

#[test]
fn nobody_is_remembered_where_the_cap_is_zero() {
    let mut gate = gate();
    gate.policy.max_remembered = Duration::ZERO;
    assert_eq!(again(&gate, get("/").by_ada(), get("/").by_ada()), (allow("ada"), false));
}

#[test]
fn the_rule_of_each_route_is_judged_anew() {
    let gate = routes([route("/*"), route("/admin/*").admins()]);
    let (outcome, _) = again(&gate, get("/").by_ada(), get("/admin/x").by_ada());
    assert_eq!(outcome, forbid("missing_group"));
}

#[test]
fn an_authentication_grows_old_although_the_caller_is_remembered() {
    let rule = Rule { max_auth_age: Some(Duration::from_secs(60)), ..Rule::default() };
    let request = || get("/").bearer(token().claim("auth_time", NOW).text());
    let gate = routes([route("/*").requires(rule)]);
    let known = gate.decide(request());
    let gate = gate.at(NOW + 61);
    let verdict = gate.decide_knowing(request(), &[Some(known.caller())]);
    assert_eq!(verdict.outcome(), deny("authentication_too_old"));
}

#[test]
fn a_caller_of_a_provider_that_does_not_count_here_is_verified_anew() {
    let specs = vec![route("/*"), route("/partners/*").providers(&[1])];
    let gate = gate_of(vec![provider(ISSUER), provider(OTHER_ISSUER)], specs);
    let (outcome, _) = again(&gate, get("/").by_ada(), get("/partners/x").by_ada());
    assert_eq!(outcome, deny("token_issuer"));
}

#[test]
fn each_credential_has_its_own_memory() {
    let mut other = provider(OTHER_ISSUER);
    other.cookies = vec!["other".to_owned()];
    let gate = gate_of(vec![provider(ISSUER), other], vec![route("/*")]);
    let grace = token().issuer(OTHER_ISSUER).subject("grace").text();
    let known = gate.decide(get("/").cookie("other", &grace));
    let request = get("/").cookie("sso", token().broken()).cookie("other", &grace);
    let verdict = gate.decide_knowing(request, &[None, Some(known.caller())]);
    assert!(Arc::ptr_eq(verdict.caller(), known.caller()));
}

#[test]
fn a_refused_caller_is_known_by_name() {
    let verdict = routes([route("/*").admins()]).decide(get("/").by_ada());
    assert_eq!(verdict.outcome(), forbid("missing_group"));
    assert_eq!(verdict.caller().identity().user(), "ada");
}
