//! What Envoy asks by gRPC, asked by h2load: 32 questions at once on eight connections.

use std::process::Command;

use anyhow::{Context, Result, bail};
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, SocketAddress, address};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use prost::Message as _;

use crate::client::Client;
use crate::load::{Said, output};
use crate::material::Material;
use crate::peers::Running;
use crate::process::Server;
use crate::workspace::Workspace;

/// The program that asks.
pub(crate) const H2LOAD: &str = "h2load";

/// The method of the service.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The arguments of h2load that make it ask about a request with the token of `material`.
pub(crate) fn arguments(workspace: &Workspace, material: &Material) -> Result<Vec<String>> {
    let message = question(&material.token).encode_to_vec();
    let length = u32::try_from(message.len()).context("a question too long")?;
    // Not compressed, and how long it is (gRPC over HTTP/2, Length-Prefixed-Message).
    let body = [&[0], length.to_be_bytes().as_slice(), &message].concat();
    let path = workspace.write("question.bin", body)?.display().to_string();
    let fields = ["content-type: application/grpc", "te: trailers"];
    let fields = fields.iter().flat_map(|field| ["-H".to_owned(), (*field).to_owned()]);
    let data = ["-c8", "-m4", "-t1", "-d"].map(str::to_owned).into_iter().chain([path]);
    Ok(data.chain(fields).collect())
}

/// As Envoy tells of a request without a body.
fn question(token: &str) -> CheckRequest {
    let address = SocketAddress {
        address: "192.0.2.1".to_owned(),
        port_specifier: Some(PortSpecifier::PortValue(40_000)),
        ..SocketAddress::default()
    };
    let address = Address { address: Some(address::Address::SocketAddress(address)) };
    let fields = [
        (":authority", "app".to_owned()),
        (":method", "GET".to_owned()),
        (":path", "/".to_owned()),
        (":scheme", "http".to_owned()),
        ("authorization", format!("Bearer {token}")),
        ("x-forwarded-proto", "http".to_owned()),
        ("x-request-id", "0f4e2c1a-8f0e-4b5e-9a53-5c1d6b7e8f90".to_owned()),
    ];
    let http = HttpRequest {
        id: "1".to_owned(),
        method: "GET".to_owned(),
        headers: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        path: "/".to_owned(),
        host: "app".to_owned(),
        scheme: "http".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        ..HttpRequest::default()
    };
    let attributes = AttributeContext {
        source: Some(Peer { address: Some(address), ..Peer::default() }),
        request: Some(Request { http: Some(http), ..Request::default() }),
        ..AttributeContext::default()
    };
    CheckRequest { attributes: Some(attributes) }
}

/// Has `server` asked at `path` for `seconds`.
pub(crate) fn ask(server: &Server, path: &str, carry: &[String], seconds: u64) -> Result<Said> {
    let mut command = Command::new(H2LOAD);
    command.arg(format!("-D{seconds}")).args(carry).arg(format!("http://{}{path}", server.address));
    let text = output(&command)?;
    parse(&text).with_context(|| format!("h2load said something unknown: {text}"))
}

/// An answer by gRPC has the status 200 whatever it says: that requests pass is in the metrics.
pub(crate) fn pass(sidegate: &Running, carry: &[String]) -> Result<()> {
    ask(&sidegate.server, CHECK, carry, 1)?;
    let metrics = Client::connect(sidegate.admin)?.ask("/metrics", "")?;
    let mut decisions =
        metrics.lines().filter(|line| line.starts_with("sidegate_decisions_total{"));
    if metrics.contains("sidegate_decisions_total{")
        && decisions.all(|line| line.contains(r#"outcome="allow""#))
    {
        return Ok(());
    }
    bail!("questions were not answered by a permission")
}

fn parse(text: &str) -> Option<Said> {
    let mut said = Said::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["finished", "in", _, rate, "req/s,", ..] => said.rate = rate.parse().ok()?,
            ["requests:", _, "total,", _, "started,", done, "done,", good, "succeeded,", ..] => {
                said.requests = done.parse().ok()?;
                said.failed = done.parse::<u64>().ok()?.checked_sub(good.parse().ok()?)?;
            }
            _ => {}
        }
    }
    (said.requests > 0.0).then_some(said)
}
