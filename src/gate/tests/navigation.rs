//! Who is led to the login page, and where they come back to.

use super::fixture::*;
use crate::gate::Decision;

fn login(return_to: &str) -> Outcome {
    sign_in(&format!("https://login.example/signin?rd={return_to}"))
}

fn challenge(request: Ask) -> crate::gate::Challenge {
    match gate().decide(request).decision {
        Decision::Challenge(challenge) => challenge,
        other => panic!("no challenge: {other:?}"),
    }
}

#[test]
fn a_navigation_is_led_to_the_login_page() {
    let expected = || login("https%3A%2F%2Fapp%2Eexample%2Forders%3Fpage%3D2");
    check(get("/orders?page=2").navigating(), expected());
    check(ask("HEAD", "/orders?page=2").navigating(), expected());
    check(get("/orders?page=2").header("accept", "text/html"), expected());
    check(get("/orders?page=2").header("accept", "a/b;q=1, TEXT/HTML;q=0.9"), expected());
}

#[test]
fn everything_else_is_challenged() {
    for request in [
        get("/"),
        get("/").header("accept", "*/*"),
        get("/").header("accept", "application/json"),
        get("/").header("accept", "text/html2"),
        get("/").header("accept", "text/html").header("x-requested-with", "XMLHttpRequest"),
        get("/").header("accept", "text/html").header("sec-fetch-mode", "cors"),
        get("/").header("accept", "text/html").header("sec-fetch-mode", "no-cors"),
        get("/").header("accept", "text/html").header("sec-fetch-mode", "websocket"),
        get("/").navigating().header("sec-fetch-mode", "navigate"),
        ask("POST", "/").navigating(),
        ask("OPTIONS", "/").navigating(),
        ask("PUT", "/").navigating(),
    ] {
        check(request, deny("missing_credential"));
    }
}

#[test]
fn a_challenge_tells_where_a_person_could_sign_in() {
    let challenge = challenge(ask("POST", "/orders?secret=1"));
    let home = "https://login.example/signin?rd=https%3A%2F%2Fapp%2Eexample%2F";
    assert_eq!(challenge.login_url.as_deref(), Some(home));
    assert_eq!(challenge.error, None, "RFC 6750 §3.1: no error where nothing was offered");
}

#[test]
fn a_bad_token_is_told_no_login_page() {
    let challenge = challenge(get("/").navigating().bearer("garbage"));
    assert_eq!(challenge.login_url, None);
    assert!(challenge.error.is_some());
}

#[test]
fn the_return_address_is_the_one_that_was_asked_for() {
    let request = get("/").navigating().over_http().host("App.example:8080");
    check(request, login("http%3A%2F%2FApp%2Eexample%3A8080%2F"));
}

/// Nothing in an address can end the query value it becomes.
#[test]
fn a_return_address_is_one_query_value() {
    let request = get("/x?a=1&rd=https://evil.example/+%20\"><script>").navigating();
    let Decision::SignIn(sign_in) = gate().decide(request).decision else { panic!("no sign-in") };
    let (_, value) = sign_in.location.split_once("rd=").unwrap();
    assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'%'), "{value}");
}

/// CVE-2026-33495 and its kin: forwarded headers turned the way back elsewhere.
#[test]
fn forwarded_headers_do_not_change_the_return_address() {
    let request = get("/x")
        .navigating()
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "http")
        .header("x-forwarded-uri", "/y")
        .header("x-forwarded-prefix", "/z")
        .header("x-auth-request-redirect", "https://evil.example");
    check(request, login("https%3A%2F%2Fapp%2Eexample%2Fx"));
}

/// An address that browsers would read as another site is never a way back.
#[test]
fn an_address_of_two_readings_comes_back_to_this_host() {
    check(
        get("//evil.example/x").navigating(),
        login("https%3A%2F%2Fapp%2Eexample%2F%2Fevil%2Eexample%2Fx"),
    );
    check(
        get("/\\evil.example").navigating(),
        login("https%3A%2F%2Fapp%2Eexample%2F%5Cevil%2Eexample"),
    );
}

#[test]
fn a_route_may_have_a_login_page_of_its_own() {
    let gate = routes([route("/*").login_url("https://partners.example/?to={return_to}&x=1")]);
    let there = "https://partners.example/?to=https%3A%2F%2Fapp%2Eexample%2F&x=1";
    gate.check(get("/").navigating(), sign_in(there));
    let gate = routes([route("/*").login_url("https://partners.example/login")]);
    gate.check(get("/").navigating(), sign_in("https://partners.example/login"));
}

#[test]
fn the_first_provider_with_a_login_page_is_the_one() {
    let mut machines = provider("https://machines.example");
    machines.login_url = None;
    let gate = gate_of(vec![machines, provider(ISSUER)], vec![route("/*")]);
    gate.check(get("/").navigating(), login("https%3A%2F%2Fapp%2Eexample%2F"));
}

#[test]
fn without_a_login_page_a_person_is_challenged() {
    let mut provider = provider(ISSUER);
    provider.login_url = None;
    let gate = gate_of(vec![provider], vec![route("/*")]);
    gate.check(get("/").navigating(), deny("missing_credential"));
}
