//! What is checked of a tenant without a person: documents and keys by `sidegate check --online`, then a sign-in through a running sidegate
//! as far as it goes, with a code that nobody gave.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, Response};
use serde_json::Value;
use tokio::process::Command;
use url::Url;

use super::app::KEY;
use crate::support::edge;
use crate::support::process::{PATIENCE, Sidegate};
use crate::support::raw::{Answer, get};

/// The host of the callback that is registered there. Nobody needs to find it: no browser gets that far.
pub(super) const CALLBACK_HOST: &str = "tenant.edge.test";
/// As many redirects as lead to a page where people sign in, and more.
const MAX_STEPS: usize = 10;

/// A tenant, and a client that is registered there.
pub(super) struct Candidate {
    /// The provider's name here, and the last part of its callback.
    pub(super) vendor: &'static str,
    /// What the provider's section has, but for the client.
    pub(super) section: String,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    /// How its pages are visited.
    pub(super) visitor: ClientBuilder,
    /// What sidegate needs to get there.
    pub(super) environment: Vec<(String, String)>,
}

/// A candidate under examination.
struct Examined {
    vendor: &'static str,
    issuer: String,
    client_id: String,
    visitor: Client,
    sidegate: Sidegate,
    address: SocketAddr,
}

/// All that is wrong with it: nothing, one hopes.
pub(super) async fn findings(candidate: Candidate) -> Vec<String> {
    let directory = edge::configured(&configuration(&candidate));
    let secret = directory.path().join("secret");
    std::fs::write(&secret, &candidate.client_secret).unwrap();
    std::fs::set_permissions(secret, Permissions::from_mode(0o600)).unwrap();
    let Candidate { vendor, issuer, client_id, visitor, environment, .. } = candidate;
    if let Err(finding) = checked(&directory.path().join("config.yaml"), &environment).await {
        return vec![finding];
    }
    let sidegate = Sidegate::run_in_with(directory, environment);
    let address = sidegate.listener("edge").await;
    let visitor = visitor.redirect(Policy::none()).timeout(PATIENCE).build().unwrap();
    let examined = Examined { vendor, issuer, client_id, visitor, sidegate, address };
    let (authorization, cookies) = examined.begun().await;
    let checks = [
        examined.asks_people(&authorization).await,
        examined.knows_its_clients(&authorization).await,
        examined.refuses_a_made_up_code(&authorization, &cookies).await,
        examined.signs_out(&authorization).await,
    ];
    checks.into_iter().filter_map(Result::err).collect()
}

fn configuration(candidate: &Candidate) -> String {
    let Candidate { vendor, section, client_id, .. } = candidate;
    format!(
        "{}upstream: http://127.0.0.1:9\nprovider: {{ name: {vendor}, {section}, client_id: \"{client_id}\", \
         client_secret: {{ file: EDGE/secret }} }}\nsession: {{ keys: [{{ value: \"{KEY}\" }}] }}\n",
        edge::LISTENER,
    )
}

/// Whether sidegate takes what the tenant publishes, and its keys.
async fn checked(file: &std::path::Path, environment: &[(String, String)]) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.args(["check", "--online", "-c"]).arg(file).envs(environment.iter().cloned());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("the check does not end")).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let told = text(&ended.stdout) + &text(&ended.stderr);
    if ended.status.success() && told.contains("keys of ") { Ok(()) } else { Err(told) }
}

impl Examined {
    async fn ask(&self, target: &str, cookies: &str) -> Answer {
        let request = get(target).host(CALLBACK_HOST).navigation().header("Cookie", cookies);
        request.send_at_edge(self.address, CALLBACK_HOST).await
    }

    /// The address of the authorization request, and the cookies that go with it.
    async fn begun(&self) -> (Url, String) {
        let login = self.ask(&format!("/.auth/login?provider={}", self.vendor), "x=1").await;
        let log = self.sidegate.program.output();
        let location = login.header("location").unwrap_or_else(|| panic!("{login:#?}\n{log}"));
        let url = Url::parse(location).unwrap();
        let callback = format!("https://{CALLBACK_HOST}/.auth/callback/{}", self.vendor);
        assert_eq!(parameter(&url, "redirect_uri").as_deref(), Some(callback.as_str()), "{url}");
        let cookies = login.values("set-cookie").into_iter();
        let cookies: Vec<&str> =
            cookies.map(|cookie| cookie.split(';').next().unwrap_or_default()).collect();
        (url, cookies.join("; "))
    }

    /// Where a visit of `url` ends: at the first answer that leads nowhere else, or on the way back to the callback.
    async fn visited(&self, url: &Url) -> Result<Response, Url> {
        let mut url = url.clone();
        let mut jar = crate::support::jar::Jar::default();
        for _ in 0..MAX_STEPS {
            let mut request = self.visitor.get(url.clone()).header("accept", "text/html");
            if let Some(cookies) = jar.sent(&url, crate::support::jar::From::Own) {
                request = request.header("cookie", cookies);
            }
            let response = request.send().await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
            for cookie in response.headers().get_all("set-cookie") {
                // What a browser would not keep is the tenant's business.
                let _ = jar.take(&url, cookie.to_str().unwrap_or_default());
            }
            let Some(location) = response.headers().get(LOCATION) else { return Ok(response) };
            url = url.join(location.to_str().unwrap()).unwrap();
            if url.host_str() == Some(CALLBACK_HOST) {
                return Err(url);
            }
        }
        panic!("redirected {MAX_STEPS} times, at last to {url}");
    }

    /// The authorization request is answered by a page.
    async fn asks_people(&self, authorization: &Url) -> Result<(), String> {
        let asked = "the authorization request";
        match self.visited(authorization).await {
            Ok(page) if page.status() == 200 && is_page(&page) => Ok(()),
            Ok(page) => Err(format!("{asked} is answered by {}", page.status())),
            Err(back) => {
                let error = parameter(&back, "error").unwrap_or_default();
                Err(format!("{asked} comes back with error={error}"))
            }
        }
    }

    /// … and that of a client which nobody has registered is not, so that the page of before means something.
    async fn knows_its_clients(&self, authorization: &Url) -> Result<(), String> {
        let mut unknown = authorization.clone();
        let pairs: Vec<(String, String)> = authorization.query_pairs().into_owned().collect();
        unknown.query_pairs_mut().clear().extend_pairs(pairs.into_iter().map(|(name, value)| {
            let value =
                if name == "client_id" { "nobody-has-registered-this".into() } else { value };
            (name, value)
        }));
        match self.visited(&unknown).await {
            Ok(page) if page.status().is_success() => {
                Err(format!("an unknown client is answered by {}", page.status()))
            }
            _ => Ok(()),
        }
    }

    /// The client is known by its secret, and the code is not.
    async fn refuses_a_made_up_code(
        &self,
        authorization: &Url,
        cookies: &str,
    ) -> Result<(), String> {
        let state = parameter(authorization, "state").unwrap();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("code", "made-up"), ("state", &state), ("iss", &self.issuer)])
            .finish();
        let target = format!("/.auth/callback/{}?{query}", self.vendor);
        let answer = self.ask(&target, cookies).await;
        if answer.status < 400 {
            return Err(format!("a made-up code is answered by {}", answer.status));
        }
        let failed = |line: &str| line.contains("sign-in failed").then(|| line.to_owned());
        let told = self.sidegate.program.wait_for(failed).await;
        match told.contains("invalid_grant") {
            true => Ok(()),
            false => Err(format!("a made-up code: expected invalid_grant, found {told}")),
        }
    }

    /// The endpoint by which sessions end is there.
    async fn signs_out(&self, authorization: &Url) -> Result<(), String> {
        let (method, url) = self.logout(authorization).await;
        let request = self.visitor.request(method, url.clone());
        let response = request.send().await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        match response.status().as_u16() {
            404 | 405 | 500.. => Err(format!("{url} answers {}", response.status())),
            _ => Ok(()),
        }
    }

    /// Where sessions end: at Mosaic by its API, else where discovery says, and at old tenants of Auth0 at its own endpoint.
    async fn logout(&self, authorization: &Url) -> (Method, Url) {
        if self.vendor == "mosaic" {
            let url = authorization.join("/cis/v1/auth/session/logout").unwrap();
            return (Method::POST, url);
        }
        let issuer = self.issuer.trim_end_matches('/');
        let document = format!("{issuer}/.well-known/openid-configuration");
        let answer = self.visitor.get(&document).send().await.unwrap().text().await.unwrap();
        let document: Value = serde_json::from_str(&answer).unwrap();
        let own = format!("{issuer}/v2/logout");
        let mut url =
            Url::parse(document["end_session_endpoint"].as_str().unwrap_or(&own)).unwrap();
        url.query_pairs_mut().append_pair("client_id", &self.client_id);
        (Method::GET, url)
    }
}

fn parameter(url: &Url, wanted: &str) -> Option<String> {
    url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
}

fn is_page(response: &Response) -> bool {
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}
