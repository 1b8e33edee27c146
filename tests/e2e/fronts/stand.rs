//! What a scenario meets: a real provider, sidegate, an app that records what it gets, and a proxy before both.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::front::{Front, Running, shipped};
use crate::support::oidc_provider::{AUDIENCE, OidcProvider};
use crate::support::person::{Page, Person};
use crate::support::ports::free_address;
use crate::support::process::Sidegate;
use crate::support::raw::{Answer, Request};
use crate::support::upstream::{Recorded, Upstream};

const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";
const SECRET: &str = "a secret of the client";
/// Where Envoy asks.
const SHIPPED_SOCKET: &str = "/run/sidegate/authz.sock";
/// What browsers ask for by themselves, whenever they have time.
const ICON: &str = "/favicon.ico";

/// The running parts.
pub(super) struct Stand {
    pub(super) front: Front,
    /// Where clients go.
    pub(super) address: SocketAddr,
    /// The same, as browsers know it.
    pub(super) site: String,
    pub(super) app: Upstream,
    pub(super) provider: OidcProvider,
    sidegate: Mutex<Option<Sidegate>>,
    running: Option<Running>,
}

impl Stand {
    /// Starts everything; nothing where a program is missing.
    pub(super) async fn start(front: Front) -> Option<Self> {
        if !front.is_installed() {
            return None;
        }
        let provider = OidcProvider::start().await?;
        let app = Upstream::answering(answer).await;
        let address = free_address();
        let site = format!("http://localhost:{}", address.port());
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("authz.sock").display().to_string();
        let configuration =
            configuration(front, address, &provider, &app).replace(SHIPPED_SOCKET, &socket);
        std::fs::write(directory.path().join("config.yaml"), configuration).unwrap();
        let sidegate = Sidegate::run_in(directory);
        // A unix socket has no port that would have to be known.
        let questions = match front {
            Front::Envoy => {
                let listens = |line: &str| line.contains(&socket).then_some(address);
                sidegate.program.wait_for(listens).await
            }
            _ => sidegate.address().await,
        };
        provider.register(&registration(&site)).await;
        let replaced = [
            ("127.0.0.1:9000", questions.to_string()),
            ("127.0.0.1:3000", app.address.to_string()),
            (SHIPPED_SOCKET, socket),
            ("port_value: 3000", format!("port_value: {}", app.address.port())),
            ("app.example.com", "localhost".to_owned()),
        ];
        let running = match front {
            Front::Inline => None,
            _ => Some(front.start(address, &replaced).await?),
        };
        Some(Self {
            front,
            address,
            site,
            app,
            provider,
            sidegate: Mutex::new(Some(sidegate)),
            running,
        })
    }

    /// `path` as browsers know it.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    /// The answer to `request`, sent to the site.
    pub(super) async fn ask(&self, request: Request) -> Answer {
        request.host(&format!("localhost:{}", self.address.port())).send(self.address).await
    }

    /// What has arrived at the app so far.
    fn arrived(&self) -> Vec<Recorded> {
        let mut arrived = self.app.requests();
        arrived.retain(|request| request.target() != ICON);
        arrived
    }

    /// What the app got of `request`, if it let it through, and the answer.
    pub(super) async fn try_ask(&self, request: Request) -> (Option<Recorded>, Answer) {
        let before = self.arrived().len();
        let answer = self.ask(request.clone()).await;
        let arrived = self.arrived();
        assert!(arrived.len() <= before + 1, "{request:?}: {arrived:#?}");
        let through = (200..300).contains(&answer.status);
        assert_eq!(
            through,
            arrived.len() > before,
            "{request:?}: {answer:?}\n{}",
            self.logs().await
        );
        (arrived.get(before).cloned(), answer)
    }

    /// What the app got of `request`, which passes.
    pub(super) async fn passes(&self, request: Request) -> Recorded {
        let (arrived, answer) = self.try_ask(request.clone()).await;
        let logs = self.logs().await;
        arrived.unwrap_or_else(|| panic!("{request:?} is refused: {answer:?}\n{logs}"))
    }

    /// The answer to `request`, of which the app gets nothing.
    pub(super) async fn refused(&self, request: Request) -> Answer {
        let (arrived, answer) = self.try_ask(request.clone()).await;
        let head = arrived.map(|arrived| String::from_utf8_lossy(&arrived.head).into_owned());
        assert!(head.is_none(), "{request:?} passes: {head:?}");
        answer
    }

    /// Somebody who has signed in as `user`.
    pub(super) async fn signed_in(&self, user: &str) -> Person {
        let person = Person::new();
        let login = person.open(&self.url("/wanted?x=1")).await;
        let logs = self.logs().await;
        assert!(login.body.contains("Sign in at the provider"), "{login:#?}\n{logs}");
        let page = person.fill_in(&login, &[("login", user), ("password", "password")]).await;
        self.greets(&page, "/wanted?x=1", user).await;
        person
    }

    /// Asserts that `page` is the app's at `path`, for `user`.
    pub(super) async fn greets(&self, page: &Page, path: &str, user: &str) {
        let greeting = format!("<h1>Hello, {user}</h1>");
        let is_there = page.url.as_str() == self.url(path) && page.body.contains(&greeting);
        assert!(is_there, "expected {path} for {user}, found {page:#?}\n{}", self.logs().await);
        assert_eq!(page.refused_cookies, Vec::<String>::new());
    }

    /// The host for which the request was judged that `arrived`, as the log has it.
    pub(super) async fn judged_host(&self, arrived: &Recorded) -> String {
        let id = arrived.values("x-request-id").concat();
        let sidegate = self.sidegate.lock().await;
        let program = &sidegate.as_ref().expect("it is running").program;
        let host = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            let host = line["host"].as_str()?.to_owned();
            (line["request_id"] == id.as_str()).then_some(host)
        };
        program.wait_for(host).await
    }

    /// Ends sidegate.
    pub(super) async fn end_sidegate(&self) {
        if let Some(sidegate) = self.sidegate.lock().await.take() {
            sidegate.stop().await;
        }
    }

    /// What sidegate and the proxy have written.
    pub(super) async fn logs(&self) -> String {
        let sidegate = self.sidegate.lock().await;
        let own = sidegate.as_ref().map(|sidegate| sidegate.program.output()).unwrap_or_default();
        let of_front = self.running.as_ref().map(|running| running.program.output());
        let tail = |text: String| {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(12)..].join("\n")
        };
        format!(
            "--- sidegate\n{}\n--- {:?}\n{}",
            tail(own),
            self.front,
            tail(of_front.unwrap_or_default())
        )
    }
}

/// The shipped configuration, with the parts of this test in it.
fn configuration(
    front: Front,
    address: SocketAddr,
    provider: &OidcProvider,
    app: &Upstream,
) -> String {
    let mut changes = vec![
        ("https://login.example.com", provider.issuer.clone()),
        ("client_id: web", format!("client_id: web\n  audiences: [web, \"{AUDIENCE}\"]")),
        ("{ file: /run/secrets/client_secret }", format!("{{ value: \"{SECRET}\" }}")),
        ("{ file: /run/secrets/session_key }", format!("{{ value: \"{KEY}\" }}")),
    ];
    changes.extend(match front {
        Front::Envoy => Vec::new(),
        // Clients come themselves.
        Front::Inline => vec![
            (
                "address: 127.0.0.1:9000, door: forward_auth }",
                format!("address: {address}, door: proxy }}\nupstream: {}", app.url()),
            ),
            ("trusted_proxies: [127.0.0.1/32]", String::new()),
            ("app.example.com", "localhost".to_owned()),
        ],
        Front::Caddy | Front::Haproxy | Front::Nginx | Front::Traefik => vec![
            ("127.0.0.1:9000", "127.0.0.1:0".to_owned()),
            ("app.example.com", "localhost".to_owned()),
        ],
    });
    let mut text = shipped(front, "config.yaml");
    for (from, to) in changes {
        assert!(text.contains(from), "deploy/{}/config.yaml has no {from:?}", front.folder());
        text = text.replace(from, &to);
    }
    format!("{text}\nadmin: none\n")
}

fn registration(site: &str) -> Value {
    json!({
        "client_id": "web",
        "client_secret": SECRET,
        "redirect_uris": [format!("{site}/.auth/callback/main")],
        "post_logout_redirect_uris": [format!("{site}/.auth/signed-out")],
    })
}

/// The handshake's answer for the key that `raw` sends ([RFC 6455 §1.3](https://www.rfc-editor.org/rfc/rfc6455#section-1.3)),
/// and one frame of text.
const SOCKET: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x05hello";

/// The app: a page that greets the caller, or a WebSocket that says hello.
fn answer(request: &Recorded) -> Vec<u8> {
    if request.values("upgrade").iter().any(|value| value == "websocket") {
        return SOCKET.to_vec();
    }
    let user = request.values("x-forwarded-user").join("+");
    let user = if user.is_empty() { "stranger" } else { user.as_str() };
    let body =
        format!("<!doctype html><html lang=en><title>App</title><h1>Hello, {user}</h1></html>");
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}
