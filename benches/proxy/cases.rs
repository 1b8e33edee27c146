//! CPU for one proxied request, ours beside the others', in interleaved rounds.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::load::{self, Credential, Sample};
use crate::options::Options;
use crate::peers::{self, Sidegate, Use, World};
use crate::process::{Output, Server, installed, pause};
use crate::questions;
use crate::report::{self, Verdict};
use crate::stored;

const NGINX: &str = "nginx, plain proxy";
const HAPROXY: &str = "HAProxy, plain proxy";
const BARE: &str = "bare pingora";
const PUBLIC: &str = "sidegate, public route";
const BEARER: &str = "sidegate, bearer remembered";
const COOKIE: &str = "sidegate, cookie remembered";
const SESSION: &str = "sidegate, session remembered";
const RESOLVED: &str = "sidegate, resolver's word remembered";
const STORED: &str = "sidegate, stored session remembered";
const DECISION: &str = "sidegate, decision for nginx";
const CHECKED: &str = "sidegate, decision by gRPC";
const LOG_NULL: &str = "sidegate, bearer, log to /dev/null";
const LOG_PIPE: &str = "sidegate, bearer, log to a pipe";
const FIRST_SIGHT: &str = "sidegate, RS256 at first sight";
const HAPROXY_JWT: &str = "HAProxy, jwt_verify RS256";

/// Callers are forgotten at once: every token is a new one.
const NO_CACHE: &str = "max_age: 0s";

/// One row of the table.
struct Case {
    name: &'static str,
    /// The program it needs, if it is not ours.
    foreign: Option<&'static str>,
    start: fn(&World) -> Result<Server>,
    path: &'static str,
    credential: Credential,
}

/// A case whose server runs.
struct Contender {
    name: &'static str,
    path: &'static str,
    credential: Credential,
    carry: Vec<String>,
    server: Server,
    samples: Vec<Sample>,
}

const CASES: [Case; 15] = [
    Case {
        name: NGINX,
        foreign: Some("nginx"),
        start: peers::nginx_plain,
        path: "/",
        credential: Credential::Bearer,
    },
    Case {
        name: HAPROXY,
        foreign: Some("haproxy"),
        start: peers::haproxy_plain,
        path: "/",
        credential: Credential::Bearer,
    },
    Case {
        name: BARE,
        foreign: None,
        start: peers::bare_pingora,
        path: "/",
        credential: Credential::Bearer,
    },
    Case {
        name: PUBLIC,
        foreign: None,
        start: public,
        path: "/public/page",
        credential: Credential::Bearer,
    },
    Case { name: BEARER, foreign: None, start: bearer, path: "/", credential: Credential::Bearer },
    Case { name: COOKIE, foreign: None, start: cookie, path: "/", credential: Credential::Cookie },
    Case {
        name: SESSION,
        foreign: None,
        start: session,
        path: "/",
        credential: Credential::Session,
    },
    Case {
        name: RESOLVED,
        foreign: None,
        start: resolved,
        path: "/",
        credential: Credential::Foreign,
    },
    Case {
        name: STORED,
        foreign: Some(stored::REDIS),
        start: stored_session,
        path: "/",
        credential: Credential::Stored,
    },
    Case {
        name: DECISION,
        foreign: None,
        start: decision,
        path: "/.auth/verify/nginx",
        credential: Credential::Asked,
    },
    Case {
        name: CHECKED,
        foreign: Some(questions::H2LOAD),
        start: checked,
        path: questions::CHECK,
        credential: Credential::Checked,
    },
    Case {
        name: LOG_NULL,
        foreign: None,
        start: log_null,
        path: "/",
        credential: Credential::Bearer,
    },
    Case {
        name: LOG_PIPE,
        foreign: None,
        start: log_pipe,
        path: "/",
        credential: Credential::Bearer,
    },
    Case {
        name: FIRST_SIGHT,
        foreign: None,
        start: first_sight,
        path: "/",
        credential: Credential::Distinct,
    },
    Case {
        name: HAPROXY_JWT,
        foreign: Some("haproxy"),
        start: peers::haproxy_jwt,
        path: "/",
        credential: Credential::Distinct,
    },
];

fn public(world: &World) -> Result<Server> {
    peers::sidegate(world, "public", &Sidegate::usual(world))
}

fn bearer(world: &World) -> Result<Server> {
    peers::sidegate(world, "bearer", &Sidegate::usual(world))
}

fn cookie(world: &World) -> Result<Server> {
    peers::sidegate(world, "cookie", &Sidegate::usual(world))
}

fn session(world: &World) -> Result<Server> {
    let wish = Sidegate { provider: Use::SignIn, ..Sidegate::usual(world) };
    peers::sidegate(world, "session", &wish)
}

/// Long enough that the resolver is asked once before the first round.
fn resolved(world: &World) -> Result<Server> {
    let wish =
        Sidegate { provider: Use::Resolver, cache: Some("max_age: 1h"), ..Sidegate::usual(world) };
    peers::sidegate(world, "resolved", &wish)
}

fn stored_session(world: &World) -> Result<Server> {
    let wish = Sidegate { provider: Use::SignInStored, ..Sidegate::usual(world) };
    peers::sidegate(world, "stored", &wish)
}

fn decision(world: &World) -> Result<Server> {
    let wish = Sidegate { door: "forward_auth", ..Sidegate::usual(world) };
    peers::sidegate(world, "decision", &wish)
}

fn checked(world: &World) -> Result<Server> {
    let wish = Sidegate { door: "ext_authz", ..Sidegate::usual(world) };
    let sidegate = peers::sidegate_with_admin(world, "checked", &wish)?;
    questions::pass(&sidegate, &questions::arguments(&world.workspace, &world.material)?)?;
    Ok(sidegate.server)
}

fn log_null(world: &World) -> Result<Server> {
    peers::sidegate(world, "log-null", &Sidegate { requests: "all", ..Sidegate::usual(world) })
}

fn log_pipe(world: &World) -> Result<Server> {
    let wish = Sidegate { requests: "all", output: Output::Piped, ..Sidegate::usual(world) };
    peers::sidegate(world, "log-pipe", &wish)
}

fn first_sight(world: &World) -> Result<Server> {
    peers::sidegate(
        world,
        "first-sight",
        &Sidegate { cache: Some(NO_CACHE), ..Sidegate::usual(world) },
    )
}

/// Measures all cases that are wanted; whether all answers were 2xx.
pub(crate) fn run(world: &World, options: &Options) -> Result<bool> {
    let mut contenders = Vec::new();
    for case in CASES.iter().filter(|case| options.wants(case.name)) {
        contenders.extend(enter(world, case)?);
    }
    if contenders.is_empty() {
        return Ok(true);
    }
    for round in 0..options.rounds {
        report::say(&format!("round {} of {}", round + 1, options.rounds));
        for contender in &mut contenders {
            let sample = load::measure(
                &contender.server,
                contender.path,
                (contender.credential, &contender.carry),
                options.seconds,
            )?;
            contender.samples.push(sample);
        }
    }
    Ok(print(&contenders))
}

/// Starts and warms up a case; nothing if it is someone else's server that is missing or does not start here.
fn enter(world: &World, case: &Case) -> Result<Option<Contender>> {
    if let Some(program) = case.foreign.filter(|program| !installed(program)) {
        report::say(&format!("skipped: {} ({program} is not installed)", case.name));
        return Ok(None);
    }
    let server = match (case.start)(world) {
        Err(error) if case.foreign.is_some() => {
            report::say(&format!("skipped: {} ({error:#})", case.name));
            return Ok(None);
        }
        started => started.with_context(|| format!("{} does not start", case.name))?,
    };
    let carry = load::arguments(&world.workspace, &world.material, case.credential)?;
    pause(Duration::from_millis(200));
    let (name, path, credential) = (case.name, case.path, case.credential);
    load::measure(&server, path, (credential, &carry), 1)?;
    Ok(Some(Contender { name, path, credential, carry, server, samples: Vec::new() }))
}

/// Prints the table and the bars; whether all answers were 2xx.
fn print(contenders: &[Contender]) -> bool {
    let find = |name: &str| contenders.iter().find(|contender| contender.name == name);
    report::title("CPU for one proxied request (median of the rounds)");
    report::say(&format!(
        "{:<36} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>8}  {}",
        "case",
        "CPU µs",
        "× bare",
        "× nginx",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "RSS MiB",
        "all rounds, µs"
    ));
    for contender in contenders {
        contender.print(find(BARE), find(NGINX));
    }
    report::title("Bars (ratios within a round, median of the rounds)");
    let cost = |name, other| find(name)?.beside(find(other)?);
    bar("remembered bearer token, at most 1.05 × bare pingora", cost(BEARER, BARE), 1.05);
    bar("remembered cookie, at most 1.05 × bare pingora", cost(COOKIE, BARE), 1.05);
    bar("sealed session, at most 1.10 × bare pingora", cost(SESSION, BARE), 1.10);
    bar("remembered word of a resolver, at most 1.10 × bare pingora", cost(RESOLVED, BARE), 1.10);
    bar(
        "stored session, looked up within the last second, at most 1.10 × bare pingora",
        cost(STORED, BARE),
        1.10,
    );
    bar("decision for another proxy, at most 0.45 × bare pingora", cost(DECISION, BARE), 0.45);
    bar("decision by gRPC, at most 1.0 × bare pingora", cost(CHECKED, BARE), 1.0);
    bar("remembered bearer token, at most 1.85 × nginx", cost(BEARER, NGINX), 1.85);
    bar(
        "the same with the request log on, at most 1.15 × bare pingora",
        cost(LOG_PIPE, BARE),
        1.15,
    );
    bar(
        "RS256 at first sight, at most 1.0 × HAProxy jwt_verify",
        cost(FIRST_SIGHT, HAPROXY_JWT),
        1.0,
    );
    let failed: u64 = contenders
        .iter()
        .flat_map(|contender| &contender.samples)
        .map(|sample| sample.failed)
        .sum();
    failed == 0
}

fn bar(promise: &str, ratio: Option<f64>, allowed: f64) {
    if let Some(ratio) = ratio {
        report::bar(promise, &format!("{ratio:.2}"), Verdict::at_most(ratio, allowed));
    }
}

impl Contender {
    /// The round that cost the middle amount of CPU.
    fn middle(&self) -> Option<Sample> {
        report::median(&self.samples, |sample| sample.cpu_micros)
    }

    /// What it cost beside `other`, each round for itself: neighbours on the machine come and go, and both had the same.
    fn beside(&self, other: &Self) -> Option<f64> {
        let rounds = self.samples.iter().zip(&other.samples);
        let ratios: Vec<f64> = rounds.map(|(own, its)| own.cpu_micros / its.cpu_micros).collect();
        report::median(&ratios, |ratio| *ratio)
    }

    fn print(&self, bare: Option<&Self>, nginx: Option<&Self>) {
        let Some(middle) = self.middle() else { return };
        let ratio = |other: Option<&Self>| {
            let ratio = other.and_then(|other| self.beside(other));
            ratio.map_or_else(|| "–".into(), |ratio| format!("{ratio:.2}"))
        };
        let all: Vec<String> =
            self.samples.iter().map(|sample| format!("{:.1}", sample.cpu_micros)).collect();
        let micros = |latency: Option<Duration>| {
            latency.map_or_else(|| "–".into(), |latency| latency.as_micros().to_string())
        };
        let failed: u64 = self.samples.iter().map(|sample| sample.failed).sum();
        let failed = if failed == 0 { String::new() } else { format!("  {failed} FAILED") };
        report::say(&format!(
            "{:<36} {:>8.1} {:>8} {:>8} {:>10.0} {:>9} {:>9} {:>8.1}  {}{failed}",
            self.name,
            middle.cpu_micros,
            ratio(bare),
            ratio(nginx),
            middle.rate,
            micros(middle.p50),
            micros(middle.p99),
            report::mib(middle.resident),
            all.join(" ")
        ));
    }
}
