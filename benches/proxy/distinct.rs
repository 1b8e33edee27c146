//! Memory of a sidegate that meets far more tokens than its identity cache may hold.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow};

use crate::client::Client;
use crate::options::Options;
use crate::peers::{self, Running, Sidegate, World};
use crate::report::{self, Verdict, mib};

/// Small enough to overflow within the run: some ten thousand callers.
const CACHE: &str = "size: 16MiB";
const CACHE_MIB: f64 = 16.0;
/// "±10 %".
const TOLERANCE: f64 = 1.1;
const CLIENTS: u64 = 8;

/// Sends tokens that were never seen before; whether all were accepted.
pub(crate) fn run(world: &World, options: &Options) -> Result<bool> {
    if !options.wants("tokens") {
        return Ok(true);
    }
    report::title(&format!(
        "Memory after {} distinct ES256 tokens, cache of {CACHE_MIB} MiB",
        options.tokens
    ));
    let wish = Sidegate { cache: Some(CACHE), ..Sidegate::usual(world) };
    let sidegate = peers::sidegate_with_admin(world, "tokens", &wish)?;
    // Connections, code and pools are paged in before the cache is watched.
    send(world, &sidegate, 0, 200)?;
    let before = sidegate.server.resident()?;
    let steps = 4;
    for step in 0..steps {
        let (from, to) = (options.tokens * step / steps, options.tokens * (step + 1) / steps);
        send(world, &sidegate, from + 200, to + 200)?;
        let grown = mib(sidegate.server.resident()?.saturating_sub(before));
        report::say(&format!(
            "  after {to:>9} tokens: grown by {grown:.1} MiB; {}",
            books(&sidegate)?
        ));
    }
    let grown = mib(sidegate.server.resident()?.saturating_sub(before));
    let promise = format!("resident memory grown by at most {CACHE_MIB} MiB + 10 %");
    report::bar(
        &promise,
        &format!("{grown:.1} MiB"),
        Verdict::at_most(grown, CACHE_MIB * TOLERANCE),
    );
    Ok(true)
}

/// Sends the tokens of users `from..to` over a few connections.
fn send(world: &World, sidegate: &Running, from: u64, to: u64) -> Result<()> {
    let next = AtomicU64::new(from);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| send_some(world, sidegate.server.address, &next, to)))
            .collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().map_err(|_| anyhow!("a client panicked"))?)
    })
}

fn send_some(world: &World, server: SocketAddr, next: &AtomicU64, to: u64) -> Result<()> {
    let mut client = Client::connect(server)?;
    loop {
        let user = next.fetch_add(1, Ordering::Relaxed);
        if user >= to {
            return Ok(());
        }
        client.ask("/", &world.material.es256_token(user)?)?;
    }
}

/// What sidegate's own metrics say about its identity cache.
fn books(sidegate: &Running) -> Result<String> {
    let metrics = Client::connect(sidegate.admin)?.ask("/metrics", "")?;
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.with_context(|| format!("/metrics has no {name}"))?
            .parse::<f64>()
            .with_context(|| format!("{name} is not a number"))
    };
    let entries = value("sidegate_identity_cache_entries")?;
    let bytes = value("sidegate_identity_cache_bytes")?;
    Ok(format!("it counts {entries} callers, {:.1} MiB", bytes / 1_048_576.0))
}
