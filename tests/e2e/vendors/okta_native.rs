//! Okta: two apps on one telephone, whose browser or device secret they share.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::app::{App, Plan};
use super::okta::app;
use crate::support::person::{Person, Stop, Visit};
use crate::support::signing_in::soon;
use crate::support::vendors::{Tenant, is_asked, tenants};

const VERIFIER: &str = "a-verifier-that-is-long-enough-for-every-server-there-is";
pub(super) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(super) const DEVICE_SECRET: &str = "urn:x-oath:params:oauth:token-type:device-secret";
pub(super) const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
/// How long an answer is remembered, and a hair more for the clock of the memory.
const INTERVAL: Duration = Duration::from_millis(1_100);
pub(super) const WITH_SECRET: &str = "openid device_sso offline_access";

/// An app on a telephone: a public client with a scheme of its own.
pub(super) struct Phone {
    tenant: Tenant,
    client_id: String,
    base: &'static str,
    /// The telephone's browser, which all its apps share.
    browser: Person,
}

impl Phone {
    /// A client of the custom authorization server.
    pub(super) async fn new(tenant: &Tenant, client_id: &str) -> Self {
        Self::at(tenant, client_id, "/oauth2/default/v1").await
    }

    /// A client of the organization.
    pub(super) async fn at_organization(tenant: &Tenant, client_id: &str) -> Self {
        Self::at(tenant, client_id, "/oauth2/v1").await
    }

    async fn at(tenant: &Tenant, client_id: &str, base: &'static str) -> Self {
        let registration = json!({
            "client_id": client_id,
            "token_endpoint_auth_method": "none",
            "redirect_uris": [redirect_uri(client_id)],
        });
        tenant.register(registration).await;
        let (tenant, client_id) = (tenant.clone(), client_id.to_owned());
        Self { tenant, client_id, base, browser: Person::new() }
    }

    /// The same telephone's other app.
    async fn other(&self, client_id: &str) -> Self {
        let other = Self::at(&self.tenant, client_id, self.base).await;
        Self { browser: self.browser.twin(), ..other }
    }

    /// Signs in with the telephone's browser, whose session is used if there is one; the tokens.
    pub(super) async fn sign_in(&self, user: &str, scope: &str) -> Value {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let redirect_uri = redirect_uri(&self.client_id);
        let parameters: [(&str, &str); 8] = [
            ("client_id", self.client_id.as_str()),
            ("response_type", "code"),
            ("scope", scope),
            ("redirect_uri", &redirect_uri),
            ("state", "s"),
            ("nonce", "a-nonce-that-is-long-enough"),
            ("code_challenge_method", "S256"),
            ("code_challenge", &challenge),
        ];
        let address = format!("{}{}/authorize", self.tenant.origin, self.base);
        let url = url::Url::parse_with_params(&address, parameters).unwrap();
        let leaves = |visit: &Visit| visit.url.scheme() != "https";
        let callback = match self.browser.visit_until(Visit::typed(url.as_str()), leaves).await {
            Stop::Before(callback) => callback,
            Stop::At(login) => {
                assert!(is_asked(&login), "{login:#?}");
                let fields = [("username", user), ("password", "password")];
                let form = crate::support::person::filled_in(&login, &fields);
                match self.browser.visit_until(form, leaves).await {
                    Stop::Before(callback) => callback,
                    Stop::At(page) => panic!("{page:#?}"),
                }
            }
        };
        let code = callback.url.query_pairs().find(|(name, _)| name == "code");
        let code = code.unwrap_or_else(|| panic!("{}", callback.url)).1;
        let form: [(&str, &str); 5] = [
            ("grant_type", "authorization_code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &redirect_uri),
            ("code", &code),
            ("code_verifier", VERIFIER),
        ];
        self.post("/token", &form).await
    }

    /// An access token of `user`.
    pub(super) async fn access_token(&self, user: &str) -> String {
        let tokens = self.sign_in(user, "openid offline_access").await;
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    /// Tokens for what another app of the telephone left in the keychain.
    async fn exchange(&self, secret: &str, id_token: &str) -> Value {
        let form: [(&str, &str); 8] = [
            ("grant_type", EXCHANGE),
            ("client_id", &self.client_id),
            ("actor_token", secret),
            ("actor_token_type", DEVICE_SECRET),
            ("subject_token", id_token),
            ("subject_token_type", ID_TOKEN),
            ("scope", "openid offline_access"),
            ("audience", "api://default"),
        ];
        self.post("/token", &form).await
    }

    /// Withdraws a token, or the device secret and all that came of it.
    pub(super) async fn revoke(&self, token: &str) {
        let form = [("token", token), ("client_id", self.client_id.as_str())];
        let (status, answer) = self.tenant.post(&format!("{}/revoke", self.base), &form).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let (status, answer) = self.tenant.post(&format!("{}{path}", self.base), form).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

fn redirect_uri(client_id: &str) -> String {
    format!("com.{client_id}.sample:/callback")
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap_or_else(|| panic!("there is no {name}: {tokens}"))
}

/// An API that asks Okta about every token, once a second at most.
async fn api(okta: &Tenant) -> App {
    let lines = "audience: api://default\nclients: [app1, first, second]\n\
                 introspection: { tokens: always, cache: 1s, cache_inactive: 1s }\n";
    app("app1", okta, Plan { provider: lines, ..Plan::default() }).await
}

/// S-K2: two apps share the browser of the telephone; the API takes the tokens of both, and of no third.
#[tokio::test]
async fn s_k2_two_native_apps_share_the_session_of_the_browser() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let api = api(&okta).await;
    let first = Phone::new(&okta, "first").await;
    let one = first.access_token("ada").await;
    let two = first.other("second").await.access_token("nobody is asked").await;
    assert_eq!(okta.count("login").await, 1);
    let third = first.other("third").await.access_token("nobody is asked").await;
    for token in [&one, &two] {
        let (status, who) = api.with_token(token).await;
        assert_eq!((status, who.split(';').next()), (200, Some("00uada")), "{who}");
    }
    assert_eq!(api.with_token(&third).await.0, 401);
}

/// S-K2: with the device secret the second app needs no browser; withdrawing it cuts both off within the interval.
#[tokio::test]
async fn s_k2_withdrawing_the_device_secret_cuts_both_apps_off() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let api = api(&okta).await;
    let first = Phone::new(&okta, "first").await;
    let tokens = first.sign_in("ada", WITH_SECRET).await;
    let (secret, one) = (text(&tokens, "device_secret"), text(&tokens, "access_token"));
    let second = first.other("second").await;
    let exchanged = second.exchange(secret, text(&tokens, "id_token")).await;
    let two = text(&exchanged, "access_token");
    for token in [one, two] {
        let (status, who) = api.with_token(token).await;
        assert_eq!((status, who.split(';').next()), (200, Some("00uada")), "{who}");
    }
    // What is no access token opens nothing.
    for (name, token) in [("the secret", secret), ("the ID token", text(&tokens, "id_token"))] {
        assert_eq!(api.with_token(token).await.0, 401, "{name}");
    }
    let other = Phone::new(&okta, "first").await;
    let bob = other.access_token("bob").await;
    first.revoke(secret).await;
    let revoked = Instant::now();
    for token in [one, two] {
        // What is sent later than the interval is refused; how long a busy machine takes to answer does not matter.
        soon(async || {
            let sent = revoked.elapsed();
            let refused = api.with_token(token).await.0 == 401;
            assert!(refused || sent <= INTERVAL, "let in {sent:?} after the end");
            refused
        })
        .await;
    }
    assert_eq!(api.with_token(&bob).await.0, 200, "another telephone's session");
}

/// A redirect to an app of the telephone goes through as it is.
#[tokio::test]
async fn s_k2_addresses_of_native_apps_pass_unchanged() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let rest = "
routes:
  - { name: all, match: { paths: /* }, access: public }
";
    let address = "com.first.sample:/callback?code=a%2Bb&state=%7B%7D";
    let upstream = crate::support::upstream::Upstream::answering(move |_| {
        format!("HTTP/1.1 302 Found\r\nLocation: {address}\r\nContent-Length: 0\r\n\r\n")
            .into_bytes()
    })
    .await;
    let configuration = format!(
        "upstream: {}\nprovider:\n  type: okta\n  issuer: {}/oauth2/default\n  audience: \
         api://default\n{rest}",
        upstream.url(),
        okta.origin
    );
    let sidegate = crate::support::edge::sidegate(&configuration, Vec::new());
    let port = sidegate.listener("edge").await.port();
    let url = format!("https://okta.edge.test:{port}/oauth2/v1/authorize");
    let response = crate::support::http::client().get(url).send().await.unwrap();
    assert_eq!(response.headers()["location"], address);
}
