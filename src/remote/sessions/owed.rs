//! What this process has ended, as far as others may not know of it.
//!
//! What a store did not take is told as soon as it does. What it took is told once more to what may be another server: a primary that died
//! may have confirmed what it had not copied yet.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::remote::sessions::record::Record;

/// How many ends are remembered of either kind.
const MOST: usize = 10_000;

/// For how long it may be that a server has confirmed what no other has.
const COPYING: Duration = Duration::from_secs(60);

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Owed(Mutex<Ends>);

#[derive(Debug, Default)]
struct Ends {
    untold: VecDeque<Record>,
    told: VecDeque<(Instant, Record)>,
}

impl Owed {
    /// The store did not take it.
    pub(super) fn owe(&self, record: Record) {
        let mut ends = self.0.lock();
        if ends.untold.len() < MOST {
            ends.untold.push_back(record);
        } else {
            tracing::error!(
                "too much was ended while the store does not answer: other replicas will not hear of all"
            );
        }
    }

    /// The store took it.
    pub(super) fn told(&self, record: Record) {
        let mut ends = self.0.lock();
        while ends.told.len() >= MOST
            || ends.told.front().is_some_and(|(when, _)| when.elapsed() > COPYING)
        {
            ends.told.pop_front();
        }
        ends.told.push_back((Instant::now(), record));
    }

    /// What was told lately is to be told again.
    pub(super) fn doubt(&self) {
        let mut ends = self.0.lock();
        let lately = std::mem::take(&mut ends.told).into_iter();
        let lately = lately.filter(|(when, _)| when.elapsed() <= COPYING).map(|(_, record)| record);
        let room = MOST.saturating_sub(ends.untold.len());
        ends.untold.extend(lately.take(room));
    }

    /// The next to be told. Comes back by [`Self::told`] or [`Self::put_back`].
    pub(super) fn next(&self) -> Option<Record> {
        self.0.lock().untold.pop_front()
    }

    /// It is the next one still.
    pub(super) fn put_back(&self, record: Record) {
        self.0.lock().untold.push_front(record);
    }
}
