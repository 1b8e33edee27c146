//! Several credentials in one request, and credentials in headers of the provider's choice.

use http::header::HeaderName;

use super::fixture::*;
use crate::gate::CredentialKind;

/// The provider also takes tokens in `X-Token`.
fn with_header() -> Gate {
    with_headers(&["x-token"])
}

fn with_headers(names: &[&'static str]) -> Gate {
    let mut provider = provider(ISSUER);
    provider.headers = names.iter().map(|name| HeaderName::from_static(name)).collect();
    gate_of(vec![provider], vec![route("/*")])
}

#[test]
fn a_configured_header_carries_a_token() {
    with_header().check(get("/").header("x-token", token().text()), allow("ada"));
    with_header().check(get("/").header("x-token", format!("  {} ", token().text())), allow("ada"));
    check(get("/").header("x-token", token().text()), deny("missing_credential"));
}

#[test]
fn a_configured_header_decides_alone() {
    let good = token().text();
    let request = |value: &str| get("/").navigating().cookie("sso", &good).header("x-token", value);
    with_header().check(request("garbage"), deny("token_malformed"));
    with_header().check(request(""), deny("token_malformed"));
    with_header().check(request("\u{e9}"), deny("malformed_credential"));
}

/// CVE-2020-25017 and its kin: the first of two was judged, the upstream read the second.
#[test]
fn two_explicit_credentials_are_refused() {
    let (ada, eve) = (token().text(), token().subject("eve").text());
    let both = refuse("several_credentials");
    check(get("/").bearer(&ada).bearer(&eve), refuse("several_credentials"));
    check(get("/").bearer(&ada).bearer(&ada), refuse("several_credentials"));
    check(
        get("/").header("authorization", "Basic eDp5").bearer(&ada),
        refuse("several_credentials"),
    );
    with_header().check(get("/").bearer(&ada).header("x-token", &ada), both);
    let twice = get("/").header("x-token", &ada).header("x-token", &eve);
    with_header().check(twice, refuse("several_credentials"));
    let gate = with_headers(&["x-token", "x-jwt"]);
    gate.check(
        get("/").header("x-token", &ada).header("x-jwt", &ada),
        refuse("several_credentials"),
    );
}

#[test]
fn an_explicit_credential_never_falls_back_to_a_cookie() {
    let good = token().text();
    let request = |bad: &str| get("/").navigating().cookie("sso", &good).bearer(bad);
    check(request(&token().broken()), deny("token_signature"));
    check(request(&token().expires(1).text()), deny("token_expired"));
    check(request("garbage"), deny("token_malformed"));
}

#[test]
fn an_ambient_cookie_beside_an_explicit_credential_is_not_judged() {
    let request = get("/").by_ada().cookie("sso", "garbage").cookie("sso", "twice");
    check(request, allow("ada"));
}

#[test]
fn a_kind_that_the_route_does_not_take_is_not_skipped_for_one_that_it_takes() {
    let gate = routes([route("/*").accepts(&[CredentialKind::Cookie])]);
    let request = get("/").by_ada().cookie("sso", token().text());
    gate.check(request, deny("credential_not_accepted"));
}

#[test]
fn one_header_may_carry_tokens_of_several_providers() {
    let with = |issuer| {
        let mut provider = provider(issuer);
        provider.headers = vec![HeaderName::from_static("x-token")];
        provider
    };
    let gate = gate_of(vec![with(ISSUER), with(OTHER_ISSUER)], vec![route("/*")]);
    gate.check(get("/").header("x-token", token().text()), allow("ada"));
    let other = token().issuer(OTHER_ISSUER).subject("grace").text();
    gate.check(get("/").header("x-token", other), allow("grace"));
}
