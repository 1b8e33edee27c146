//! The provider's keys.

use serde_json::{Value, json};

use super::row::Row;

#[tokio::test]
async fn keys() {
    super::run("Keys", [certified(), answers()].into_iter().flatten().collect()).await;
}

fn certified() -> Vec<Row> {
    vec![
        Row::new(
            "discovery-jwks-uri-keys",
            "the keys are at another address than usual",
            "the address in the metadata is used; signed in",
            |stage| async move {
                stage.is_accepted().await;
                let requests = stage.provider.requests("jwks").await;
                let targets = requests.iter().map(|seen| seen.entry["target"].as_str().unwrap());
                assert!(
                    !requests.is_empty()
                        && targets.clone().all(|target| target.ends_with("/jwks-7")),
                    "{requests:#?}"
                );
            },
        )
        .told(json!({ "discovery": { "suffix": { "jwks_uri": "-7" } } })),
        Row::new(
            "signing-key-rotation",
            "all keys are replaced between two sign-ins",
            "both succeed",
            |stage| async move {
                stage.is_accepted().await;
                stage.provider.rotate().await;
                stage.person.change_jar(|jar| jar.forget(|_| true));
                stage.is_accepted().await;
            },
        ),
        Row::accepted(
            "signing-key-rotation-just-before-signing",
            "all keys are replaced right before the ID token is signed",
            json!({ "id_token": { "rotate": true } }),
        ),
        Row::accepted(
            "kid-absent-single-jwks",
            "no `kid`, one key that fits",
            json!({ "id_token": { "no-kid": true } }),
        ),
        Row::new(
            "kid-absent-multiple-jwks",
            "no `kid`, several keys that fit",
            "all are tried: signed in",
            |stage| async move {
                stage.provider.rotate_and_keep().await;
                stage.is_accepted().await;
            },
        )
        .told(json!({ "id_token": { "no-kid": true } })),
    ]
}

fn answers() -> Vec<Row> {
    let unusable = |case, told: Value| {
        Row::new("x013", case, "nobody is signed in while there are no keys", |stage| async move {
            let page = stage.is_turned_away().await;
            assert!(page.status >= 502, "{page:#?}");
        })
        .told(json!({ "jwks": told }))
    };
    vec![
        Row::new(
            "x011",
            "5xx after the keys have been fetched",
            "the keys at hand serve on: signed in",
            |stage| async move {
                stage.is_accepted().await;
                stage.provider.misbehave(json!({ "jwks": { "answer": { "status": 503 } } })).await;
                stage.person.change_jar(|jar| jar.forget(|_| true));
                stage.is_accepted().await;
            },
        ),
        Row::elsewhere(
            "x012",
            "no answer",
            "requests with known keys do not wait",
            "a_request_does_not_wait_for_a_provider_that_hangs",
        ),
        unusable("garbage", json!({ "answer": { "body": "keys" } })),
        unusable("no keys", json!({ "set": { "keys": [] } })),
        unusable(
            "only keys for encryption",
            json!({ "set": { "keys": [{ "kty": "oct", "k": "AAAA", "use": "enc" }] } }),
        ),
        unusable("a page of HTML", json!({ "answer": { "html": "<h1>Sign in</h1>" } })),
        unusable("50 MiB", json!({ "answer": { "body": " ".repeat(1024), "repeat": 50 * 1024 } })),
        unusable(
            "302 to another address",
            json!({ "answer": { "status": 302, "headers": { "location": "jwks-2" } } }),
        ),
        Row::elsewhere(
            "x013",
            "the same after good keys",
            "the old keys serve on",
            "whatever_is_no_usable_key_set_leaves_the_old_one",
        ),
        Row::elsewhere(
            "x014",
            "rotation with overlap, under load",
            "no request fails",
            "no_request_fails_while_the_provider_rotates_its_keys",
        ),
        Row::elsewhere(
            "x015",
            "rotation without overlap",
            "one fetch, and the first request that needs it waits for it",
            "a_new_key_is_found_by_the_first_request_that_uses_it",
        ),
        Row::elsewhere(
            "x016",
            "another key under the same `kid`",
            "one fetch, then success",
            "new_material_under_an_old_id_is_found_by_a_bad_signature",
        ),
        Row::elsewhere(
            "x017",
            "a flood of unknown `kid`s",
            "one fetch in each cooldown",
            "a_flood_of_unknown_keys_costs_the_provider_one_fetch",
        ),
        Row::elsewhere(
            "x018",
            "the same while there are no keys",
            "the cooldown holds as well",
            "a_flood_while_there_are_no_keys_causes_no_fetch_at_all",
        ),
        Row::accepted(
            "x019",
            "bad keys before the good ones",
            json!({ "jwks": { "add": bad_keys() } }),
        ),
        Row::elsewhere(
            "x020",
            "`max-age=0`, a year, `Expires` in the past",
            "kept within bounds",
            "lifetimes_are_clamped_to_the_bounds",
        ),
        Row::elsewhere(
            "x021",
            "304",
            "the keys at hand are good for another while",
            "a_refresh_is_conditional_and_not_modified_is_good_news",
        ),
        Row::elsewhere(
            "x022",
            "an answer without end, or a torn one",
            "the old keys serve on",
            "endless_and_torn_answers_leave_the_old_set",
        ),
    ]
}

/// Keys that nobody should use.
fn bad_keys() -> Value {
    let short = "A".repeat(171);
    json!([
        { "kty": "oct", "kid": "symmetric", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA" },
        { "kty": "RSA", "kid": "short", "n": short, "e": "AQAB", "alg": "RS256", "use": "sig" },
        { "kty": "RSA", "kid": "one", "n": "A".repeat(342), "e": "AQ" },
        { "kty": "RSA", "kid": 7, "n": "A".repeat(342), "e": "AQAB" },
        { "kty": "EC", "kid": "off-the-curve", "crv": "P-256", "x": "A".repeat(43), "y": "A".repeat(43) },
        { "kty": "RSA", "kid": "certificate", "n": "A".repeat(342), "e": "AQAB", "x5c": ["garbage"] },
        { "kty": "future", "kid": "unknown" },
        { "kid": "nothing" },
    ])
}
