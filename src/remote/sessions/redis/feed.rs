//! What was ended, in order, for all processes: a stream, which each reads on from where it was.
//!
//! Nothing is lost while a process is cut off: entries stay as long as what they end could have lived. What was read a moment ago is read
//! again, and with a new connection what was read within a minute: another server may have taken over that lacks the last entries,
//! or whose clock is a little behind.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::base::time::Timestamp;
use crate::remote::sessions::StoreError;
use crate::remote::sessions::record::Record;
use crate::remote::sessions::redis::Remote;

/// How much is read again each time.
const AGAIN: Duration = Duration::from_secs(2);

/// How much is read again from what may be another server.
const AGAIN_AFTER_CUT: Duration = Duration::from_secs(60);

/// How much longer than needed entries stay: clocks differ.
const MARGIN: u64 = 300;

/// How many entries are read with one call.
const PAGE: usize = 1000;

/// Where one reader is in the stream.
#[derive(Debug, Default)]
pub(in crate::remote::sessions) struct Listener {
    /// The newest that was read.
    newest: Place,
    /// What was read lately: where, and a digest of what. A server that lost the stream gives places out anew.
    seen: BTreeSet<(Place, u64)>,
    digest: RandomState,
    connection: u64,
}

/// An entry's name: milliseconds, and a number within them. Ordered as the stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64, u64);

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (milliseconds, number) = text.split_once('-')?;
        Some(Self(milliseconds.parse().ok()?, number.parse().ok()?))
    }

    const fn before(self, span: Duration) -> u64 {
        self.0.saturating_sub(span.as_secs() * 1000)
    }
}

/// An entry: its name, and the fields.
type Entry = (String, Vec<String>);

impl Remote {
    /// Leaves word for the other processes.
    pub(super) async fn tell(&self, record: &Record, now: Timestamp) -> Result<(), StoreError> {
        let lives = now.until(record.keep_until).as_secs() + MARGIN;
        let oldest = now.as_secs().saturating_sub(lives) * 1000;
        let mut call = redis::cmd("XADD");
        call.arg(self.keys.ends()).arg("MINID").arg("~").arg(oldest).arg("*");
        call.arg("p").arg(&self.name).arg("l").arg(record.line());
        self.call::<()>(&call).await?;
        let mut stays = redis::cmd("EXPIRE");
        self.call(stays.arg(self.keys.ends()).arg(lives)).await
    }

    /// What others have ended that `listener` has not heard of.
    pub(in crate::remote::sessions) async fn news(
        &self,
        listener: &mut Listener,
    ) -> Result<Vec<Record>, StoreError> {
        let connection = self.line.number();
        let again = if connection == listener.connection { AGAIN } else { AGAIN_AFTER_CUT };
        let mut from = listener.newest.before(again).to_string();
        let mut records = Vec::new();
        loop {
            let entries = self.page(&from).await?;
            let last = entries.last().map(|(name, _)| name.clone());
            let is_full = entries.len() == PAGE;
            let new = entries.into_iter().filter_map(|entry| self.heard(listener, &entry));
            records.extend(new);
            match last.filter(|_| is_full) {
                Some(last) => from = format!("({last}"),
                None => break,
            }
        }
        let kept = (Place(listener.newest.before(AGAIN_AFTER_CUT), 0), 0);
        listener.seen = listener.seen.split_off(&kept);
        // With the first call a connection was made that has a number of its own.
        listener.connection = if connection == 0 { self.line.number() } else { connection };
        Ok(records)
    }

    async fn page(&self, from: &str) -> Result<Vec<Entry>, StoreError> {
        let mut call = redis::cmd("XRANGE");
        call.arg(self.keys.ends()).arg(from).arg("+").arg("COUNT").arg(PAGE);
        self.call(&call).await
    }

    /// What an entry says that is new, and not our own word.
    fn heard(&self, listener: &mut Listener, (name, fields): &Entry) -> Option<Record> {
        let place = Place::parse(name)?;
        if !listener.seen.insert((place, listener.digest.hash_one(fields))) {
            return None;
        }
        listener.newest = listener.newest.max(place);
        let field = |wanted: &str| {
            let mut pairs = fields.chunks_exact(2);
            pairs.find_map(|pair| (pair[0] == wanted).then(|| pair[1].as_str()))
        };
        if field("p")? == self.name {
            return None;
        }
        Record::parse(field("l")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_ordered_as_numbers() {
        let place = |text| Place::parse(text).unwrap();
        assert!(place("9-10") > place("9-9") && place("10-0") > place("9-99"));
        assert_eq!(place("61000-5").before(AGAIN_AFTER_CUT), 1000);
        assert_eq!(place("5-5").before(AGAIN_AFTER_CUT), 0);
        assert_eq!((Place::parse("5"), Place::parse("a-b")), (None, None));
    }
}
