//! A strict stand-in for Authgear, `tests/peers/authgear.mjs`, and sidegate before apps that go by it.

use std::net::SocketAddr;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::edge;
use super::http::{client, json as body};
use super::node::{node, peers};
use super::person::{Page, Person};
use super::process::{Program, Sidegate};
use super::raw::{Answer, Request};
use super::upstream::{Recorded, Upstream};

/// The web app at Authgear.
pub(crate) const WEB: &str = "WEB1";
const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";

/// The running stand-in.
pub(crate) struct Authgear {
    /// `https://auth.edge.test:PORT`.
    pub(crate) issuer: String,
    client: Client,
    _program: Program,
    _files: TempDir,
}

/// Sidegate before an app that tells what it was told.
pub(crate) struct App {
    pub(crate) sidegate: Sidegate,
    pub(crate) upstream: Upstream,
    /// Where people reach it, such as `https://app1.edge.test:PORT`.
    pub(crate) site: String,
    name: String,
    address: SocketAddr,
}

impl Authgear {
    /// Starts it; nothing where node or its packages are missing.
    pub(crate) async fn start() -> Option<Self> {
        let mut command = Command::new(node("jose")?);
        command.arg("authgear.mjs").current_dir(peers());
        let files = edge::provide(&mut command);
        let program = Program::start(command);
        let said = program.wait_for(|line| serde_json::from_str::<Value>(line).ok()).await;
        let issuer = said["issuer"].as_str().unwrap().to_owned();
        Some(Self { issuer, client: client(), _program: program, _files: files })
    }

    /// The host under which its resolver is asked.
    pub(crate) fn host(&self) -> &str {
        self.issuer.split_once("://").unwrap().1
    }

    /// The section `provider:` with `lines` in it. The resolver has a name of its own, as where it is reached from inside.
    pub(crate) fn provider(&self, lines: &str) -> String {
        let (issuer, host) = (&self.issuer, self.host());
        let inside = issuer.replacen("auth.", "resolver.", 1);
        let lines: String = lines.lines().map(|line| format!("  {line}\n")).collect();
        let lines = lines
            .replace("RESOLVER", &format!("url: {inside}/_resolver/resolve, host: \"{host}\""));
        format!(
            "provider:\n  name: authgear\n  type: authgear\n  issuer: {issuer}\n  jwks_uri: {issuer}/oauth2/jwks\n  endpoints:\n    \
             authorization: {issuer}/oauth2/authorize\n    token: {issuer}/oauth2/token\n    revocation: {issuer}/oauth2/revoke\n    \
             end_session: {issuer}/oauth2/end_session\n{lines}"
        )
    }

    /// Sidegate called `name` before an app, with `lines` in the provider's section and `rest` at the end.
    pub(crate) async fn app(&self, name: &str, lines: &str, rest: &str) -> App {
        self.app_with("", name, lines, rest).await
    }

    /// The same with more `listeners` than the one that people reach.
    pub(crate) async fn app_with(
        &self,
        listeners: &str,
        name: &str,
        lines: &str,
        rest: &str,
    ) -> App {
        let upstream = Upstream::answering(who).await;
        let session = if lines.contains("client_id") {
            format!("session:\n  keys: [{{ value: \"{KEY}\" }}]\n")
        } else {
            String::new()
        };
        let configuration = format!(
            "upstream: {}\nidentity: {{ headers: authgear }}\n{}{session}{rest}",
            upstream.url(),
            self.provider(lines),
        );
        let sidegate = edge::sidegate_with(listeners, &configuration, Vec::new());
        let address = sidegate.listener("edge").await;
        let site = format!("https://{name}:{}", address.port());
        App { sidegate, upstream, site, name: name.to_owned(), address }
    }

    /// Registers `id` with the callbacks of `sites`, and what `more` says.
    pub(crate) async fn register(&self, id: &str, sites: &[&str], more: &Value) {
        let on = |path: &str| -> Vec<String> {
            sites.iter().map(|site| format!("{site}{path}")).collect()
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
        let url = format!("{}/__test/{command}", self.issuer);
        let response = self.client.post(url).body(told.to_string()).send().await.unwrap();
        let is_fine = response.status().is_success();
        let text = response.text().await.unwrap();
        assert!(is_fine, "{command} {told}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The answer to a form that an app posts.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self.client.post(format!("{}{path}", self.issuer));
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

    /// The answer to `request` over TLS, at the app's name unless it has a host of its own.
    pub(crate) async fn ask(&self, request: Request) -> Answer {
        request.send_at_edge(self.address, &self.name).await
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
