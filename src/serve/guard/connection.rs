//! What one connection is waiting for, and since when.
//!
//! Written by the app (header complete) and the guard (everything else); read by the guard's timer. Pure bookkeeping on one atomic.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use memchr::memchr_iter;
use parking_lot::Mutex;
use tokio::sync::Notify;
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
    /// The end of a request that may take until then.
    Limited,
}

const PHASE_BITS: u32 = 3;

/// The state of one connection.
pub(super) struct Connection {
    epoch: Instant,
    /// Milliseconds since the epoch, and the phase in the low bits.
    state: AtomicU64,
    streams: AtomicUsize,
    /// Whether a request came that is none.
    unreadable: AtomicBool,
    hurried: Notify,
    memo: Mutex<Option<Box<dyn Any + Send + Sync>>>,
    /// What the header that is written next gets behind its own lines.
    lines: Mutex<Option<Vec<u8>>>,
}

impl Connection {
    /// A connection that was opened now; times are counted from `epoch`.
    pub(super) fn new(epoch: Instant) -> Self {
        let connection = Self {
            epoch,
            state: AtomicU64::new(0),
            streams: AtomicUsize::new(0),
            unreadable: AtomicBool::new(false),
            hurried: Notify::new(),
            memo: Mutex::new(None),
            lines: Mutex::new(None),
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
            4 => Phase::Streams,
            _ => Phase::Limited,
        };
        (phase, self.epoch + Duration::from_millis(state >> PHASE_BITS))
    }

    /// The first bytes of a request are here.
    pub(super) fn header_begun(&self) {
        self.enter(Phase::Header);
    }

    /// Whether a header has begun and not ended: what is written meanwhile is not ours.
    pub(super) fn awaits_header(&self) -> bool {
        self.waits_for().0 == Phase::Header
    }

    /// From now on it waits for the next request.
    pub(super) fn idle(&self) {
        self.enter(Phase::Idle);
    }

    /// A header is complete. Since when is nobody's question, so no clock is read.
    pub(super) fn busy(&self) {
        self.state.store(Phase::Busy as u64, Ordering::Relaxed);
    }

    /// The request that is being served has to be done by `end`: the timer learns it at once.
    fn limit(&self, end: Instant) {
        let millis = u64::try_from((end - self.epoch).as_millis()).unwrap_or(u64::MAX);
        self.state.store((millis << PHASE_BITS) | Phase::Limited as u64, Ordering::Relaxed);
        self.hurried.notify_one();
    }

    /// Returns when it began to wait for something that may end earlier than what it waited for.
    pub(super) async fn hurried(&self) {
        self.hurried.notified().await;
    }

    /// What came cannot be read as a request.
    pub(super) fn note_unreadable(&self) {
        self.unreadable.store(true, Ordering::Relaxed);
    }

    /// Whether a request came that cannot be read.
    pub(super) fn was_unreadable(&self) -> bool {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// A stream of HTTP/2 was opened; it counts until what is returned is dropped.
    pub(super) fn stream(self: &Arc<Self>) -> OpenStream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.enter(Phase::Streams);
        OpenStream(Arc::clone(self))
    }

    /// What the header that is being written gets behind its own lines; once.
    pub(super) fn take_lines(&self) -> Option<Vec<u8>> {
        self.lines.lock().take()
    }

    /// Whether there is something that a header is to get.
    pub(super) fn has_lines(&self) -> bool {
        self.lines.lock().is_some()
    }

    /// Whether nothing is being served on it.
    pub(super) fn rests(&self) -> bool {
        match self.waits_for().0 {
            Phase::First | Phase::Idle => true,
            Phase::Header | Phase::Busy | Phase::Limited => false,
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

/// Whether `arrived` is all of one header, and nothing else. Lines may end in LF alone
/// ([RFC 9112 §2.2](https://www.rfc-editor.org/rfc/rfc9112#section-2.2)): pingora takes that for an end too.
fn is_one_header(arrived: &[u8]) -> bool {
    let mut ends = memchr_iter(b'\n', arrived);
    let is_last = ends.find_map(|end| match arrived.get(end + 1..)? {
        [b'\r', b'\n', rest @ ..] => Some(rest.is_empty()),
        [b'\n', ..] => Some(false),
        _ => None,
    });
    is_last.unwrap_or(false)
}

/// What an HTTP/1 app gets with each request of a connection: pingora's user context.
///
/// A proxy receives it, boxed, in `on_connection_reuse`, called as soon as the header is
/// complete; any other app takes it with `take_connection_user_context`. Nothing needs to be
/// persisted: the guard hands a new one to the next request. HTTP/2 streams get none.
#[derive(Clone)]
pub struct ConnectionContext {
    connection: Arc<Connection>,
    whole: bool,
}

impl ConnectionContext {
    /// Of a request that begins with the bytes that `arrived`.
    pub(super) fn new(connection: Arc<Connection>, arrived: &[u8]) -> Self {
        let whole = is_one_header(arrived);
        Self { connection, whole }
    }

    /// Whether all of the request's header came in one piece, and nothing with it.
    pub const fn came_whole(&self) -> bool {
        self.whole
    }

    /// The request's header is complete: ends its deadline.
    pub fn header_complete(&self) {
        self.connection.busy();
    }

    /// The request has to be done within `left`, or the connection ends.
    pub fn finish_within(&self, left: Duration) {
        self.connection.limit(Instant::now() + left);
    }

    /// The header that is written next gets `lines`, each with its line break, behind its own: while what is returned lives, so that
    /// they cannot wait for another answer.
    pub(crate) fn announce(&self, lines: Vec<u8>) -> Announced<'_> {
        *self.connection.lines.lock() = Some(lines);
        Announced(&self.connection)
    }

    /// Takes what an earlier request of this connection left, if anything.
    pub fn take_memo(&self) -> Option<Box<dyn Any + Send + Sync>> {
        self.connection.memo.lock().take()
    }

    /// Leaves something for the next request of this connection: nobody else sees it, and it
    /// goes when the connection does.
    pub fn leave_memo(&self, memo: Box<dyn Any + Send + Sync>) {
        *self.connection.memo.lock() = Some(memo);
    }
}

/// Lines that wait for their header.
#[must_use]
pub(crate) struct Announced<'c>(&'c Connection);

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.0.take_lines();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_knows_what_it_waits_for_and_since_when() {
        let connection = Connection::new(Instant::now());
        assert_eq!(connection.waits_for(), (Phase::First, connection.epoch));
        tokio::time::advance(Duration::from_secs(5)).await;
        connection.header_begun();
        assert_eq!(
            connection.waits_for(),
            (Phase::Header, connection.epoch + Duration::from_secs(5))
        );
        connection.busy();
        assert_eq!(connection.waits_for().0, Phase::Busy);
        tokio::time::advance(Duration::from_secs(5)).await;
        connection.idle();
        assert_eq!(
            connection.waits_for(),
            (Phase::Idle, connection.epoch + Duration::from_secs(10))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_with_a_limit_is_waited_for_until_then_and_the_timer_learns_it() {
        let connection = Arc::new(Connection::new(Instant::now()));
        connection.busy();
        ConnectionContext::new(Arc::clone(&connection), b"").finish_within(Duration::from_secs(2));
        connection.hurried().await;
        let end = connection.epoch + Duration::from_secs(2);
        assert_eq!(connection.waits_for(), (Phase::Limited, end));
        assert!(!connection.rests());
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
    async fn a_header_came_whole_if_nothing_is_missing_and_nothing_follows() {
        let connection = Arc::new(Connection::new(Instant::now()));
        for (arrived, whole) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("", false),
            ("GET / HTTP/1.1\r\nHost: a\r\n", false),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\nbody", false),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", false),
            ("\r\n\r\n\r\n", false),
            ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", true),
            // What follows a line that LF ends alone is the body, or another request.
            ("GET / HTTP/1.1\nHost: a\n\n", false),
            ("POST / HTTP/1.1\r\nHost: a\r\n\nbody\r\n\r\n", false),
            ("POST / HTTP/1.1\nHost: a\n\r\nbody\r\n\r\n", false),
        ] {
            let context = ConnectionContext::new(Arc::clone(&connection), arrived.as_bytes());
            assert_eq!(context.came_whole(), whole, "{arrived:?}");
        }
    }

    #[tokio::test]
    async fn lines_do_not_outlive_their_answer() {
        let connection = Arc::new(Connection::new(Instant::now()));
        let context = ConnectionContext::new(Arc::clone(&connection), b"");
        let announced = context.announce(b"a: 1\r\n".to_vec());
        assert_eq!(connection.take_lines().as_deref(), Some(&b"a: 1\r\n"[..]));
        drop(announced);
        drop(context.announce(b"a: 1\r\n".to_vec()));
        assert_eq!(connection.take_lines(), None);
    }

    #[tokio::test]
    async fn a_memo_is_handed_over_once() {
        let connection = Arc::new(Connection::new(Instant::now()));
        ConnectionContext::new(Arc::clone(&connection), b"").leave_memo(Box::new(7_u8));
        let next = ConnectionContext::new(connection, b"");
        assert_eq!(next.take_memo().and_then(|memo| memo.downcast_ref().copied()), Some(7_u8));
        assert!(next.take_memo().is_none());
    }
}
