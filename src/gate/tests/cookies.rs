//! SSO cookies that are tokens: which are read, which are doubted, and what a bad one leads to.

use super::fixture::*;
use crate::gate::{CredentialKind, cookie_values};

const TO_LOGIN: &str = "https://login.example/signin?rd=https%3A%2F%2Fapp%2Eexample%2F";

fn two_providers() -> Gate {
    let mut other = provider(OTHER_ISSUER);
    other.cookies = vec!["other".to_owned()];
    gate_of(vec![provider(ISSUER), other], vec![route("/*")])
}

#[test]
fn a_good_cookie_names_the_caller() {
    check(get("/").cookie("sso", token().text()), allow("ada"));
}

#[test]
fn the_cookie_is_found_among_others_and_in_any_field() {
    let good = token().text();
    check(get("/").header("cookie", format!("a=1; sso={good};b=2")), allow("ada"));
    check(get("/").header("cookie", "a=1").header("cookie", format!(" sso={good} ")), allow("ada"));
}

#[test]
fn a_bad_cookie_leads_a_person_to_the_login_page_and_challenges_a_program() {
    for bad in [token().broken(), token().expires(1).text(), "garbage".to_owned()] {
        check(get("/").navigating().cookie("sso", &bad), sign_in(TO_LOGIN));
        let outcome = gate().decide(get("/").cookie("sso", &bad)).outcome();
        assert!(matches!(outcome, Outcome::Challenge(_)), "{outcome:?}");
    }
}

/// CVE-2026-25748: a cookie that could not be read let the request pass without identity.
#[test]
fn a_cookie_of_strange_bytes_is_a_bad_cookie() {
    let strange = || get("/").header("cookie", b"sso=\xff\xfe\x80");
    check(strange().navigating(), sign_in(TO_LOGIN));
    check(strange(), deny("malformed_credential"));
    routes([route("/*").optional()]).check(strange(), ANONYMOUS);
}

/// Cookie tossing: a sibling domain sets a cookie of the same name, and which one is sent first is the attacker's choice.
#[test]
fn two_cookies_of_one_name_are_refused() {
    let (ada, eve) = (token().text(), token().subject("eve").text());
    check(get("/").header("cookie", format!("sso={ada}; sso={eve}")), refuse("several_cookies"));
    check(get("/").cookie("sso", &ada).cookie("sso", &eve), refuse("several_cookies"));
    check(get("/").cookie("sso", &ada).cookie("sso", &ada), refuse("several_cookies"));
    check(get("/").cookie("sso", &ada).cookie("sso", ""), refuse("several_cookies"));
    check(get("/").navigating().cookie("sso", "").cookie("sso", &eve), refuse("several_cookies"));
}

/// Prefixes, case, quotes and Unicode spaces around the name are tricks by which one cookie passes for another.
#[test]
fn a_cookie_name_is_compared_octet_for_octet() {
    let good = token().text();
    for field in [
        format!("SSO={good}"),
        format!("xsso={good}"),
        format!("sso2={good}"),
        format!("sso ={good}"),
        format!("\u{2000}sso={good}"),
        format!("$Version=1,sso={good}"),
        format!("a=\"; x\",sso={good}"),
        "sso".to_owned(),
        "sso=".to_owned(),
        ";;;=".to_owned(),
        String::new(),
    ] {
        check(get("/").header("cookie", field), deny("missing_credential"));
    }
}

#[test]
fn a_quoted_cookie_is_not_unquoted() {
    check(get("/").cookie("sso", format!("\"{}\"", token().text())), deny("token_malformed"));
}

#[test]
fn cookies_of_two_providers_are_judged_in_the_routes_order() {
    let (main, other) = (token().text(), token().issuer(OTHER_ISSUER).subject("grace").text());
    let both = |a: &str, b: &str| get("/").cookie("other", b).cookie("sso", a);
    two_providers().check(both(&main, &other), allow("ada"));
    two_providers().check(both("garbage", &other), allow("grace"));
    two_providers().check(both(&main, "garbage"), allow("ada"));
    two_providers().check(both("garbage", "garbage"), deny("token_malformed"));
}

#[test]
fn the_cookie_of_one_provider_does_not_carry_the_tokens_of_another() {
    let other = token().issuer(OTHER_ISSUER).text();
    two_providers().check(get("/").cookie("sso", &other), deny("token_issuer"));
    two_providers().check(get("/").cookie("other", token().text()), deny("token_issuer"));
}

#[test]
fn cookies_of_providers_that_do_not_count_here_are_not_read() {
    let mut gate = two_providers();
    gate.policy.routes = vec![std::sync::Arc::new(route("/*").providers(&[0]).route)];
    let other = token().issuer(OTHER_ISSUER).text();
    gate.check(get("/").cookie("other", &other), deny("missing_credential"));
    gate.check(
        get("/").cookie("other", &other).cookie("other", &other),
        deny("missing_credential"),
    );
}

#[test]
fn a_route_that_takes_no_cookies_does_not_read_them() {
    let gate = routes([route("/*").accepts(&[CredentialKind::Bearer])]);
    gate.check(get("/").cookie("sso", token().text()), deny("missing_credential"));
}

#[test]
fn thousands_of_cookies_are_walked_once() {
    let field = "a=b;".repeat(8000) + "sso=x";
    assert_eq!(cookie_values(field.as_bytes(), "sso"), [b"x"]);
}

#[test]
fn a_cookie_is_found_wherever_it_stands() {
    for before in 0..200 {
        for value in [0, 1, 63, 64, 65, 700] {
            let (before, value) = ("a".repeat(before), "v".repeat(value));
            let field = format!("{before};sso={value};b=1");
            assert_eq!(cookie_values(field.as_bytes(), "sso"), [value.as_bytes()], "{field}");
        }
    }
}
