//! Connections to an upstream that are kept for the next exchange, and the clock by which all of them are timed.
//!
//! pingora's own pool runs a task for each connection that it keeps, asks the system for the peer's name at each reuse,
//! and arms a timer for each read. Here one task per upstream looks at all connections ten times a second: it ends the
//! waits that took too long, and closes what was unused for too long or was closed by the other side.

use std::fmt;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use pingora::protocols::l4::socket::SocketAddr;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::serve::upstream::watch::Watch;
use crate::serve::upstream::wire::Wire;

/// How finely waits are timed.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// How often unused connections are looked at, in ticks.
const UPKEEP: u32 = 10;

/// How many unused connections are kept.
const KEPT: usize = 128;

/// See the module's text.
pub(super) struct Pool {
    /// How many ticks have passed, beginning with one.
    clock: AtomicU32,
    /// How long an unused connection is kept, in ticks.
    keep: u32,
    closed: AtomicBool,
    unused: Mutex<Unused>,
    watches: Mutex<Vec<Weak<Watch>>>,
}

/// The pool's owner: the pool ends with it.
pub(super) struct PoolKeeper {
    pool: Arc<Pool>,
    upkeep: JoinHandle<()>,
}

/// A connection and the watch over it.
pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) watch: Arc<Watch>,
}

#[derive(Default)]
struct Unused {
    count: usize,
    places: Vec<Place>,
}

/// The unused connections to one address, the last one used at the end.
struct Place {
    address: SocketAddr,
    connections: Vec<(Connection, u32)>,
}

impl PoolKeeper {
    /// A pool that keeps connections for `keep`. Needs a tokio runtime.
    pub(super) fn start(keep: Duration) -> Self {
        let pool = Arc::new(Pool {
            clock: AtomicU32::new(1),
            keep: ticks(keep),
            closed: AtomicBool::new(false),
            unused: Mutex::default(),
            watches: Mutex::default(),
        });
        let upkeep = tokio::spawn(Arc::clone(&pool).upkeep());
        Self { pool, upkeep }
    }

    /// What lends connections.
    pub(super) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }
}

impl Drop for PoolKeeper {
    fn drop(&mut self) {
        self.pool.closed.store(true, Ordering::Relaxed);
        *self.pool.unused.lock() = Unused::default();
        // Waits that go on are still to be timed: the task ends with the last connection.
        if self.pool.watches.lock().is_empty() {
            self.upkeep.abort();
        }
    }
}

impl Pool {
    /// Now, by the pool's clock.
    pub(super) fn now(&self) -> u32 {
        self.clock.load(Ordering::Relaxed)
    }

    /// The connection to `address` that was used last, if one is kept and still good.
    pub(super) fn take(&self, address: &SocketAddr) -> Option<Connection> {
        loop {
            let connection = self.unused.lock().take(address)?;
            if connection.wire.is_quiet() {
                return Some(connection);
            }
        }
    }

    /// Keeps `connection` for the next exchange.
    pub(super) fn keep(&self, address: SocketAddr, connection: Connection) {
        connection.watch.rest();
        let now = self.now();
        let mut unused = self.unused.lock();
        if unused.count < KEPT && !self.closed.load(Ordering::Relaxed) {
            unused.keep(address, connection, now);
        }
    }

    /// Makes a connection of `wire`.
    pub(super) fn adopt(&self, wire: Wire) -> Connection {
        let watch = Arc::new(Watch::default());
        self.watches.lock().push(Arc::downgrade(&watch));
        Connection { wire, watch }
    }

    async fn upkeep(self: Arc<Self>) {
        let start = Instant::now();
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut cleaned = 0;
        loop {
            interval.tick().await;
            let now = 1 + whole_ticks(start.elapsed());
            self.clock.store(now, Ordering::Relaxed);
            self.time(now);
            if now - cleaned >= UPKEEP {
                cleaned = now;
                self.clean(now);
            }
            if self.closed.load(Ordering::Relaxed) && self.watches.lock().is_empty() {
                return;
            }
        }
    }

    /// Ends the waits that took too long.
    fn time(&self, now: u32) {
        self.watches.lock().retain(|watch| match watch.upgrade() {
            Some(watch) => {
                watch.look(now);
                true
            }
            None => false,
        });
    }

    /// Closes unused connections whose time is up or that the other side closed.
    fn clean(&self, now: u32) {
        let mut unused = self.unused.lock();
        for place in &mut unused.places {
            place.connections.retain(|(connection, since)| {
                now.saturating_sub(*since) <= self.keep && connection.wire.is_quiet()
            });
        }
        unused.places.retain(|place| !place.connections.is_empty());
        unused.count = unused.places.iter().map(|place| place.connections.len()).sum();
    }
}

impl Unused {
    fn take(&mut self, address: &SocketAddr) -> Option<Connection> {
        let place = self.places.iter_mut().find(|place| place.address == *address)?;
        let (connection, _) = place.connections.pop()?;
        self.count -= 1;
        Some(connection)
    }

    fn keep(&mut self, address: SocketAddr, connection: Connection, now: u32) {
        self.count += 1;
        match self.places.iter_mut().find(|place| place.address == address) {
            Some(place) => place.connections.push((connection, now)),
            None => self.places.push(Place { address, connections: vec![(connection, now)] }),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// `time` in ticks, rounded up: nothing ends early.
pub(super) fn ticks(time: Duration) -> u32 {
    whole_ticks(time.saturating_add(TICK - Duration::from_nanos(1)))
}

fn whole_ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}
