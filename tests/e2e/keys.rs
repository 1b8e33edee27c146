//! Providers that are down, that rotate their keys and that answer nonsense; and strangers who make up key ids.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::http::{client, json as body};
use crate::support::key_server::{KeyServer, answer};
use crate::support::metrics::{eventually, metric};
use crate::support::oidc_provider::{self, OidcProvider};
use crate::support::process::Sidegate;
use crate::support::tokens::{ISSUER, Issuer, claims};
use crate::support::upstream::Upstream;

const ADMIN: &str = "admin: { address: 127.0.0.1:0 }\n";

/// So long that a test sees one fetch for the sake of unknown keys and no other.
const ONE_FETCH: &str = "  key_refresh: { cooldown: 1h }\n";

/// A running sidegate and where it listens.
struct Edge {
    sidegate: Sidegate,
    app: SocketAddr,
    admin: SocketAddr,
    _upstream: Upstream,
}

impl Edge {
    /// One before an upstream that answers everything, with `provider` and what belongs to it.
    async fn start(provider: &str) -> Self {
        let upstream = Upstream::start().await;
        let text = format!("listen: 127.0.0.1:0\n{ADMIN}upstream: {}\n{provider}", upstream.url());
        Self::of(Sidegate::run(&text), upstream).await
    }

    async fn of(sidegate: Sidegate, upstream: Upstream) -> Self {
        let (app, admin) = (sidegate.address().await, sidegate.listener("admin").await);
        Self { sidegate, app, admin, _upstream: upstream }
    }

    async fn status(&self, token: &str) -> StatusCode {
        status(self.app, token).await
    }

    async fn refreshes(&self, result: &str) -> f64 {
        let name = "sidegate_key_set_refreshes_total";
        metric(self.admin, name, &[("provider", "default"), ("result", result)]).await
    }

    async fn ready(&self) -> (StatusCode, Value) {
        let answer = client().get(format!("http://{}/readyz", self.admin)).send().await.unwrap();
        (answer.status(), body(answer).await)
    }
}

async fn status(app: SocketAddr, token: &str) -> StatusCode {
    let request = client().get(format!("http://{app}/")).bearer_auth(token);
    request.send().await.unwrap().status()
}

fn of_provider(provider: &OidcProvider) -> String {
    format!("provider:\n  issuer: {}\n  audience: {}\n", provider.issuer, oidc_provider::AUDIENCE)
}

/// A token in the name of the real provider by a key that it never had.
fn made_up(provider: &OidcProvider, kid: &str) -> String {
    let thief = Issuer::new();
    let mut claims = claims("ada");
    claims["iss"] = provider.issuer.as_str().into();
    claims["aud"] = oidc_provider::AUDIENCE.into();
    thief.sign(&json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid }), &claims)
}

/// What `count` clients are answered that ask `each` times, the nth client with the nth token by turns.
async fn storm(app: SocketAddr, tokens: Vec<String>, each: usize) -> Vec<StatusCode> {
    let ask = |token: String| async move {
        let (client, mut found) = (client(), Vec::new());
        for _ in 0..each {
            let request = client.get(format!("http://{app}/")).bearer_auth(&token);
            found.push(request.send().await.unwrap().status());
        }
        found
    };
    let asking: Vec<_> = tokens.into_iter().map(|token| tokio::spawn(ask(token))).collect();
    let mut found = Vec::new();
    for client in asking {
        found.extend(client.await.unwrap());
    }
    found
}

#[tokio::test]
async fn it_serves_what_it_can_until_the_provider_comes() {
    let Some(provider) = OidcProvider::start().await else { return };
    let token = provider.token("ada", "ES256").await;
    provider.fail().await;
    let routes = "routes:\n  - { match: { paths: /public/* }, access: public }\n  - { match: { paths: /* } }\n";
    let edge = Edge::start(&format!("{}{routes}", of_provider(&provider))).await;
    let public = client().get(format!("http://{}/public/x", edge.app)).send().await.unwrap();
    assert_eq!(public.status(), StatusCode::OK);
    let request = client().get(format!("http://{}/", edge.app)).bearer_auth(&token);
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"), "{refused:?}");
    assert_eq!(body(refused).await["error"], "keys_unavailable");
    let (status, said) = edge.ready().await;
    assert_eq!((status, &said["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    provider.recover().await;
    eventually(async || edge.ready().await.0 == StatusCode::OK).await;
    assert_eq!(edge.status(&token).await, StatusCode::OK);
}

#[tokio::test]
async fn a_restart_while_the_provider_is_down_goes_on_with_the_copy_on_disk() {
    let Some(provider) = OidcProvider::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("keys.json");
    let settings = format!("{}  key_cache: {}\n", of_provider(&provider), copy.display());
    let token = provider.token("ada", "RS256").await;
    let edge = Edge::start(&settings).await;
    assert_eq!(edge.status(&token).await, StatusCode::OK);
    eventually(async || copy.exists()).await;
    assert!(edge.sidegate.stop().await.success());
    provider.fail().await;
    let edge = Edge::start(&settings).await;
    assert_eq!(edge.status(&token).await, StatusCode::OK);
    assert_eq!(edge.ready().await.0, StatusCode::OK);
    assert_eq!(edge.status(&made_up(&provider, "x")).await, StatusCode::UNAUTHORIZED);
    assert!(edge.sidegate.stop().await.success());
    // Whoever can write the copy could choose whom we trust.
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o666)).unwrap();
    let edge = Edge::start(&settings).await;
    assert_eq!(edge.status(&token).await, StatusCode::SERVICE_UNAVAILABLE);
    edge.sidegate.program.wait_for(|line| line.contains("copy not used").then_some(())).await;
}

#[tokio::test]
async fn a_flood_of_made_up_key_ids_causes_one_fetch_and_harms_nobody() {
    const EACH: usize = 50;
    let Some(provider) = OidcProvider::start().await else { return };
    let edge = Edge::start(&format!("{}{ONE_FETCH}", of_provider(&provider))).await;
    let good = provider.token("ada", "ES256").await;
    assert_eq!(edge.status(&good).await, StatusCode::OK);
    assert_eq!(provider.requests("/jwks").await, 1);
    let thieves = async |client: usize| {
        let tokens = (0..EACH).map(|n| made_up(&provider, &format!("{client}-{n}")));
        storm(edge.app, tokens.collect(), 1).await
    };
    // None of these is remembered yet, so that each needs the keys.
    let mut users = Vec::new();
    for _ in 0..4 {
        users.push(provider.token("bob", "ES256").await);
    }
    let (first, second, served) =
        tokio::join!(thieves(0), thieves(1), storm(edge.app, users, EACH));
    assert_eq!(served, vec![StatusCode::OK; 4 * EACH]);
    assert_eq!([first, second].concat(), vec![StatusCode::UNAUTHORIZED; 2 * EACH]);
    // All of them may have waited for the one fetch; who comes after it is told without another.
    assert_eq!(edge.status(&made_up(&provider, "late")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(provider.requests("/jwks").await, 2);
    assert!(edge.refreshes("cooldown").await >= 1.0);
}

/// The same while the provider is down: failures, too, are followed by quiet.
#[tokio::test]
async fn a_flood_while_fetches_fail_causes_no_more_of_them() {
    let server = KeyServer::start().await;
    let edge = Edge::start(&format!("{}{ONE_FETCH}", server.provider())).await;
    assert_eq!(edge.status(&server.token("ada")).await, StatusCode::OK);
    server.answer("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let thieves: Vec<String> = (0..40).map(|_| server.token_by(&Issuer::new(), "ada")).collect();
    let found = storm(edge.app, thieves, 2).await;
    assert_eq!(found, vec![StatusCode::UNAUTHORIZED; 80]);
    // One by the flood; the provider's task retries by itself, 1 s, 2 s, 4 s … after the failure.
    let failed = edge.refreshes("failed").await;
    assert!((1.0..6.0).contains(&failed), "{failed}");
    assert_eq!(edge.status(&server.token("bob")).await, StatusCode::OK);
}

#[tokio::test]
async fn a_rotation_without_overlap_costs_no_request_and_one_fetch() {
    const CLIENTS: usize = 16;
    let Some(provider) = OidcProvider::start().await else { return };
    let edge = Edge::start(&format!("{}{ONE_FETCH}", of_provider(&provider))).await;
    let old = provider.token("ada", "RS256").await;
    let found = storm(edge.app, vec![old.clone(); CLIENTS], 20).await;
    assert_eq!(found, vec![StatusCode::OK; CLIENTS * 20]);
    provider.rotate_and_forget().await;
    // Nobody knows yet: who was let in stays in.
    assert_eq!(edge.status(&old).await, StatusCode::OK);
    let mut tokens = Vec::new();
    for _ in 0..CLIENTS {
        tokens.push(provider.token("bob", "RS256").await);
    }
    let found = storm(edge.app, tokens, 20).await;
    assert_eq!(found, vec![StatusCode::OK; CLIENTS * 20]);
    assert_eq!(provider.requests("/jwks").await, 2);
    // What was withdrawn counts no more, though its caller was remembered.
    assert_eq!(edge.status(&old).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn new_material_under_the_same_name_is_learned_by_one_fetch() {
    let server = KeyServer::start().await;
    let edge = Edge::start(&format!("{}{ONE_FETCH}", server.provider())).await;
    let old = server.token("ada");
    assert_eq!(edge.status(&old).await, StatusCode::OK);
    let successor = Issuer::new();
    let kid = &server.issuer.jwk()["kid"];
    let mut jwk = successor.jwk().clone();
    jwk["kid"] = kid.clone();
    let mut claims = claims("ada");
    claims["iss"] = server.url().into();
    let mut header = successor.header();
    header["kid"] = kid.clone();
    let new = successor.sign(&header, &claims);
    server.publish(&json!({ "keys": [jwk] }));
    assert_eq!(edge.status(&new).await, StatusCode::OK);
    assert_eq!(edge.status(&old).await, StatusCode::UNAUTHORIZED);
    assert_eq!(server.fetches(), 2);
}

/// What the address of the keys may answer, none of which is a reason to give up what is known. The evil key is a good one.
fn nonsense(evil: &Issuer, elsewhere: &KeyServer) -> Vec<(&'static str, Vec<u8>)> {
    let json = |text: &str| answer("200 OK", "application/json", text.as_bytes());
    let evil = evil.jwks().to_string();
    let mut all = vec![
        ("500", answer("500 Internal Server Error", "application/json", evil.as_bytes())),
        ("403", answer("403 Forbidden", "application/json", evil.as_bytes())),
        ("204", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        ("a login page", answer("200 OK", "text/html", b"<!doctype html><title>Sign in</title>")),
        ("nothing", answer("200 OK", "application/json", b"")),
        ("no keys", json("{\"keys\":[]}")),
        ("no set", json("{}")),
        ("a list", json("[]")),
        ("only a key for encryption", json(&evil.replace("\"sig\"", "\"enc\""))),
        ("only a secret", json("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"a\"}]}")),
        ("half a set", json(&evil[..evil.len() - 5])),
        ("keys twice", json(&format!("{{\"keys\":[],{}", &evil[1..]))),
        ("deep nesting", json(&"[".repeat(100_000))),
        ("50 MiB", json(&format!("{evil}{}", " ".repeat(50 << 20)))),
    ];
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}/jwks\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    all.push(("a redirect", redirect.into_bytes()));
    let cut = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{evil}"
    );
    all.push(("less than announced", cut.into_bytes()));
    let endless = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{evil}\r\n",
        evil.len()
    );
    all.push(("a body without end", endless.into_bytes()));
    all
}

/// security.md x001, x013 and x022, asked for by a token with an unknown key.
#[tokio::test]
async fn whatever_the_provider_answers_the_old_keys_stay() {
    let elsewhere = KeyServer::start().await;
    let evil = &elsewhere.issuer;
    for (what, bytes) in nonsense(evil, &elsewhere) {
        let server = KeyServer::start().await;
        let settings =
            format!("{}  key_refresh: {{ cooldown: 1h, timeout: 1s }}\n", server.provider());
        let edge = Edge::start(&settings).await;
        assert_eq!(edge.status(&server.token("ada")).await, StatusCode::OK, "{what}");
        let before = metric(edge.admin, "process_resident_memory_bytes", &[]).await;
        server.answer(bytes);
        let forged = server.token_by(evil, "root");
        assert_eq!(edge.status(&forged).await, StatusCode::UNAUTHORIZED, "{what}");
        eventually(async || edge.refreshes("failed").await > 0.0).await;
        let grown = metric(edge.admin, "process_resident_memory_bytes", &[]).await - before;
        assert!(grown < f64::from(32 << 20), "{what}: {grown} bytes more");
        assert_eq!(edge.status(&server.token("bob")).await, StatusCode::OK, "{what}");
        assert_eq!(edge.status(&forged).await, StatusCode::UNAUTHORIZED, "{what}");
        assert_eq!(edge.refreshes("fresh").await, 1.0, "{what}");
        let told = |line: &str| line.contains("refresh failed; keeping the old one").then_some(());
        edge.sidegate.program.wait_for(told).await;
        assert_eq!(edge.ready().await.0, StatusCode::OK, "{what}");
    }
    assert_eq!(elsewhere.requests(), 0, "redirects are not followed");
}

#[tokio::test]
async fn known_keys_do_not_wait_for_a_fetch_that_hangs() {
    let server = KeyServer::start().await;
    let settings =
        format!("{}  key_refresh: {{ cooldown: 1h, timeout: 60s }}\n", server.provider());
    let edge = Edge::start(&settings).await;
    assert_eq!(edge.status(&server.token("ada")).await, StatusCode::OK);
    server.answer("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{");
    let unknown = server.token_by(&Issuer::new(), "ada");
    assert_eq!(edge.status(&unknown).await, StatusCode::UNAUTHORIZED);
    for user in ["bob", "cleo", "dan"] {
        assert_eq!(edge.status(&server.token(user)).await, StatusCode::OK);
    }
    assert_eq!((server.fetches(), edge.refreshes("failed").await), (2, 0.0));
}

/// Where a token says it comes from leads nowhere unless it is configured, and neither does what cannot pass anyway.
#[tokio::test]
async fn strangers_cause_no_request_to_anybody() {
    let (server, stranger) = (KeyServer::start().await, KeyServer::start().await);
    let edge = Edge::start(&server.provider()).await;
    assert_eq!(edge.status(&server.token("ada")).await, StatusCode::OK);
    let (before, other) = (server.requests(), Issuer::new());
    let with = |issuer: &Issuer, change: &dyn Fn(&mut Value)| {
        issuer.token_with("ada", |claims| {
            claims["iss"] = server.url().into();
            change(claims);
        })
    };
    let tokens = [
        stranger.token("ada"),
        with(&server.issuer, &|claims| claims["iss"] = format!("{}/", server.url()).into()),
        with(&server.issuer, &|claims| claims["iss"] = server.url().to_uppercase().into()),
        with(&other, &|claims| claims["iss"] = json!([server.url()])),
        with(&other, &|claims| claims["iss"] = Value::Null),
        with(&other, &|claims| claims["exp"] = 1.into()),
        with(&other, &|claims| claims["aud"] = "other".into()),
        "garbage".to_owned(),
        "a.b.c".to_owned(),
    ];
    for token in tokens {
        assert_eq!(edge.status(&token).await, StatusCode::UNAUTHORIZED, "{token}");
    }
    assert_eq!((server.requests(), stranger.requests()), (before, 0));
    assert_eq!(edge.status(&with(&other, &|_| ())).await, StatusCode::UNAUTHORIZED);
    assert_eq!(server.requests(), before + 1, "this one is worth a look");
}

#[tokio::test]
async fn a_key_file_is_read_again_when_it_changes() {
    let (first, second) = (Issuer::new(), Issuer::new());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, first.jwks().to_string()).unwrap();
    let settings = format!(
        "provider:\n  type: jwt\n  issuer: {}\n  audience: web\n  jwks_file: {}\n",
        ISSUER,
        file.display()
    );
    let edge = Edge::start(&settings).await;
    assert_eq!(edge.status(&first.token("ada")).await, StatusCode::OK);
    std::fs::write(&file, "<html>").unwrap();
    assert_eq!(edge.status(&second.token("ada")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(edge.status(&first.token("bob")).await, StatusCode::OK);
    std::fs::write(&file, second.jwks().to_string()).unwrap();
    eventually(async || edge.status(&second.token("ada")).await == StatusCode::OK).await;
    assert_eq!(edge.status(&first.token("ada")).await, StatusCode::UNAUTHORIZED);
}

/// Several providers at once: each answers for its own tokens alone, whoever is down.
#[tokio::test]
async fn a_provider_that_is_down_is_no_trouble_for_others() {
    let Some(provider) = OidcProvider::start().await else { return };
    let token = provider.token("ada", "EdDSA").await;
    provider.fail().await;
    let server = KeyServer::start().await;
    let settings = format!(
        "providers:\n  - {{ name: down, type: jwt, issuer: '{}', audience: '{}' }}\n  - {{ name: up, type: jwt, issuer: '{}', audience: web }}\n",
        provider.issuer,
        oidc_provider::AUDIENCE,
        server.url()
    );
    let edge = Edge::start(&settings).await;
    assert_eq!(edge.status(&server.token("ada")).await, StatusCode::OK);
    assert_eq!(edge.status(&token).await, StatusCode::SERVICE_UNAVAILABLE);
    let (status, said) = edge.ready().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let missing: Vec<_> = said["missing"].as_object().unwrap().keys().collect();
    assert_eq!(missing, ["down"]);
    provider.recover().await;
    eventually(async || edge.status(&token).await == StatusCode::OK).await;
}
