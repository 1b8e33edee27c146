//! How long a sidegate takes from its start to the first connection it accepts, whatever its provider does.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Result;

use crate::options::Options;
use crate::peers::{self, Sidegate, World};
use crate::process::{Output, SERVER_CORE, Server, now};
use crate::report::{self, Verdict};
use crate::workspace::free_port;

/// From start to the first accepted connection, in milliseconds.
const START_MILLIS: f64 = 100.0;

/// Times starts with the provider up, down, and silent.
pub(crate) fn run(world: &World, options: &Options) -> Result<bool> {
    if !options.wants("start") {
        return Ok(true);
    }
    report::title(&format!("Start to first accepted connection (worst of {})", options.starts));
    // Accepts through its backlog and never answers.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let providers = [
        ("up", world.upstream.address.port()),
        ("down", free_port()?),
        ("silent", silent.local_addr()?.port()),
    ];
    for (name, port) in providers {
        let mut times = Vec::new();
        for _ in 0..options.starts {
            times.push(start(world, port)?);
        }
        let worst = times.iter().copied().fold(0.0, f64::max);
        let promise = format!("provider {name}, at most 100 ms (all: {})", list(&times));
        report::bar(&promise, &format!("{worst:.0} ms"), Verdict::at_most(worst, START_MILLIS));
    }
    Ok(true)
}

/// One start, in milliseconds, process creation included.
fn start(world: &World, provider: u16) -> Result<f64> {
    let (port, admin) = (free_port()?, free_port()?);
    let keys = format!("jwks_uri: http://127.0.0.1:{provider}/jwks.json");
    let wish = Sidegate { keys, ..Sidegate::usual(world) };
    let text = peers::configuration(world, &wish, port, ([127, 0, 0, 1], admin).into());
    let file = world.workspace.write("start.yaml", &text)?;
    let began = now();
    let server =
        Server::launch(&peers::sidegate_command(&file), SERVER_CORE, port, Output::Discarded)?;
    server.listening(Duration::from_millis(1))?;
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

fn list(times: &[f64]) -> String {
    times.iter().map(|time| format!("{time:.0}")).collect::<Vec<_>>().join(" ")
}
