//! Which sessions there are: for those who look after them, and for the people whose they are.

use redis::Value;

use crate::base::time::Timestamp;
use crate::remote::sessions::StoreError;
use crate::remote::sessions::redis::keys::Group;
use crate::remote::sessions::redis::{Remote, Shelf, script, words};
use crate::session::SessionId;

/// Notes what is known of a session without its key.
const NOTE: &str = include_str!("note.lua");

/// The longest line of a session that is read, in bytes.
const LONGEST_HEAD: usize = 8192;

/// How many keys a server looks at for one answer.
const GLANCE: usize = 1000;

/// A stored session, as far as the store knows it.
#[derive(Clone, Debug)]
pub(in crate::remote::sessions) struct Listed {
    /// Its name.
    pub(in crate::remote::sessions) id: SessionId,
    /// When it was written last.
    pub(in crate::remote::sessions) used: Timestamp,
    /// What was noted of it, sealed.
    pub(in crate::remote::sessions) note: Option<String>,
}

impl Remote {
    /// Keeps a note with a session that is stored.
    pub(in crate::remote::sessions) async fn note(
        &self,
        id: SessionId,
        note: &str,
    ) -> Result<(), StoreError> {
        let mut call = script(NOTE, &[self.place(id, Shelf::Stored)]);
        self.call(call.arg(note)).await
    }

    /// The sessions of a person.
    pub(in crate::remote::sessions) async fn of_person(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Vec<Listed>, StoreError> {
        let key = self.keys.group(&Group::person(issuer, subject));
        let ids: Vec<String> = self.call(redis::cmd("ZRANGE").arg(key).arg(0).arg(-1)).await?;
        self.described(ids.iter().filter_map(|id| SessionId::parse(id)).collect()).await
    }

    /// All sessions.
    pub(in crate::remote::sessions) async fn everybodys(&self) -> Result<Vec<Listed>, StoreError> {
        let ids = self.all_sessions().await?;
        self.described(ids).await
    }

    async fn described(&self, ids: Vec<SessionId>) -> Result<Vec<Listed>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let mut call = redis::cmd("GETRANGE");
            call.arg(self.keys.session(id)).arg(0).arg(LONGEST_HEAD);
            let value: Vec<u8> = self.call(&call).await?;
            let head = value.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let head = std::str::from_utf8(head).ok();
            // Without a head it ended since.
            found.extend(head.and_then(|head| read(id, head)));
        }
        Ok(found)
    }

    /// The names of all sessions, of every server that has some. One that is stored meanwhile may be missing.
    pub(super) async fn all_sessions(&self) -> Result<Vec<SessionId>, StoreError> {
        Box::pin(self.scanned()).await
    }

    async fn scanned(&self) -> Result<Vec<SessionId>, StoreError> {
        let wire = self.line.open().await?;
        let unavailable = |error| StoreError::Unavailable(words::of(&error));
        let nodes = wire.ask_all(&redis::cmd("PING")).await.map_err(unavailable)?;
        let mut found = Vec::new();
        for (node, _) in nodes {
            let mut cursor = 0u64;
            loop {
                let mut call = redis::cmd("SCAN");
                call.arg(cursor).arg("MATCH").arg(self.keys.any_session());
                call.arg("COUNT").arg(GLANCE);
                let answer: Value = wire.ask_node(&call, &node).await.map_err(unavailable)?;
                let (next, keys): (u64, Vec<String>) = redis::from_redis_value(answer)
                    .map_err(|error| StoreError::Unavailable(error.to_string()))?;
                found.extend(keys.iter().filter_map(|key| self.keys.parse_session(key)));
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// The head of a session: see `save.lua`.
fn read(id: SessionId, head: &str) -> Option<Listed> {
    let mut words = head.splitn(5, ' ').skip(2);
    let used = Timestamp::from_secs(words.next()?.parse().ok()?);
    let note = words.nth(1).filter(|note| !note.is_empty()).map(str::to_owned);
    Some(Listed { id, used, note })
}
