//! What concerns the process as a whole: limits, times, trust, logs, keys of its own.

use std::error::Error;
use std::net::IpAddr;
use std::num::NonZero;
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};

use crate::config::compile::times;
use crate::config::file::{Assertion, Egress, Limits, LogLevel, LoggedRequests, Timeouts};
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::secret;
use crate::config::units::Size;
use crate::remote::http::{Client, ClientSettings};
use crate::serve::settings::{AssertionSettings, GuardSettings, RequestLimits};
use crate::telemetry::audit::RequestLog;
use crate::telemetry::log::Level;
use crate::token::SigningKey;

/// What the HTTP library reads at most, in bytes.
const MOST_HEADER_BYTES: Size = Size::kib(1000);

/// How large a request header may be.
pub(super) fn limits(written: &Limits, report: &mut Report) -> Option<RequestLimits> {
    let path = KeyPath::root().key("limits");
    let mut within = |name: &str, size: Size, most: Size| {
        times::size(size, Size::kib(1), most, &path.key(name), report)
    };
    let whole = written.header_bytes.min(MOST_HEADER_BYTES);
    let header_bytes = within("header_bytes", written.header_bytes, MOST_HEADER_BYTES);
    let target_bytes = within("target_bytes", written.target_bytes, whole);
    let cookie_bytes = within("cookie_bytes", written.cookie_bytes, whole);
    let (header_bytes, target_bytes, cookie_bytes) = (header_bytes?, target_bytes?, cookie_bytes?);
    Some(RequestLimits { header_bytes, headers: written.headers, target_bytes, cookie_bytes })
}

/// How long a token may be.
pub(super) fn token_bytes(written: &Limits, report: &mut Report) -> Option<usize> {
    let path = KeyPath::root().key("limits").key("token_bytes");
    times::size(
        written.token_bytes,
        Size::kib(1),
        written.header_bytes.min(MOST_HEADER_BYTES),
        &path,
        report,
    )
}

/// How long a whole exchange may take, where routes do not say otherwise.
pub(super) fn request_timeout(written: &Timeouts, report: &mut Report) -> Option<Duration> {
    let path = KeyPath::root().key("timeouts").key("request");
    times::deadline(written.request?, &path, report)
}

/// What guards connections.
pub(super) fn guard(
    limits: &Limits,
    written: &Timeouts,
    report: &mut Report,
) -> Option<GuardSettings> {
    let path = KeyPath::root().key("timeouts");
    let header = times::deadline(written.header, &path.key("header"), report);
    let idle = times::deadline(written.idle, &path.key("idle"), report);
    let body = times::deadline(written.body, &path.key("body"), report);
    Some(GuardSettings {
        max_connections: limits.connections,
        max_connections_per_ip: limits.connections_per_ip,
        header_deadline: header?,
        idle_deadline: idle?,
        body_deadline: body?,
        max_requests: limits.keepalive_requests,
    })
}

/// The networks whose forwarded headers are believed.
pub(super) fn trusted_proxies(written: &[String], report: &mut Report) -> Vec<IpNet> {
    let path = KeyPath::root().key("trusted_proxies");
    let items = written.iter().enumerate();
    items.filter_map(|(index, text)| network(text, &path.index(index), report)).collect()
}

fn network(text: &str, path: &KeyPath, report: &mut Report) -> Option<IpNet> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let Ok(network) = address.or_else(|_| text.parse::<IpNet>()) else {
        report.refuse(
            path,
            format!("`{text}` is no network"),
            "write an address or a network such as 10.0.0.0/8",
        );
        return None;
    };
    if network.prefix_len() == 0 {
        let message = format!("`{text}` is everybody: all could say who they are");
        report.refuse(path, message, "list the addresses of the proxies in front of sidegate");
        return None;
    }
    if let Some(plain) = plain_v4(&network) {
        report.refuse(
            path,
            format!("`{text}` is a v4 network in v6 dress"),
            format!("write {plain}"),
        );
        return None;
    }
    if network.trunc() != network {
        report.refuse(
            path,
            format!("`{text}` has bits beyond its prefix"),
            format!("write {}", network.trunc()),
        );
        return None;
    }
    if is_wide(&network) {
        let message = format!(
            "`{text}` is a large part of the internet, whose headers would all be believed"
        );
        report.warn(path, message, "list the addresses of the proxies in front of sidegate");
    }
    Some(network)
}

/// The v4 network that a v4-mapped v6 one ([RFC 4291 §2.5.5.2](https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2)) means.
fn plain_v4(network: &IpNet) -> Option<String> {
    let IpNet::V6(network) = network else { return None };
    let address = network.addr().to_ipv4_mapped()?;
    Some(format!("{address}/{}", network.prefix_len().saturating_sub(96)))
}

fn is_wide(network: &IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.prefix_len() < 8,
        IpNet::V6(network) => is_wide_v6(network),
    }
}

const fn is_wide_v6(network: &Ipv6Net) -> bool {
    network.prefix_len() < 16 && !network.addr().is_unique_local()
}

/// Worker threads: one per core, unless said otherwise.
pub(super) fn threads(written: Option<usize>) -> usize {
    written.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// How providers are reached.
pub(super) fn egress(written: &Egress, inputs: &mut Inputs, report: &mut Report) -> ClientSettings {
    let files = written.ca.iter().flat_map(|list| &list.0);
    let roots = files.map(|file| inputs.watch(file)).collect();
    let settings = ClientSettings { roots, ..ClientSettings::default() };
    if settings.roots.is_empty() {
        return settings;
    }
    if let Err(error) = Client::new(&settings) {
        let message = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        report.refuse(
            &KeyPath::root().key("egress").key("ca"),
            message,
            "put a PEM file of certificates there",
        );
    }
    settings
}

/// Who signs assertions.
pub(super) fn assertion(
    written: &Assertion,
    inputs: &mut Inputs,
    report: &mut Report,
) -> AssertionSettings {
    let path = KeyPath::root().key("assertion").key("keys");
    let mut keys: Vec<SigningKey> = Vec::new();
    for (index, secret) in written.keys.iter().flatten().enumerate() {
        let path = path.index(index);
        let Some(pem) = secret::load(secret, &path, inputs, report) else { continue };
        match SigningKey::from_pem(pem.expose()) {
            Ok(key) if keys.iter().any(|other| other.kid() == key.kid()) => {
                report.refuse(&path, "is the same key as one before", "remove it");
            }
            Ok(key) => keys.push(key),
            Err(error) => {
                report.refuse(&path, error.to_string(), "make one with `sidegate keys assertion`")
            }
        }
    }
    AssertionSettings { issuer: written.issuer.clone(), keys }
}

pub(super) const fn level(written: LogLevel) -> Level {
    match written {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
        LogLevel::Trace => Level::Trace,
    }
}

pub(super) const fn requests(written: LoggedRequests) -> RequestLog {
    match written {
        LoggedRequests::All => RequestLog::All,
        LoggedRequests::Refused => RequestLog::Refused,
        LoggedRequests::None => RequestLog::None,
    }
}
