//! Userinfo (OpenID Connect Core §5.3).

use serde_json::{Value, json};

use super::row::Row;

const ALWAYS: &str = "userinfo: always\nscopes: [openid, email, groups]";
const REFUSED: &str = "an error page; no session";

#[tokio::test]
async fn userinfo() {
    super::run(
        "Userinfo and introspection",
        [certified(), beyond()].into_iter().flatten().collect(),
    )
    .await;
}

/// A case in which userinfo is asked for, and sign-in fails for what it says.
fn refused(id: &'static str, case: &'static str, told: Value) -> Row {
    Row::new(id, case, REFUSED, |stage| async move {
        stage.is_turned_away().await;
        assert_eq!(stage.provider.count("userinfo").await, 1);
    })
    .told(json!({ "userinfo": told }))
    .provider(ALWAYS)
}

fn certified() -> Vec<Row> {
    vec![
        Row::new("scope-userinfo-claims", "claims are at userinfo only", "asked for and used", |stage| async move {
            let page = stage.is_accepted().await;
            assert_eq!(page.body, "ada|ada@example.test|admin,staff");
        })
        .settings(json!({ "claims": "userinfo" }))
        .provider(ALWAYS),
        Row::new("userinfo-bearer-header", "the token is taken from the header only", "it is there and nowhere else", |stage| async move {
            stage.is_accepted().await;
            let requests = stage.provider.requests("userinfo").await;
            let [request] = requests.as_slice() else { panic!("{requests:#?}") };
            assert!(request.entry["authorization"].as_str().unwrap().starts_with("Bearer "));
            assert_eq!((request.param("access_token"), request.refused()), (None, None));
        })
        .provider(ALWAYS),
        Row::not_applicable("userinfo-bearer-body", "the token is taken from the body only", "it is sent in the header"),
        refused("userinfo-invalid-sub", "`sub` is another than the ID token's", json!({ "invalid-sub": true })),
        Row::accepted("userinfo-signed", "userinfo is a signed token", json!({ "userinfo": { "signed": {} } })).provider(ALWAYS),
        Row::accepted("aggregated-claims", "claims of somebody else are enclosed", json!({ "userinfo": { "set": {
            "_claim_names": { "email": "elsewhere" }, "_claim_sources": { "elsewhere": { "JWT": "e30.e30." } },
        } } }))
        .provider(ALWAYS),
        Row::new("distributed-claims", "claims are at another address", "signed in; nothing is fetched from there", |stage| async move {
            stage.is_accepted().await;
            assert_eq!(stage.provider.count("unknown").await, 0);
        })
        .told(json!({ "userinfo": { "set": {
            "_claim_names": { "groups": "elsewhere" },
            "_claim_sources": { "elsewhere": { "endpoint": "http://127.0.0.1:1/claims", "access_token": "x" } },
        } } }))
        .provider(ALWAYS),
    ]
}

fn beyond() -> Vec<Row> {
    let answer = |case, answer: Value| refused("x075", case, json!({ "answer": answer }));
    vec![
        answer("401", json!({ "status": 401 })),
        answer("403", json!({ "status": 403 })),
        answer("500", json!({ "status": 500 })),
        answer("no answer", json!({ "hang": true })),
        answer("a page of HTML", json!({ "html": "<h1>ada</h1>" })),
        answer("a list", json!({ "body": "[{\"sub\":\"ada\"}]" })),
        answer("50 MiB", json!({ "body": " ".repeat(1024), "repeat": 50 * 1024 })),
        refused("x075", "a signed token whose signature has another bit", json!({ "signed": { "bad-signature": true } })),
        refused("x075", "a signed token without a signature", json!({ "signed": { "alg-none": true } })),
        refused("x075", "a signed token for another client", json!({ "signed": { "invalid-aud": true } })),
        refused("x075", "a signed token of another issuer", json!({ "signed": { "invalid-iss": true } })),
        refused("x076", "no `sub`", json!({ "remove": "sub" })),
        Row::new("own: userinfo-protected", "userinfo has `iss`, `aud` and `acr` of its own", "those of the ID token stay", |stage| async move {
            let page = stage.is_accepted().await;
            assert!(page.body.starts_with("ada|"), "{}", page.body);
        })
        .told(json!({ "userinfo": { "set": { "iss": "https://evil.test", "aud": "other", "acr": "mfa", "exp": 1 } } }))
        .provider(ALWAYS),
        Row::elsewhere("x077", "introspection: `active` is false, \"true\" or missing; HTML; another `iss`", "only the boolean counts", "only_true_is_active"),
        Row::elsewhere("x078", "introspection: active, then revoked", "refused once the answer is no longer remembered", "an_active_answer_is_kept_no_longer_than_told"),
    ]
}
