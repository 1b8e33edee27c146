//! The token endpoint (RFC 6749 §5, OpenID Connect Core §3.1.3).

use std::sync::Arc;

use serde_json::{Value, json};

use super::row::Row;
use super::stage::Stage;

#[tokio::test]
async fn token_endpoint() {
    let rows = [certified(), failures(), contents(), sizes()].into_iter().flatten().collect();
    super::run("Token endpoint", rows).await;
}

fn answer(answer: Value) -> Value {
    json!({ "token": { "answer": answer } })
}

fn set(members: Value) -> Value {
    json!({ "token": { "set": members } })
}

fn certified() -> Vec<Row> {
    vec![
        Row::new(
            "client-secret-basic",
            "only `client_secret_basic` is taken; the secret has a space, `+`, `%`, `:` and `ä` (x052)",
            "id and secret are form-urlencoded first (RFC 6749 §2.3.1); signed in",
            |stage| async move {
                stage.is_accepted().await;
                let requests = stage.provider.requests("token").await;
                let scheme = requests[0].entry["authorization"].as_str().unwrap_or_default();
                assert!(
                    scheme.starts_with("Basic ") && requests[0].param("client_secret").is_none()
                );
            },
        ),
        Row::accepted(
            "own: client-secret-post",
            "only `client_secret_post` is taken (x052)",
            json!({}),
        )
        .provider("client_auth: post")
        .registered(json!({ "token_endpoint_auth_method": "client_secret_post" })),
        Row::accepted("own: client-none", "a public client", json!({}))
            .provider("client_auth: none")
            .registered(json!({ "token_endpoint_auth_method": "none" })),
        Row::accepted(
            "fapi2:token-type-case-insensitivity",
            "`token_type` is `bEARER`",
            set(json!({ "token_type": "bEARER" })),
        ),
        Row::accepted(
            "fapi2:token-endpoint-response-without-expires_in",
            "no `expires_in`",
            json!({ "token": { "remove": "expires_in" } }),
        ),
        Row::accepted(
            "fapi1:no-scope-in-token-endpoint-response",
            "no `scope` and no `expires_in`",
            json!({ "token": { "remove": ["scope", "expires_in"] } }),
        ),
    ]
}

/// The rows x039, x040 and x049: no tokens. A failed exchange is told, and never tried again.
fn failures() -> Vec<Row> {
    let failing = |case, told: Value, statuses: &'static [u16]| {
        Row::new(
            "x039",
            case,
            "an error page that says whose fault it is; no session",
            move |stage: Arc<Stage>| async move {
                let page = stage.is_refused().await;
                assert!(statuses.contains(&page.status), "{page:#?}");
                assert_eq!(stage.provider.count("token").await, 1);
            },
        )
        .told(answer(told))
    };
    let error = |case, status: u16, code: &str| {
        Row::refused("x040", case, answer(json!({ "status": status, "json": { "error": code } })))
    };
    vec![
        failing("no answer", json!({ "hang": true }), &[502, 503, 504]),
        failing("500", json!({ "status": 500 }), &[502, 503]),
        failing(
            "503 with Retry-After",
            json!({ "status": 503, "headers": { "retry-after": "7" } }),
            &[502, 503],
        ),
        failing(
            "a connection that ends in the body",
            json!({ "body": "{\"access_token\":\"x\"}", "reset": true }),
            &[502, 503],
        ),
        failing(
            "a byte each second",
            json!({ "body": "{\"access_token\":\"xxxxxxxxxxxxxxxxxxxxxxx\"}", "trickle": 1000 }),
            &[502, 503, 504],
        ),
        error("200 with an error", 200, "invalid_grant"),
        error("400 `invalid_grant`", 400, "invalid_grant"),
        error("401 `invalid_client`", 401, "invalid_client"),
        Row::new(
            "x049",
            "302 to another address",
            "an error page; the redirect is not followed, the secret goes nowhere else",
            |stage| async move {
                stage.is_refused().await;
                assert_eq!(stage.provider.count("unknown").await, 0);
            },
        )
        .told(answer(json!({ "status": 302, "headers": { "location": "elsewhere" } }))),
        Row::new(
            "x049",
            "307 to another address",
            "an error page; the redirect is not followed, the secret goes nowhere else",
            |stage| async move {
                stage.is_refused().await;
                assert_eq!(stage.provider.count("unknown").await, 0);
            },
        )
        .told(answer(json!({ "status": 307, "headers": { "location": "elsewhere" } }))),
    ]
}

/// The rows x041 to x045 and x050: answers that are not quite what they should be.
fn contents() -> Vec<Row> {
    let refused = |id, case, members: Value| Row::refused(id, case, set(members));
    let expiry =
        |case, value: Value| Row::accepted("x045", case, set(json!({ "expires_in": value })));
    vec![
        Row::refused("x041", "a page of HTML", answer(json!({ "html": "<h1>Sign in</h1>" }))),
        Row::refused(
            "x041",
            "no JSON",
            answer(json!({ "body": "access_token=x&token_type=bearer" })),
        ),
        Row::refused("x041", "a list", answer(json!({ "body": "[]" }))),
        Row::refused(
            "x041",
            "100 MiB",
            answer(json!({ "body": " ".repeat(1024), "repeat": 100 * 1024 })),
        ),
        Row::refused(
            "x041",
            "`id_token` twice",
            json!({ "token": { "twice": { "id_token": "x" } } }),
        ),
        refused("x041", "`id_token` is empty", json!({ "id_token": "" })),
        refused("x041", "`id_token` is null", json!({ "id_token": null })),
        refused("x041", "`id_token` is a number", json!({ "id_token": 1 })),
        Row::refused("x042", "no `id_token`", json!({ "token": { "remove": "id_token" } })),
        refused("x043", "`token_type` is `mac`", json!({ "token_type": "mac" })),
        Row::refused("x043", "no `token_type`", json!({ "token": { "remove": "token_type" } })),
        refused(
            "x044",
            "`access_token` has a line break",
            json!({ "access_token": "a\r\nX-Evil: 1" }),
        ),
        refused("x044", "`access_token` has a zero byte", json!({ "access_token": "a\0b" })),
        refused(
            "x044",
            "`access_token` has 100 KiB",
            json!({ "access_token": "a".repeat(100 * 1024) }),
        ),
        expiry("`expires_in` is negative", json!(-1)),
        expiry("`expires_in` is 1e20", json!(1e20)),
        expiry("`expires_in` is text", json!("3600")),
        expiry("`expires_in` has a fraction", json!(3600.5)),
        Row::refused(
            "x050",
            "`access_token` is not the one of `at_hash`",
            set(json!({ "access_token": "another-access-token" })),
        ),
    ]
}

/// The row x051: what does not fit into a cookie.
fn sizes() -> Vec<Row> {
    let groups =
        |count: usize| -> Vec<String> { (0..count).map(|n| format!("group-{n:03}")).collect() };
    vec![
        Row::new("x051", "300 groups", "signed in; every cookie is one that browsers keep", move |stage| async move {
            stage.provider.person(json!({ "sub": "ada", "groups": groups(300) })).await;
            let page = stage.is_accepted().await;
            assert!(page.body.contains("group-299"), "{}", page.body);
        })
        .provider("scopes: [openid, groups]"),
        Row::new("x051", "300 groups, one of which a route asks for", "signed in, with less than 1 KiB of cookie", move |stage| async move {
            stage.provider.person(json!({ "sub": "ada", "groups": groups(300) })).await;
            let page = stage.sign_in().await;
            assert_eq!((page.status, page.body.as_str()), (200, "ada||"), "{page:#?}");
            let jar = stage.person.jar();
            let sizes = jar.all().iter().filter(|kept| kept.path == "/").map(|kept| kept.name.len() + kept.value.len());
            assert!(sizes.clone().sum::<usize>() < 1024, "{jar:#?}");
        })
        .provider("scopes: [openid, groups]")
        .configured("routes:\n  - { name: all, match: { paths: /* }, require: { groups_any: [group-007] }, identity: { headers: { X-Forwarded-User: sub } } }\n"),
        Row::new("x051", "an ID token of 50 KiB, 5,000 groups", "an error page that names the cause; no session", move |stage| async move {
            stage.provider.person(json!({ "sub": "ada", "groups": groups(5000) })).await;
            stage.is_turned_away().await;
        })
        .provider("scopes: [openid, groups]"),
    ]
}
