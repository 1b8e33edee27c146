//! What the provider says of itself.

use std::sync::Arc;

use serde_json::{Value, json};

use super::row::Row;
use super::stage::Stage;

/// Nothing listens on port 1 of this machine.
const NOBODY: &str = "http://127.0.0.1:1/nobody";

#[tokio::test]
async fn discovery() {
    let rows = [certified(), answers(), contents()].into_iter().flatten().collect();
    super::run("Discovery", rows).await;
}

fn certified() -> Vec<Row> {
    vec![
        Row::new(
            "discovery-openid-config",
            "an honest provider",
            "its metadata is read; the whole code flow with state, nonce and PKCE S256; signed in",
            |stage| async move {
                stage.is_accepted().await;
                assert!(stage.provider.count("discovery").await > 0);
                let authorizations = stage.provider.requests("authorization").await;
                let [request] = authorizations.as_slice() else { panic!("{authorizations:#?}") };
                assert_eq!(request.param("code_challenge_method"), Some("S256"));
                assert!(request.param("scope").unwrap().split(' ').any(|scope| scope == "openid"));
                let tokens = stage.provider.requests("token").await;
                assert_eq!(tokens.iter().map(|seen| seen.refused()).collect::<Vec<_>>(), [None]);
            },
        ),
        Row::unavailable(
            "discovery-issuer-mismatch, fapi2:discovery-issuer-mismatch",
            "`issuer` in the metadata is another",
            json!({ "discovery": { "suffix": { "issuer": "1" } } }),
        ),
        Row::not_applicable("discovery-webfinger-acct", "WebFinger", "providers are configured"),
        Row::not_applicable("discovery-webfinger-url", "WebFinger", "providers are configured"),
        Row::not_applicable(
            "dynamic-registration",
            "dynamic registration",
            "clients are configured",
        ),
        Row::not_applicable(
            "mtls-endpoint-aliases",
            "`mtls_endpoint_aliases`",
            "the client does not authenticate by certificate",
        ),
    ]
}

/// The rows x000 and x001: no answer, or none that is metadata.
fn answers() -> Vec<Row> {
    let bad = |case, answer: Value| {
        Row::unavailable("x001", case, json!({ "discovery": { "answer": answer } }))
    };
    let elsewhere = json!({ "status": 302, "headers": { "location": "elsewhere" } });
    vec![
        Row::unavailable("x000", "nobody listens where the provider should be", Value::Null)
            .issuer(NOBODY),
        Row::new(
            "x000",
            "the provider comes up after sidegate",
            "sign-in works soon, without a restart",
            |stage| async move {
                stage.is_unavailable().await;
                stage.provider.misbehave(json!({})).await;
                stage.soon(async || stage.sign_in().await.status == 200).await;
            },
        )
        .told(json!({ "discovery": { "answer": { "status": 503 } } })),
        bad("500", json!({ "status": 500 })),
        bad("404", json!({ "status": 404 })),
        Row::new(
            "x001",
            "302 to another address",
            "503; the redirect is not followed",
            |stage| async move {
                stage.is_unavailable().await;
                assert_eq!(stage.provider.count("unknown").await, 0);
            },
        )
        .told(json!({ "discovery": { "answer": elsewhere } })),
        bad(
            "a page of HTML",
            json!({ "headers": { "content-type": "text/html" }, "html": "<h1>Sign in</h1>" }),
        ),
        bad("an empty body", json!({ "body": "" })),
        bad("`{}`", json!({ "body": "{}" })),
        bad("`[]`", json!({ "body": "[]" })),
        bad("half of a document", json!({ "body": "{\"issuer\":\"" })),
        bad(
            "a connection that ends in the body",
            json!({ "body": "{\"issuer\":\"https://x\"}", "reset": true }),
        ),
        bad("200 MiB", json!({ "body": " ".repeat(1024), "repeat": 200 * 1024 })),
        bad("a byte each second", json!({ "body": "{\"issuer\":\"https://x\"}", "trickle": 1000 })),
        bad("no answer", json!({ "hang": true })),
        bad("64 MiB of nothing, compressed", json!({ "gzip": 64 * 1024 * 1024 })),
    ]
}

/// The rows x002 to x010: metadata that must not be believed, and such that may.
fn contents() -> Vec<Row> {
    let set = |id, case, members: Value| {
        Row::unavailable(id, case, json!({ "discovery": { "set": members } }))
    };
    let endpoint =
        |case, address: &str| set("x003", case, json!({ "authorization_endpoint": address }));
    let mut rows = vec![
        Row::new(
            "x002",
            "`issuer` differs by a slash at its end",
            "503; the log names both",
            |stage: Arc<Stage>| async move {
                stage.is_unavailable().await;
                let issuer = &stage.provider.issuer;
                let both = [format!("`{issuer}`"), format!("`{issuer}/`")];
                let names = |line: &str| both.iter().all(|name| line.contains(name)).then_some(());
                stage.sidegate.program.wait_for(names).await;
            },
        )
        .told(json!({ "discovery": { "suffix": { "issuer": "/" } } })),
        endpoint("`authorization_endpoint` is a script", "javascript:alert(1)"),
        endpoint("`authorization_endpoint` is data", "data:text/html,x"),
        endpoint("`authorization_endpoint` is a file", "file:///etc/passwd"),
        endpoint("`authorization_endpoint` has no scheme", "//evil.test/authorize"),
        endpoint("`authorization_endpoint` has a user", "https://user:secret@evil.test/authorize"),
        endpoint("`authorization_endpoint` has a fragment", "https://evil.test/authorize#x"),
        endpoint("`authorization_endpoint` is on plain http", "http://evil.test/authorize"),
    ];
    rows.extend([
        Row::elsewhere(
            "x004",
            "`token_endpoint` or `jwks_uri` on http, the issuer on https",
            "refused",
            "keys_on_http_are_refused_if_the_issuer_is_on_https",
        ),
        Row::elsewhere(
            "x005",
            "`jwks_uri` on link-local, loopback or unspecified addresses",
            "refused",
            "keys_on_link_local_loopback_and_unspecified_addresses_are_refused",
        ),
        set(
            "x006",
            "only `none` for ID tokens",
            json!({ "id_token_signing_alg_values_supported": ["none"] }),
        ),
        set(
            "x006",
            "only HS256 for ID tokens",
            json!({ "id_token_signing_alg_values_supported": ["HS256"] }),
        ),
        Row::elsewhere(
            "x007",
            "endpoints move",
            "found by the next refresh",
            "keys_that_moved_are_discovered_again",
        ),
        Row::unavailable(
            "x008",
            "a member twice",
            json!({ "discovery": { "twice": { "issuer": "https://evil.test" } } }),
        ),
        Row::unavailable(
            "x008",
            "100,000 levels deep",
            json!({ "discovery": { "answer": { "body": "[", "repeat": 100_000 } } }),
        ),
        set("x008", "a number for a string", json!({ "token_endpoint": 1 })),
        Row::accepted(
            "x009",
            "PKCE is `plain` only, they say",
            json!({ "discovery": { "set": { "code_challenge_methods_supported": ["plain"] } } }),
        ),
        Row::accepted(
            "x009",
            "nothing is said of PKCE",
            json!({ "discovery": { "remove": "code_challenge_methods_supported" } }),
        ),
        Row::new(
            "x010",
            "no `end_session_endpoint`",
            "signing out ends our session",
            |stage| async move {
                stage.is_accepted().await;
                let page = stage.sign_out().await;
                assert_eq!(
                    (page.status, page.url.host_str()),
                    (200, Some("app.test")),
                    "{page:#?}"
                );
                assert_eq!(stage.user().await, None);
            },
        )
        .told(json!({ "discovery": { "remove": "end_session_endpoint" } })),
    ]);
    rows
}
