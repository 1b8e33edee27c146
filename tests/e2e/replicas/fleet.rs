//! The parts: a provider, an app, replicas of sidegate, HAProxy before them, and Redis behind them.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use crate::support::http::install_crypto;
use crate::support::jar::From;
use crate::support::oidc_provider::OidcProvider;
use crate::support::peer::find;
use crate::support::person::{Page, Person};
use crate::support::ports::free_address;
use crate::support::process::{PATIENCE, Program, Sidegate};
use crate::support::redis::Redis;
use crate::support::signing_in::{CLIENT_ID, PASSWORD, WANTED};
use crate::support::upstream::{Recorded, Upstream};

const CLIENT_SECRET: &str = "a secret of the client";
/// What seals the cookies of all replicas.
pub(super) const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";

/// How soon a sign-out has reached every replica.
pub(super) const AT_MOST: Duration = Duration::from_secs(1);

/// How long Redis is away, or out of reach; another number of seconds by `SIDEGATE_OUTAGE`.
pub(super) fn outage() -> Duration {
    let told = std::env::var("SIDEGATE_OUTAGE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(told.unwrap_or(1))
}

/// How replicas agree.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sessions {
    /// Sessions are in their cookies.
    Coordinated,
    /// Sessions are in Redis.
    Stored,
}

/// The running parts.
pub(super) struct Fleet {
    pub(super) provider: OidcProvider,
    pub(super) redis: Redis,
    pub(super) replicas: Vec<Sidegate>,
    pub(super) addresses: Vec<SocketAddr>,
    /// The origin at which people reach all of them.
    pub(super) site: String,
    pub(super) balancer: SocketAddr,
    pub(super) client: Client,
    pub(super) configuration: String,
    _haproxy: Program,
    _upstream: Upstream,
    _folder: TempDir,
}

impl Fleet {
    /// With so many replicas. Those whose place is in `ways` reach Redis at that address.
    pub(super) async fn start(
        sessions: Sessions,
        replicas: usize,
        redis: Redis,
        ways: &[(usize, SocketAddr)],
    ) -> Option<Self> {
        Self::start_with(sessions, replicas, redis, (ways, "250ms")).await
    }

    /// With three replicas that wait for Redis as long as it takes a busy machine.
    pub(super) async fn patient(sessions: Sessions, redis: Redis) -> Option<Self> {
        Self::start_with(sessions, 3, redis, (&[], "10s")).await
    }

    async fn start_with(
        sessions: Sessions,
        replicas: usize,
        redis: Redis,
        (ways, timeout): (&[(usize, SocketAddr)], &str),
    ) -> Option<Self> {
        let haproxy = find(&["haproxy"])?;
        let provider = OidcProvider::start().await?;
        let upstream = Upstream::answering(who).await;
        let mut running = Vec::new();
        let mut configuration = String::new();
        for index in 0..replicas {
            let way = ways.iter().find(|(place, _)| *place == index);
            let url = way.map_or_else(|| redis.url(), |(_, address)| format!("redis://{address}"));
            configuration = self::configuration(&upstream, &provider, sessions, (&url, timeout));
            running.push(Sidegate::run(&configuration));
        }
        let mut addresses = Vec::new();
        for replica in &running {
            addresses.push(replica.address().await);
        }
        let folder = tempfile::tempdir().unwrap();
        let (program, balancer) = balance(&haproxy, &folder, &addresses).await;
        let site = format!("https://app.test:{}", balancer.port());
        provider.register(&registration(&site, balancer)).await;
        install_crypto();
        let client = Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        Some(Self {
            provider,
            redis,
            replicas: running,
            addresses,
            site,
            balancer,
            client,
            configuration,
            _haproxy: program,
            _upstream: upstream,
            _folder: folder,
        })
    }

    /// `path` of the site.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    /// Somebody who has signed in as `user`.
    pub(super) async fn signed_in(&self, user: &str) -> Person {
        let person = Person::new();
        let login = person.open(&self.url(WANTED)).await;
        assert!(login.body.contains("Sign in at the provider"), "{login:#?}");
        let page = person.fill_in(&login, &[("login", user), ("password", PASSWORD)]).await;
        self.shows(&page, user);
        person
    }

    /// Asserts that `page` is the wanted one, for `user`.
    pub(super) fn shows(&self, page: &Page, user: &str) {
        let seen = (page.status, page.url.as_str(), page.body.as_str());
        assert_eq!(seen, (200, self.url(WANTED).as_str(), user), "{page:#?}\n{}", self.logs());
    }

    /// The cookies of `person` as their browser sends them.
    pub(super) fn cookies(&self, person: &Person) -> String {
        person.jar().sent(&Url::parse(&self.site).unwrap(), From::Own).expect("cookies")
    }

    /// What a script with these cookies gets from the replica, or the balancer, at `address`.
    pub(super) async fn ask(&self, address: SocketAddr, cookies: &str) -> Response {
        let host = self.site.trim_start_matches("https://").to_owned();
        let request = self.client.get(format!("http://{address}/api")).header("host", host);
        let request = request.header("x-forwarded-proto", "https").header("cookie", cookies);
        let request = request.header("sec-fetch-mode", "cors").header("accept", "application/json");
        request.send().await.unwrap_or_else(|error| panic!("{address}: {error:?}"))
    }

    /// The status of that answer.
    pub(super) async fn status(&self, address: SocketAddr, cookies: &str) -> u16 {
        self.ask(address, cookies).await.status().as_u16()
    }

    /// All that the replicas have said.
    pub(super) fn logs(&self) -> String {
        let all: Vec<String> =
            self.replicas.iter().map(|replica| replica.program.output()).collect();
        all.join("\n---\n")
    }

    /// How many requests the provider's token endpoint has seen.
    pub(super) async fn exchanges(&self) -> u64 {
        self.provider.requests("/token").await
    }
}

/// Looks again and again until `holds`; how long it took.
pub(super) async fn soon(holds: impl AsyncFn() -> bool) -> Duration {
    let begun = Instant::now();
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it comes true");
    begun.elapsed()
}

/// HAProxy before all of them, one after the other; where it listens.
async fn balance(
    haproxy: &std::path::Path,
    folder: &TempDir,
    addresses: &[SocketAddr],
) -> (Program, SocketAddr) {
    let address = free_address();
    let servers: String = addresses
        .iter()
        .enumerate()
        .map(|(index, address)| format!("  server s{index} {address}\n"))
        .collect();
    let text = format!(
        "global\n  maxconn 5000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         retries 3\n  option redispatch\nfrontend all\n  bind {address}\n  default_backend replicas\nbackend replicas\n  \
         balance roundrobin\n{servers}"
    );
    let file = folder.path().join("haproxy.cfg");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(haproxy);
    command.arg("-db").arg("-f").arg(&file);
    let program = Program::start(command);
    soon(async || TcpStream::connect(address).await.is_ok()).await;
    (program, address)
}

fn configuration(
    upstream: &Upstream,
    provider: &OidcProvider,
    sessions: Sessions,
    (redis, timeout): (&str, &str),
) -> String {
    let redis = format!("{{ redis: {{ url: \"{redis}\", timeout: {timeout} }} }}");
    let kept = match sessions {
        Sessions::Coordinated => format!("store: cookie\n  coordination: {redis}"),
        Sessions::Stored => format!("store: {redis}"),
    };
    format!(
        "listen: 127.0.0.1:0\nadmin: none\ntrusted_proxies: [127.0.0.1/32]\nupstream: {}\nprovider:\n  name: main\n  \
         issuer: {}\n  client_id: {CLIENT_ID}\n  client_secret: {{ value: {} }}\n  \
         audiences: [web, \"https://api.example.test\"]\nsession:\n  keys: [{{ value: \"{KEY}\" }}]\n  {kept}\n",
        upstream.url(),
        provider.issuer,
        json!(CLIENT_SECRET),
    )
}

fn registration(site: &str, balancer: SocketAddr) -> Value {
    json!({
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [format!("{site}/.auth/callback/main")],
        "post_logout_redirect_uris": [format!("{site}/.auth/signed-out")],
        // Not over TLS: that ends before the balancer.
        "backchannel_logout_uri": format!("http://{balancer}/.auth/backchannel-logout/main"),
    })
}

/// Who the app was told is calling.
fn who(request: &Recorded) -> Vec<u8> {
    let body = request.values("x-forwarded-user").join("+");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
