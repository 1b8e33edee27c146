//! Which pairs are terms, and that any doubt is a refusal.

use super::*;

fn rule(pairs: &[(&str, &str)]) -> Rule {
    read(pairs.iter().copied()).unwrap().unwrap().rule.unwrap()
}

#[test]
fn no_pairs_ask_for_nothing() {
    assert_eq!(read([("", ""); 0]), Ok(None));
}

#[test]
fn a_route_alone_asks_for_no_identity() {
    let terms = read([("route", "admin")]).unwrap().unwrap();
    assert_eq!(terms, Terms { route: Some("admin".into()), rule: None });
}

#[test]
fn lists_are_split_at_commas() {
    let found = rule(&[("groups", "admins, staff"), ("scopes", "read,write"), ("acr", "2")]);
    assert_eq!(found.groups_any, ["admins", "staff"]);
    assert_eq!(found.scopes_all, ["read", "write"]);
    assert_eq!(found.acr_any, ["2"]);
    let found = rule(&[("roles", "r"), ("amr", "mfa"), ("emails", "a@b.test")]);
    assert_eq!((found.roles_any, found.amr_any), (vec!["r".into()], vec!["mfa".into()]));
    assert_eq!(found.emails, ["a@b.test"]);
}

#[test]
fn addresses_and_domains_are_compared_in_lower_case_under_either_name() {
    for (emails, domains) in
        [("emails", "email_domains"), ("allowed_emails", "allowed_email_domains")]
    {
        assert_eq!(rule(&[(emails, "Ada@B.test")]).emails, ["ada@b.test"]);
        assert_eq!(rule(&[(domains, "B.Test")]).email_domains, ["b.test"]);
    }
    assert_eq!(rule(&[("allowed_groups", "Staff")]).groups_any, ["Staff"]);
}

#[test]
fn ages_have_units() {
    let age = |text| rule(&[("max_auth_age", text)]).max_auth_age.unwrap().as_secs();
    assert_eq!([age("90s"), age("10m"), age("2h"), age("1d")], [90, 600, 7_200, 86_400]);
}

/// oauth2-proxy #3365: an empty group was met by an empty claim.
#[test]
fn any_doubt_is_a_refusal() {
    for pair in [
        ("groups", ""),
        ("groups", "a,,b"),
        ("groups", "a\u{0}b"),
        ("Groups", "a"),
        ("group", "a"),
        ("", ""),
        ("route", ""),
        ("route", "a\nb"),
        ("max_auth_age", "10"),
        ("max_auth_age", "m"),
        ("max_auth_age", "-1m"),
        ("max_auth_age", "1.5h"),
        ("max_auth_age", "99999999999999999999d"),
        ("max_auth_age", "10\u{fc}"),
    ] {
        assert_eq!(read([pair]), Err(Reason::TermsMalformed), "{pair:?}");
    }
    for name in ["route", "groups", "max_auth_age"] {
        assert_eq!(read([(name, "1s"), (name, "1s")]), Err(Reason::TermsMalformed), "{name}");
    }
    let same = [("groups", "a"), ("allowed_groups", "b")];
    assert_eq!(read(same), Err(Reason::TermsMalformed));
}

/// oauth2-proxy asks for an address and a domain, ours for one of the two: under its names nobody can say which is meant.
#[test]
fn addresses_beside_domains_are_ours_alone() {
    let either = rule(&[("emails", "a@b.c"), ("email_domains", "d.e")]);
    assert_eq!((either.emails.len(), either.email_domains.len()), (1, 1));
    for names in [["emails", "allowed_email_domains"], ["allowed_emails", "email_domains"]] {
        let pairs = names.map(|name| (name, "a"));
        assert_eq!(read(pairs), Err(Reason::TermsMalformed), "{names:?}");
    }
}
