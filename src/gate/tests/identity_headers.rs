//! Which headers name the caller to the upstream, and how values are written.

use http::header::HeaderName;
use serde_json::json;

use super::fixture::*;
use crate::gate::{HeaderPlan, HeaderSource, PlanId};
use crate::identity::ClaimPath;

fn sent(token: &Token, name: &str) -> Option<String> {
    gate().decide(get("/").bearer(token.text())).header(name).map(str::to_owned)
}

fn claim_header(path: &str) -> HeaderPlan {
    let source = HeaderSource::Claim(ClaimPath::parse(path).unwrap());
    HeaderPlan { id: PlanId(0), fields: vec![(HeaderName::from_static("x-claim"), source)] }
}

#[test]
fn the_default_headers_name_the_caller() {
    let token = token()
        .claim("email", "ada@x.test")
        .claim("groups", json!(["users", "ops"]))
        .claim("preferred_username", "Ada");
    for (name, value) in [
        ("x-forwarded-user", "ada"),
        ("x-forwarded-email", "ada@x.test"),
        ("x-forwarded-groups", "users,ops"),
        ("x-forwarded-preferred-username", "Ada"),
    ] {
        assert_eq!(sent(&token, name).as_deref(), Some(value));
    }
}

/// CVE-2026-30851: a header without a value kept the one that the client had sent.
#[test]
fn a_fact_that_is_absent_has_no_header_and_the_clients_own_is_removed() {
    assert_eq!(sent(&token(), "x-forwarded-email"), None);
    assert_eq!(sent(&token().claim("groups", json!([])), "x-forwarded-groups"), None);
    let managed = &gate().policy.managed;
    assert!(managed.contains(&HeaderName::from_static("x-forwarded-email")));
}

#[test]
fn an_unverified_mail_address_is_not_sent() {
    let token = token().claim("email", "boss@x.test").claim("email_verified", false);
    assert_eq!(sent(&token, "x-forwarded-email"), None);
}

/// CVE-2023-27493: claims with line breaks made headers.
#[test]
fn values_cannot_break_out_of_their_header() {
    let token = token().subject("ada\r\nX-Admin: 1\0\u{fc}");
    assert_eq!(sent(&token, "x-forwarded-user").as_deref(), Some("ada%0D%0AX-Admin: 1%00%C3%BC"));
}

#[test]
fn a_group_with_a_comma_stays_one_group() {
    let token = token().claim("groups", json!(["a,admins", "b"]));
    assert_eq!(sent(&token, "x-forwarded-groups").as_deref(), Some("a%2Cadmins,b"));
}

#[test]
fn an_identity_too_large_for_headers_is_refused() {
    let mut gate = gate();
    gate.policy.max_token_bytes = 1 << 20;
    let with_group = |bytes| token().claim("groups", json!(["x".repeat(bytes)])).text();
    gate.check(get("/").bearer(with_group(16 * 1024)), allow("ada"));
    gate.check(get("/").bearer(with_group(16 * 1024 + 1)), forbid("identity_too_large"));
}

#[test]
fn any_claim_can_be_sent() {
    let gate = routes([route("/*").plan(claim_header("/org/name"))]);
    for (value, text) in [
        (json!("Acme"), Some("Acme")),
        (json!(7), Some("7")),
        (json!(true), Some("true")),
        (json!(["a", "b"]), Some("a,b")),
        (json!(null), None),
        (json!(""), None),
    ] {
        let token = token().claim("org", json!({ "name": value }));
        assert_eq!(gate.decide(get("/").bearer(token.text())).header("x-claim"), text, "{value}");
    }
}

#[test]
fn each_route_sends_its_own_headers_for_one_remembered_caller() {
    let mut other = claim_header("sub");
    other.id = PlanId(1);
    let gate = routes([route("/*"), route("/claims/*").plan(other)]);
    let first = gate.decide(get("/").by_ada());
    let second = gate.decide_knowing(get("/claims/x").by_ada(), &[Some(first.caller())]);
    assert_eq!(first.header("x-forwarded-user"), Some("ada"));
    assert_eq!(second.header("x-claim"), Some("ada"));
    assert_eq!(second.header("x-forwarded-user"), None);
}
