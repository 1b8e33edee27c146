//! One host where people sign in for others: where browsers are led, and whose cookies count.

use super::fixture::*;
use crate::gate::{Decision, Home, Scheme};
use crate::session::{CookieSpec, Scope};

const HOME: &str = "https://auth.shared.example";

/// A gate of the hosts `app.shared.example` and `app.example`; with a domain, the first shares the cookies of the host of sign-ins.
fn gate(domain: Option<&str>) -> Gate {
    let mut gate = sign_in_gate([route("/*")]);
    let sessions = gate.policy.sessions.as_mut().unwrap();
    let shared = |scheme| {
        let scope = Scope::Domain(domain.unwrap().to_owned());
        CookieSpec::session("sidegate", scope, scheme).unwrap()
    };
    if domain.is_some() {
        (sessions.http, sessions.https) = (shared(Scheme::Http), shared(Scheme::Https));
    }
    let apart = domain.map(|_| (session_cookie(Scheme::Http), session_cookie(Scheme::Https)));
    let host = "auth.shared.example".to_owned();
    sessions.home = Some(Home { origin: HOME.to_owned(), host, apart });
    gate
}

fn orders(host: &str) -> Ask {
    get("/orders?x=1").host(host).navigating()
}

#[test]
fn hosts_that_share_the_session_lead_to_the_host_of_sign_ins() {
    let gate = gate(Some("shared.example"));
    let login = format!(
        "{HOME}/.auth/login?return_to=https%3A%2F%2Fapp%2Eshared%2Eexample%2Forders%3Fx%3D1"
    );
    gate.check(orders("app.shared.example"), sign_in(&login));
    let verdict = gate.decide(get("/").host("app.shared.example"));
    let Decision::Challenge(challenge) = &verdict.decision else { panic!("{verdict:?}") };
    let login = format!("{HOME}/.auth/login?return_to=https%3A%2F%2Fapp%2Eshared%2Eexample%2F");
    assert_eq!(challenge.login_url.as_deref(), Some(login.as_str()));
}

#[test]
fn the_host_of_sign_ins_and_hosts_apart_begin_at_themselves() {
    let login = "/.auth/login?return_to=%2Forders%3Fx%3D1";
    let shared = gate(Some("shared.example"));
    shared.check(orders("auth.shared.example"), sign_in(login));
    shared.check(orders("app.example"), sign_in(login));
    // No host is below another that only ends alike.
    shared.check(orders("notshared.example"), sign_in(login));
    gate(None).check(orders("app.shared.example"), sign_in(login));
    let verdict = shared.decide(get("/"));
    let Decision::Challenge(challenge) = &verdict.decision else { panic!("{verdict:?}") };
    let login = "https://app.example/.auth/login?return_to=%2F";
    assert_eq!(challenge.login_url.as_deref(), Some(login));
}

#[test]
fn a_host_apart_has_a_session_of_its_own() {
    let gate = gate(Some("shared.example"));
    gate.check(get("/").session(&session()), allow("ada"));
    let spec = gate.policy.sessions.as_ref().unwrap().https.clone();
    let value = session().seal(&sealing_keys(1), &spec, "app.shared.example", [5; 12]);
    let shown = |host: &str| get("/").host(host).cookie(spec.name(), &value);
    gate.check(shown("app.shared.example"), allow("ada"));
    gate.check(shown("other.shared.example"), allow("ada"));
    gate.check(shown("app.example"), deny("missing_credential"));
}

/// Both kinds of cookie stay here, wherever they are shown.
#[test]
fn no_cookie_of_either_kind_goes_to_an_app() {
    let policy = gate(Some("shared.example")).policy;
    for name in ["__Secure-sidegate", "__Secure-sidegate_1", "__Host-sidegate", "sidegate"] {
        assert!(policy.is_own_cookie(name.as_bytes()), "{name}");
    }
    assert!(!policy.is_own_cookie(b"__Host-sidegated"));
}
