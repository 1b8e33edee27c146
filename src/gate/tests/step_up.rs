//! Callers whose sign-in is too old or too weak: where people are led, and what programs are told.

use std::time::Duration;

use serde_json::json;

use super::fixture::*;
use crate::gate::{BearerError, Decision, Rule, SignInRule, Target, demand, would_admit};
use crate::session::Prompt;

fn recent() -> Rule {
    let max_auth_age = Some(Duration::from_secs(600));
    Rule { max_auth_age, acr_any: vec!["mfa".into()], ..Rule::default() }
}

fn site() -> Gate {
    sign_in_gate([route("/*"), route("/vault/*").requires(recent())])
}

fn strong(age: u64) -> crate::session::Session {
    let mut session = session_with("auth_time", json!(NOW - age));
    claim(&mut session, "acr", "mfa");
    session
}

#[test]
fn a_strong_enough_session_passes() {
    site().check(get("/vault/x").session(&strong(600)), allow("ada"));
}

#[test]
fn a_person_is_led_to_sign_in_better() {
    let location = sign_in("/.auth/login?return_to=%2Fvault%2Fx%3Fa%3D1");
    let weak = session_with("auth_time", json!(NOW));
    for (weaker, reason) in
        [(strong(601), "authentication_too_old"), (weak, "authentication_too_weak")]
    {
        let verdict = site().decide(get("/vault/x?a=1").navigating().session(&weaker));
        assert_eq!(verdict.outcome(), location);
        assert_eq!(verdict.decision.reason().label(), reason);
    }
}

#[test]
fn a_program_is_told_what_would_do() {
    let verdict = site().decide(get("/vault/x").session(&strong(601)));
    let Decision::Challenge(challenge) = &verdict.decision else { panic!("{verdict:?}") };
    let error = BearerError::InsufficientUserAuthentication {
        acr_values: vec!["mfa".into()],
        max_age: Some(600),
    };
    assert_eq!(challenge.error.as_ref(), Some(&error));
    assert!(challenge.login_url.is_some());
}

/// Signing in again would not help: nobody is sent in circles.
#[test]
fn who_lacks_a_group_is_refused_and_may_be_somebody_else() {
    let gate = sign_in_gate([route("/*").admins()]);
    let verdict = gate.decide(get("/a").navigating().session(&session()));
    let Decision::Forbid(forbidden) = &verdict.decision else { panic!("{verdict:?}") };
    let other = "https://app.example/.auth/login?return_to=%2Fa&prompt=login";
    assert_eq!(forbidden.login_url.as_deref(), Some(other));
}

#[test]
fn an_sso_cookie_is_not_ours_to_make_better() {
    let gate = sign_in_gate([route("/*").requires(recent())]);
    let request = get("/").navigating().cookie("sso", token().text());
    gate.check(request, forbid("authentication_too_weak"));
}

fn demanded<'g>(gate: &'g Gate, target: &str) -> Option<crate::gate::SignInDemand<'g>> {
    let authority = crate::base::host::Authority::parse("app.example").unwrap();
    demand(&gate.policy, &http::Method::GET, &authority, Target::parse(target).unwrap())
}

#[test]
fn a_sign_in_asks_for_what_the_route_asks_for() {
    let gate = site();
    let found = demanded(&gate, "/vault/x").unwrap();
    assert_eq!(&*found.route.name, "/vault/*");
    assert_eq!(found.max_age, Some(Duration::from_secs(600)));
    assert_eq!((found.acr_values, found.prompt), (vec!["mfa".to_owned()], None));
    let found = demanded(&gate, "/").unwrap();
    assert_eq!((found.max_age, found.acr_values.len(), found.providers.len()), (None, 0, 1));
}

#[test]
fn the_rule_for_signing_in_wins_over_the_rule_for_passing() {
    let rule = SignInRule {
        providers: [crate::gate::ProviderId(1)].into_iter().collect(),
        prompt: Some(Prompt::Login),
        max_age: Some(Duration::from_secs(60)),
        acr_values: vec!["phr".into()],
        ..SignInRule::default()
    };
    let spec = route("/*").requires(recent()).sign_in(rule);
    let gate = sign_in_gate_of(vec![party(ISSUER), party(OTHER_ISSUER)], [spec]);
    let found = demanded(&gate, "/x").unwrap();
    assert_eq!(found.providers.as_slice(), [crate::gate::ProviderId(1)]);
    assert_eq!((found.prompt, found.max_age), (Some(Prompt::Login), Some(Duration::from_secs(60))));
    assert_eq!(found.acr_values, ["phr"]);
}

#[test]
fn addresses_without_a_route_of_their_own_demand_nothing() {
    let gate = sign_in_gate([route("/a/*"), route("/b/*").public()]);
    for target in ["/c", "/.auth/login", "/a/..;/b"] {
        assert!(demanded(&gate, target).is_none(), "{target}");
    }
    assert_eq!(demanded(&gate, "/b/x").unwrap().providers.len(), 1, "a page may link to sign-in");
}

#[test]
fn providers_of_which_we_are_no_client_are_not_offered() {
    let gate = sign_in_gate_of(vec![provider(OTHER_ISSUER), party(ISSUER)], [route("/*")]);
    assert_eq!(demanded(&gate, "/").unwrap().providers.as_slice(), [crate::gate::ProviderId(1)]);
}

#[test]
fn what_a_sign_in_was_for_it_must_have_brought() {
    let gate = site();
    let route = demanded(&gate, "/vault/x").unwrap().route;
    let identity = |session: &crate::session::Session| {
        let verdict = gate.decide(get("/").session(session));
        verdict.caller().identity().clone()
    };
    let now = crate::base::time::Timestamp::from_secs(NOW);
    assert_eq!(would_admit(route, &identity(&strong(0)), now), Ok(()));
    let reason = would_admit(route, &identity(&strong(601)), now).unwrap_err();
    assert_eq!(reason.label(), "authentication_too_old");
}
