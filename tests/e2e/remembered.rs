//! What is remembered of a token saves work, never a check: not the rule of another route, not the providers that count there,
//! and not the end of the token.

use std::net::SocketAddr;

use tokio::time::{Duration, Instant, sleep};

use crate::support::oidc_provider::OidcProvider;
use crate::support::process::{PATIENCE, Sidegate};
use crate::support::raw::{Connection, get};
use crate::support::site::before_provider;
use crate::support::tokens::{ISSUER, Issuer};
use crate::support::upstream::Upstream;

/// GHSA-qvp4-rpmr-xwrr: a token that was remembered for one route is judged anew by the rule of another; and known but not
/// allowed is 403, unknown is 401.
#[tokio::test]
async fn a_remembered_token_skips_no_rule() {
    let Some(provider) = OidcProvider::start().await else { return };
    let routes = "
routes:
  - { name: rest, match: { paths: /* } }
  - { name: readers, match: { paths: /read/* }, require: { scopes_all: read } }
  - { name: writers, match: { paths: /write/* }, require: { scopes_all: [read, write] } }
  - { name: admins, match: { paths: /admin/* }, require: { groups_any: admin } }
  - { name: tenants, match: { paths: /tenant/* }, require: { claims: { tenant: acme } } }
";
    let (upstream, _sidegate, address) = before_provider(&provider, routes).await;
    let (ada, bob) = (provider.token("ada", "ES256").await, provider.token("bob", "RS256").await);
    let ask = async |path: &str, token: &str| get(path).bearer(token).send(address).await;
    for _ in 0..3 {
        assert_eq!(ask("/x", &bob).await.status, 200);
        assert_eq!(ask("/read/x", &bob).await.status, 200);
        assert_eq!(ask("/admin/x", &ada).await.status, 200);
        let scope = ask("/write/x", &ada).await;
        assert_eq!((scope.status, scope.json()["error"].as_str()), (403, Some("missing_scope")));
        assert!(scope.header("www-authenticate").unwrap().contains("error=\"insufficient_scope\""));
        let group = ask("/admin/x", &bob).await;
        assert_eq!(
            (group.status, group.json()["error"].as_str(), group.header("www-authenticate")),
            (403, Some("missing_group"), None)
        );
        assert_eq!(ask("/tenant/x", &ada).await.status, 403);
        assert_eq!(get("/admin/x").send(address).await.status, 401);
    }
    assert!(upstream.requests().iter().all(|arrived| !arrived.target().starts_with("/write")));
}

/// CVE-2026-33496, GHSA-4mq7: what one provider vouched for is nothing where only another counts, in either order and on one
/// connection.
#[tokio::test]
async fn a_remembered_token_counts_only_where_its_provider_does() {
    let (upstream, issuer) = (Upstream::start().await, Issuer::new());
    let jwks = issuer.jwks();
    let configuration = format!(
        "listen: 127.0.0.1:0\nadmin: none\nupstream: {}\nproviders:\n\
         \x20 - {{ name: first, type: jwt, issuer: '{ISSUER}', audience: web, cookie: sso, jwks: {jwks} }}\n\
         \x20 - {{ name: second, type: jwt, issuer: 'https://second.test', audience: web, cookie: sso, jwks: {jwks} }}\n\
         routes:\n\
         \x20 - {{ name: first, match: {{ paths: '/1/*' }}, providers: first }}\n\
         \x20 - {{ name: second, match: {{ paths: '/2/*' }}, providers: second }}\n",
        upstream.url()
    );
    let sidegate = Sidegate::run(&configuration);
    let mut connection = Connection::open(sidegate.address().await).await;
    let first = issuer.token("ada");
    let second = issuer.token_with("bob", |claims| claims["iss"] = "https://second.test".into());
    for _ in 0..3 {
        for (path, token, status) in [
            ("/1/x", &first, 200),
            ("/2/x", &first, 401),
            ("/2/x", &second, 200),
            ("/1/x", &second, 401),
        ] {
            for asked in [get(path).bearer(token), get(path).cookie(token)] {
                connection.send(&asked.bytes()).await;
                assert_eq!(connection.answer().await.unwrap().status, status, "{path}");
            }
        }
    }
    for arrived in upstream.requests() {
        let user = if arrived.target() == "/1/x" { "ada" } else { "bob" };
        assert_eq!(arrived.values("x-forwarded-user"), [user]);
    }
}

#[tokio::test]
async fn a_remembered_token_ends_when_it_ends() {
    let Some(provider) = OidcProvider::start().await else { return };
    let (_upstream, _sidegate, address) = before_provider(&provider, "  leeway: 0s\n").await;
    // A busy machine may take longer to ask than a short token lives.
    for lifetime in [2, 10, 30] {
        let token = provider.short_token("ada", "ES256", lifetime).await;
        if accepted_until_its_end(address, &token).await > 1 {
            return;
        }
    }
    panic!("expected it to be remembered first");
}

/// How often a token was accepted on one connection until it had ended.
async fn accepted_until_its_end(address: SocketAddr, token: &str) -> u32 {
    let mut connection = Connection::open(address).await;
    let begun = Instant::now();
    let mut accepted = 0;
    loop {
        connection.send(&get("/x").bearer(token).bytes()).await;
        match connection.answer().await.unwrap().status {
            200 => accepted += 1,
            status => {
                assert_eq!(status, 401);
                return accepted;
            }
        }
        assert!(begun.elapsed() < PATIENCE, "accepted {accepted} times and still is");
        sleep(Duration::from_millis(20)).await;
    }
}
