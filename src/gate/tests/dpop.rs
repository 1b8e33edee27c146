//! Proofs of possession: which tokens need one, which proofs hold, and what is asked for instead.

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::gate::{
    Answer, CredentialKind, Decision, Dpop, DpopChallenge, DpopError, FirstUseAnswer, NonceRule,
    Provider, Question,
};
use crate::token::NonceKey;

use super::fixture::*;

fn provider_with(dpop: Dpop) -> Provider {
    Provider { dpop, ..provider(ISSUER) }
}

/// A gate that takes proofs, each once as far as it is told.
fn gate_with(dpop: Dpop, answer: FirstUseAnswer) -> Gate {
    gate_of(vec![provider_with(dpop)], vec![route("/*")]).oracle(move |question| match question {
        Question::FirstUse(_) => Answer::FirstUse(answer),
        other => unavailable(other),
    })
}

fn taking() -> Gate {
    gate_with(Dpop::Accept(NonceRule::None), FirstUseAnswer::First)
}

fn with_nonces() -> Gate {
    let mut gate = gate_with(Dpop::Accept(NonceRule::Demanded), FirstUseAnswer::First);
    gate.policy.nonces = Some(NonceKey::new(&Secret::new([4; 32])));
    gate
}

fn challenged(verdict: &Verdict) -> DpopChallenge {
    let Decision::Challenge(challenge) = &verdict.decision else { panic!("{verdict:?}") };
    challenge.dpop.clone().expect("a challenge for proofs")
}

#[test]
fn a_bound_token_with_its_proof_passes() {
    let verdict = taking().decide(get("/").dpop(&bound_to(&NEW_KEY), &proof()));
    assert_eq!(verdict.outcome(), allow("ada"));
    assert_eq!(verdict.asked, ["first use of a proof"]);
    let Decision::Allow(permit) = &verdict.decision else { unreachable!() };
    assert_eq!(permit.kind(), Some(CredentialKind::Dpop));
}

/// [RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1), last paragraphs: no downgrade, either way.
#[test]
fn a_bound_token_is_no_bearer_token_and_a_bearer_token_is_not_bound() {
    for dpop in [Dpop::Off, Dpop::Accept(NonceRule::None)] {
        let gate = gate_with(dpop, FirstUseAnswer::First);
        gate.check(get("/").bearer(bound_to(&NEW_KEY)), deny("token_binding"));
        gate.check(get("/").cookie("sso", bound_to(&NEW_KEY)), deny("token_binding"));
    }
    taking().check(get("/").dpop(&token().text(), &proof()), deny("token_binding"));
    taking().check(get("/").by_ada(), allow("ada"));
}

#[test]
fn a_proof_by_another_key_proves_nothing() {
    let request = get("/").dpop(&bound_to(&NEW_KEY), &proof().signed_by(&KEY));
    let verdict = taking().decide(request);
    assert_eq!(verdict.outcome(), deny("token_binding"));
    assert!(verdict.asked.is_empty(), "strangers do not fill the memory of proofs");
    assert_eq!(challenged(&verdict).error, Some(DpopError::InvalidToken));
}

#[test]
fn a_proof_for_another_request_does_not_hold() {
    for bad in [
        proof().claim("htm", "POST"),
        proof().claim("htu", "https://app.example/other"),
        proof().claim("iat", NOW - 61 - LEEWAY),
        proof().claim("ath", "x"),
    ] {
        let verdict = taking().decide(get("/").dpop(&bound_to(&NEW_KEY), &bad));
        assert_eq!(verdict.outcome(), deny("proof_invalid"));
        assert_eq!(challenged(&verdict).error, Some(DpopError::InvalidProof));
        assert!(verdict.asked.is_empty());
    }
    let request = get("/?x=1").over_http().dpop(&bound_to(&NEW_KEY), &proof());
    taking().check(request, deny("proof_invalid"));
}

#[test]
fn there_must_be_exactly_one_proof() {
    let token = bound_to(&NEW_KEY);
    let bare = || get("/").header("authorization", format!("DPoP {token}"));
    let text = proof().text(&token);
    for request in [bare(), bare().header("dpop", &text).header("dpop", &text)] {
        let verdict = taking().decide(request);
        assert_eq!(verdict.outcome(), deny("proof_invalid"));
        assert_eq!(challenged(&verdict).error, Some(DpopError::InvalidProof));
    }
    taking().check(bare().header("dpop", &text), allow("ada"));
}

#[test]
fn a_proof_is_used_once_or_not_at_all() {
    let request = || get("/").dpop(&bound_to(&NEW_KEY), &proof());
    let accept = Dpop::Accept(NonceRule::None);
    let verdict = gate_with(accept, FirstUseAnswer::Replayed).decide(request());
    assert_eq!(verdict.outcome(), deny("proof_replayed"));
    assert_eq!(challenged(&verdict).error, Some(DpopError::InvalidProof));
    let gate = gate_with(accept, FirstUseAnswer::Unavailable);
    gate.check(request(), Outcome::Unavailable("proofs_unavailable"));
}

/// What is remembered is whose token it is, not who sends it.
#[test]
fn a_remembered_caller_proves_possession_all_the_same() {
    let gate = taking();
    let token = bound_to(&NEW_KEY);
    let known = gate.decide(get("/").dpop(&token, &proof()));
    let again = |request| gate.decide_knowing(request, &[Some(known.caller())]);
    let verdict = again(get("/").dpop(&token, &proof().claim("jti", "p2")));
    assert_eq!((verdict.outcome(), verdict.asked.len()), (allow("ada"), 1));
    let stolen = again(get("/").dpop(&token, &proof().signed_by(&KEY)));
    assert_eq!(stolen.outcome(), deny("token_binding"));
    assert_eq!(again(get("/").bearer(&token)).outcome(), deny("token_binding"));
}

#[test]
fn where_proofs_are_required_no_bearer_token_passes() {
    let gate = gate_with(Dpop::Require(NonceRule::None), FirstUseAnswer::First);
    let verdict = gate.decide(get("/").by_ada());
    assert_eq!(verdict.outcome(), deny("proof_missing"));
    assert_eq!(challenged(&verdict).error, Some(DpopError::InvalidToken));
    gate.check(get("/").dpop(&bound_to(&NEW_KEY), &proof()), allow("ada"));
}

#[test]
fn a_nonce_is_given_out_and_then_demanded() {
    let gate = with_nonces();
    let token = bound_to(&NEW_KEY);
    let verdict = gate.decide(get("/").dpop(&token, &proof()));
    assert_eq!(verdict.outcome(), deny("proof_nonce"));
    let challenge = challenged(&verdict);
    assert_eq!(challenge.error, Some(DpopError::UseNonce));
    let nonce = challenge.nonce.unwrap();
    gate.check(get("/").dpop(&token, &proof().claim("nonce", nonce)), allow("ada"));
    let old = NonceKey::new(&Secret::new([4; 32])).nonce(Timestamp::from_secs(NOW - 900));
    gate.check(get("/").dpop(&token, &proof().claim("nonce", old)), deny("proof_nonce"));
    let mut without = with_nonces();
    without.policy.nonces = None;
    without.check(get("/").dpop(&token, &proof()), Outcome::Unavailable("proofs_unavailable"));
}

#[test]
fn where_no_proof_is_taken_the_scheme_is_unknown() {
    let request = || get("/").dpop(&bound_to(&NEW_KEY), &proof());
    check(request(), deny("unknown_scheme"));
    let specs = vec![route("/*").accepts(&[CredentialKind::Bearer])];
    let gate = gate_of(vec![provider_with(Dpop::Accept(NonceRule::None))], specs);
    gate.check(request(), deny("credential_not_accepted"));
}

#[test]
fn who_offers_nothing_learns_that_proofs_are_taken() {
    let verdict = taking().decide(get("/"));
    assert_eq!(challenged(&verdict), DpopChallenge::default());
    let verdict = gate().decide(get("/"));
    let Decision::Challenge(challenge) = &verdict.decision else { panic!("{verdict:?}") };
    assert_eq!(challenge.dpop, None);
}

#[test]
fn a_bad_token_is_bad_with_a_good_proof() {
    let text = token().claim("cnf", serde_json::json!({ "jkt": NEW_KEY.kid() })).broken();
    let verdict = taking().decide(get("/").dpop(&text, &proof()));
    assert_eq!(verdict.outcome(), deny("token_signature"));
    assert!(verdict.asked.is_empty());
}
