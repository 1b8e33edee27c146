//! What a configuration says that a proxy in front must know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Method;
use serde::Serialize;

use super::kind::Kind;
use crate::base::host::HostPattern;
use crate::gate::{InboundCredential, Match, Policy, UpstreamId};
use crate::serve::forwarded;
use crate::serve::listener::ListenAddress;
use crate::serve::settings::{Server, Settings, UpstreamSettings};
use crate::session::MAX_CHUNKS;
use crate::telemetry::Door;

/// Where Sidegate is asked, if the configuration does not say.
const fn usual_address(door: Door) -> SocketAddr {
    let port = match door {
        Door::ExtAuthz => 9001,
        Door::ForwardAuth | Door::Proxy => 9000,
    };
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Names beyond those of [`forwarded::NAMES`] by which a proxy says which request it asks about.
const REQUEST_NAMES: &[&str] = &[
    "x-envoy-original-path",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
];

/// See the module's text.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    /// Where Sidegate is asked.
    sidegate: Place,
    /// Where its own endpoints are.
    prefix: String,
    /// The apps, each with the hosts that lead to it.
    apps: Vec<App>,
    /// Whether one of the apps is for any host.
    catches_all: bool,
    /// All hosts, wildcards as `*.example.com`; none where any will do.
    hosts: Vec<String>,
    /// All hosts, as a rule of Traefik's.
    rule: String,
    /// The fields that carry an identity.
    identity: Vec<String>,
    /// The fields by which proxies tell of requests.
    told: Vec<String>,
    /// All other fields that clients must not send.
    foreign: Vec<String>,
    /// The cookies of sessions, by all names they may have.
    cookies: Vec<String>,
    /// The fields beside `Authorization` that may carry a credential.
    carriers: Vec<String>,
    /// Whether `Authorization` and its like reach the app on every route.
    keeps_authorization: bool,
    /// What is worth a second look.
    #[serde(skip)]
    pub(super) warnings: Vec<String>,
}

/// Where somebody listens, in the spellings of several proxies.
#[derive(Clone, Debug, Serialize)]
struct Place {
    /// Host and port; empty for a unix socket.
    authority: String,
    /// `unix:` and the path; empty otherwise.
    unix: String,
    /// As a URL.
    url: String,
    /// Empty for a unix socket.
    port: String,
    caddy: String,
    envoy: String,
    haproxy: String,
}

/// Something behind the proxy.
#[derive(Debug, Serialize)]
struct App {
    name: String,
    scheme: &'static str,
    caddy_scheme: &'static str,
    /// Hosts, wildcards as `*.example.com`; none where there is only any.
    hosts: Vec<String>,
    /// Whether it is for any other host.
    any: bool,
    servers: Vec<Place>,
    /// Its hosts as a rule of Traefik's and as a condition of HAProxy's.
    rule: String,
    haproxy: String,
    /// Its hosts for Envoy, and how Envoy finds its servers.
    domains: Vec<String>,
    host_name: String,
    envoy_type: &'static str,
}

impl Facts {
    /// What `settings` say to `kind`.
    pub(super) fn new(settings: &Settings, kind: Kind) -> Self {
        let (policy, mut warnings) = (&settings.service.policy, Vec::new());
        let sidegate = asked_at(settings, kind.door(), &mut warnings);
        warn(settings, kind, &sidegate, &mut warnings);
        let apps = apps(policy, &settings.service.upstreams, &mut warnings);
        let identity: Vec<String> =
            policy.identity_headers.iter().map(|name| title(name.as_str())).collect();
        let told = named(forwarded::NAMES.iter().chain(REQUEST_NAMES).map(|name| title(name)));
        let managed = policy.managed.names();
        let foreign = named(managed.iter().map(|name| title(name)).chain(told.iter().cloned()));
        let told_already = |name: &String| {
            name == "Authorization" || identity.contains(name) || foreign.contains(name)
        };
        let carriers = named(policy.credential_headers().map(|name| title(name.as_str())));
        let carriers = carriers.into_iter().filter(|name| !told_already(name)).collect();
        Self {
            sidegate,
            prefix: policy.prefix.clone(),
            catches_all: apps.iter().any(|app| app.any),
            hosts: hosts(&policy.table.patterns()),
            rule: traefik_rule(&policy.table.patterns()),
            apps,
            foreign: foreign.into_iter().filter(|name| !identity.contains(name)).collect(),
            identity,
            told,
            cookies: cookies(policy),
            carriers,
            keeps_authorization: policy
                .routes
                .iter()
                .all(|route| route.authorization == InboundCredential::Keep),
            warnings,
        }
    }
}

/// What of the settings does not go together with a proxy of this kind, which asks at `sidegate`.
fn warn(settings: &Settings, kind: Kind, sidegate: &Place, warnings: &mut Vec<String>) {
    if !sidegate.unix.is_empty() && !kind.asks_unix_sockets() {
        warnings.push(
            "this proxy asks over TCP only, and the listener is a unix socket; add one with an address such as 127.0.0.1:9000"
                .to_owned(),
        );
    }
    if settings.service.trusted_proxies.is_empty() && sidegate.unix.is_empty() {
        warnings.push(
            "`trusted_proxies` is empty, so that every question is refused; write the address that the proxy asks from"
                .to_owned(),
        );
    }
    if kind == Kind::Envoy
        && settings.service.upstreams.iter().any(|upstream| upstream.tls.is_some())
    {
        warnings.push("an upstream speaks TLS, and its cluster, as printed, does not: add a `transport_socket` that verifies it".to_owned());
    }
}

/// Where the listener with `door` listens.
fn asked_at(settings: &Settings, door: Door, warnings: &mut Vec<String>) -> Place {
    let (listeners, usual, word) = (&settings.process.listeners, usual_address(door), door.label());
    let Some(listener) = listeners.iter().find(|listener| listener.door == door) else {
        warnings.push(format!(
            "no listener has `door: {word}`; what is printed asks {usual}: add `{{ address: {usual}, door: {word} }}` to `listeners`"
        ));
        return Place::tcp(&usual.to_string());
    };
    if listener.tls.is_some() {
        warnings.push(format!(
            "the listener `{}` speaks TLS, and what is printed does not: take `tls` away, or add it on the other side",
            listener.name
        ));
    }
    match &listener.address {
        ListenAddress::Tcp(address) => Place::tcp(&reachable(*address).to_string()),
        ListenAddress::Unix(path) => Place::unix(&path.display().to_string()),
        ListenAddress::Passed(name) => {
            warnings.push(format!(
                "where the socket `{name}` listens is in its unit; what is printed asks {usual}: write the address of the unit there"
            ));
            Place::tcp(&usual.to_string())
        }
    }
}

/// The address to connect to, where one listens on all: the same machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The apps in the order of their hosts; hosts that lead to one app are together.
fn apps(policy: &Policy, upstreams: &[UpstreamSettings], warnings: &mut Vec<String>) -> Vec<App> {
    let mut grouped: Vec<(Option<UpstreamId>, Vec<HostPattern>)> = Vec::new();
    for pattern in policy.table.patterns() {
        let upstream = upstream_of(policy, &pattern);
        match grouped.iter_mut().find(|(known, _)| *known == upstream) {
            Some((_, patterns)) => patterns.push(pattern),
            None => grouped.push((upstream, vec![pattern])),
        }
    }
    let settings = |id: UpstreamId| upstreams.get(usize::from(id.0));
    let found: Vec<App> = grouped
        .iter()
        .map(|(upstream, patterns)| App::new(upstream.and_then(settings), patterns))
        .collect();
    if upstreams.len() > found.len() {
        warnings.push(
            "some hosts lead to several upstreams; what is printed has the one of `/` for each host: add the others where you need them"
                .to_owned(),
        );
    }
    found
}

/// Where requests for `/` of a host go.
fn upstream_of(policy: &Policy, pattern: &HostPattern) -> Option<UpstreamId> {
    let host = match pattern {
        HostPattern::Any => String::new(),
        HostPattern::Exact(name) => name.clone(),
        HostPattern::Wildcard(name) => format!("any.{name}"),
    };
    match policy.table.find(&host, b"/", &Method::GET) {
        Match::Route(id) => policy.routes.get(usize::try_from(id.0).ok()?)?.upstream,
        Match::NoHost | Match::NoPath => None,
    }
}

impl App {
    fn new(upstream: Option<&UpstreamSettings>, patterns: &[HostPattern]) -> Self {
        let hosts = patterns.iter().filter(|pattern| **pattern != HostPattern::Any);
        let tls = upstream.is_some_and(|upstream| upstream.tls.is_some());
        let servers = upstream.map_or_else(
            || vec![Place::tcp("127.0.0.1:3000")],
            |upstream| upstream.servers.iter().map(Place::server).collect(),
        );
        let name = upstream.map_or("app", |upstream| upstream.name.as_str());
        let is_name = |server: &Server| matches!(server, Server::Tcp { host, .. } if host.parse::<IpAddr>().is_err());
        let by_name = upstream.is_some_and(|upstream| upstream.servers.iter().any(is_name));
        Self {
            name: name.to_owned(),
            scheme: if tls { "https" } else { "http" },
            caddy_scheme: if tls { "https://" } else { "" },
            hosts: hosts.map(written).collect(),
            any: patterns.contains(&HostPattern::Any),
            servers,
            rule: traefik_rule(patterns),
            haproxy: haproxy_condition(patterns),
            domains: domains(patterns),
            host_name: if patterns == [HostPattern::Any] { "all" } else { name }.to_owned(),
            envoy_type: if by_name { "STRICT_DNS" } else { "STATIC" },
        }
    }
}

impl Place {
    fn tcp(authority: &str) -> Self {
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
        let host = host.trim_matches(['[', ']']);
        Self {
            authority: authority.to_owned(),
            unix: String::new(),
            url: format!("http://{authority}"),
            port: port.to_owned(),
            caddy: authority.to_owned(),
            envoy: format!("socket_address: {{ address: {}, port_value: {port} }}", yaml(host)),
            haproxy: authority.to_owned(),
        }
    }

    fn unix(path: &str) -> Self {
        Self {
            authority: String::new(),
            unix: format!("unix:{path}"),
            url: format!("unix://{path}"),
            port: String::new(),
            caddy: format!("unix/{path}"),
            envoy: format!("pipe: {{ path: {} }}", yaml(path)),
            haproxy: format!("unix@{path}"),
        }
    }

    fn server(server: &Server) -> Self {
        match server {
            Server::Tcp { host, port } if host.contains(':') => {
                Self::tcp(&format!("[{host}]:{port}"))
            }
            Server::Tcp { host, port } => Self::tcp(&format!("{host}:{port}")),
            Server::Unix(path) => Self::unix(&path.display().to_string()),
        }
    }
}

/// The hosts, if only some will do.
fn hosts(patterns: &[HostPattern]) -> Vec<String> {
    if patterns.contains(&HostPattern::Any) {
        Vec::new()
    } else {
        patterns.iter().map(|pattern| yaml(&written(pattern))).collect()
    }
}

/// A word of YAML within braces, in quotes where it needs them.
fn yaml(word: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    if word.bytes().all(is_plain) { word.to_owned() } else { format!("\"{word}\"") }
}

/// The domains of a virtual host of Envoy's, with and without a port.
fn domains(patterns: &[HostPattern]) -> Vec<String> {
    let one = |pattern: &HostPattern| match pattern {
        HostPattern::Any => vec!["\"*\"".to_owned()],
        HostPattern::Exact(name) => vec![format!("\"{name}\""), format!("\"{name}:*\"")],
        HostPattern::Wildcard(name) => vec![format!("\"*.{name}\"")],
    };
    patterns.iter().flat_map(one).collect()
}

fn written(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Any => String::new(),
        HostPattern::Exact(name) => name.clone(),
        HostPattern::Wildcard(name) => format!("*.{name}"),
    }
}

/// A rule for the hosts; the dots of a wildcard are escaped twice, for the pattern and for YAML.
fn traefik_rule(patterns: &[HostPattern]) -> String {
    let one = |pattern: &HostPattern| match pattern {
        HostPattern::Any => "PathPrefix(`/`)".to_owned(),
        HostPattern::Exact(name) => format!("Host(`{name}`)"),
        HostPattern::Wildcard(name) => {
            format!("HostRegexp(`^.+\\\\.{}$`)", name.replace('.', "\\\\."))
        }
    };
    patterns.iter().map(one).collect::<Vec<_>>().join(" || ")
}

fn haproxy_condition(patterns: &[HostPattern]) -> String {
    let one = |pattern: &HostPattern| match pattern {
        HostPattern::Any => None,
        HostPattern::Exact(name) => Some(format!("req.hdr(host),host_only -i {name}")),
        HostPattern::Wildcard(name) => Some(format!("req.hdr(host),host_only -i -m end .{name}")),
    };
    patterns.iter().filter_map(one).collect::<Vec<_>>().join(" } || { ")
}

/// The cookies of sessions on both schemes, with the names of all pieces that one may be cut into.
fn cookies(policy: &Policy) -> Vec<String> {
    let Some(sessions) = &policy.sessions else { return Vec::new() };
    let pieces = |name: &str| {
        let rest = (1..MAX_CHUNKS).map(|index| format!("{name}_{index}"));
        [name.to_owned()].into_iter().chain(rest).collect::<Vec<_>>()
    };
    [&sessions.https, &sessions.http].into_iter().flat_map(|cookie| pieces(cookie.name())).collect()
}

/// `x-auth-user` as `X-Auth-User`.
fn title(name: &str) -> String {
    let part = |part: &str| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

/// The names, sorted, each once.
fn named(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}
