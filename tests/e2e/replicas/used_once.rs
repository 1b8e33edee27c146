//! What is good once is good once for all replicas, whichever it comes to first.

use std::net::SocketAddr;

use reqwest::Client;
use serde_json::json;

use super::fleet::{Fleet, Sessions};
use crate::possession::{bound, proof};
use crate::support::misbehaving::Misbehaving;
use crate::support::process::Sidegate;
use crate::support::redis::Redis;
use crate::support::tokens::Issuer;

async fn fleet() -> Option<Fleet> {
    Fleet::start(Sessions::Coordinated, 1, Redis::durable()?, &[]).await
}

/// Two replicas of that configuration.
async fn two(configuration: &str) -> ([Sidegate; 2], [SocketAddr; 2]) {
    let replicas = [Sidegate::run(configuration), Sidegate::run(configuration)];
    let addresses = [replicas[0].address().await, replicas[1].address().await];
    (replicas, addresses)
}

#[tokio::test]
async fn a_proof_of_possession_that_one_replica_has_seen_is_refused_by_the_others() {
    let Some(fleet) = fleet().await else { return };
    let accepting = fleet.configuration.replace("  name: main\n", "  name: main\n  dpop: accept\n");
    let (replicas, [first, second]) = two(&accepting).await;
    let key = Issuer::new();
    let token = bound(&fleet.provider, &key, "ES256").await;
    let htu = json!({ "htu": format!("{}/api", fleet.site) });
    let ask = async |address: SocketAddr, proof: &str| {
        let request = fleet.client.get(format!("http://{address}/api"));
        let request = request.header("host", fleet.site.trim_start_matches("https://"));
        let request = request.header("x-forwarded-proto", "https").header("dpop", proof);
        let request = request.header("authorization", format!("DPoP {token}"));
        request.send().await.unwrap().status().as_u16()
    };
    let logs = || replicas.each_ref().map(|replica| replica.program.output()).join("\n---\n");
    let [one, other] = ["1", "2"].map(|id| proof(&key, id, &token, htu.clone()));
    assert_eq!(ask(first, &one).await, 200, "{}", logs());
    assert_eq!(ask(second, &one).await, 401, "{}", logs());
    assert_eq!(ask(second, &other).await, 200, "{}", logs());
    // Where nobody can tell, it is refused, as no fault of whoever sent it.
    fleet.redis.kill();
    assert_eq!(ask(second, &proof(&key, "3", &token, htu.clone())).await, 503, "{}", logs());
}

/// Back-Channel Logout §2.6: a provider's word counts once.
#[tokio::test]
async fn a_logout_token_that_one_replica_has_obeyed_is_refused_by_the_others() {
    let Some(fleet) = fleet().await else { return };
    let Some(program) = Misbehaving::start().await else { return };
    let provider = program.provider("fleet");
    provider.register(&fleet.site, "main", &json!({})).await;
    let configuration = fleet.configuration.replace(&fleet.provider.issuer, &provider.issuer);
    let (replicas, [first, second]) = two(&configuration).await;
    let logs = || replicas.each_ref().map(|replica| replica.program.output()).join("\n---\n");
    let token = provider.logout_token(json!({ "sub": "ada", "sid": "s1" })).await;
    assert_eq!(tell(&fleet.client, first, &token).await, 200, "{}", logs());
    assert_eq!(tell(&fleet.client, second, &token).await, 400, "{}", logs());
    let another = provider.logout_token(json!({ "sub": "ada", "sid": "s1" })).await;
    assert_eq!(tell(&fleet.client, second, &another).await, 200, "{}", logs());
}

async fn tell(client: &Client, address: SocketAddr, token: &str) -> u16 {
    let request = client.post(format!("http://{address}/.auth/backchannel-logout/main"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(format!("logout_token={token}"));
    request.send().await.unwrap().status().as_u16()
}
