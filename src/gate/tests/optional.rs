//! Routes where identity is optional, and public ones.

use super::fixture::*;
use crate::gate::Decision;

fn optional() -> Gate {
    routes([route("/*").optional()])
}

#[test]
fn a_guest_passes_without_identity() {
    let verdict = optional().decide(get("/").navigating());
    assert_eq!(verdict.outcome(), ANONYMOUS);
    assert_eq!(verdict.decision.reason().label(), "anonymous");
    assert_eq!(verdict.header("x-forwarded-user"), None);
}

#[test]
fn a_known_caller_passes_with_identity() {
    optional().check(get("/").by_ada(), allow("ada"));
    optional().check(get("/").cookie("sso", token().text()), allow("ada"));
}

/// CVE-2021-21378: a token of an unknown issuer passed for no token.
#[test]
fn a_bad_explicit_credential_is_challenged() {
    let unknown = token().issuer("https://evil.example").text();
    optional().check(get("/").bearer(unknown), deny("token_issuer"));
    optional().check(get("/").bearer("garbage"), deny("token_malformed"));
    optional().check(get("/").header("authorization", "Basic eDp5"), deny("unknown_scheme"));
}

#[test]
fn a_bad_cookie_makes_a_guest() {
    optional().check(get("/").cookie("sso", token().expires(1).text()), ANONYMOUS);
    optional().check(get("/").cookie("sso", "garbage"), ANONYMOUS);
}

#[test]
fn doubtful_cookies_are_refused_even_here() {
    optional().check(get("/").cookie("sso", "a").cookie("sso", "b"), refuse("several_cookies"));
}

#[test]
fn a_known_caller_must_still_fit_the_rule() {
    let gate = routes([route("/*").optional().admins()]);
    gate.check(get("/").by_ada(), forbid("missing_group"));
    gate.check(get("/"), ANONYMOUS);
}

#[test]
fn a_public_route_does_no_identity_work() {
    let gate = routes([route("/*").public()]);
    for request in [get("/"), get("/").bearer("garbage"), get("/").by_ada()] {
        let verdict = gate.decide(request);
        assert_eq!(verdict.outcome(), ANONYMOUS);
        assert_eq!(verdict.decision.reason().label(), "public");
        let Decision::Allow(permit) = &verdict.decision else { unreachable!() };
        assert!(permit.identity_headers().is_empty());
    }
}
