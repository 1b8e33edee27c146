//! The signed assertion as an app would check it: with another JOSE library, by the keys at their address.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sidegate::clock::Clock;
use tempfile::TempDir;

use crate::support::command;
use crate::support::metrics::eventually;
use crate::support::node::judge;
use crate::support::process::Sidegate;
use crate::support::raw::{Connection, get, request};
use crate::support::site::Site;
use crate::support::tokens::{AUDIENCE, ISSUER, Issuer};
use crate::support::upstream::{Recorded, Upstream};

const RULES: &str = "
identity: { assertion: true }
routes:
  - { name: orders, match: { paths: /orders/* } }
  - name: reports
    match: { paths: /reports/* }
    identity: { assertion: { audience: 'https://reports.internal', header: X-Caller, ttl: 30s } }
  - { name: guests, match: { paths: /guests/* }, access: optional }
  - { name: public, match: { paths: /public/* }, access: public }
";

const HEADER: &str = "x-sidegate-assertion";

fn assertion(arrived: &Recorded) -> String {
    let values = arrived.values(HEADER);
    assert_eq!(values.len(), 1, "{arrived:?}");
    values.concat()
}

/// What another library makes of `tokens`, told to expect `audience`.
async fn verify(app: SocketAddr, audience: &str, tokens: &[&str]) -> Option<Vec<Value>> {
    let input = json!({
        "jwks_uri": format!("http://{app}/.auth/jwks"),
        "tokens": tokens,
        "options": { "issuer": "sidegate", "audience": audience, "typ": "sidegate+jwt", "algorithms": ["ES256"],
                     "requiredClaims": ["sub", "iat", "exp", "aud"] },
    });
    judge("jose.mjs", "jose", &input).await.map(|found| found.as_array().unwrap().clone())
}

#[tokio::test]
async fn another_library_verifies_it_for_its_route_alone() {
    let site = Site::start(RULES).await;
    let before = Clock::system().now().as_secs();
    let token = site.issuer.token_with("ada", |claims| claims["exp"] = (before + 600).into());
    let orders = assertion(&site.forwarded(get("/orders/1").bearer(&token)).await);
    let (signed, signature) = orders.rsplit_once('.').unwrap();
    let mut claims = signed.split('.').map(str::to_owned).collect::<Vec<_>>();
    let payload = URL_SAFE_NO_PAD.decode(&claims[1]).unwrap();
    let forged = String::from_utf8(payload).unwrap().replace("ada", "eve");
    claims[1] = URL_SAFE_NO_PAD.encode(forged);
    let forged = format!("{}.{signature}", claims.join("."));
    let Some(found) = verify(site.address, "orders", &[&orders, &forged, &token]).await else {
        return;
    };
    let claims = &found[0]["claims"];
    assert_eq!(
        (&claims["sub"], &claims["email"], &claims["groups"], &claims["idp"]),
        (&json!("ada"), &json!("ada@example.test"), &json!(["staff"]), &json!(ISSUER)),
        "{found:#?}"
    );
    let time = |name: &str| claims[name].as_u64().unwrap();
    assert_eq!(time("exp") - time("iat"), 60);
    assert!((before..=Clock::system().now().as_secs()).contains(&time("iat")), "{claims}");
    assert_eq!(found[1]["error"], "ERR_JWS_SIGNATURE_VERIFICATION_FAILED");
    assert_ne!(found[2]["error"], Value::Null, "a caller's own token is no assertion");
    let elsewhere = verify(site.address, "reports", &[&orders]).await.unwrap();
    assert_eq!(elsewhere[0]["error"], "ERR_JWT_CLAIM_VALIDATION_FAILED");
    let arrived = site.forwarded(get("/reports/1").bearer(&token)).await;
    assert_eq!(arrived.values(HEADER), [""; 0]);
    let caller = arrived.values("x-caller").concat();
    let found = verify(site.address, "https://reports.internal", &[&caller]).await.unwrap();
    let claims = &found[0]["claims"];
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 30);
}

/// It stands for a token and ends with it, at the latest.
#[tokio::test]
async fn it_does_not_outlive_what_it_stands_for() {
    let site = Site::start(RULES).await;
    let soon = Clock::system().now().as_secs() + 40;
    let token = site.issuer.token_with("ada", |claims| claims["exp"] = soon.into());
    let own = assertion(&site.forwarded(get("/orders/1").bearer(&token)).await);
    let Some(found) = verify(site.address, "orders", &[&own]).await else { return };
    assert_eq!(found[0]["claims"]["exp"], soon, "{found:#?}");
}

#[tokio::test]
async fn nobody_has_none_and_nobody_brings_one() {
    let site = Site::start(RULES).await;
    let token = site.issuer.token("ada");
    let mine = assertion(&site.forwarded(get("/orders/1").bearer(&token)).await);
    for path in ["/public/1", "/guests/1"] {
        let arrived = site.forwarded(get(path).header("X-Sidegate-Assertion", &mine)).await;
        assert_eq!(arrived.values(HEADER), [""; 0], "{path}");
    }
    let both =
        get("/orders/1").bearer(&site.issuer.token("bob")).header("x-sidegate-assertion", &mine);
    assert_ne!(assertion(&site.forwarded(both).await), mine);
    // It is for apps behind sidegate; here it opens nothing.
    site.refused(get("/orders/1").bearer(&mine)).await;
}

#[tokio::test]
async fn the_key_set_is_public_and_has_nothing_private() {
    let site = Site::start(RULES).await;
    let answer = get("/.auth/jwks").send(site.address).await;
    assert_eq!(answer.values("content-type"), ["application/json"]);
    assert_eq!(answer.values("cache-control"), ["public, max-age=300"]);
    let keys = answer.json()["keys"].as_array().unwrap().clone();
    for key in &keys {
        let members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"], "{key}");
    }
    assert_eq!(keys.len(), 1);
    let head = request("HEAD", "/.auth/jwks").header("Connection", "close");
    let mut connection = Connection::open(site.address).await;
    connection.send(&head.bytes()).await;
    assert!(connection.rest().await.ends_with(b"\r\n\r\n"));
}

/// A directory with three keys, and a configuration that names some of them.
struct Rotation {
    directory: TempDir,
    upstream: Upstream,
    issuer: Issuer,
}

impl Rotation {
    async fn prepare() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            let key = command::sidegate(directory.path(), &["keys", "assertion"]).await.well();
            std::fs::write(directory.path().join(name), key).unwrap();
        }
        Self { directory, upstream: Upstream::start().await, issuer: Issuer::new() }
    }

    fn text(&self, keys: &[&str]) -> String {
        let place =
            |name: &&str| format!("{{ file: {} }}", self.directory.path().join(name).display());
        let keys: Vec<String> = keys.iter().map(place).collect();
        let assertion = match keys.as_slice() {
            [] => String::new(),
            keys => format!("assertion: {{ keys: [{}] }}\n", keys.join(", ")),
        };
        format!(
            "listen: 127.0.0.1:0\nadmin: none\nupstream: {}\nprovider:\n  type: jwt\n  issuer: {ISSUER}\n  audience: {AUDIENCE}\n  \
             jwks: {}\n{assertion}{RULES}",
            self.upstream.url(),
            self.issuer.jwks()
        )
    }
}

async fn published(app: SocketAddr) -> Vec<String> {
    let keys = get("/.auth/jwks").send(app).await.json();
    let keys = keys["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_rotation_by_reload_leaves_no_assertion_unverifiable() {
    let site = Rotation::prepare().await;
    let sidegate = Sidegate::run(&site.text(&["a"]));
    let app = sidegate.address().await;
    let token = site.issuer.token("ada");
    let mut kept = Connection::open(app).await;
    let mut asserted = async || {
        kept.send(&get("/orders/1").bearer(&token).bytes()).await;
        assert_eq!(kept.answer().await.unwrap().status, 200);
        assertion(site.upstream.requests().last().unwrap())
    };
    let reload = async |keys: &[&str]| {
        let before = published(app).await;
        sidegate.configure(&site.text(keys));
        sidegate.program.signal("HUP").await;
        eventually(async || published(app).await != before).await;
    };
    let first = asserted().await;
    let a = published(app).await;
    // First published, then used, then the old one withdrawn: as the manual says.
    reload(&["a", "b"]).await;
    let second = asserted().await;
    let both = published(app).await;
    assert_eq!((both.len(), &both[0]), (2, &a[0]));
    reload(&["b", "a"]).await;
    let third = asserted().await;
    let Some(found) = verify(app, "orders", &[&first, &second, &third]).await else { return };
    let kids: Vec<&Value> = found.iter().map(|found| &found["header"]["kid"]).collect();
    assert_eq!(kids, [&both[0], &both[0], &both[1]], "{found:#?}");
    reload(&["b"]).await;
    let found = verify(app, "orders", &[&first, &third]).await.unwrap();
    assert_eq!(found[0]["error"], "ERR_JWKS_NO_MATCHING_KEY");
    assert_eq!(found[1]["claims"]["sub"], "ada");
}

/// A key of sidegate's own making lives as long as the process; one that is given is the same in every replica.
#[tokio::test]
async fn own_keys_outlive_reloads_and_given_keys_restarts() {
    let site = Rotation::prepare().await;
    let sidegate = Sidegate::run(&site.text(&[]));
    let app = sidegate.address().await;
    let own = published(app).await;
    sidegate.configure(&site.text(&["a"]));
    sidegate.program.signal("HUP").await;
    eventually(async || published(app).await != own).await;
    let given = published(app).await;
    sidegate.configure(&site.text(&[]));
    sidegate.program.signal("HUP").await;
    eventually(async || published(app).await == own).await;
    let replica = Sidegate::run(&site.text(&["a"]));
    assert_eq!(published(replica.address().await).await, given);
    let other = Sidegate::run(&site.text(&[]));
    assert_ne!(published(other.address().await).await, own);
}
