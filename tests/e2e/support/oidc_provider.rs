//! A real OpenID provider: npm `oidc-provider`, as `tests/peers/oidc-provider.mjs` sets it up.

use reqwest::Client;
use serde_json::Value;
use tokio::process::Command;

use super::http::{client, json};
use super::node::{node, peers};
use super::process::Program;

/// The audience of the tokens.
pub(crate) const AUDIENCE: &str = "https://api.example.test";

/// A running provider. Its clients are `ada` (groups admin, staff) and `bob` (staff), who are people, too: each signs in with
/// the password `password`.
pub(crate) struct OidcProvider {
    pub(crate) issuer: String,
    client: Client,
    _program: Program,
}

impl OidcProvider {
    /// Starts one with keys of its own; nothing where node or the package is missing.
    pub(crate) async fn start() -> Option<Self> {
        let mut command = Command::new(node("oidc-provider")?);
        command.arg("oidc-provider.mjs").current_dir(peers());
        let program = Program::start(command);
        let issuer = program.wait_for(issuer).await;
        Some(Self { issuer, client: client(), _program: program })
    }

    /// An access token for `user`, signed with `algorithm`: RS256, PS256, ES256 or EdDSA.
    pub(crate) async fn token(&self, user: &str, algorithm: &str) -> String {
        self.token_for(user, &format!("{AUDIENCE}/{algorithm}")).await
    }

    /// As [`token`](Self::token), or one that is no JWT for `opaque`, to whoever shows the `header`.
    pub(crate) async fn bound_token(&self, user: &str, kind: &str, header: (&str, &str)) -> String {
        self.token_to(user, &format!("{AUDIENCE}/{kind}"), Some(header)).await
    }

    /// Withdraws a token of `user`.
    pub(crate) async fn revoke(&self, user: &str, token: &str) {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .finish();
        let url = format!("{}/token/revocation", self.issuer);
        let request = self.client.post(url).basic_auth(user, Some(format!("{user}-secret")));
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{response:?}");
    }

    /// As [`token`](Self::token), expiring after `seconds`.
    pub(crate) async fn short_token(&self, user: &str, algorithm: &str, seconds: u32) -> String {
        self.token_for(user, &format!("{AUDIENCE}/{algorithm}/{seconds}")).await
    }

    /// Signs with new keys from now on, the old ones still published.
    pub(crate) async fn rotate(&self) {
        self.control("rotate").await;
    }

    /// Signs with new keys from now on and withdraws the old ones.
    pub(crate) async fn rotate_and_forget(&self) {
        self.control("rotate?forget=1").await;
    }

    /// Answers 503 to everything until [`recover`](Self::recover).
    pub(crate) async fn fail(&self) {
        self.control("down").await;
    }

    /// Answers again.
    pub(crate) async fn recover(&self) {
        self.control("up").await;
    }

    /// Registers a client that signs people in: `client_id`, `client_secret`, `redirect_uris` and what else it has.
    pub(crate) async fn register(&self, registration: &Value) {
        let url = format!("{}/test/client", self.issuer);
        let response = self.client.post(url).body(registration.to_string()).send().await.unwrap();
        assert!(response.status().is_success(), "{registration}: {response:?}");
    }

    /// How long access tokens of people live from now on.
    pub(crate) async fn limit_access_tokens(&self, seconds: u32) {
        self.control(&format!("lifetime?seconds={seconds}")).await;
    }

    /// What became of each back-channel logout so far: `client`, `done`, `error`.
    pub(crate) async fn logouts(&self) -> Value {
        self.control("logouts").await
    }

    /// How often `path` has been asked for.
    pub(crate) async fn requests(&self, path: &str) -> u64 {
        self.control("requests").await[path].as_u64().unwrap_or(0)
    }

    async fn token_for(&self, user: &str, resource: &str) -> String {
        self.token_to(user, resource, None).await
    }

    async fn token_to(&self, user: &str, resource: &str, header: Option<(&str, &str)>) -> String {
        let form =
            [("grant_type", "client_credentials"), ("scope", "read"), ("resource", resource)];
        let request = self
            .client
            .post(format!("{}/token", self.issuer))
            .basic_auth(user, Some(format!("{user}-secret")));
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let request =
            header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let answer = json(request.send().await.unwrap()).await;
        answer["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("expected a token, found {answer}"))
            .to_owned()
    }

    async fn control(&self, action: &str) -> Value {
        json(self.client.post(format!("{}/test/{action}", self.issuer)).send().await.unwrap()).await
    }
}

fn issuer(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    Some(line["issuer"].as_str()?.to_owned())
}
