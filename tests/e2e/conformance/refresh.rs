//! Renewal by refresh tokens (RFC 6749 §6, OpenID Connect Core §12).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::row::Row;
use super::stage::Stage;
use crate::support::misbehaving::Seen;

const PARALLEL: usize = 50;

#[tokio::test]
async fn refresh() {
    super::run("Refresh", [certified(), beyond()].into_iter().flatten().collect()).await;
}

/// A case whose first access token lives for a second.
fn renewing<F>(
    id: &'static str,
    case: &'static str,
    expected: &'static str,
    check: impl FnOnce(Arc<Stage>) -> F + 'static,
) -> Row
where
    F: Future<Output = ()> + 'static,
{
    Row::new(id, case, expected, check).settings(json!({ "refresh": "always", "expires_in": 1 }))
}

/// The requests that bring a refresh token.
async fn renewals(stage: &Stage) -> Vec<Seen> {
    let mut requests = stage.provider.requests("token").await;
    requests.retain(|seen| seen.param("grant_type") == Some("refresh_token"));
    requests
}

/// From now on access tokens live long: one renewal is enough.
async fn live_long(stage: &Stage) {
    stage.provider.set(json!({ "expires_in": 3600 })).await;
}

fn certified() -> Vec<Row> {
    let ended = |id, case, told: Value| {
        renewing(id, case, "the session ends; nobody becomes somebody else", |stage| async move {
            stage.is_accepted().await;
            stage
                .soon(async || match stage.user().await.as_deref() {
                    None => true,
                    user => {
                        assert_eq!(user, Some("ada"));
                        false
                    }
                })
                .await;
            assert!(!renewals(&stage).await.is_empty());
        })
        .told(json!({ "refreshed_id_token": told }))
    };
    vec![
        renewing(
            "refresh-token",
            "every refresh token is good once",
            "renewed again and again with the newest; the session lives on",
            |stage| async move {
                stage.is_accepted().await;
                stage
                    .soon(async || {
                        assert_eq!(stage.user().await.as_deref(), Some("ada"));
                        renewals(&stage).await.len() >= 3
                    })
                    .await;
                let refused: Vec<_> = renewals(&stage)
                    .await
                    .into_iter()
                    .filter(|seen| seen.refused().is_some())
                    .collect();
                assert!(refused.is_empty(), "{refused:#?}");
            },
        ),
        ended(
            "refresh-token-invalid-issuer",
            "the refreshed ID token has another `iss`",
            json!({ "invalid-iss": true }),
        ),
        ended(
            "refresh-token-invalid-sub",
            "the refreshed ID token has another `sub`",
            json!({ "set": { "sub": "bob" } }),
        ),
        ended(
            "own: refresh-token-invalid-aud",
            "the refreshed ID token has another `aud`",
            json!({ "invalid-aud": true }),
        ),
        ended(
            "own: refresh-token-bad-signature",
            "the signature of the refreshed ID token has another bit",
            json!({ "bad-signature": true }),
        ),
        renewing(
            "own: refresh-token-without-id-token",
            "no ID token comes with the refreshed tokens",
            "the session lives on",
            |stage| async move {
                stage.is_accepted().await;
                live_long(&stage).await;
                stage
                    .soon(async || {
                        assert_eq!(stage.user().await.as_deref(), Some("ada"));
                        !renewals(&stage).await.is_empty()
                    })
                    .await;
                assert_eq!(stage.user().await.as_deref(), Some("ada"));
            },
        )
        .told(json!({ "refresh": { "remove": "id_token" } })),
    ]
}

fn beyond() -> Vec<Row> {
    vec![
        renewing(
            "x046",
            "50 requests at once when renewal is due",
            "one request for tokens; none of the 50 fails",
            |stage| async move {
                stage.is_accepted().await;
                live_long(&stage).await;
                stage
                    .soon(async || {
                        let asked: Vec<_> = (0..PARALLEL)
                            .map(|_| {
                                let stage = Arc::clone(&stage);
                                tokio::spawn(async move { stage.user().await })
                            })
                            .collect();
                        for user in asked {
                            assert_eq!(user.await.unwrap().as_deref(), Some("ada"));
                        }
                        !renewals(&stage).await.is_empty()
                    })
                    .await;
                assert_eq!(stage.user().await.as_deref(), Some("ada"));
                assert_eq!(renewals(&stage).await.len(), 1);
            },
        ),
        renewing(
            "x047",
            "`invalid_grant`",
            "the session ends; the next navigation signs in once",
            |stage| async move {
                stage.is_accepted().await;
                stage.provider.revoke("ada").await;
                stage.soon(async || stage.user().await.is_none()).await;
                live_long(&stage).await;
                let before = stage.provider.count("authorization").await;
                stage.is_accepted().await;
                assert_eq!(stage.provider.count("authorization").await, before + 1);
            },
        ),
        renewing(
            "x048",
            "503 from the token endpoint",
            "the session lives on; tried again, with pauses, until it is renewed",
            |stage| async move {
                stage.is_accepted().await;
                let asked = AtomicUsize::new(0);
                stage
                    .soon(async || {
                        assert_eq!(stage.user().await.as_deref(), Some("ada"));
                        asked.fetch_add(1, Ordering::Relaxed);
                        renewals(&stage).await.len() >= 2
                    })
                    .await;
                assert!(asked.into_inner() > 5, "every request asks the provider");
                live_long(&stage).await;
                stage.provider.misbehave(json!({})).await;
                let failed = renewals(&stage).await.len();
                stage
                    .soon(async || {
                        assert_eq!(stage.user().await.as_deref(), Some("ada"));
                        renewals(&stage).await.len() > failed
                    })
                    .await;
                assert_eq!(stage.provider.count("authorization").await, 1);
            },
        )
        .told(json!({ "refresh": { "answer": { "status": 503 } } })),
        renewing(
            "x048",
            "the same, where the provider must confirm sessions in time (`revalidate`)",
            "503 once the time is over; all well afterwards, without a sign-in",
            |stage| async move {
                stage.is_accepted().await;
                let status = async || stage.person.fetch(&stage.url("/api")).await.status;
                stage
                    .soon(async || match status().await {
                        200 => false,
                        503 => true,
                        other => panic!("expected 200 or 503, found {other}"),
                    })
                    .await;
                live_long(&stage).await;
                stage.provider.misbehave(json!({})).await;
                stage.soon(async || status().await == 200).await;
                assert_eq!(stage.provider.count("authorization").await, 1);
            },
        )
        .told(json!({ "refresh": { "answer": { "status": 503 } } }))
        // Long enough to sign in on a busy machine.
        .settings(json!({ "refresh": "always", "expires_in": 5 }))
        .provider("revalidate: 30s"),
        renewing(
            "x060",
            "a group is taken away at the provider",
            "gone with the next renewal",
            |stage| async move {
                let page = stage.is_accepted().await;
                assert!(page.body.ends_with("|admin,staff"), "{}", page.body);
                stage.provider.person(json!({ "sub": "ada", "groups": ["staff"] })).await;
                stage
                    .soon(async || {
                        stage.person.fetch(&stage.url("/api")).await.body.ends_with("|staff")
                    })
                    .await;
            },
        )
        .provider("scopes: [openid, groups]"),
    ]
}
