//! What one connection is waiting for, and since when.
//!
//! Written by the stream (bytes arrived), the app (header complete) and the guard (next request);
//! read by the guard's timer. Pure bookkeeping on one atomic.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its very first byte.
    First,
    /// The rest of a request's header.
    Header,
    /// Nothing: a request is being served.
    Busy,
    /// The first byte of the next request.
    Idle,
    /// Nothing that we know of: HTTP/2 sees to its own deadlines.
    Streams,
}

const PHASE_BITS: u32 = 3;

/// The state of one connection.
pub(super) struct Connection {
    epoch: Instant,
    /// Milliseconds since the epoch, and the phase in the low bits.
    state: AtomicU64,
    streams: AtomicUsize,
    memo: Mutex<Option<Box<dyn Any + Send + Sync>>>,
}

impl Connection {
    /// A connection that was opened now; times are counted from `epoch`.
    pub(super) fn new(epoch: Instant) -> Self {
        let connection = Self {
            epoch,
            state: AtomicU64::new(0),
            streams: AtomicUsize::new(0),
            memo: Mutex::new(None),
        };
        connection.enter(Phase::First);
        connection
    }

    /// What it waits for, and since when.
    pub(super) fn waits_for(&self) -> (Phase, Instant) {
        let state = self.state.load(Ordering::Relaxed);
        let phase = match state & ((1 << PHASE_BITS) - 1) {
            0 => Phase::First,
            1 => Phase::Header,
            2 => Phase::Busy,
            3 => Phase::Idle,
            _ => Phase::Streams,
        };
        (phase, self.epoch + Duration::from_millis(state >> PHASE_BITS))
    }

    /// Bytes arrived: if none were expected but those of a new request, its header has begun.
    pub(super) fn bytes_arrived(&self) {
        if matches!(self.waits_for().0, Phase::First | Phase::Idle) {
            self.enter(Phase::Header);
        }
    }

    /// From now on it waits for the next request.
    pub(super) fn idle(&self) {
        self.enter(Phase::Idle);
    }

    /// A header is complete. Since when is nobody's question, so no clock is read.
    pub(super) fn busy(&self) {
        self.state.store(Phase::Busy as u64, Ordering::Relaxed);
    }

    /// A stream of HTTP/2 was opened; it counts until what is returned is dropped.
    pub(super) fn stream(self: &Arc<Self>) -> OpenStream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.enter(Phase::Streams);
        OpenStream(Arc::clone(self))
    }

    /// Whether nothing is being served on it.
    pub(super) fn rests(&self) -> bool {
        match self.waits_for().0 {
            Phase::First | Phase::Idle => true,
            Phase::Header | Phase::Busy => false,
            Phase::Streams => self.streams.load(Ordering::Relaxed) == 0,
        }
    }

    fn enter(&self, phase: Phase) {
        let millis = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.state.store((millis << PHASE_BITS) | phase as u64, Ordering::Relaxed);
    }
}

/// A stream of HTTP/2 that is being served.
pub(super) struct OpenStream(Arc<Connection>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What an HTTP/1 app gets with each request of a connection: pingora's user context.
///
/// A proxy receives it, boxed, in `on_connection_reuse`, called as soon as the header is
/// complete; any other app takes it with `take_connection_user_context`. Nothing needs to be
/// persisted: the guard hands a new one to the next request. HTTP/2 streams get none.
pub struct ConnectionContext(Arc<Connection>);

impl ConnectionContext {
    pub(super) const fn new(connection: Arc<Connection>) -> Self {
        Self(connection)
    }

    /// The request's header is complete: ends its deadline.
    pub fn header_complete(&self) {
        self.0.busy();
    }

    /// Takes what an earlier request of this connection left, if anything.
    pub fn take_memo(&self) -> Option<Box<dyn Any + Send + Sync>> {
        self.0.memo.lock().take()
    }

    /// Leaves something for the next request of this connection: nobody else sees it, and it
    /// goes when the connection does.
    pub fn leave_memo(&self, memo: Box<dyn Any + Send + Sync>) {
        *self.0.memo.lock() = Some(memo);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_begin_a_header_only_where_one_is_expected() {
        let connection = Connection::new(Instant::now());
        tokio::time::advance(Duration::from_secs(5)).await;
        connection.bytes_arrived();
        let begun = connection.waits_for();
        assert_eq!(begun, (Phase::Header, connection.epoch + Duration::from_secs(5)));
        tokio::time::advance(Duration::from_secs(5)).await;
        connection.bytes_arrived();
        assert_eq!(connection.waits_for(), begun);
        connection.busy();
        connection.bytes_arrived();
        assert_eq!(connection.waits_for().0, Phase::Busy);
        connection.idle();
        connection.bytes_arrived();
        assert_eq!(connection.waits_for().0, Phase::Header);
    }

    #[tokio::test]
    async fn a_connection_of_streams_rests_when_the_last_one_ends() {
        let connection = Arc::new(Connection::new(Instant::now()));
        let streams = [connection.stream(), connection.stream()];
        assert!(!connection.rests());
        drop(streams);
        assert!(connection.rests());
    }

    #[tokio::test]
    async fn a_memo_is_handed_over_once() {
        let connection = Arc::new(Connection::new(Instant::now()));
        ConnectionContext::new(Arc::clone(&connection)).leave_memo(Box::new(7_u8));
        let next = ConnectionContext::new(connection);
        assert_eq!(next.take_memo().and_then(|memo| memo.downcast_ref().copied()), Some(7_u8));
        assert!(next.take_memo().is_none());
    }
}
