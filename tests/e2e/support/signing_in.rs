//! A real provider, an app, and sidegate between them: where people sign in.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::oidc_provider::OidcProvider;
use super::person::{Page, Person};
use super::ports::free_address;
use super::process::{PATIENCE, Sidegate};
use super::upstream::{Recorded, Upstream};

/// Sidegate at the provider.
pub(crate) const CLIENT_ID: &str = "web";
const CLIENT_SECRET: &str = "a secret of the client: 100% + more";
const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";
/// The page that people want to see.
pub(crate) const WANTED: &str = "/wanted?x=1";
/// What the stream at `/events` begins with.
pub(crate) const EVENT: &str = "data: begun\n\n";
/// Everybody's password.
pub(crate) const PASSWORD: &str = "password";

/// The provider, an app that says who is calling, and sidegate between them, reached at `site`.
pub(crate) struct Setting {
    pub(crate) provider: OidcProvider,
    pub(crate) sidegate: Sidegate,
    /// The origin at which people reach sidegate.
    pub(crate) site: String,
    configuration: String,
    _upstream: Upstream,
}

impl Setting {
    /// With `lines` in the provider's section, `rest` at the end, and `more` in the client's registration.
    pub(crate) async fn start(lines: &str, rest: &str, more: Value) -> Option<Self> {
        // After a crash it must have its port again.
        Self::at(&free_address().to_string(), lines, rest, more).await
    }

    /// As [`start`](Self::start), with the listener that `listen` describes, or a list of them.
    pub(crate) async fn at(listen: &str, lines: &str, rest: &str, more: Value) -> Option<Self> {
        let provider = OidcProvider::start().await?;
        let upstream = Upstream::answering(who).await;
        let lines: String = lines.lines().map(|line| format!("  {line}\n")).collect();
        let secret = if lines.contains("client_auth: none") {
            String::new()
        } else {
            format!("  client_secret: {{ value: {} }}\n", json!(CLIENT_SECRET))
        };
        let listen = match listen.starts_with('[') {
            true => format!("listeners: {listen}"),
            false => format!("listen: {listen}"),
        };
        let configuration = format!(
            "{listen}\nadmin: none\ntrusted_proxies: [127.0.0.1/32]\nupstream: {}\nprovider:\n  name: main\n  \
             issuer: {}\n  client_id: {CLIENT_ID}\n{secret}{lines}session:\n  keys: [{{ value: \"{KEY}\" }}]\n{rest}",
            upstream.url(),
            provider.issuer,
        );
        let sidegate = Sidegate::run(&configuration);
        let address = sidegate.address().await;
        provider.register(&registration(address, &more)).await;
        let site = format!("https://app.test:{}", address.port());
        Some(Self { provider, sidegate, site, configuration, _upstream: upstream })
    }

    /// `path` of the site.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    /// Opens the page and signs in as `user` on the provider's page.
    pub(crate) async fn sign_in(&self, person: &Person, user: &str) -> Page {
        let login = person.open(&self.url(WANTED)).await;
        assert!(login.body.contains("Sign in at the provider"), "{login:#?}");
        person.fill_in(&login, &[("login", user), ("password", PASSWORD)]).await
    }

    /// Asserts that `page` is the wanted one, for `user`.
    pub(crate) fn shows(&self, page: &Page, user: &str) {
        let seen = (page.status, page.url.as_str(), page.body.split('|').next());
        let log = self.sidegate.program.output();
        assert_eq!(seen, (200, self.url(WANTED).as_str(), Some(user)), "{page:#?}\n{log}");
        assert_eq!(page.refused_cookies, Vec::<String>::new());
    }

    /// Kills sidegate, as a fault of the machine would, and starts it again where it was.
    pub(crate) async fn crash(self) -> Self {
        let sidegate = self.sidegate.crash(&self.configuration).await;
        sidegate.address().await;
        Self { sidegate, ..self }
    }

    /// Who the app says `person` is, asked by a script.
    pub(crate) async fn user(&self, person: &Person) -> Option<String> {
        let page = person.fetch(&self.url("/api")).await;
        (page.status == 200).then(|| page.body.split('|').next().unwrap().to_owned())
    }
}

fn registration(address: SocketAddr, more: &Value) -> Value {
    let site = format!("https://app.test:{}", address.port());
    let mut registration = json!({
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [format!("{site}/.auth/callback/main")],
        "post_logout_redirect_uris": [format!("{site}/.auth/signed-out")],
        "backchannel_logout_uri": format!("http://{address}/.auth/backchannel-logout/main"),
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        registration[name] = value.clone();
    }
    // A member that is null is left out, as that of a client without a secret.
    registration.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    registration
}

/// `user|email|groups`, as the app is told; at `/events` a stream that goes on.
fn who(request: &Recorded) -> Vec<u8> {
    if request.target() == "/events" {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream";
        let event = format!("{:x}\r\n{EVENT}\r\n", EVENT.len());
        return format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n{event}").into_bytes();
    }
    let field = |name| request.values(name).join("+");
    let body = ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups"].map(field).join("|");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Waits until `holds`.
pub(crate) async fn soon(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes true");
}
