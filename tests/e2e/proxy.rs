//! `sidegate run` between a real OpenID provider and an upstream that records what reaches it.

use reqwest::{RequestBuilder, StatusCode};

use crate::support::http::client;
use crate::support::nginx::Nginx;
use crate::support::oidc_provider::{AUDIENCE, OidcProvider};
use crate::support::process::Sidegate;
use crate::support::upstream::Upstream;

/// The smallest useful file for an app that needs tokens checked.
fn configuration(provider: &OidcProvider, upstream: &str) -> String {
    let issuer = &provider.issuer;
    format!(
        "listen: 127.0.0.1:0\nupstream: {upstream}\nprovider:\n  issuer: {issuer}\n  audience: {AUDIENCE}\n"
    )
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn tokens_of_every_algorithm_become_identity_headers() {
    let Some(provider) = OidcProvider::start().await else { return };
    let upstream = Upstream::start().await;
    let sidegate = Sidegate::run(&configuration(&provider, &upstream.url()));
    let url = format!("http://{}/orders", sidegate.address().await);
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let request = client().get(&url).bearer_auth(provider.token("ada", algorithm).await);
        let request =
            request.header("X-Forwarded-User", "root").header("X_Forwarded_Groups", "wheel");
        assert_eq!(
            status(request).await,
            StatusCode::OK,
            "{algorithm}:\n{}",
            sidegate.program.output()
        );
    }
    for request in upstream.requests() {
        assert_eq!(request.values("x-forwarded-user"), ["ada"]);
        assert_eq!(request.values("x-forwarded-groups"), ["admin,staff"]);
        assert_eq!(request.values("x_forwarded_groups"), [""; 0]);
    }
    assert_eq!(upstream.violations(), [""; 0]);
}

#[tokio::test]
async fn without_a_good_token_nothing_reaches_the_upstream() {
    let Some(provider) = OidcProvider::start().await else { return };
    let upstream = Upstream::start().await;
    let sidegate = Sidegate::run(&configuration(&provider, &upstream.url()));
    let url = format!("http://{}/orders", sidegate.address().await);
    let mut forged = provider.token("ada", "RS256").await;
    let end = forged.len() - 8;
    forged.replace_range(end.., "AAAAAAAA");
    assert_eq!(status(client().get(&url)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(client().get(&url).bearer_auth(forged)).await, StatusCode::UNAUTHORIZED);
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn it_starts_and_serves_known_keys_while_the_provider_is_down() {
    let Some(provider) = OidcProvider::start().await else { return };
    let upstream = Upstream::start().await;
    let token = provider.token("ada", "ES256").await;
    let sidegate = Sidegate::run(&configuration(&provider, &upstream.url()));
    let url = format!("http://{}/", sidegate.address().await);
    assert_eq!(status(client().get(&url).bearer_auth(&token)).await, StatusCode::OK);
    provider.fail().await;
    assert_eq!(key_set_status(&provider).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(client().get(&url).bearer_auth(&token)).await, StatusCode::OK);
    let late = Sidegate::run(&configuration(&provider, &upstream.url()));
    let late_url = format!("http://{}/", late.address().await);
    assert_eq!(
        status(client().get(late_url).bearer_auth(token)).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

async fn key_set_status(provider: &OidcProvider) -> StatusCode {
    status(client().get(format!("{}/jwks", provider.issuer))).await
}

#[tokio::test]
async fn a_new_signing_key_is_learned_when_its_first_token_comes() {
    let Some(provider) = OidcProvider::start().await else { return };
    let upstream = Upstream::start().await;
    let sidegate = Sidegate::run(&configuration(&provider, &upstream.url()));
    let url = format!("http://{}/", sidegate.address().await);
    assert_eq!(
        status(client().get(&url).bearer_auth(provider.token("ada", "RS256").await)).await,
        StatusCode::OK
    );
    provider.rotate().await;
    assert_eq!(
        status(client().get(&url).bearer_auth(provider.token("bob", "RS256").await)).await,
        StatusCode::OK
    );
    assert_eq!(provider.requests("/jwks").await, 2);
}

#[tokio::test]
async fn a_real_nginx_sees_the_identity() {
    let Some(nginx) = Nginx::start("location / { return 200 $http_x_forwarded_user; }").await
    else {
        return;
    };
    let Some(provider) = OidcProvider::start().await else { return };
    let sidegate = Sidegate::run(&configuration(&provider, &format!("http://{}", nginx.address)));
    let request = client().get(format!("http://{}/", sidegate.address().await));
    let answer = request.bearer_auth(provider.token("bob", "ES256").await).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "bob");
}

#[tokio::test]
async fn a_changed_file_takes_effect_and_a_bad_one_does_not() {
    let Some(provider) = OidcProvider::start().await else { return };
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let sidegate = Sidegate::run(&configuration(&provider, &first.url()));
    let url = format!("http://{}/", sidegate.address().await);
    let token = provider.token("ada", "RS256").await;
    assert_eq!(status(client().get(&url).bearer_auth(&token)).await, StatusCode::OK);
    sidegate.configure("listen: nowhere\n");
    sidegate.program.signal("HUP").await;
    sidegate.program.wait_for(|line| line.contains("\"ERROR\"").then_some(())).await;
    assert_eq!(status(client().get(&url).bearer_auth(&token)).await, StatusCode::OK);
    assert_eq!((first.requests().len(), second.requests().len()), (2, 0));
    sidegate.configure(&configuration(&provider, &second.url()));
    sidegate.program.signal("HUP").await;
    sidegate.program.wait_for(|line| line.contains("reloaded").then_some(())).await;
    assert_eq!(status(client().get(&url).bearer_auth(&token)).await, StatusCode::OK);
    assert_eq!((first.requests().len(), second.requests().len()), (2, 1));
}

#[tokio::test]
async fn the_admin_listener_is_apart_and_it_ends_well_when_asked_to() {
    let Some(provider) = OidcProvider::start().await else { return };
    let configuration =
        configuration(&provider, "http://127.0.0.1:9") + "admin: { address: 127.0.0.1:0 }\n";
    let sidegate = Sidegate::run(&configuration);
    let (admin, app) = (sidegate.listener("admin").await, sidegate.address().await);
    assert_eq!(status(client().get(format!("http://{admin}/livez"))).await, StatusCode::OK);
    assert_eq!(status(client().get(format!("http://{app}/livez"))).await, StatusCode::UNAUTHORIZED);
    assert!(sidegate.stop().await.success());
}
