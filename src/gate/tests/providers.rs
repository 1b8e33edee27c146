//! Several providers: the token's issuer selects, exactly.

use super::fixture::*;
use crate::gate::{KeyState, Provider};
use crate::identity::ClaimMap;
use crate::identity::ClaimPath;

fn two() -> Gate {
    gate_of(vec![provider(ISSUER), provider(OTHER_ISSUER)], vec![route("/*")])
}

fn for_audience(audience: &str) -> Provider {
    let mut provider = provider(ISSUER);
    provider.rules.audiences = vec![audience.to_owned()];
    provider
}

#[test]
fn each_provider_vouches_for_its_own() {
    two().check(get("/").by_ada(), allow("ada"));
    let other = token().issuer(OTHER_ISSUER).subject("grace").text();
    let verdict = two().decide(get("/").bearer(other));
    assert_eq!(verdict.outcome(), allow("grace"));
    assert_eq!(&**verdict.caller().identity().issuer(), OTHER_ISSUER);
}

#[test]
fn an_issuer_is_compared_octet_for_octet() {
    for issuer in [
        "https://login.example/",
        "https://LOGIN.example",
        "https://login.example:443",
        "https://login.example\0",
        " https://login.example",
        "http://login.example",
        "login.example",
        "",
    ] {
        let verdict = two().decide(get("/").bearer(token().issuer(issuer).text()));
        assert_eq!(verdict.outcome(), deny("token_issuer"), "{issuer:?}");
    }
    for issuer in [serde_json::json!([ISSUER]), serde_json::json!(null), serde_json::json!({})] {
        two().check(get("/").bearer(token().claim("iss", issuer).text()), deny("token_issuer"));
    }
}

#[test]
fn an_unknown_issuer_costs_no_question() {
    let gate = two().keys(vec![KeyState::NotLoaded, KeyState::NotLoaded]);
    let verdict = gate.decide(get("/").bearer(token().issuer("https://evil.example").text()));
    assert_eq!(verdict.outcome(), deny("token_issuer"));
    assert!(verdict.questions.is_empty());
}

#[test]
fn a_provider_counts_only_where_the_route_says_so() {
    let specs = vec![route("/*").providers(&[0]), route("/partners/*").providers(&[1])];
    let gate = gate_of(vec![provider(ISSUER), provider(OTHER_ISSUER)], specs);
    let other = || token().issuer(OTHER_ISSUER).text();
    gate.check(get("/").by_ada(), allow("ada"));
    gate.check(get("/").bearer(other()), deny("token_issuer"));
    gate.check(get("/partners/x").by_ada(), deny("token_issuer"));
    gate.check(get("/partners/x").bearer(other()), allow("ada"));
}

#[test]
fn one_provider_is_not_judged_by_the_keys_of_another() {
    let states = vec![KeyState::Loaded(key_set(&[&KEY])), KeyState::Loaded(key_set(&[&NEW_KEY]))];
    let gate = two().keys(states);
    let forged = token().issuer(OTHER_ISSUER).text();
    gate.check(get("/").bearer(forged), deny("token_unknown_key"));
    gate.check(
        get("/").bearer(token().issuer(OTHER_ISSUER).signed_by(&NEW_KEY).text()),
        allow("ada"),
    );
}

#[test]
fn one_issuer_may_be_configured_once_for_each_audience() {
    let gate = gate_of(vec![for_audience("web"), for_audience("api")], vec![route("/*")]);
    for (audience, provider) in [("web", 0), ("api", 1)] {
        let verdict = gate.decide(get("/").bearer(token().claim("aud", audience).text()));
        assert_eq!(verdict.outcome(), allow("ada"));
        assert_eq!(verdict.caller().provider().0, provider);
    }
    gate.check(get("/").bearer(token().claim("aud", "mail").text()), deny("token_audience"));
}

#[test]
fn audiences_of_one_issuer_stay_apart_where_routes_keep_them_apart() {
    let specs = vec![route("/*").providers(&[0]), route("/api/*").providers(&[1])];
    let gate = gate_of(vec![for_audience("web"), for_audience("api")], specs);
    gate.check(get("/api/x").bearer(token().claim("aud", "web").text()), deny("token_audience"));
    gate.check(get("/").bearer(token().claim("aud", "api").text()), deny("token_audience"));
}

#[test]
fn a_provider_names_its_callers_by_the_claim_it_is_told_to() {
    let mut provider = provider(ISSUER);
    let user = ClaimPath::parse("uid").unwrap().into();
    provider.claims = ClaimMap { user, ..ClaimMap::default() };
    let gate = gate_of(vec![provider], vec![route("/*")]);
    gate.check(get("/").bearer(token().claim("uid", "u7").text()), allow("u7"));
    gate.check(get("/").by_ada(), deny("no_identity"));
}
