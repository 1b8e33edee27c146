//! The real parts that other tests rely on, each tried for what it promises. No sidegate runs here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::http::{client, json};
use crate::support::nginx::Nginx;
use crate::support::oidc_provider::{AUDIENCE, OidcProvider};
use crate::support::upstream::Upstream;

/// The header and the claims of a token.
fn read(token: &str) -> (Value, Value) {
    let part = |n| {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap())
            .unwrap()
    };
    (part(0), part(1))
}

async fn published(provider: &OidcProvider) -> Vec<String> {
    let set = json(client().get(format!("{}/jwks", provider.issuer)).send().await.unwrap()).await;
    set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn provider_signs_with_each_algorithm() {
    let Some(provider) = OidcProvider::start().await else { return };
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let (header, claims) = read(&provider.token("ada", algorithm).await);
        assert_eq!(
            (header["alg"].as_str(), header["typ"].as_str()),
            (Some(algorithm), Some("at+jwt"))
        );
        assert_eq!((claims["aud"].as_str(), claims["sub"].as_str()), (Some(AUDIENCE), Some("ada")));
        assert_eq!(claims["groups"], serde_json::json!(["admin", "staff"]));
        assert_eq!(claims["iss"], provider.issuer);
    }
    let (_, claims) = read(&provider.short_token("bob", "ES256", 7).await);
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 7);
}

#[tokio::test]
async fn provider_rotates_fails_and_recovers() {
    let Some(provider) = OidcProvider::start().await else { return };
    let first = published(&provider).await;
    provider.rotate().await;
    let second = published(&provider).await;
    assert!(
        second.len() == 6 && first.iter().all(|kid| second.contains(kid)),
        "{first:?} {second:?}"
    );
    let (header, _) = read(&provider.token("ada", "RS256").await);
    assert!(
        !first.contains(&header["kid"].as_str().unwrap().to_owned()),
        "still signs with an old key"
    );
    provider.rotate_and_forget().await;
    assert!(published(&provider).await.iter().all(|kid| !second.contains(kid)));
    provider.fail().await;
    let down = client().get(format!("{}/jwks", provider.issuer)).send().await.unwrap();
    assert_eq!(down.status(), 503);
    provider.recover().await;
    assert_eq!(published(&provider).await.len(), 3);
    assert_eq!(provider.requests("/jwks").await, 5);
}

#[tokio::test]
async fn nginx_serves_its_directives() {
    let Some(nginx) = Nginx::start("location / { return 200 'hello'; }").await else { return };
    let answer = client().get(format!("http://{}/", nginx.address)).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello");
}

async fn send(upstream: &Upstream, bytes: &str) -> String {
    let mut stream = TcpStream::connect(upstream.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn upstream_records_the_exact_bytes() {
    let upstream = Upstream::start().await;
    let chunked = "POST /a%2Fb HTTP/1.1\r\nhOst: x\r\nTransfer-Encoding: chunked\r\nX-A:  1 \r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert!(send(&upstream, chunked).await.ends_with("ok"));
    let request = upstream.only_request();
    assert_eq!(request.head, chunked.split_inclusive("\r\n\r\n").next().unwrap().as_bytes());
    assert_eq!((request.target().as_str(), request.body.as_slice()), ("/a%2Fb", b"abc".as_slice()));
    assert_eq!(request.values("x-a"), ["1"]);
    assert!(upstream.url().starts_with("http://127.0.0.1:"));
}

#[tokio::test]
async fn upstream_refuses_what_can_be_read_in_two_ways() {
    let upstream = Upstream::start().await;
    let doubtful = [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/1.1\nHost: x\r\n\r\n",
    ];
    for bytes in doubtful {
        assert!(send(&upstream, bytes).await.starts_with("HTTP/1.1 400"), "{bytes:?}");
    }
    assert_eq!(upstream.violations().len(), doubtful.len());
    assert!(upstream.requests().is_empty());
}
