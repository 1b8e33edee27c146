//! Where people are led to sign in, and signing in without being asked.

use std::time::Duration;

use super::fixture::*;
use crate::gate::{Decision, Silent};

const LOGIN: &str = "/.auth/login?return_to=%2Forders%3Fx%3D1";
const SILENT: &str = "/.auth/login?return_to=%2Forders%3Fx%3D1&prompt=none";
const PROBE: Silent = Silent::Probe { interval: Duration::from_secs(900) };
const ONLY: Silent = Silent::Only { interval: Duration::from_secs(900) };

fn orders() -> Ask {
    get("/orders?x=1")
}

fn probed() -> Ask {
    orders().navigating().cookie("sidegate_probe", "1")
}

#[test]
fn a_navigation_without_a_session_leads_to_our_own_login() {
    let gate = sign_in_gate([route("/*")]);
    gate.check(orders().navigating(), sign_in(LOGIN));
    gate.check(orders(), deny("missing_credential"));
}

#[test]
fn pages_get_the_login_url_in_full() {
    let verdict = sign_in_gate([route("/*")]).decide(orders());
    let Decision::Challenge(challenge) = &verdict.decision else { panic!("{verdict:?}") };
    let login = "https://app.example/.auth/login?return_to=%2F";
    assert_eq!(challenge.login_url.as_deref(), Some(login));
}

#[test]
fn a_login_url_of_the_route_wins_and_so_does_the_first_provider_that_has_a_way() {
    let gate = sign_in_gate([route("/*").login_url("https://sso.example/?rd={return_to}")]);
    let elsewhere = "https://sso.example/?rd=https%3A%2F%2Fapp%2Eexample%2F";
    gate.check(get("/").navigating(), sign_in(elsewhere));
    let gate = sign_in_gate_of(vec![provider(ISSUER), party(OTHER_ISSUER)], [route("/*")]);
    let elsewhere = "https://login.example/signin?rd=https%3A%2F%2Fapp%2Eexample%2F";
    gate.check(get("/").navigating(), sign_in(elsewhere));
}

#[test]
fn a_guest_is_probed_once() {
    let gate = sign_in_gate([route("/*").optional().silent(PROBE)]);
    gate.check(orders().navigating(), sign_in(SILENT));
    gate.check(probed(), ANONYMOUS);
    gate.check(orders(), ANONYMOUS);
    gate.check(orders().navigating().session(&session()), allow("ada"));
    gate.check(orders().navigating().by_ada(), allow("ada"));
}

#[test]
fn where_an_identity_is_required_nobody_is_probed_first() {
    let gate = sign_in_gate([route("/*").silent(PROBE)]);
    gate.check(orders().navigating(), sign_in(LOGIN));
}

#[test]
fn a_session_that_is_over_is_tried_to_be_had_again() {
    let gate = sign_in_gate([route("/*").optional().silent(PROBE)]).at(NOW + IDLE);
    gate.check(orders().navigating().session(&session()), sign_in(SILENT));
    gate.check(probed().session(&session()), ANONYMOUS);
}

#[test]
fn a_silent_route_never_asks() {
    let gate = sign_in_gate([route("/*").silent(ONLY)]);
    gate.check(orders().navigating(), sign_in(SILENT));
    gate.check(probed(), forbid("not_signed_in"));
    let verdict = gate.decide(orders());
    let Decision::Challenge(challenge) = &verdict.decision else { panic!("{verdict:?}") };
    assert_eq!(challenge.login_url, None);
    let gate = sign_in_gate([route("/*").optional().silent(ONLY)]);
    gate.check(orders().navigating(), sign_in(SILENT));
    gate.check(probed(), ANONYMOUS);
}

#[test]
fn without_a_provider_of_ours_nobody_is_probed() {
    let gate = routes([route("/*").optional().silent(PROBE)]);
    gate.check(orders().navigating(), ANONYMOUS);
}

#[test]
fn a_bad_bearer_token_is_never_redirected() {
    let gate = sign_in_gate([route("/*").optional().silent(PROBE)]);
    gate.check(orders().navigating().bearer(token().broken()), deny("token_signature"));
}

#[test]
fn our_own_location_leads_to_no_other_host() {
    let gate = sign_in_gate([route("/*")]);
    for target in ["//evil.example/", "/%2F%2Fevil.example", "/?//evil.example"] {
        let Outcome::SignIn(location) = gate.decide(get(target).navigating()).outcome() else {
            continue;
        };
        assert!(location.starts_with("/.auth/login?return_to=%2F"), "{location}");
        assert!(!location[1..].contains('/') || location.matches('/').count() == 2, "{location}");
    }
}

/// Some providers end their session after days in which nobody comes by, however busy the app was.
#[test]
fn a_session_is_kept_alive_at_its_provider() {
    let mut party = party(ISSUER);
    let rp = party.relying_party.as_mut().unwrap();
    rp.keep_alive = Some(Duration::from_secs(300));
    let gate = sign_in_gate_of(vec![party], [route("/*")]);
    let busy = || orders().navigating().session(&session());
    gate.check(busy(), allow("ada"));
    let later = gate.at(NOW + 300);
    later.check(busy(), sign_in(&format!("{SILENT}&provider=https%3A%2F%2Flogin%2Eexample")));
    later.check(orders().session(&session()), allow("ada"));
    later.check(probed().session(&session()), allow("ada"));
}
