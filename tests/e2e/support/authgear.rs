//! A strict stand-in for Authgear, `tests/peers/authgear.mjs`, and sidegate before apps that go by it.

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::process::Command;

use super::http::{client, json as body};
use super::node::{node, peers};
use super::person::{Page, Person};
use super::process::{Program, Sidegate};
use super::upstream::{Recorded, Upstream};

/// The web app at Authgear.
pub(crate) const WEB: &str = "WEB1";
const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";

/// The running stand-in.
pub(crate) struct Authgear {
    /// Where it really is.
    pub(crate) origin: String,
    /// What it calls itself.
    pub(crate) issuer: String,
    client: Client,
    _program: Program,
}

/// Sidegate before an app that tells what it was told.
pub(crate) struct App {
    pub(crate) sidegate: Sidegate,
    pub(crate) upstream: Upstream,
    /// Where people reach it, such as `https://app1.edge.test:PORT`.
    pub(crate) site: String,
}

impl Authgear {
    /// Starts it; nothing where node or its packages are missing.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_as("https://auth.edge.test").await
    }

    /// The same for browsers, which take names below `localhost` for this machine.
    pub(crate) async fn start_for_browsers() -> Option<Self> {
        Self::start_as("http://auth.edge.localhost").await
    }

    async fn start_as(site: &str) -> Option<Self> {
        let mut command = Command::new(node("jose")?);
        command.args(["authgear.mjs", site]).current_dir(peers());
        let program = Program::start(command);
        let said = program.wait_for(|line| serde_json::from_str::<Value>(line).ok()).await;
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        let (origin, issuer) = (text("origin"), text("issuer"));
        Some(Self { origin, issuer, client: client(), _program: program })
    }

    /// The host under which its resolver is asked.
    pub(crate) fn host(&self) -> &str {
        self.issuer.split_once("://").unwrap().1
    }

    /// The section `provider:` with `lines` in it.
    pub(crate) fn provider(&self, lines: &str) -> String {
        let Self { origin, issuer, .. } = self;
        let host = self.host();
        let lines: String = lines.lines().map(|line| format!("  {line}\n")).collect();
        let lines = lines
            .replace("RESOLVER", &format!("url: {origin}/_resolver/resolve, host: \"{host}\""));
        format!(
            "provider:\n  name: authgear\n  type: authgear\n  issuer: {issuer}\n  jwks_uri: {origin}/oauth2/jwks\n  endpoints:\n    \
             authorization: {issuer}/oauth2/authorize\n    token: {origin}/oauth2/token\n    revocation: {origin}/oauth2/revoke\n    \
             end_session: {issuer}/oauth2/end_session\n{lines}"
        )
    }

    /// Sidegate called `name` before an app, with `lines` in the provider's section and `rest` at the end.
    pub(crate) async fn app(&self, name: &str, lines: &str, rest: &str) -> App {
        let upstream = Upstream::answering(who).await;
        let session = if lines.contains("client_id") {
            format!("session:\n  keys: [{{ value: \"{KEY}\" }}]\n")
        } else {
            String::new()
        };
        let listen = if rest.contains("listeners:") { "" } else { "listen: 127.0.0.1:0\n" };
        let configuration = format!(
            "{listen}admin: none\ntrusted_proxies: [127.0.0.1/32]\nupstream: {}\nidentity: {{ headers: authgear }}\n{}{session}{rest}",
            upstream.url(),
            self.provider(lines),
        );
        let sidegate = Sidegate::run(&configuration);
        let address = sidegate.address().await;
        let (scheme, _) = self.issuer.split_once("://").unwrap();
        App { sidegate, upstream, site: format!("{scheme}://{name}:{}", address.port()) }
    }

    /// Registers `id` with the callbacks of `sites`, and what `more` says.
    pub(crate) async fn register(&self, id: &str, sites: &[&str], more: &Value) {
        let on = |path: &str| -> Vec<String> {
            let both = |site: &&str| [(*site).to_owned(), site.replacen("https:", "http:", 1)];
            sites.iter().flat_map(both).map(|site| format!("{site}{path}")).collect()
        };
        let mut registration = json!({
            "client_id": id,
            "redirect_uris": on("/.auth/callback/authgear"),
            "post_logout_redirect_uris": on("/.auth/signed-out"),
        });
        for (member, value) in more.as_object().into_iter().flatten() {
            registration[member] = value.clone();
        }
        self.tell("client", &registration).await;
    }

    /// Does what a command of the stand-in does: `client`, `user`, `settings`, `session`, `grant`, `end`, `log`, `forget`.
    pub(crate) async fn tell(&self, command: &str, told: &Value) -> Value {
        let url = format!("{}/__test/{command}", self.origin);
        let response = self.client.post(url).body(told.to_string()).send().await.unwrap();
        let is_fine = response.status().is_success();
        let text = response.text().await.unwrap();
        assert!(is_fine, "{command} {told}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The answer to a form that an app posts.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self.client.post(format!("{}{path}", self.origin));
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(body).send().await.unwrap()
    }

    /// The answer to a form that an app posts to the token endpoint, as JSON.
    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Value {
        body(self.post("/oauth2/token", form).await).await
    }

    /// A session of `sub` that began elsewhere; the value of its cookie.
    pub(crate) async fn session(&self, sub: &str) -> String {
        let made = self.tell("session", &json!({ "sub": sub })).await;
        made["session"].as_str().unwrap().to_owned()
    }

    /// Tokens of `sub` for the app `client`.
    pub(crate) async fn grant(&self, sub: &str, client: &str) -> Value {
        self.tell("grant", &json!({ "sub": sub, "client_id": client })).await
    }

    /// How many requests to `path` there were.
    pub(crate) async fn count(&self, path: &str) -> usize {
        let log = self.tell("log", &json!({})).await;
        log.as_array().unwrap().iter().filter(|seen| seen["endpoint"] == path).count()
    }
}

impl App {
    /// `path` of the site.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    /// Opens the page and signs in as `user` on Authgear's page.
    pub(crate) async fn sign_in(&self, person: &Person, path: &str, user: &str) -> Page {
        let login = person.open(&self.url(path)).await;
        assert!(login.body.contains("Authgear login"), "{login:#?}\n{}", self.log());
        person.fill_in(&login, &[("login", user)]).await
    }

    /// What sidegate has logged.
    pub(crate) fn log(&self) -> String {
        self.sidegate.program.output()
    }
}

/// `user|amr|roles|anonymous|verified`, as the app is told.
fn who(request: &Recorded) -> Vec<u8> {
    let field = |name: &str| request.values(name).join("+");
    let names = ["user-id", "session-amr", "user-roles", "user-anonymous", "user-verified"];
    let body = names.map(|name| field(&format!("x-authgear-{name}"))).join("|");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
