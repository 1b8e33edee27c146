//! Tokens that are worth nothing by themselves, made by a real provider: bound to a key (DPoP) or a certificate, or opaque.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sidegate::clock::Clock;
use sidegate::token::sha256_base64url;

use crate::support::certificates::{Authority, connect};
use crate::support::oidc_provider::{AUDIENCE, OidcProvider};
use crate::support::process::Sidegate;
use crate::support::raw::{Answer, Request, get};
use crate::support::tokens::Issuer;
use crate::support::upstream::Upstream;
use crate::support::wire::Wire;

/// Where clients say they go.
const HOST: &str = "app.test";
const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";
const SECRET: &str = "a secret of the client";

/// A provider, sidegate, and an app behind it.
struct Scene {
    provider: OidcProvider,
    sidegate: Sidegate,
    upstream: Upstream,
}

impl Scene {
    /// With `lines` in the provider's section and `rest` at the end; nothing where the provider's program is missing.
    async fn start(listen: &str, lines: &str, rest: &str) -> Option<Self> {
        let provider = OidcProvider::start().await?;
        let upstream = Upstream::start().await;
        let configuration = configuration(&provider, &upstream, listen, lines, rest);
        let sidegate = Sidegate::run(&configuration);
        Some(Self { provider, sidegate, upstream })
    }

    async fn ask(&self, request: Request) -> Answer {
        request.host(HOST).send(self.sidegate.address().await).await
    }

    /// Asserts that `request` is refused with `status`, and that the app hears nothing of it.
    async fn refuses(&self, request: Request, status: u16) -> Answer {
        let before = self.upstream.requests().len();
        let answer = self.ask(request.clone()).await;
        assert_eq!(answer.status, status, "{request:?}: {answer:?}\n{}", self.log());
        assert_eq!(self.upstream.requests().len(), before, "{request:?}");
        answer
    }

    /// Asserts that `request` reaches the app as one of `user`.
    async fn lets_pass(&self, request: Request, user: &str) {
        let answer = self.ask(request.clone()).await;
        assert_eq!(answer.status, 200, "{request:?}: {answer:?}\n{}", self.log());
        let last = self.upstream.requests().pop().unwrap();
        assert_eq!(last.values("x-forwarded-user"), [user], "{request:?}");
    }

    fn log(&self) -> String {
        self.sidegate.program.output()
    }
}

fn configuration(
    provider: &OidcProvider,
    upstream: &Upstream,
    listen: &str,
    lines: &str,
    rest: &str,
) -> String {
    let (issuer, upstream) = (&provider.issuer, upstream.url());
    format!(
        "listen: {listen}\nadmin: none\nupstream: {upstream}\nprovider:\n  issuer: {issuer}\n  \
         audience: {AUDIENCE}\n{lines}{rest}"
    )
}

/// A proof by `key` for `GET` of `/x`, with `token` and what `more` says.
pub(crate) fn proof(key: &Issuer, id: &str, token: &str, more: Value) -> String {
    let mut claims = json!({
        "jti": id, "iat": Clock::system().now().as_secs(), "htm": "GET",
        "htu": format!("http://{HOST}/x"), "ath": sha256_base64url(token),
    });
    claims.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    key.sign(&proof_header(key), &claims)
}

fn proof_header(key: &Issuer) -> Value {
    let jwk = key.jwk();
    let public = ["kty", "crv", "x", "y"].map(|name| (name.to_owned(), jwk[name].clone()));
    json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": Value::Object(public.into_iter().collect()) })
}

/// A token of `ada` that `provider` has bound to `key`.
pub(crate) async fn bound(provider: &OidcProvider, key: &Issuer, kind: &str) -> String {
    let claims = json!({
        "jti": format!("token-{kind}"), "iat": Clock::system().now().as_secs(), "htm": "POST",
        "htu": format!("{}/token", provider.issuer),
    });
    let shown = key.sign(&proof_header(key), &claims);
    provider.bound_token("ada", kind, ("DPoP", &shown)).await
}

fn with(token: &str, proof: &str) -> Request {
    get("/x").header("Authorization", &format!("DPoP {token}")).header("DPoP", proof)
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_passes_with_a_new_proof_by_that_key_alone() {
    let lines = "  dpop: require\n  dpop_nonce: true\n";
    let Some(scene) = Scene::start("127.0.0.1:0", lines, "").await else { return };
    let (own, other) = (Issuer::new(), Issuer::new());
    let token = bound(&scene.provider, &own, "ES256").await;
    let answer = scene.refuses(with(&token, &proof(&own, "1", &token, json!({}))), 401).await;
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert!(challenge.contains("use_dpop_nonce"), "{challenge}");
    let nonce = answer.header("dpop-nonce").expect("a nonce to use").to_owned();
    let fresh = |key: &Issuer, id: &str| proof(key, id, &token, json!({ "nonce": nonce }));

    let good = fresh(&own, "2");
    scene.lets_pass(with(&token, &good), "ada").await;
    scene.refuses(with(&token, &good), 401).await;
    scene.lets_pass(with(&token, &fresh(&own, "3")), "ada").await;

    scene.refuses(with(&token, &fresh(&other, "4")), 401).await;
    scene.refuses(get("/x").bearer(&token), 401).await;
    let foreign = json!({ "nonce": "made-up" });
    scene.refuses(with(&token, &proof(&own, "5", &token, foreign)), 401).await;
    let elsewhere = json!({ "nonce": nonce, "htu": format!("http://{HOST}/y") });
    scene.refuses(with(&token, &proof(&own, "6", &token, elsewhere)), 401).await;
    // One that is bound to nobody, where all must be.
    let free = scene.provider.token("ada", "ES256").await;
    scene.refuses(get("/x").bearer(&free), 401).await;
}

/// The app behind it never sees a token without its proof having been checked, whether proofs are a must or not.
#[tokio::test]
async fn where_proofs_are_welcome_tokens_that_are_bound_need_one() {
    let Some(scene) = Scene::start("127.0.0.1:0", "  dpop: accept\n", "").await else { return };
    let own = Issuer::new();
    let token = bound(&scene.provider, &own, "RS256").await;
    scene.lets_pass(with(&token, &proof(&own, "1", &token, json!({}))), "ada").await;
    scene.refuses(get("/x").bearer(&token), 401).await;
    scene.lets_pass(get("/x").bearer(&scene.provider.token("bob", "RS256").await), "bob").await;
}

const INTROSPECTED: &str = "  introspection: { tokens: opaque, cache: 30s }\n  dpop: accept\n";

fn our_client(secret: &str) -> String {
    format!("  client_id: gateway\n  client_secret: {{ value: \"{secret}\" }}\n{INTROSPECTED}")
}

fn sessions() -> String {
    format!("session: {{ keys: [{{ value: \"{KEY}\" }}] }}\n")
}

fn registration() -> Value {
    json!({
        "client_id": "gateway", "client_secret": SECRET,
        "redirect_uris": ["https://app.test/.auth/callback/default"],
    })
}

#[tokio::test]
async fn an_opaque_token_counts_as_long_as_its_provider_says_so() {
    let (lines, rest) = (our_client(SECRET), sessions());
    let Some(scene) = Scene::start("127.0.0.1:0", &lines, &rest).await else { return };
    scene.provider.register(&registration()).await;
    let opaque = async |user: &str| scene.provider.token(user, "opaque").await;
    let (token, revoked) = (opaque("ada").await, opaque("bob").await);
    assert!(!token.contains('.'), "it is a JWT: {token}");
    scene.lets_pass(get("/x").bearer(&token), "ada").await;
    scene.lets_pass(get("/x").bearer(&token), "ada").await;
    assert_eq!(scene.provider.requests("/token/introspection").await, 1, "it is remembered");
    scene.provider.revoke("bob", &revoked).await;
    let answer = scene.refuses(get("/x").bearer(&revoked), 401).await;
    let challenges = answer.values("www-authenticate");
    assert!(challenges.iter().any(|value| value.contains("invalid_token")), "{challenges:?}");
    scene.refuses(get("/x").bearer("nobody-knows-it"), 401).await;

    let own = Issuer::new();
    let held = bound(&scene.provider, &own, "opaque").await;
    scene.refuses(get("/x").bearer(&held), 401).await;
    scene.refuses(with(&held, &proof(&Issuer::new(), "1", &held, json!({}))), 401).await;
    scene.lets_pass(with(&held, &proof(&own, "2", &held, json!({}))), "ada").await;

    let late = opaque("ada").await;
    scene.provider.fail().await;
    scene.refuses(get("/x").bearer(&late), 503).await;
    scene.lets_pass(get("/x").bearer(&token), "ada").await;
}

/// That we are refused says nothing about the token: a 401 would make its owner throw a good one away.
#[tokio::test]
async fn that_our_own_credentials_are_wrong_is_no_verdict_on_a_token() {
    let (lines, rest) = (our_client("not the secret"), sessions());
    let Some(scene) = Scene::start("127.0.0.1:0", &lines, &rest).await else { return };
    scene.provider.register(&registration()).await;
    let token = scene.provider.token("ada", "opaque").await;
    let answer = scene.refuses(get("/x").bearer(&token), 503).await;
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert!(answer.header("www-authenticate").is_none(), "{answer:?}");
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_passes_on_connections_with_it_alone() {
    let authority = Authority::new();
    authority.issue("app", &[HOST]);
    let carol = authority.issue("carol", &["carol.test"]);
    authority.issue("eve", &["eve.test"]);
    let listen = format!(
        "{{ address: '127.0.0.1:0', tls: {{ {}, client_ca: {}, client_auth: optional }} }}",
        authority.pair("app"),
        authority.path("ca.crt").display()
    );
    let Some(scene) = Scene::start(&listen, "", "").await else { return };
    let address = scene.sidegate.address().await;
    let shown = STANDARD.encode(&carol);
    let token = scene.provider.bound_token("carol", "ES256", ("x-test-certificate", &shown)).await;
    let status = async |config| {
        let stream = connect(config, address, HOST).await.unwrap();
        let mut wire = Wire::over(stream);
        wire.send(get("/x").host(HOST).bearer(&token).bytes()).await;
        wire.head().await.status()
    };
    let own = async || status(authority.client_with(&authority, "carol")).await;
    assert_eq!(own().await, Some(200), "{}", scene.log());
    assert_eq!(status(authority.client_with(&authority, "eve")).await, Some(401));
    assert_eq!(status(authority.client()).await, Some(401));
    // Who has shown it before on another connection is not taken for whoever has the token now.
    assert_eq!(own().await, Some(200));
    assert_eq!(status(authority.client()).await, Some(401));
    let users: Vec<_> =
        scene.upstream.requests().iter().map(|seen| seen.values("x-forwarded-user")).collect();
    assert_eq!(users, [["carol"], ["carol"]]);
}
