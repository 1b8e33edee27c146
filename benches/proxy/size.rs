//! Memory of a sidegate that does nothing, and of the connections it holds.

use std::time::Duration;

use anyhow::Result;

use crate::client::Client;
use crate::options::Options;
use crate::peers::{self, Sidegate, World};
use crate::process::{Server, pause};
use crate::report::{self, Verdict};

/// What an idle sidegate may weigh, in MiB.
const IDLE_MIB: f64 = 25.0;
/// What an idle keep-alive connection may weigh, in KiB.
const CONNECTION_KIB: f64 = 16.0;
/// Long enough for allocators to give back what they will.
const SETTLE: Duration = Duration::from_secs(2);

/// Measures both; whether all answers were 200.
pub(crate) fn run(world: &World, options: &Options) -> Result<bool> {
    if !options.wants("size") {
        return Ok(true);
    }
    report::title("Memory at rest");
    let sidegate = peers::sidegate(world, "size", &Sidegate::usual(world))?;
    pause(SETTLE);
    let idle = report::mib(sidegate.resident()?);
    let each = connection(world, &sidegate, options.connections)?;
    let bare = connection(world, &peers::bare_pingora(world)?, options.connections)?;
    let count = options.connections;
    report::bar(
        "idle sidegate, at most 25 MiB",
        &format!("{idle:.1} MiB"),
        Verdict::at_most(idle, IDLE_MIB),
    );
    report::bar(
        &format!("each of {count} idle keep-alive connections, at most 16 KiB"),
        &format!("{each:.1} KiB"),
        Verdict::at_most(each, CONNECTION_KIB),
    );
    report::say(&format!("  (bare pingora: {bare:.1} KiB for each)"));
    Ok(true)
}

/// What each of `count` idle connections adds to `server`, in KiB: each has carried one request.
#[expect(clippy::cast_precision_loss, reason = "printed with one decimal")]
fn connection(world: &World, server: &Server, count: usize) -> Result<f64> {
    // What the first connections cost, caches and pools, is not theirs.
    drop(hold(world, server, 100)?);
    pause(SETTLE);
    let before = server.resident()?;
    let held = hold(world, server, count)?;
    pause(SETTLE);
    let after = server.resident()?;
    drop(held);
    Ok(after.saturating_sub(before) as f64 / 1024.0 / count as f64)
}

fn hold(world: &World, server: &Server, count: usize) -> Result<Vec<Client>> {
    (0..count)
        .map(|_| {
            let mut client = Client::connect(server.address)?;
            client.ask("/", &world.material.token)?;
            Ok(client)
        })
        .collect()
}
