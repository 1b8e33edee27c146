//! Redis: from what is written to what is connected to.

use std::net::IpAddr;

use crate::base::secret::Secret as Hidden;
use crate::config::compile::{files, times, tls};
use crate::config::file::{RedisStore, Secret, Sentinel};
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::secret;
use crate::config::units::Span;
use crate::remote::sessions::{
    ClientIdentity, Readiness, RedisAddress, RedisSettings, Sentinels, Topology,
};

/// `None` where the report has a problem.
pub(super) fn compile(
    written: &RedisStore,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<RedisSettings> {
    let before = report.problems();
    let topology = topology(written, path, inputs, report);
    let (least, most) = (Span::millis(10), Span::secs(10));
    let deadline = times::span(written.timeout, least, most, &path.key("timeout"), report);
    let password = password(written.password.as_ref(), &path.key("password"), inputs, report);
    let ca = written.ca.as_ref();
    let roots = ca.and_then(|file| files::pem(file, &path.key("ca"), inputs, report));
    let identity = identity(written, path, inputs, report);
    let topology = topology?;
    check(written, &topology, path, report);
    (report.problems() == before).then_some(())?;
    Some(RedisSettings {
        username: written.username.clone(),
        password,
        prefix: written.prefix.clone(),
        deadline: deadline?,
        roots,
        identity,
        readiness: if written.required_for_readiness {
            Readiness::Needed
        } else {
            Readiness::Apart
        },
        ..RedisSettings::of(topology)
    })
}

fn topology(
    written: &RedisStore,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<Topology> {
    match (&written.url, &written.sentinel, &written.cluster) {
        (Some(url), None, None) => {
            let (address, database) = address(url, &path.key("url"), report)?;
            Some(Topology::Single { address, database })
        }
        (None, Some(sentinel), None) => {
            sentinels(sentinel, &path.key("sentinel"), inputs, report).map(Topology::Sentinel)
        }
        (None, None, Some(nodes)) => {
            hosts(&nodes.0, &path.key("cluster"), report).map(Topology::Cluster)
        }
        (None, None, None) => {
            let message = "does not say where it is";
            report.refuse(path, message, "add one of `url:`, `sentinel:` and `cluster:`");
            None
        }
        _ => {
            let message = "has more than one of `url`, `sentinel` and `cluster`";
            report.refuse(path, message, "keep the one that says how it is made up");
            None
        }
    }
}

fn sentinels(
    written: &Sentinel,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<Sentinels> {
    let addresses = hosts(&written.addresses.0, &path.key("addresses"), report);
    let password = password(written.password.as_ref(), &path.key("password"), inputs, report);
    if written.username.is_some() && written.password.is_none() {
        report.refuse(&path.key("username"), "has no password", "add `password:`");
    }
    Some(Sentinels {
        primary: written.primary.clone(),
        addresses: addresses?,
        database: written.database,
        username: written.username.clone(),
        password,
    })
}

/// Several servers of one kind: all with TLS or none, and none with a database.
fn hosts(written: &[String], path: &KeyPath, report: &mut Report) -> Option<Vec<RedisAddress>> {
    let mut found = Vec::new();
    for (index, url) in written.iter().enumerate() {
        let path = path.index(index);
        let (address, database) = address(url, &path, report)?;
        if database != 0 || matches!(address, RedisAddress::Unix(_)) {
            let message = "names a database or a socket";
            report.refuse(&path, message, "write redis://HOST:PORT alone");
            return None;
        }
        found.push(address);
    }
    let is_tls = |address: &RedisAddress| matches!(address, RedisAddress::Tls(..));
    if found.iter().any(is_tls) && !found.iter().all(is_tls) {
        report.refuse(
            path,
            "some speak TLS and others do not",
            "write rediss:// for all, or for none",
        );
        return None;
    }
    Some(found)
}

fn address(url: &str, path: &KeyPath, report: &mut Report) -> Option<(RedisAddress, u16)> {
    let remedy = "write such as redis://127.0.0.1:6379";
    RedisAddress::parse(url).map_err(|error| report.refuse(path, error.to_string(), remedy)).ok()
}

fn password(
    written: Option<&Secret>,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<Hidden<String>> {
    written.and_then(|written| secret::load(written, path, inputs, report))
}

fn identity(
    written: &RedisStore,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<ClientIdentity> {
    let (file, key) = tls::pair(written.certificate.as_ref(), written.key.as_ref(), path, report)?;
    let certificate = files::pem(file, &path.key("certificate"), inputs, report);
    let key = secret::load(key, &path.key("key"), inputs, report);
    let key = Hidden::new(key?.expose().clone().into_bytes());
    Some(ClientIdentity { certificate: certificate?, key })
}

/// What does not fit together.
fn check(written: &RedisStore, topology: &Topology, path: &KeyPath, report: &mut Report) {
    if written.username.is_some() && written.password.is_none() {
        report.refuse(&path.key("username"), "has no password", "add `password:`");
    }
    let (addresses, named) = match topology {
        Topology::Cluster(nodes) => (nodes.as_slice(), "cluster"),
        Topology::Sentinel(sentinels) => (sentinels.addresses.as_slice(), "sentinel"),
        Topology::Single { address, .. } => (std::slice::from_ref(address), "url"),
    };
    let is_tls = addresses.iter().all(|address| matches!(address, RedisAddress::Tls(..)));
    for (key, is_written) in
        [("ca", written.ca.is_some()), ("certificate", written.certificate.is_some())]
    {
        if is_written && !is_tls {
            let message = "the store is spoken to without TLS";
            let remedy = format!("write rediss:// in `{named}`, or remove `{key}`");
            report.refuse(&path.key(key), message, remedy);
        }
    }
    if written.password.is_some() && addresses.iter().any(is_elsewhere) {
        let message = "the password goes over the network as it is";
        report.warn(&path.key(named), message, "write rediss:// if the store speaks TLS");
    }
}

/// Whether it is reached over a network and without TLS.
fn is_elsewhere(address: &RedisAddress) -> bool {
    let RedisAddress::Tcp(host, _) = address else { return false };
    !(host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}
