//! Answers that go on for long, and the sessions that they depend on: a sign-out ends them too.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::time::Timestamp;
use crate::serve::guard::{ConnectionContext, StreamContext};
use crate::session::{RevocationSet, Session};

/// The answers that are being watched.
#[derive(Default)]
pub(crate) struct Watch {
    open: Mutex<HashMap<u64, Open>>,
    begun: AtomicU64,
    seen: AtomicU64,
}

struct Open {
    way: Way,
    session: Arc<Session>,
}

/// What an answer goes out on.
pub(crate) enum Way {
    /// A connection of HTTP/1, which has one answer at a time.
    Connection(ConnectionContext),
    /// One stream of HTTP/2 beside others.
    Stream(StreamContext),
}

impl Way {
    fn cut(&self) {
        match self {
            Self::Connection(connection) => connection.finish_within(Duration::ZERO),
            Self::Stream(stream) => stream.cut(),
        }
    }
}

/// An answer under watch, until it is dropped.
pub(crate) struct Watched {
    watch: Arc<Watch>,
    number: u64,
    session: Arc<Session>,
    seen: AtomicU64,
}

impl Watch {
    /// Watches an answer that goes out on `way`, to the caller who has `session`.
    pub(crate) fn begin(self: &Arc<Self>, way: Way, session: Arc<Session>) -> Watched {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let open = Open { way, session: Arc::clone(&session) };
        self.open.lock().insert(number, open);
        // An end that came between judging and now must be noticed: nothing has been seen yet.
        self.seen.store(u64::MAX, Ordering::Relaxed);
        Watched { watch: Arc::clone(self), number, session, seen: AtomicU64::new(u64::MAX) }
    }

    /// Cuts what depends on sessions that are over. Cheap while nothing has been ended.
    pub(crate) fn cut(&self, revoked: &RevocationSet, now: Timestamp) {
        let epoch = revoked.epoch();
        let news = self.seen.swap(epoch, Ordering::Relaxed) != epoch;
        for Open { way, session } in self.open.lock().values() {
            if now >= session.ends || (news && revoked.is_revoked(session, now)) {
                way.cut();
            }
        }
    }
}

impl Watched {
    /// Whether the session is over.
    pub(crate) fn is_over(&self, revoked: &RevocationSet, now: Timestamp) -> bool {
        let epoch = revoked.epoch();
        if now >= self.session.ends {
            return true;
        }
        if self.seen.load(Ordering::Relaxed) == epoch {
            return false;
        }
        let over = revoked.is_revoked(&self.session, now);
        if !over {
            self.seen.store(epoch, Ordering::Relaxed);
        }
        over
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.open.lock().remove(&self.number);
    }
}
