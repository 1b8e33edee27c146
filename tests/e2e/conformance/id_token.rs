//! ID tokens (OpenID Connect Core §3.1.3.7).

use serde_json::{Value, json};

use super::row::Row;

/// A test of the suite ends where userinfo would be asked for.
const WITH_USERINFO: &str = "userinfo: always";

#[tokio::test]
async fn id_tokens() {
    super::run("ID tokens", [certified(), beyond(), people()].into_iter().flatten().collect())
        .await;
}

fn told(name: &str, value: impl Into<Value>) -> Value {
    json!({ "id_token": { name: value.into() } })
}

fn bad(id: &'static str, case: &'static str, name: &str) -> Row {
    Row::refused(id, case, told(name, true)).provider(WITH_USERINFO)
}

fn certified() -> Vec<Row> {
    vec![
        Row::accepted("idtoken-sig-rs256", "RS256", json!({})),
        bad("invalid-iss", "another `iss`", "invalid-iss"),
        bad("missing-sub", "no `sub`", "missing-sub"),
        bad("invalid-aud", "another `aud`", "invalid-aud"),
        bad("missing-aud", "no `aud`", "missing-aud"),
        bad("missing-iat", "no `iat`", "missing-iat"),
        bad("idtoken-sig-none", "`alg` is `none`", "alg-none"),
        bad("invalid-sig-rs256", "the signature has another bit", "bad-signature"),
        Row::refused("invalid-sig-es256", "the same with ES256", told("bad-signature", true))
            .settings(json!({ "alg": "ES256" }))
            .provider("userinfo: always\nid_token_algorithms: [ES256]"),
        bad("invalid-sig-hs256", "HS256 with the client's secret", "alg-hs256"),
        bad("nonce-invalid", "another `nonce`", "invalid-nonce"),
        Row::not_applicable(
            "nonce-unless-code-flow",
            "no nonce asked for outside the code flow",
            "only the code flow; a nonce is always sent",
        ),
        bad("invalid-athash", "another `at_hash`", "invalid-at-hash"),
        Row::accepted("missing-athash", "no `at_hash`", told("missing-at-hash", true)),
        Row::not_applicable("invalid-chash", "another `c_hash`", "of the hybrid flow only"),
        Row::not_applicable("missing-chash", "no `c_hash`", "of the hybrid flow only"),
        bad("fapi2:invalid-expired-exp", "`exp` is six minutes ago", "expired"),
        bad("fapi2:invalid-missing-exp", "no `exp`", "missing-exp"),
        bad("fapi2:invalid-missing-iss", "no `iss`", "missing-iss"),
        bad("fapi2:invalid-missing-aud", "no `aud`", "missing-aud"),
        bad("fapi2:invalid-missing-nonce", "no `nonce`", "missing-nonce"),
        bad("fapi2:invalid-nonce", "another `nonce`", "invalid-nonce"),
        bad("fapi2:invalid-secondary-aud", "a second `aud` that nobody trusts", "second-aud"),
        Row::accepted(
            "fapi2:valid-aud-as-array",
            "`aud` is a list of one",
            told("aud-array", true),
        ),
        bad("fapi2:invalid-null-alg", "`alg` is `none`", "alg-none"),
        Row::refused(
            "fapi2:invalid-alternate-alg",
            "ES256 by a published key, where RS256 is pinned",
            told("alg-es256", true),
        )
        .provider("userinfo: always\nid_token_algorithms: [RS256]"),
        bad("fapi1:iat-is-week-in-past", "`iat` is a week ago", "old-iat"),
        bad("fapi1:encrypted-idtoken-usingrsa15", "encrypted, by RSA1_5", "encrypted"),
    ]
}

fn beyond() -> Vec<Row> {
    let old = 1_000_000_000;
    let strong = "routes:\n  - { name: all, match: { paths: /* }, sign_in: { max_age: 10m, acr_values: [mfa] } }\n";
    vec![
        Row::refused(
            "x053",
            "`auth_time` is older than the `max_age` that was asked for",
            told("set", json!({ "auth_time": old })),
        )
        .configured(strong),
        Row::refused(
            "x053",
            "no `auth_time`, though `max_age` was asked for",
            told("set", json!({ "auth_time": null })),
        )
        .configured(strong),
        Row::refused(
            "x054",
            "`acr` is none of those that were asked for",
            told("set", json!({ "acr": "pwd" })),
        )
        .configured(strong),
        Row::new("x053, x054", "both as asked for", "signed in", |stage| async move {
            stage.is_accepted().await;
            let requests = stage.provider.requests("authorization").await;
            assert_eq!(
                (requests[0].param("max_age"), requests[0].param("acr_values")),
                (Some("600"), Some("mfa"))
            );
        })
        .configured(strong),
        Row::new(
            "x055",
            "the `nonce` of an earlier sign-in",
            "an error page; the session is not replaced",
            |stage| async move {
                stage.is_accepted().await;
                let requests = stage.provider.requests("authorization").await;
                let nonce = requests[0].param("nonce").unwrap().to_owned();
                stage.provider.misbehave(told("set", json!({ "nonce": nonce }))).await;
                stage.person.change_jar(|jar| jar.forget(|_| true));
                let page = stage.sign_in().await;
                stage.is_error(&page);
                assert_eq!(stage.user().await, None);
            },
        ),
        Row::refused(
            "x056",
            "for another client, with `azp` ours",
            told("set", json!({ "aud": "other", "azp": "web" })),
        ),
        Row::refused("x056", "for us, with another `azp`", told("set", json!({ "azp": "other" }))),
        Row::refused("x057", "the provider's clock is ten minutes fast", told("clock", 600)),
        Row::refused("x057", "the provider's clock is fifteen minutes slow", told("clock", -900)),
        Row::accepted("x057", "the provider's clock is half a minute fast", told("clock", 30)),
        Row::accepted("x057", "the provider's clock is half a minute slow", told("clock", -30)),
        Row::refused("x041", "a claim twice", told("twice", "sub")),
        Row::refused(
            "x056",
            "`typ` says that it is an access token",
            told("header", json!({ "typ": "at+jwt" })),
        ),
        Row::refused(
            "x056",
            "`crit` names an extension that nobody knows",
            told("header", json!({ "crit": ["exp"], "exp": 1 })),
        ),
    ]
}

/// Who somebody is from one sign-in to the next.
fn people() -> Vec<Row> {
    vec![
        Row::new(
            "x058",
            "`sub` in other letters: `ada`, then `ADA`",
            "two different people",
            |stage| async move {
                stage.is_accepted().await;
                let second = crate::support::person::Person::new();
                stage.provider.set(json!({ "user": "ADA" })).await;
                let page = second.sign_in(&stage.site, super::stage::WANTED).await;
                stage.shows(&page, "ADA");
                assert_eq!(stage.user().await.as_deref(), Some("ada"));
            },
        ),
        Row::new(
            "x059",
            "another `email` for the same `sub`",
            "the same person, with the new address",
            |stage| async move {
                let before = stage.is_accepted().await;
                assert!(before.body.contains("|ada@example.test|"), "{}", before.body);
                stage.provider.person(json!({ "sub": "ada", "email": "ada@new.test" })).await;
                stage.person.change_jar(|jar| jar.forget(|_| true));
                let after = stage.is_accepted().await;
                assert!(after.body.contains("|ada@new.test|"), "{}", after.body);
            },
        ),
    ]
}
