//! `upstream` and `upstreams`: where requests go.

use std::net::IpAddr;
use std::time::Duration;

use crate::base::host::Authority;
use crate::config::compile::address::{self, Transport};
use crate::config::compile::{times, tls, words};
use crate::config::file::{File, Timeouts, Upstream, Upstreams};
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::Span;
use crate::serve::settings::{Server, UpstreamHost, UpstreamSettings};
use crate::serve::tls::UpstreamTlsSettings;

/// The report has the problem.
struct Reported;

/// An upstream as written, and where its parts stand.
struct Written {
    path: KeyPath,
    /// Where its only server stands, if it is in the short form.
    server: Option<KeyPath>,
    upstream: Upstream,
}

/// An upstream, compiled as far as it could be.
pub(super) struct Compiled {
    pub(super) path: KeyPath,
    pub(super) name: String,
    /// None where the report has a problem.
    pub(super) settings: Option<UpstreamSettings>,
}

/// Every upstream in written order. Empty only where the report has a problem.
pub(super) fn compile(
    file: &mut File,
    times: UpstreamTimes,
    need: Need,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Vec<Compiled> {
    let written = written(file, need, report);
    let count = written.len();
    let mut compiled: Vec<Compiled> = Vec::new();
    for one in written {
        let Some(name) = name(&one.upstream, count, &one.path, report) else { continue };
        if compiled.iter().any(|other| other.name == name) {
            let message = format!("there are two upstreams `{name}`");
            report.refuse(&one.path.key("name"), message, "give each a name of its own");
        }
        let settings = one.compile(name.clone(), times, inputs, report);
        compiled.push(Compiled { path: one.path, name, settings });
    }
    compiled
}

/// Whether there must be upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Some listener passes requests on.
    Some,
    /// Only front proxies ask, who pass requests on themselves.
    None,
}

/// The long form, or the short one as the long one would have it.
fn written(file: &mut File, need: Need, report: &mut Report) -> Vec<Written> {
    let (short, long) = (KeyPath::root().key("upstream"), KeyPath::root().key("upstreams"));
    match (file.upstream.take(), file.upstreams.take()) {
        (Some(_), Some(_)) => {
            report.refuse(&short, "is written beside `upstreams`", "move it into `upstreams`");
            Vec::new()
        }
        (Some(Upstreams::Server(server)), None) => {
            vec![Written {
                server: Some(short.clone()),
                path: short,
                upstream: Upstream::of(server),
            }]
        }
        (Some(Upstreams::Upstream(upstream)), None) => {
            vec![Written { path: short, server: None, upstream: *upstream }]
        }
        (None, Some(list)) if !list.is_empty() => {
            let items = list.into_iter().enumerate();
            items
                .map(|(index, upstream)| Written {
                    path: long.index(index),
                    server: None,
                    upstream,
                })
                .collect()
        }
        (None, None) if need == Need::None => Vec::new(),
        (None, _) => {
            let remedy = "add `upstream: http://127.0.0.1:3000` with the address of the app";
            report.refuse(&KeyPath::root(), "nothing says where requests go", remedy);
            Vec::new()
        }
    }
}

fn name(upstream: &Upstream, count: usize, path: &KeyPath, report: &mut Report) -> Option<String> {
    match &upstream.name {
        Some(name) => words::label(name, &path.key("name"), report),
        None if count > 1 => {
            report.refuse(path, "has no name, and there are several upstreams", "add `name:`");
            None
        }
        None => Some(String::from("default")),
    }
}

impl Written {
    fn compile(
        &self,
        name: String,
        times: UpstreamTimes,
        inputs: &mut Inputs,
        report: &mut Report,
    ) -> Option<UpstreamSettings> {
        let upstream = &self.upstream;
        let times = times.with(upstream, &self.path.key("timeouts"), report);
        let (servers, transport) = self.servers(inputs, report)?;
        let tls = self.tls(&servers, transport, inputs, report);
        let host = host(upstream, &servers, &self.path.key("host"), report);
        let (times, tls, host) = (times?, tls.ok()?, host?);
        Some(UpstreamSettings {
            name,
            servers,
            tls,
            host,
            connect: times.connect,
            read: times.read,
            write: times.write,
            idle: times.keep,
            retries: usize::from(upstream.retries),
            is_login_service: upstream.login_service,
        })
    }

    fn tls(
        &self,
        servers: &[Server],
        transport: Transport,
        inputs: &mut Inputs,
        report: &mut Report,
    ) -> Result<Option<UpstreamTlsSettings>, Reported> {
        let (written, path) = (self.upstream.tls.as_ref(), self.path.key("tls"));
        if transport == Transport::Tls {
            let settings = tls::upstream(written, common_name(servers), &path, inputs, report);
            return settings.map(Some).ok_or(Reported);
        }
        if written.is_some() {
            let remedy = "write https:// servers, or remove `tls`";
            report.refuse(&path, "the servers are spoken to without TLS", remedy);
        }
        Ok(None)
    }

    fn servers(&self, inputs: &Inputs, report: &mut Report) -> Option<(Vec<Server>, Transport)> {
        let list = self.path.key("servers");
        let mut servers = Vec::new();
        let mut transports = Vec::new();
        for (index, text) in self.upstream.servers.0.iter().enumerate() {
            let path = self.server.clone().unwrap_or_else(|| list.index(index));
            let Some((server, transport)) = address::server(text, inputs, &path, report) else {
                continue;
            };
            if servers.contains(&server) {
                report.refuse(&path, format!("`{text}` is listed twice"), "keep one of the two");
            }
            servers.push(server);
            transports.push(transport);
        }
        let first = *transports.first()?;
        if transports.iter().any(|other| *other != first) {
            let remedy = "make two upstreams of them";
            report.refuse(&list, "some servers are spoken to with TLS and some without", remedy);
        }
        Some((servers, first))
    }
}

fn host(
    upstream: &Upstream,
    servers: &[Server],
    path: &KeyPath,
    report: &mut Report,
) -> Option<UpstreamHost> {
    match upstream.host.as_str() {
        "preserve" => Some(UpstreamHost::Preserve),
        "server" if servers.iter().any(|server| matches!(server, Server::Unix(_))) => {
            report.refuse(
                path,
                "a unix socket has no host of its own",
                "write preserve, or the name that the app expects",
            );
            None
        }
        "server" => Some(UpstreamHost::Server),
        name if Authority::parse(name).is_some() => Some(UpstreamHost::Literal(name.to_owned())),
        name => {
            report.refuse(
                path,
                format!("`{name}` is no host"),
                "write preserve, server, or a name such as app.internal",
            );
            None
        }
    }
}

/// How long an upstream may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct UpstreamTimes {
    connect: Duration,
    read: Duration,
    write: Duration,
    keep: Duration,
}

impl UpstreamTimes {
    /// What holds unless an upstream says otherwise.
    pub(super) fn read(times: &Timeouts, path: &KeyPath, report: &mut Report) -> Self {
        for (name, span) in [
            ("connect", times.connect),
            ("read", times.read),
            ("write", times.write),
            ("keep", times.keep),
        ] {
            times::deadline(span, &path.key(name), report);
        }
        let Timeouts { connect, read, write, keep, .. } = times;
        Self { connect: connect.0, read: read.0, write: write.0, keep: keep.0 }
    }

    fn with(self, upstream: &Upstream, path: &KeyPath, report: &mut Report) -> Option<Self> {
        let Some(own) = &upstream.timeouts else { return Some(self) };
        let mut read = |name: &str, span: Option<Span>, usual: Duration| match span {
            Some(span) => times::deadline(span, &path.key(name), report),
            None => Some(usual),
        };
        let [connect, read, write, keep] = [
            read("connect", own.connect, self.connect),
            read("read", own.read, self.read),
            read("write", own.write, self.write),
            read("keep", own.keep, self.keep),
        ];
        Some(Self { connect: connect?, read: read?, write: write?, keep: keep? })
    }
}

/// The one host name that all servers have; none where they differ or where it is an IP address.
pub(super) fn common_name(servers: &[Server]) -> Option<&str> {
    let first = name_of(servers.first()?)?;
    servers.iter().all(|server| name_of(server) == Some(first)).then_some(first)
}

fn name_of(server: &Server) -> Option<&str> {
    match server {
        Server::Tcp { host, .. } if host.parse::<IpAddr>().is_err() => Some(host),
        _ => None,
    }
}
