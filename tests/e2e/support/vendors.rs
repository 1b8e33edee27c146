//! Strict stand-ins of Auth0, Okta and Mosaic: `tests/peers/vendors.mjs`.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::edge;
use super::http::{client, json as body};
use super::misbehaving::Seen;
use super::node::{node, peers};
use super::person::{Page, Person};
use super::process::Program;

/// Everybody's password there.
const PASSWORD: &str = "password";

/// A tenant: `ada` (groups admin, staff; password and one-time codes) and `bob` (staff; a password alone) are people of it.
#[derive(Clone)]
pub(crate) struct Tenant {
    /// Scheme and authority: `https://NAME.idp.test:PORT`.
    pub(crate) origin: String,
    client: Client,
    _program: Arc<(Program, TempDir)>,
}

/// Starts a tenant of each of `dialects`, `auth0`, `mosaic` or `okta`; nothing where node or its packages are missing.
pub(crate) async fn tenants<const N: usize>(dialects: [&str; N]) -> Option<[Tenant; N]> {
    let mut command = Command::new(node("jose")?);
    command.arg("vendors.mjs").args(dialects).current_dir(peers());
    let files = edge::provide(&mut command);
    let program = Program::start(command);
    let origins = program.wait_for(origins).await;
    let (program, client) = (Arc::new((program, files)), client());
    let tenant = |origin| Tenant { origin, client: client.clone(), _program: Arc::clone(&program) };
    let all: Vec<Tenant> = origins.into_iter().map(tenant).collect();
    all.try_into().ok()
}

impl Tenant {
    /// Registers a client: `client_id`, `redirect_uris`, and what else it has.
    pub(crate) async fn register(&self, registration: Value) {
        self.tell("client", registration).await;
    }

    /// Changes settings, which `tests/peers/vendors/` lists; `null` switches one off.
    pub(crate) async fn set(&self, settings: Value) {
        self.tell("settings", settings).await;
    }

    /// Changes what is said of `person["sub"]`.
    pub(crate) async fn person(&self, person: Value) {
        self.tell("person", person).await;
    }

    /// Sets the clock to so long after now.
    pub(crate) async fn clock(&self, ahead: Duration) {
        self.tell("clock", json!({ "offset": ahead.as_secs() })).await;
    }

    /// Signs with a new key; the old one stays published.
    pub(crate) async fn rotate(&self) {
        self.tell("rotate", json!({})).await;
    }

    /// Mosaic forgets the tokens of clients.
    pub(crate) async fn forget_client_tokens(&self) {
        self.tell("forget", json!({})).await;
    }

    /// Ends the sessions of `user`, as an administrator does. Auth0 tells the apps.
    pub(crate) async fn end(&self, user: &str) {
        self.tell("end", json!({ "sub": user })).await;
    }

    /// A logout token of Auth0 that is not sent, changed as `told` says (`tests/peers/vendors/auth0_logout.mjs`).
    pub(crate) async fn logout_token(&self, told: Value) -> String {
        self.tell("logout_token", told).await["token"].as_str().unwrap().to_owned()
    }

    /// Sends a logout token to a client: `status`, `headers` and `body` of the answer.
    pub(crate) async fn deliver(&self, client_id: &str, token: &str) -> Value {
        self.tell("deliver", json!({ "client_id": client_id, "token": token })).await
    }

    /// The newest access token.
    pub(crate) async fn access_token(&self) -> String {
        self.list("access_tokens").await.last().unwrap().as_str().unwrap().to_owned()
    }

    /// What became of each logout token that the tenant sent by itself: `client`, and `status` or `error`.
    pub(crate) async fn logouts(&self) -> Vec<Value> {
        self.list("logouts").await
    }

    /// Whose sessions at identity providers behind the tenant were ended.
    pub(crate) async fn federated(&self) -> Vec<Value> {
        self.list("federated").await
    }

    /// The `sid` of the newest session.
    pub(crate) async fn sid(&self) -> String {
        let sessions = self.list("sessions").await;
        let newest = sessions.last().unwrap_or_else(|| panic!("nobody is signed in"));
        newest["sid"].as_str().unwrap().to_owned()
    }

    /// The names of the sessions that Mosaic keeps, which only backends may know.
    pub(crate) async fn session_ids(&self) -> Vec<String> {
        let names = self.list("session_ids").await;
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// How many sessions there are, over or not.
    pub(crate) async fn sessions(&self) -> usize {
        self.list("sessions").await.len()
    }

    /// The addresses that Okta's sign-out page has in frames.
    pub(crate) async fn frames(&self, sid: &str) -> Vec<String> {
        let frames = self.list(&format!("frames?sid={sid}")).await;
        frames.iter().map(|url| url.as_str().unwrap().to_owned()).collect()
    }

    /// The requests to `endpoint` so far: `discovery`, `jwks`, `authorization`, `login`, `par`, `token`, `userinfo`, `introspection`,
    /// `revocation`, `end_session`, `v2_logout`, `session_authenticate`, `session_logout`, `unknown`.
    pub(crate) async fn requests(&self, endpoint: &str) -> Vec<Seen> {
        let mut log = self.log().await;
        log.retain(|seen| seen.endpoint == endpoint);
        log
    }

    /// How many requests to `endpoint` there were so far.
    pub(crate) async fn count(&self, endpoint: &str) -> usize {
        self.requests(endpoint).await.len()
    }

    /// The newest request to `endpoint`.
    pub(crate) async fn last(&self, endpoint: &str) -> Seen {
        let requests = self.requests(endpoint).await;
        requests.last().cloned().unwrap_or_else(|| panic!("nobody asked {endpoint}"))
    }

    /// Every request so far.
    pub(crate) async fn log(&self) -> Vec<Seen> {
        let seen =
            |entry: Value| Seen { endpoint: entry["endpoint"].as_str().unwrap().to_owned(), entry };
        self.list("log").await.into_iter().map(seen).collect()
    }

    /// Posts `form` to `path`, as a client does.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let body_text =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self
            .client
            .post(format!("{}{path}", self.origin))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body_text);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn list(&self, what: &str) -> Vec<Value> {
        let response =
            self.client.get(format!("{}/test/{what}", self.origin)).send().await.unwrap();
        match body(response).await {
            Value::Array(list) => list,
            other => panic!("expected a list of {what}, found {other}"),
        }
    }

    async fn tell(&self, command: &str, told: Value) -> Value {
        let url = format!("{}/test/{command}", self.origin);
        let response = self.client.post(url).body(told.to_string()).send().await.unwrap();
        let is_fine = response.status().is_success();
        let answer = body(response).await;
        assert!(is_fine, "{command} {told}: {answer}");
        answer
    }
}

/// Whether a person is asked to sign in.
pub(crate) fn is_asked(page: &Page) -> bool {
    page.status == 200 && page.body.contains("Sign in at")
}

/// Signs in as `user` on the tenant's `page`.
pub(crate) async fn sign_in_on(page: &Page, person: &Person, user: &str) -> Page {
    assert!(is_asked(page), "{page:#?}");
    person.fill_in(page, &[("username", user), ("password", PASSWORD)]).await
}

/// The same with a second factor.
pub(crate) async fn sign_in_strongly_on(page: &Page, person: &Person, user: &str) -> Page {
    assert!(is_asked(page), "{page:#?}");
    person.fill_in(page, &[("username", user), ("password", PASSWORD), ("mfa", "on")]).await
}

fn origins(line: &str) -> Option<Vec<String>> {
    let line: Value = serde_json::from_str(line).ok()?;
    let origins = line["origins"].as_array()?;
    Some(origins.iter().filter_map(|origin| origin.as_str().map(str::to_owned)).collect())
}
