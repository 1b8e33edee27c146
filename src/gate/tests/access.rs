//! Rules on callers: every kind of requirement, held, missed and at its boundary.

use std::time::Duration;

use serde_json::{Value, json};

use super::fixture::*;
use crate::gate::{BearerError, Decision, Rule};
use crate::identity::ClaimPath;

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

/// Whether Ada's token with these claims passes `rule`; if not, why.
fn verdict(rule: &Rule, claims: Value) -> Result<(), &'static str> {
    let Value::Object(claims) = claims else { unreachable!() };
    let token = claims.into_iter().fold(token(), |token, (name, value)| token.claim(&name, value));
    let gate = routes([route("/*").requires(rule.clone())]);
    match gate.decide(get("/").bearer(token.text())).outcome() {
        Outcome::Allow(_) => Ok(()),
        Outcome::Forbid(reason) | Outcome::Challenge(reason) => Err(reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_of_a_list_needs_one_and_all_of_a_list_needs_each() {
    let none = Rule::default();
    let cases = [
        (
            "groups",
            "missing_group",
            Rule { groups_any: texts(&["a", "b"]), ..none.clone() },
            Rule { groups_all: texts(&["a", "b"]), ..none.clone() },
        ),
        (
            "roles",
            "missing_role",
            Rule { roles_any: texts(&["a", "b"]), ..none.clone() },
            Rule { roles_all: texts(&["a", "b"]), ..none.clone() },
        ),
        (
            "scope",
            "missing_scope",
            Rule { scopes_any: texts(&["a", "b"]), ..none.clone() },
            Rule { scopes_all: texts(&["a", "b"]), ..none.clone() },
        ),
        (
            "amr",
            "authentication_too_weak",
            Rule { amr_any: texts(&["a", "b"]), ..none.clone() },
            Rule { amr_all: texts(&["a", "b"]), ..none },
        ),
    ];
    for (claim, reason, any, all) in cases {
        assert_eq!(verdict(&any, json!({ claim: ["b", "z"] })), Ok(()), "{claim}");
        assert_eq!(verdict(&all, json!({ claim: ["b", "z"] })), Err(reason), "{claim}");
        assert_eq!(verdict(&all, json!({ claim: ["b", "z", "a"] })), Ok(()), "{claim}");
        for had in [
            json!(["z"]),
            json!([]),
            json!(["A"]),
            json!(["a "]),
            json!(null),
            json!({ "a": 1 }),
            json!([["a"]]),
        ] {
            assert_eq!(verdict(&any, json!({ claim: had })), Err(reason), "{claim}: {had}");
            assert_eq!(verdict(&all, json!({ claim: had })), Err(reason), "{claim}: {had}");
        }
        assert_eq!(verdict(&any, json!({})), Err(reason), "{claim}");
    }
}

#[test]
fn scopes_are_words_and_groups_are_not() {
    let scopes = Rule { scopes_all: texts(&["read", "write"]), ..Rule::default() };
    assert_eq!(verdict(&scopes, json!({ "scope": "read write" })), Ok(()));
    assert_eq!(verdict(&scopes, json!({ "scope": "readwrite" })), Err("missing_scope"));
    let groups = Rule { groups_any: texts(&["admins"]), ..Rule::default() };
    assert_eq!(verdict(&groups, json!({ "groups": "users admins" })), Err("missing_group"));
    assert_eq!(verdict(&groups, json!({ "groups": "users,admins" })), Err("missing_group"));
    assert_eq!(verdict(&groups, json!({ "groups": "admins" })), Ok(()));
}

#[test]
fn every_part_of_a_rule_must_hold() {
    let rule = Rule { groups_any: texts(&["a"]), roles_any: texts(&["r"]), ..Rule::default() };
    assert_eq!(verdict(&rule, json!({ "groups": ["a"], "roles": ["r"] })), Ok(()));
    assert_eq!(verdict(&rule, json!({ "groups": ["a"] })), Err("missing_role"));
    assert_eq!(verdict(&rule, json!({ "roles": ["r"] })), Err("missing_group"));
}

#[test]
fn subjects_are_exact() {
    let rule = Rule { subjects: texts(&["ada", "grace"]), ..Rule::default() };
    assert_eq!(verdict(&rule, json!({})), Ok(()));
    for subject in ["Ada", "ada ", "eve"] {
        assert_eq!(verdict(&rule, json!({ "sub": subject })), Err("subject_not_allowed"));
    }
}

#[test]
fn claims_are_equal_in_type_and_value() {
    let path = ClaimPath::parse("/org/id").unwrap();
    let rule = Rule { claims: vec![(path, vec![json!(7), json!("seven")])], ..Rule::default() };
    for value in [json!(7), json!("seven"), json!([1, 7])] {
        assert_eq!(verdict(&rule, json!({ "org": { "id": value } })), Ok(()), "{value}");
    }
    for value in [
        json!("7"),
        json!(7.5),
        json!([]),
        json!(null),
        json!(true),
        json!({ "7": 7 }),
        json!([[7]]),
    ] {
        assert_eq!(
            verdict(&rule, json!({ "org": { "id": value } })),
            Err("missing_claim"),
            "{value}"
        );
    }
    assert_eq!(verdict(&rule, json!({ "/org/id": 7 })), Err("missing_claim"));
}

#[test]
fn mail_addresses_match_by_address_or_domain_whatever_their_case() {
    let rule = Rule {
        email_domains: texts(&["company.example"]),
        emails: texts(&["guest@x.test"]),
        ..Rule::default()
    };
    for email in ["ada@company.example", "Ada@Company.EXAMPLE", "guest@x.test"] {
        assert_eq!(verdict(&rule, json!({ "email": email })), Ok(()), "{email}");
    }
}

/// CVE-2026-40574: the domain behind the last `@` was believed.
#[test]
fn mail_addresses_that_only_look_right_do_not_match() {
    let rule = Rule { email_domains: texts(&["bank.example"]), ..Rule::default() };
    for email in [
        "a@evil.example@bank.example",
        "a@bank.example@evil.example",
        "a@sub.bank.example",
        "a@xbank.example",
        "a@bank.example.",
        "a@bank.example ",
        "@bank.example",
        "bank.example",
        "a@ban\u{212a}.example",
        "",
    ] {
        assert_eq!(verdict(&rule, json!({ "email": email })), Err("missing_email"), "{email}");
    }
    assert_eq!(verdict(&rule, json!({})), Err("missing_email"));
}

#[test]
fn an_unverified_mail_address_does_not_count() {
    let rule = Rule { email_domains: texts(&["x.test"]), ..Rule::default() };
    let claims = |verified: Value| json!({ "email": "a@x.test", "email_verified": verified });
    for (verified, expected) in [
        (json!(true), Ok(())),
        (json!(false), Err("missing_email")),
        (json!("false"), Err("missing_email")),
        (json!(0), Err("missing_email")),
    ] {
        assert_eq!(verdict(&rule, claims(verified)), expected);
    }
}

#[test]
fn an_authentication_may_be_exactly_as_old_as_allowed() {
    let rule = Rule { max_auth_age: Some(Duration::from_secs(600)), ..Rule::default() };
    let old = Err("authentication_too_old");
    for (auth_time, expected) in [
        (json!(NOW), Ok(())),
        (json!(NOW - 600), Ok(())),
        (json!(NOW - 601), old),
        (json!(NOW + 60), Ok(())),
        (json!(NOW + 61), old),
        (json!(NOW * 1000), old),
        (json!(NOW.to_string()), old),
        (json!(null), old),
        (json!(-1), old),
    ] {
        assert_eq!(verdict(&rule, json!({ "auth_time": auth_time })), expected, "{auth_time}");
    }
    assert_eq!(verdict(&rule, json!({})), old);
}

#[test]
fn the_context_class_must_be_listed() {
    let rule = Rule { acr_any: texts(&["2", "3"]), ..Rule::default() };
    assert_eq!(verdict(&rule, json!({ "acr": "3" })), Ok(()));
    for acr in [json!("1"), json!(3), json!(["3"]), json!("")] {
        assert_eq!(verdict(&rule, json!({ "acr": acr })), Err("authentication_too_weak"));
    }
    assert_eq!(verdict(&rule, json!({})), Err("authentication_too_weak"));
}

#[test]
fn a_program_is_told_which_sign_in_would_do() {
    let rule = Rule {
        acr_any: texts(&["mfa"]),
        max_auth_age: Some(Duration::from_secs(60)),
        ..Rule::default()
    };
    let verdict = routes([route("/*").requires(rule)]).decide(get("/").by_ada());
    let Decision::Challenge(challenge) = verdict.decision else { panic!("{verdict:?}") };
    let error = BearerError::InsufficientUserAuthentication {
        acr_values: texts(&["mfa"]),
        max_age: Some(60),
    };
    assert_eq!(challenge.error, Some(error));
}

#[test]
fn a_person_who_may_not_pass_is_shown_how_to_sign_in_as_somebody_else() {
    let gate = routes([route("/*").admins()]);
    let person = gate.decide(get("/x").navigating().cookie("sso", token().text()));
    let Decision::Forbid(forbidden) = person.decision else { panic!("not forbidden") };
    let location = "https://login.example/signin?rd=https%3A%2F%2Fapp%2Eexample%2Fx";
    assert_eq!(forbidden.login_url.as_deref(), Some(location));
    let program = gate.decide(get("/x").cookie("sso", token().text()));
    let Decision::Forbid(forbidden) = program.decision else { panic!("not forbidden") };
    assert_eq!(forbidden.login_url, None);
}
