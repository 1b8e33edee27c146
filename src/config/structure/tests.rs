use serde_json::json;

use super::*;
use crate::config::problem::Lines;
use crate::config::schema::SCHEMA;

fn problems(value: Value) -> Vec<(String, String, String)> {
    let mut report = Report::new(Lines::default());
    check(&SCHEMA, &value, &mut report);
    let (problems, _) = report.into_parts();
    problems.iter().map(|p| (p.path(), p.message().to_owned(), p.remedy().to_owned())).collect()
}

fn only(value: Value) -> (String, String, String) {
    let mut problems = problems(value);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

fn expect(value: Value, path: &str, message: &str, remedy: &str) {
    assert_eq!(only(value), (path.to_owned(), message.to_owned(), remedy.to_owned()));
}

#[test]
fn what_fits_is_not_mentioned() {
    let file = json!({
        "listen": "127.0.0.1:8080", "upstream": {"servers": ["http://127.0.0.1:1", "http://127.0.0.1:2"]},
        "provider": {"issuer": "https://l.example", "audience": ["a", "b"], "token_types": ["JWT"], "jwks": {"keys": [{"kty": "EC"}]}},
        "routes": [{"require": {"claims": {"tier": [1, "x", true]}}, "preflight": "forward", "identity": {"assertion": true}}],
        "admin": "none", "threads": 2, "timeouts": {"idle": "1m"},
    });
    assert_eq!(problems(file), []);
}

#[test]
fn an_unknown_key_names_the_one_that_was_meant() {
    expect(json!({"lissten": "x"}), "lissten", "unknown key", "did you mean `listen`?");
    expect(
        json!({"routes": [{"acces": "public"}]}),
        "routes[0].acces",
        "unknown key",
        "did you mean `access`?",
    );
}

#[test]
fn a_key_on_the_wrong_level_names_the_right_one() {
    expect(
        json!({"routes": [{"hosts": ["a"]}]}),
        "routes[0].hosts",
        "unknown key",
        "`hosts` belongs under `match`",
    );
}

#[test]
fn another_unknown_key_lists_the_known_ones() {
    expect(
        json!({"log": {"colour": "red"}}),
        "log.colour",
        "unknown key",
        "remove it; known here are: level, requests",
    );
}

#[test]
fn a_bare_number_is_given_the_likely_unit() {
    expect(
        json!({"timeouts": {"connect": 30}}),
        "timeouts.connect",
        "30 has no unit",
        "write 30s, or another of ms, m, h, d",
    );
    expect(
        json!({"limits": {"body": 10}}),
        "limits.body",
        "10 has no unit",
        "write 10B, or another of KiB, MiB, GiB, KB, MB, GB",
    );
    expect(
        json!({"timeouts": {"connect": "30"}}),
        "timeouts.connect",
        "`30` has no unit",
        "write 30s, or another of ms, m, h, d",
    );
}

#[test]
fn a_missing_key_is_shown_as_the_line_to_add() {
    expect(
        json!({"provider": {}}),
        "provider",
        "the key `issuer` is missing",
        "add `issuer: https://login.example.com`",
    );
    expect(
        json!({"session": {}}),
        "session",
        "the key `keys` is missing",
        "add `keys: [{ file: /run/secrets/session_key }]`",
    );
}

#[test]
fn an_unknown_word_lists_the_known_ones() {
    expect(
        json!({"routes": [{"access": "private"}]}),
        "routes[0].access",
        "`private` is none of: optional, public, required",
        "write one of: optional, public, required",
    );
    expect(
        json!({"routes": [{"access": "Public"}]}),
        "routes[0].access",
        "`Public` is none of: optional, public, required",
        "did you mean `public`?",
    );
}

#[test]
fn words_that_are_not_taken_say_why() {
    let (path, _, remedy) = only(json!({"provider": {"issuer": "i", "response_mode": "fragment"}}));
    assert_eq!(
        (path.as_str(), remedy.as_str()),
        ("provider.response_mode", "a fragment never reaches a server: write query or form_post")
    );
    let (path, _, remedy) =
        only(json!({"provider": {"issuer": "i", "algorithms": ["RS256", "HS256"]}}));
    assert_eq!(path, "provider.algorithms[1]");
    assert!(remedy.starts_with("whoever can check an HMAC can make one"), "{remedy}");
    let (_, _, remedy) = only(json!({"provider": {"issuer": "i", "algorithms": "none"}}));
    assert!(remedy.starts_with("a token without a signature proves nothing"), "{remedy}");
}

#[test]
fn wrong_types_say_what_was_found_and_how_to_write_it() {
    expect(json!({"prefix": 7}), "prefix", "is a number, expected text", "put it in quotes: \"7\"");
    expect(
        json!({"threads": "4"}),
        "threads",
        "is text, expected a whole number",
        "write 4 without quotes",
    );
    expect(json!({"threads": 0}), "threads", "0 is too small", "write 1 or more");
    expect(
        json!({"trusted_proxies": "10.0.0.0/8"}),
        "trusted_proxies",
        "is text, expected a list",
        "write [10.0.0.0/8]",
    );
    expect(
        json!({"routes": {"access": "public"}}),
        "routes",
        "is a mapping of keys, expected a list",
        "put `- ` before its first key",
    );
    expect(
        json!({"listeners": [{"address": "a:1", "tls": {"http2": "yes"}}]}),
        "listeners[0].tls.http2",
        "is text, expected true or false",
        "write true",
    );
    let (_, message, _) = only(json!({"listen": ["a"]}));
    assert_eq!(message, "is a list, expected text or a mapping of keys");
}

#[test]
fn empty_values_are_forgotten_values() {
    expect(json!({"log": null}), "log", "is empty", "give it a value, or remove the key");
    let (path, message, _) = only(json!({"routes": [{"require": {"groups_any": [""]}}]}));
    assert_eq!(
        (path.as_str(), message.as_str()),
        ("routes[0].require.groups_any[0]", "is empty text")
    );
    let (path, message, _) = only(json!({"routes": [{"require": {"groups_any": []}}]}));
    assert_eq!(
        (path.as_str(), message.as_str()),
        ("routes[0].require.groups_any", "is an empty list")
    );
    let bare = json!({"provider": {"issuer": "x", "logout_params": {"federated": ""}}});
    assert_eq!(problems(bare), []);
    let (path, message, _) = only(json!({"routes": [{"require": {}}]}));
    assert_eq!((path.as_str(), message.as_str()), ("routes[0].require", "is empty"));
}

#[test]
fn a_secret_is_said_in_exactly_one_way() {
    let secret = |value: Value| only(json!({"provider": {"issuer": "i", "client_secret": value}}));
    let (path, message, remedy) = secret(json!({"file": "a", "env": "B"}));
    assert_eq!(path, "provider.client_secret");
    assert_eq!(
        (message.as_str(), remedy.as_str()),
        ("has several keys where one is wanted", "keep one of: env, file, value")
    );
    assert_eq!(secret(json!({})).1, "is empty");
    assert_eq!(secret(json!("hunter2")).1, "is text, expected a mapping of keys");
}

#[test]
fn all_problems_are_found_at_once() {
    let found = problems(
        json!({"a": 1, "log": {"level": "loud"}, "timeouts": {"idle": 3}, "routes": [{"x": 1}, {"access": 2}]}),
    );
    let paths: Vec<_> = found.iter().map(|(path, _, _)| path.as_str()).collect();
    assert_eq!(paths.len(), 5, "{paths:?}");
}

proptest::proptest! {
    #[test]
    fn no_value_makes_the_check_panic(keys in proptest::collection::vec("[a-z_]{1,10}", 0..6), number in 0_i64..9) {
        let mut value = json!(number);
        for key in keys {
            value = json!({key: [value.clone(), {"listen": value}]});
            problems(value.clone());
        }
    }
}
