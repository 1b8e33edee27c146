//! A strict OpenID provider of our own that misbehaves as told: `tests/peers/misbehaving-provider.mjs`.

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::edge;
use super::http::{client, json as body};
use super::node::{node, peers};
use super::process::Program;

/// The identifier that sidegate has at every provider.
pub(crate) const CLIENT_ID: &str = "web";
/// Its secret, which form-urlencoding changes.
pub(crate) const CLIENT_SECRET: &str = "s3cret of a client + 100%: ä";

/// A running program with any number of providers.
pub(crate) struct Misbehaving {
    origin: String,
    client: Client,
    _program: Program,
    _files: Option<TempDir>,
}

/// One provider: `ada` (groups admin, staff) signs in unless told otherwise; `bob` is in staff.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) issuer: String,
    client: Client,
}

/// A request that a provider has seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) endpoint: String,
    /// The whole entry: `method`, `target`, `params`, `authorization`, `accept`, `status` …
    pub(crate) entry: Value,
}

impl Seen {
    /// The parameter called `name`, of the query or the form.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.entry["params"][name].as_str()
    }

    /// Why it was refused.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.entry["refused"].as_str()
    }
}

impl Misbehaving {
    /// Starts the program; nothing where node or its packages are missing.
    pub(crate) async fn start() -> Option<Self> {
        let mut command = Command::new(node("jose")?);
        command.arg("misbehaving-provider.mjs").current_dir(peers());
        Some(Self::run(command, None).await)
    }

    /// The same over TLS, at a name of the [edge].
    pub(crate) async fn start_at_edge() -> Option<Self> {
        let mut command = Command::new(node("jose")?);
        command.arg("misbehaving-provider.mjs").current_dir(peers());
        let files = edge::provide(&mut command);
        Some(Self::run(command, Some(files)).await)
    }

    async fn run(command: Command, files: Option<TempDir>) -> Self {
        let program = Program::start(command);
        let origin = program.wait_for(origin).await;
        Self { origin, client: client(), _program: program, _files: files }
    }

    /// The provider called `name`, which is honest and has no clients when it is first asked for.
    pub(crate) fn provider(&self, name: &str) -> Provider {
        Provider { issuer: format!("{}/{name}", self.origin), client: self.client.clone() }
    }
}

impl Provider {
    /// Registers sidegate, which people reach at `site`, with what `more` says beside its addresses.
    pub(crate) async fn register(&self, site: &str, name: &str, more: &Value) {
        // Not over TLS, but at the edge: it ends before sidegate.
        let is_at_edge = self.issuer.starts_with("https:");
        let back = if is_at_edge { site.to_owned() } else { site.replacen("https:", "http:", 1) };
        let mut registration = json!({
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uris": [format!("{site}/.auth/callback/{name}")],
            "post_logout_redirect_uris": [format!("{site}/.auth/signed-out")],
            "backchannel_logout_uri": format!("{back}/.auth/backchannel-logout/{name}"),
            "frontchannel_logout_uri": format!("{site}/.auth/frontchannel-logout/{name}"),
        });
        for (member, value) in more.as_object().into_iter().flatten() {
            registration[member] = value.clone();
        }
        self.tell("client", &registration).await;
    }

    /// Misbehaves as `told`: `{ section: { name: value } }`. Honest again with `{}`.
    pub(crate) async fn misbehave(&self, told: Value) {
        self.tell("misbehave", &told).await;
    }

    /// Changes settings: `alg`, `claims`, `expires_in`, `refresh`, `user`.
    pub(crate) async fn set(&self, settings: Value) {
        self.tell("settings", &settings).await;
    }

    /// Says what `person` is, with `sub` and the claims.
    pub(crate) async fn person(&self, person: Value) {
        self.tell("person", &person).await;
    }

    /// Signs with new keys; the old ones are withdrawn.
    pub(crate) async fn rotate(&self) {
        self.tell("rotate", &json!({})).await;
    }

    /// Signs with new keys; the old ones stay published.
    pub(crate) async fn rotate_and_keep(&self) {
        self.tell("rotate", &json!({ "keep": true })).await;
    }

    /// Sends a logout token for `whom` (`sub`, `sid`, `misbehaviour`); `status`, `headers` and `body` of the answer, and the `token`.
    pub(crate) async fn log_out(&self, whom: Value) -> Value {
        self.tell("logout", &with_client(whom)).await
    }

    /// A logout token that is not sent.
    pub(crate) async fn logout_token(&self, whom: Value) -> String {
        let answer = self.tell("logout_token", &with_client(whom)).await;
        answer["token"].as_str().unwrap().to_owned()
    }

    /// Ends the sessions and the refresh tokens of `sub` at the provider.
    pub(crate) async fn revoke(&self, sub: &str) {
        self.tell("revoke", &json!({ "sub": sub })).await;
    }

    /// The `sid` of the newest session, as the client knows it.
    pub(crate) async fn sid(&self) -> String {
        let sessions = self.ask("sessions").await;
        let newest = sessions.as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
        let sid = newest["sids"][CLIENT_ID].as_str();
        sid.unwrap_or_else(|| panic!("nobody is signed in: {newest}")).to_owned()
    }

    /// The addresses that the provider's logout page has in frames.
    pub(crate) async fn frames(&self, sid: &str) -> Vec<String> {
        let frames = self.ask(&format!("frames?sid={sid}")).await;
        frames.as_array().unwrap().iter().map(|url| url.as_str().unwrap().to_owned()).collect()
    }

    /// Every request so far, save for those that ask the token endpoint by a GET whether somebody answers at all.
    pub(crate) async fn log(&self) -> Vec<Seen> {
        let Value::Array(entries) = self.ask("log").await else { panic!("the log is a list") };
        let is_probe = |entry: &Value| entry["endpoint"] == "token" && entry["method"] == "GET";
        let seen =
            |entry: Value| Seen { endpoint: entry["endpoint"].as_str().unwrap().to_owned(), entry };
        entries.into_iter().filter(|entry| !is_probe(entry)).map(seen).collect()
    }

    /// The requests to `endpoint` so far: `discovery`, `jwks`, `authorization`, `par`, `token`, `userinfo`, `introspection`,
    /// `revocation`, `end_session`, `unknown`.
    pub(crate) async fn requests(&self, endpoint: &str) -> Vec<Seen> {
        let mut log = self.log().await;
        log.retain(|seen| seen.endpoint == endpoint);
        log
    }

    /// How many requests to `endpoint` there were so far.
    pub(crate) async fn count(&self, endpoint: &str) -> usize {
        self.requests(endpoint).await.len()
    }

    async fn tell(&self, command: &str, told: &Value) -> Value {
        let url = format!("{}/test/{command}", self.issuer);
        let response = self.client.post(url).body(told.to_string()).send().await.unwrap();
        let is_fine = response.status().is_success();
        let answer = body(response).await;
        assert!(is_fine, "{command} {told}: {answer}");
        answer
    }

    async fn ask(&self, what: &str) -> Value {
        body(self.client.get(format!("{}/test/{what}", self.issuer)).send().await.unwrap()).await
    }
}

fn with_client(mut whom: Value) -> Value {
    if whom.get("client_id").is_none() {
        whom["client_id"] = CLIENT_ID.into();
    }
    whom
}

fn origin(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    Some(line["origin"].as_str()?.to_owned())
}
