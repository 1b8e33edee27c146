//! Load from one thread on the other core: wrk with 32 connections, h2load for gRPC.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::material::Material;
use crate::process::{OTHER_CORE, Server, pinned};
use crate::questions;
use crate::workspace::Workspace;

const CONNECTIONS: &str = "-c32";

/// What the requests of a case carry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    /// One token in `Authorization`, with the fields by which nginx tells of the request that it asks about.
    Asked,
    /// One token, in `Authorization`.
    Bearer,
    /// One token, in a request that Envoy asks about by gRPC.
    Checked,
    /// One token, in the cookie `sso`.
    Cookie,
    /// Another of many tokens in each request, in `Authorization`.
    Distinct,
    /// One cookie that only the provider's resolver knows, called `session`.
    Foreign,
    /// One session, sealed in its cookie.
    Session,
    /// One session, by its ticket.
    Stored,
}

/// What a server did in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// CPU of the server for one request, in microseconds.
    pub(crate) cpu_micros: f64,
    /// Requests per second.
    pub(crate) rate: f64,
    /// Median latency; h2load has none.
    pub(crate) p50: Option<Duration>,
    /// 99th percentile of latency.
    pub(crate) p99: Option<Duration>,
    /// Resident memory after the round, in bytes.
    pub(crate) resident: u64,
    /// Answers other than 2xx and 3xx, and broken connections.
    pub(crate) failed: u64,
}

/// Loads `server` at `path` for `seconds` with requests that carry `credential`, as [`arguments`] has it in `carry`.
pub(crate) fn measure(
    server: &Server,
    path: &str,
    (credential, carry): (Credential, &[String]),
    seconds: u64,
) -> Result<Sample> {
    let before = server.cpu()?;
    let said = match credential {
        Credential::Checked => questions::ask(server, path, carry, seconds)?,
        _ => ask(server, path, carry, seconds)?,
    };
    let spent = server.cpu()? - before;
    Ok(Sample {
        cpu_micros: spent.as_secs_f64() * 1e6 / said.requests,
        rate: said.rate,
        p50: said.p50,
        p99: said.p99,
        resident: server.resident()?,
        failed: said.failed,
    })
}

fn ask(server: &Server, path: &str, carry: &[String], seconds: u64) -> Result<Said> {
    let mut command = Command::new("wrk");
    command.args(["-t1", CONNECTIONS, "--latency", &format!("-d{seconds}s")]);
    command.args(carry).arg(format!("http://{}{path}", server.address));
    let text = output(&command)?;
    parse(&text).with_context(|| format!("wrk said something unknown: {text}"))
}

/// What `command` says, on the other core.
pub(crate) fn output(command: &Command) -> Result<String> {
    let name = command.get_program().to_string_lossy();
    let output = pinned(command, OTHER_CORE)
        .output()
        .with_context(|| format!("{name} could not be started"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{name} failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(text.into_owned())
}

/// The arguments of wrk, or h2load, that make it carry `credential`.
pub(crate) fn arguments(
    workspace: &Workspace,
    material: &Material,
    credential: Credential,
) -> Result<Vec<String>> {
    Ok(match credential {
        Credential::Bearer => {
            vec!["-H".into(), format!("Authorization: Bearer {}", material.token)]
        }
        Credential::Asked => {
            let token = format!("Authorization: Bearer {}", material.token);
            let fields = [token.as_str(), "X-Original-Method: GET", "X-Original-URL: http://app/"];
            fields.iter().flat_map(|field| ["-H".into(), (*field).to_owned()]).collect()
        }
        Credential::Checked => questions::arguments(workspace, material)?,
        Credential::Cookie => vec!["-H".into(), format!("Cookie: sso={}", material.token)],
        Credential::Foreign => vec!["-H".into(), "Cookie: session=7f3a.8cRkq0vTtP".into()],
        Credential::Session => vec!["-H".into(), format!("Cookie: sidegate={}", material.session)],
        Credential::Stored => vec!["-H".into(), format!("Cookie: sidegate={}", material.ticket)],
        Credential::Distinct => {
            let script = workspace.write("distinct.lua", script(&material.tokens))?;
            vec!["-s".into(), script.display().to_string()]
        }
    })
}

/// The requests are written out once: Lua has enough to do with choosing among them.
fn script(tokens: &Path) -> String {
    format!(
        r#"local requests = {{}}
local next_one = 0
function init(args)
  for token in io.lines("{}") do
    requests[#requests + 1] = wrk.format("GET", nil, {{ ["Authorization"] = "Bearer " .. token }})
  end
end
function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end
"#,
        tokens.display()
    )
}

/// What the load says of a round, by the names of [`Sample`].
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) requests: f64,
    pub(crate) rate: f64,
    pub(crate) p50: Option<Duration>,
    pub(crate) p99: Option<Duration>,
    pub(crate) failed: u64,
}

fn parse(text: &str) -> Option<Said> {
    let mut said = Said::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["50%", time] => said.p50 = Some(latency(time)?),
            ["99%", time] => said.p99 = Some(latency(time)?),
            [requests, "requests", "in", ..] => said.requests = requests.parse().ok()?,
            ["Requests/sec:", rate] => said.rate = rate.parse().ok()?,
            ["Non-2xx", "or", "3xx", "responses:", count] => {
                said.failed += count.parse::<u64>().ok()?
            }
            ["Socket", "errors:", counts @ ..] => said.failed += socket_errors(counts),
            _ => {}
        }
    }
    (said.requests > 0.0 && said.p99.is_some()).then_some(said)
}

/// Sums `connect 0, read 0, write 0, timeout 0`.
fn socket_errors(words: &[&str]) -> u64 {
    words.iter().filter_map(|word| word.trim_end_matches(',').parse::<u64>().ok()).sum()
}

/// wrk writes latencies as `317.00us`, `1.20ms` or `1.01s`.
fn latency(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * scale))
}
