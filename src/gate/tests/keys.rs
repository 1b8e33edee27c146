//! Keys that are not at hand: what is asked, how often, and what the answers lead to.

use std::sync::Arc;

use super::fixture::*;
use crate::gate::{KeyAnswer, KeyDoubt, KeyQuestion, KeyState, ProviderId};

fn not_loaded() -> Gate {
    gate().keys(vec![KeyState::NotLoaded])
}

fn fresh(_: &KeyQuestion) -> KeyAnswer {
    KeyAnswer::Fresh(key_set(&[&KEY, &NEW_KEY]))
}

fn reasons(verdict: &Verdict) -> Vec<KeyDoubt> {
    verdict.questions.iter().map(|question| question.why).collect()
}

#[test]
fn known_keys_cost_no_question() {
    assert!(gate().decide(get("/").by_ada()).questions.is_empty());
}

#[test]
fn keys_that_are_not_loaded_are_asked_for() {
    let verdict = not_loaded().keeper(fresh).decide(get("/").by_ada());
    assert_eq!(verdict.outcome(), allow("ada"));
    let kid = Some(KEY.kid().to_owned());
    let question = KeyQuestion { provider: ProviderId(0), kid, why: KeyDoubt::NotLoaded };
    assert_eq!(verdict.questions, [question]);
}

#[test]
fn without_keys_nobody_can_tell() {
    for answer in [KeyAnswer::Unavailable, KeyAnswer::Unchanged] {
        let verdict =
            not_loaded().keeper(move |_| answer.clone()).decide(get("/").navigating().by_ada());
        assert_eq!(verdict.outcome(), Outcome::Unavailable("keys_unavailable"));
        assert_eq!(reasons(&verdict), [KeyDoubt::NotLoaded]);
    }
}

#[test]
fn without_keys_no_cookie_makes_a_guest() {
    let gate = routes([route("/*").optional()]).keys(vec![KeyState::NotLoaded]);
    let verdict = gate.decide(get("/").cookie("sso", token().text()));
    assert_eq!(verdict.outcome(), Outcome::Unavailable("keys_unavailable"));
}

#[test]
fn an_unknown_kid_is_asked_for_once() {
    let request = || get("/").bearer(token().signed_by(&NEW_KEY).text());
    let verdict = gate().decide(request());
    assert_eq!(verdict.outcome(), deny("token_unknown_key"));
    assert_eq!(reasons(&verdict), [KeyDoubt::UnknownKid]);
    let verdict = gate().keeper(fresh).decide(request());
    assert_eq!((verdict.outcome(), verdict.questions.len()), (allow("ada"), 1));
    let verdict = gate().keeper(|_| KeyAnswer::Unavailable).decide(request());
    assert_eq!((verdict.outcome(), verdict.questions.len()), (deny("token_unknown_key"), 1));
}

#[test]
fn a_bad_signature_is_asked_about_once() {
    let verdict = gate().keeper(fresh).decide(get("/").bearer(token().broken()));
    assert_eq!(verdict.outcome(), deny("token_signature"));
    assert_eq!(reasons(&verdict), [KeyDoubt::BadSignature]);
}

#[test]
fn a_token_that_fails_otherwise_costs_no_question() {
    for bad in [
        token().expires(1),
        token().claim("aud", "mail"),
        token().claim("nbf", NOW + 999),
        token().typ("logout+jwt"),
        token().expires(1).signed_by(&NEW_KEY),
        token().claim("aud", "mail").signed_by(&NEW_KEY),
    ] {
        assert!(gate().decide(get("/").bearer(bad.text())).questions.is_empty());
    }
}

#[test]
fn an_answer_without_the_key_ends_in_a_refusal() {
    let verdict =
        not_loaded().keeper(|_| KeyAnswer::Fresh(key_set(&[&NEW_KEY]))).decide(get("/").by_ada());
    assert_eq!(verdict.outcome(), deny("token_unknown_key"));
    assert_eq!(reasons(&verdict), [KeyDoubt::NotLoaded, KeyDoubt::UnknownKid]);
}

#[test]
fn keys_of_one_provider_do_not_answer_for_another() {
    let gate = gate_of(vec![provider(ISSUER), provider(OTHER_ISSUER)], vec![route("/*")])
        .keys(vec![KeyState::NotLoaded, KeyState::Loaded(key_set(&[&KEY]))])
        .keeper(|_| KeyAnswer::Unavailable);
    gate.check(get("/").by_ada(), Outcome::Unavailable("keys_unavailable"));
    gate.check(get("/").bearer(token().issuer(OTHER_ISSUER).text()), allow("ada"));
}

#[test]
fn a_ring_that_does_not_know_the_provider_has_no_keys() {
    let gate = gate().keys(Vec::new());
    gate.check(get("/").by_ada(), Outcome::Unavailable("keys_unavailable"));
}

#[test]
fn replaced_keys_end_what_was_remembered() {
    let known = gate().decide(get("/").by_ada());
    let replaced = gate().keys(vec![KeyState::Loaded(key_set(&[&NEW_KEY]))]);
    let verdict = replaced.decide_knowing(get("/").by_ada(), &[Some(known.caller())]);
    assert_eq!(verdict.outcome(), deny("token_unknown_key"));
    let again = gate().decide_knowing(get("/").by_ada(), &[Some(known.caller())]);
    assert_eq!(again.outcome(), allow("ada"));
    assert!(
        !Arc::ptr_eq(known.caller(), again.caller()),
        "the same keys in another set are other keys"
    );
}
