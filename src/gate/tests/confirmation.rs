//! Tokens that are bound to a client certificate ([RFC 8705](https://www.rfc-editor.org/rfc/rfc8705)).

use serde_json::json;

use super::fixture::*;

/// The base64url of 32 bytes of 7.
const SEVENS: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

fn certified() -> String {
    token().claim("cnf", json!({ "x5t#S256": SEVENS })).text()
}

#[test]
fn a_token_bound_to_a_certificate_is_for_its_owner_alone() {
    check(get("/").bearer(certified()).certified([7; 32]), allow("ada"));
    check(get("/").bearer(certified()).certified([8; 32]), deny("token_binding"));
    check(get("/").bearer(certified()), deny("token_binding"));
    check(get("/").cookie("sso", certified()), deny("token_binding"));
}

#[test]
fn a_token_that_is_not_bound_needs_no_certificate() {
    check(get("/").by_ada().certified([7; 32]), allow("ada"));
}

/// Each connection proves again.
#[test]
fn a_remembered_caller_needs_the_certificate_all_the_same() {
    let gate = gate();
    let known = gate.decide(get("/").bearer(certified()).certified([7; 32]));
    let again = |request| gate.decide_knowing(request, &[Some(known.caller())]).outcome();
    assert_eq!(again(get("/").bearer(certified()).certified([7; 32])), allow("ada"));
    assert_eq!(again(get("/").bearer(certified())), deny("token_binding"));
    assert_eq!(again(get("/").bearer(certified()).certified([8; 32])), deny("token_binding"));
}

#[test]
fn a_binding_that_we_do_not_know_is_not_ignored() {
    for cnf in [json!({ "kid": "k" }), json!({}), json!(null)] {
        check(get("/").bearer(token().claim("cnf", cnf).text()), deny("token_binding"));
    }
}
