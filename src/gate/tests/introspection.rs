//! Tokens that only their provider can read: who is asked, when, and what the answers lead to.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fixture::*;
use crate::base::time::Timestamp;
use crate::gate::{Answer, Introspection, IntrospectionAnswer, Provider, ProviderId, Question};
use crate::token::Claims;

fn introspecting(issuer: &str, which: Introspection) -> Provider {
    Provider { introspection: which, ..provider(issuer) }
}

fn active(claims: &Value) -> IntrospectionAnswer {
    let Value::Object(members) = claims.clone() else { panic!("claims are an object") };
    let until = Timestamp::from_secs(NOW + 30);
    IntrospectionAnswer::Active { claims: Arc::new(Claims::from(members)), until }
}

fn ada() -> Value {
    json!({ "active": true, "sub": "ada", "aud": "web", "exp": NOW + 600 })
}

fn gate_that(answer: IntrospectionAnswer) -> Gate {
    answering(vec![introspecting(ISSUER, Introspection::Opaque)], move |_| answer.clone())
}

fn answering(
    providers: Vec<Provider>,
    answer: impl Fn(ProviderId) -> IntrospectionAnswer + 'static,
) -> Gate {
    gate_of(providers, vec![route("/*")]).oracle(move |question| match question {
        Question::Introspection(asked) => Answer::Introspection(answer(asked.provider)),
        other => unavailable(other),
    })
}

fn opaque() -> Ask {
    get("/").bearer("opaque-token")
}

#[test]
fn a_token_that_its_provider_knows_names_the_caller() {
    let verdict = gate_that(active(&ada())).decide(opaque());
    assert_eq!((verdict.outcome(), verdict.asked), (allow("ada"), vec!["introspection"]));
}

#[test]
fn the_answer_is_remembered_no_longer_than_it_holds() {
    let verdict = gate_that(active(&ada())).decide(opaque());
    assert_eq!(verdict.caller().usable_until().as_secs(), NOW + 30);
    let mut short = ada();
    short["exp"] = json!(NOW + 9);
    let gate = gate_that(active(&short));
    let verdict = gate.decide(opaque());
    assert_eq!(verdict.caller().usable_until().as_secs(), NOW + 9);
    let again = gate.decide_knowing(opaque(), &[Some(verdict.caller())]);
    assert!(again.asked.is_empty() && Arc::ptr_eq(again.caller(), verdict.caller()));
}

#[test]
fn a_token_that_is_not_good_is_refused() {
    gate_that(IntrospectionAnswer::Inactive).check(opaque(), deny("token_inactive"));
    let gate = gate_that(IntrospectionAnswer::Unavailable);
    gate.check(opaque(), Outcome::Unavailable("introspection_unavailable"));
}

/// Active is not enough: a token for another app, or one that has run out in the meantime, is none for this one.
#[test]
fn what_the_provider_says_must_fit() {
    for (name, value, reason) in [
        ("aud", json!("mail"), "token_audience"),
        ("aud", Value::Null, "token_malformed"),
        ("exp", json!(NOW - LEEWAY), "token_expired"),
        ("nbf", json!(NOW + LEEWAY + 1), "token_not_yet_valid"),
        ("iss", json!(OTHER_ISSUER), "token_issuer"),
        ("sub", json!(""), "no_identity"),
        ("cnf", json!({ "jkt": KEY.kid() }), "token_binding"),
    ] {
        let mut claims = ada();
        claims[name] = value;
        gate_that(active(&claims)).check(opaque(), deny(reason));
    }
    let mut claims = ada();
    claims.as_object_mut().unwrap().remove("aud");
    gate_that(active(&claims)).check(opaque(), deny("token_malformed"));
}

#[test]
fn a_jwt_costs_no_question_unless_all_are_asked_about() {
    let verdict = gate_that(IntrospectionAnswer::Inactive).decide(get("/").by_ada());
    assert_eq!((verdict.outcome(), verdict.asked.len()), (allow("ada"), 0));
    let providers = vec![introspecting(ISSUER, Introspection::Always)];
    let gate = answering(providers, |_| IntrospectionAnswer::Inactive);
    gate.check(get("/").by_ada(), deny("token_inactive"));
    let other = get("/").bearer(token().issuer(OTHER_ISSUER).text());
    let verdict = gate.decide(other);
    assert_eq!((verdict.outcome(), verdict.asked.len()), (deny("token_issuer"), 0));
}

#[test]
fn providers_that_introspect_are_asked_in_turn_and_no_others() {
    let providers = vec![
        provider("https://first.example"),
        introspecting(ISSUER, Introspection::Opaque),
        introspecting(OTHER_ISSUER, Introspection::Always),
    ];
    let gate = answering(providers, |id| match id.0 {
        1 => IntrospectionAnswer::Inactive,
        2 => active(&ada()),
        _ => panic!("asked"),
    });
    let verdict = gate.decide(opaque());
    assert_eq!(verdict.outcome(), allow("ada"));
    assert_eq!(verdict.caller().provider(), ProviderId(2));
    assert_eq!(verdict.caller().identity().issuer().as_ref(), OTHER_ISSUER);
}

#[test]
fn a_token_that_is_too_long_is_not_sent_to_anybody() {
    let verdict = gate_that(active(&ada())).decide(get("/").bearer("x".repeat(4097)));
    assert_eq!((verdict.outcome(), verdict.asked.len()), (deny("token_malformed"), 0));
}

#[test]
fn without_a_provider_that_introspects_an_opaque_token_is_none() {
    let verdict = gate().decide(opaque());
    assert_eq!((verdict.outcome(), verdict.asked.len()), (deny("token_malformed"), 0));
}

#[test]
fn the_token_is_in_no_debug_text() {
    let question = Question::Introspection(crate::gate::IntrospectionQuestion {
        provider: ProviderId(0),
        token: crate::base::secret::Secret::new("opaque-token".to_owned()),
    });
    assert!(!format!("{question:?}").contains("opaque-token"));
}
