//! What is asked for is kept where it stood; the rest is not.

use serde_json::json;

use super::*;
use crate::session::tests::claims;

fn path(text: &str) -> ClaimPath {
    ClaimPath::parse(text).unwrap()
}

fn kept(token: Value, paths: &[&str], values: &[(&str, &[&str])]) -> Value {
    let values = values.iter().map(|(place, values)| {
        (path(place), values.iter().map(|value| (*value).to_owned()).collect())
    });
    let keep = Keep { paths: paths.iter().map(|p| path(p)).collect(), values: values.collect() };
    Value::Object(keep_claims(&claims(token), &keep).as_map().clone())
}

#[test]
fn who_it_is_and_how_they_proved_it_is_always_kept() {
    let token = json!({ "sub": "ada", "auth_time": 5, "amr": ["pwd"], "acr": "1",
        "email_verified": false, "email": "ada@example.com", "nonce": "x" });
    let expected = json!({ "sub": "ada", "auth_time": 5, "amr": ["pwd"], "acr": "1",
        "email_verified": false });
    assert_eq!(kept(token, &[], &[]), expected);
}

#[test]
fn claims_inside_objects_are_kept_with_the_objects_around_them() {
    let token = json!({ "realm_access": { "roles": ["a"], "other": 1 }, "a/b": { "~": 1, "x": 2 },
        "list": [{ "x": 1 }, 2], "null": null });
    let paths = ["/realm_access/roles", "/a~1b/~0", "/list/0/x", "/null", "/absent/x", "absent"];
    let expected = json!({ "realm_access": { "roles": ["a"] }, "a/b": { "~": 1 },
        "list": [{ "x": 1 }, 2] });
    assert_eq!(kept(token, &paths, &[]), expected);
}

#[test]
fn what_a_path_finds_it_finds_again_in_what_was_kept() {
    let token = json!({ "a": { "b": [1, { "c": "x" }], "d": null }, "e": "f", "/a": 1 });
    let all = ["a", "/a/b", "/a/b/1/c", "/a/d", "e", "/e", "/e/x", "/a/b/c"];
    for text in all {
        let token = claims(token.clone());
        let keep = Keep { paths: vec![path(text)], values: Vec::new() };
        assert_eq!(path(text).find(&keep_claims(&token, &keep)), path(text).find(&token), "{text}");
    }
}

#[test]
fn only_the_asked_values_of_a_list_are_kept() {
    let token = json!({ "groups": ["a", "b", "c", 7, true, null, {}] });
    let keep = [("groups", &["c", "a", "7", "x"][..])];
    assert_eq!(kept(token.clone(), &[], &keep), json!({ "groups": ["a", "c", 7] }));
    assert_eq!(kept(token, &["groups"], &keep)["groups"].as_array().unwrap().len(), 7);
}

#[test]
fn several_wishes_for_one_list_add_up_however_it_is_written() {
    let token = json!({ "groups": ["a", "b", "c"] });
    let keep = [("groups", &["a"][..]), ("/groups", &["c"][..])];
    assert_eq!(kept(token, &[], &keep), json!({ "groups": ["a", "c"] }));
}

/// Cut at its spaces, it would become another group.
#[test]
fn a_text_is_never_cut() {
    let token = json!({ "groups": "my admins" });
    assert_eq!(kept(token.clone(), &[], &[("groups", &["admins"])]), token);
}

/// Auth0 tells `amr` at the sign-in, and not again when a token is renewed or somebody signs in unasked.
#[test]
fn strength_is_carried_on_where_nothing_new_is_said() {
    let before =
        claims(json!({"sub": "ada", "amr": ["pwd", "mfa"], "auth_time": 900, "groups": ["a"]}));
    let carried = carry_strength(claims(json!({"sub": "ada"})), &before);
    assert_eq!(
        json!(carried.as_map()),
        json!({"sub": "ada", "amr": ["pwd", "mfa"], "auth_time": 900})
    );
    let told = json!({"sub": "ada", "acr": "1"});
    assert_eq!(json!(carry_strength(claims(told.clone()), &before).as_map()), told);
}
