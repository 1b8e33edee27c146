//! Sessions in Redis, or what speaks like it: bodies that only tickets open, and the ways to them by login and person.
//!
//! Each session and each group of them is by itself, so that a Cluster may have them on different servers. No script touches
//! two of them. What a sign-out must not miss is seen to by order: a session joins its groups before it is stored, and whoever ends a
//! group marks it, and then each session that joined, before anything is deleted.
//!
//! Whatever fails is [`StoreError::Unavailable`] and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Cmd, FromRedisValue};

use crate::base::time::Timestamp;
use crate::remote::sessions::StoreError;
use crate::remote::sessions::body;
use crate::remote::sessions::record::Record;
use crate::session::{Revoked, Session, SessionId};
use crate::telemetry::metrics::SessionMetrics;

mod door;
mod feed;
mod guides;
mod keys;
mod line;
mod listing;
mod settings;
mod words;

pub(super) use feed::Listener;
pub(super) use listing::Listed;
pub use settings::{
    ClientIdentity, Readiness, RedisAddress, RedisSettings, RedisSettingsError, Sentinels, Topology,
};

use door::Door;
use keys::{Group, Keys};
use line::Line;

/// How long another process waits before it looks again whether a session has been renewed.
pub(super) const TURN_PAUSE: Duration = Duration::from_millis(50);

/// How long the turn to renew a session may be held: longer than a provider may take.
pub(super) const TURN: Duration = Duration::from_secs(30);

/// What one session is ended by counts for it whenever it began.
const ANY_START: u64 = (1 << 53) - 1;

/// Stores, unless a sign-out came first or what is stored has been renewed more often.
const SAVE: &str = include_str!("redis/save.lua");

/// Enters a session that is about to be stored.
const JOIN: &str = include_str!("redis/join.lua");

/// Marks a group as ended.
const END_GROUP: &str = include_str!("redis/end_group.lua");

/// Ends a session, also one that is about to be stored.
const END_SESSION: &str = include_str!("redis/end_session.lua");

/// Takes the turn to renew.
const TURN_SCRIPT: &str = include_str!("redis/turn.lua");

/// Gives the turn back if it is still ours.
const END_TURN: &str = include_str!("redis/end_turn.lua");

/// The store.
pub(super) struct Remote {
    line: Arc<Line>,
    keys: Keys,
    /// Tells this process from others.
    name: String,
    turns: AtomicU64,
    readiness: Readiness,
}

/// Where a session's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shelf {
    /// The cookie has the session; here is what it became when it was renewed.
    Renewed,
    /// Here alone.
    Stored,
}

/// The turn to renew a session.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    value: String,
    number: i64,
}

/// What came of the wish for a turn.
pub(super) struct Taken {
    /// Ours, if it is.
    pub(super) hold: Option<Hold>,
    /// Whether there is something to renew.
    pub(super) exists: bool,
    /// The body as it is.
    pub(super) body: Option<Vec<u8>>,
}

enum Saved {
    Absent,
    Done,
    Ended,
    Late,
}

impl Remote {
    /// A store that will be connected to with the first call. Must be called on a tokio runtime.
    pub(super) fn new(
        settings: &RedisSettings,
        metrics: SessionMetrics,
    ) -> Result<Self, RedisSettingsError> {
        let keys = Keys(settings.prefix.clone());
        let mut probe = redis::cmd("SET");
        probe.arg(keys.probe()).arg(1).arg("PX").arg(1000);
        let store = settings.topology.to_string();
        let line = Line::new((Door::new(settings)?, store), settings.deadline, probe, metrics);
        let name =
            body::random().map_err(|error| RedisSettingsError::Unusable(error.to_string()))?;
        let name = SessionId::from_bytes(name).text();
        Ok(Self { line, keys, name, turns: AtomicU64::new(0), readiness: settings.readiness })
    }

    /// Whether the store answers, and lets us write.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.call(redis::cmd("SET").arg(self.keys.probe()).arg(1).arg("PX").arg(1000)).await
    }

    /// Which connection to it this is: a new one may lead to another server.
    pub(super) fn connection(&self) -> u64 {
        self.line.number()
    }

    /// Why this process should be sent no requests, if it should not.
    pub(super) fn not_ready(&self) -> Option<String> {
        self.line.trouble().filter(|_| self.readiness == Readiness::Needed)
    }

    /// Stores the body; a session that is new here joins its groups first. With a `hold`, only if nobody had the turn since.
    pub(super) async fn put(
        &self,
        (session, shelf): (&Session, Shelf),
        body: &[u8],
        now: Timestamp,
        hold: Option<&Hold>,
    ) -> Result<(), StoreError> {
        let known = shelf == Shelf::Stored;
        let mut saved = self.save((session, shelf), body, now, (known, hold)).await?;
        if matches!(saved, Saved::Absent) {
            for group in Group::all_of(session) {
                self.join(session, &group, now).await?;
            }
            saved = self.save((session, shelf), body, now, (false, hold)).await?;
        }
        match saved {
            Saved::Done | Saved::Absent => Ok(()),
            Saved::Ended => Err(StoreError::Ended),
            Saved::Late => Err(StoreError::Late),
        }
    }

    async fn save(
        &self,
        (session, shelf): (&Session, Shelf),
        body: &[u8],
        now: Timestamp,
        (known, hold): (bool, Option<&Hold>),
    ) -> Result<Saved, StoreError> {
        let mut call =
            script(SAVE, &[self.place(session.id, shelf), self.keys.session_ended(session.id)]);
        call.arg(body).arg(session.renewals).arg(session.started.as_secs());
        call.arg(now.as_secs()).arg(seconds(now, session.ends)).arg(u8::from(!known));
        call.arg(hold.map(|hold| hold.number.to_string()).unwrap_or_default());
        Ok(match self.call::<u8>(&call).await? {
            0 => Saved::Ended,
            2 => Saved::Absent,
            3 => Saved::Late,
            _ => Saved::Done,
        })
    }

    async fn join(
        &self,
        session: &Session,
        group: &Group,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut call = script(JOIN, &[self.keys.group(group), self.keys.group_ended(group)]);
        call.arg(session.id.text()).arg(session.started.as_secs());
        call.arg(seconds(now, session.ends)).arg(u8::from(group.kind == "u")).arg(now.as_secs());
        match self.call::<u8>(&call).await? {
            0 => Err(StoreError::Ended),
            _ => Ok(()),
        }
    }

    /// The body of a session: one round trip.
    pub(super) async fn find(&self, id: SessionId) -> Result<Option<Vec<u8>>, StoreError> {
        let value: Option<Vec<u8>> =
            self.call(redis::cmd("GET").arg(self.keys.session(id))).await?;
        Ok(value.map(|mut value| {
            let line = value.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            value.drain(..line);
            value
        }))
    }

    /// Ends what there is, and tells the other processes, first of all: they refuse it even should the rest fail.
    pub(super) async fn end(
        &self,
        what: &Revoked,
        at: Timestamp,
        keep_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let keep = seconds(now, keep_until);
        let group = Group::ended(what);
        let members = match &group {
            Some(group) => self.mark(group, at, keep).await?,
            None => Vec::new(),
        };
        let record = Record { what: what.clone(), at, keep_until };
        self.tell(&record, now).await?;
        match (what, group) {
            (Revoked::All, _) => {
                for id in self.all_sessions().await? {
                    self.end_session(id, at.as_secs(), keep).await?;
                }
            }
            (Revoked::Session(id), _) => {
                self.end_session(*id, ANY_START, keep).await?;
            }
            (_, Some(group)) => {
                let latest = if group.kind == "l" { ANY_START } else { at.as_secs() };
                for member in members {
                    self.end_member(&group, &member, latest, keep).await?;
                }
            }
            (_, None) => {}
        }
        Ok(())
    }

    async fn mark(
        &self,
        group: &Group,
        at: Timestamp,
        keep: u64,
    ) -> Result<Vec<String>, StoreError> {
        let mut call = script(END_GROUP, &[self.keys.group(group), self.keys.group_ended(group)]);
        call.arg(at.as_secs()).arg(keep);
        self.call(&call).await
    }

    async fn end_member(
        &self,
        group: &Group,
        member: &str,
        latest: u64,
        keep: u64,
    ) -> Result<(), StoreError> {
        let ended = match SessionId::parse(member) {
            Some(id) => self.end_session(id, latest, keep).await?,
            None => true,
        };
        if ended {
            self.call::<()>(redis::cmd("ZREM").arg(self.keys.group(group)).arg(member)).await?;
        }
        Ok(())
    }

    /// Whether it ended: it may have begun later.
    async fn end_session(&self, id: SessionId, latest: u64, keep: u64) -> Result<bool, StoreError> {
        let (stored, renewed) = (self.keys.session(id), self.keys.renewed(id));
        let mut call = script(END_SESSION, &[stored, self.keys.session_ended(id), renewed]);
        call.arg(latest).arg(keep);
        self.call(&call).await
    }

    /// Takes the turn to renew, if nobody has it, and tells what there is; `lives` in seconds for what the cookie has.
    pub(super) async fn take_turn(
        &self,
        id: SessionId,
        shelf: Shelf,
        lives: u64,
    ) -> Result<Taken, StoreError> {
        let value = format!("{}/{}", self.name, self.turns.fetch_add(1, Ordering::Relaxed));
        let mut call = script(TURN_SCRIPT, &[self.keys.turn(id), self.place(id, shelf)]);
        call.arg(&value).arg(TURN.as_secs());
        call.arg(if shelf == Shelf::Renewed { lives.to_string() } else { String::new() });
        let (number, body): (i64, Option<Vec<u8>>) = self.call(&call).await?;
        let hold = (number > 0).then_some(Hold { value, number });
        Ok(Taken { hold, exists: number >= 0, body })
    }

    /// Gives it back.
    pub(super) async fn end_turn(&self, id: SessionId, hold: &Hold) -> Result<(), StoreError> {
        let mut call = script(END_TURN, &[self.keys.turn(id)]);
        call.arg(&hold.value);
        self.call(&call).await
    }

    /// Whether nobody used `name` within `window` before.
    pub(super) async fn use_once(&self, name: &str, window: Duration) -> Result<bool, StoreError> {
        let mut call = redis::cmd("SET");
        call.arg(self.keys.used(name)).arg(&self.name).arg("NX");
        call.arg("EX").arg(window.as_secs().max(1));
        self.call::<Option<String>>(&call).await.map(|taken| taken.is_some())
    }

    fn place(&self, id: SessionId, shelf: Shelf) -> String {
        match shelf {
            Shelf::Renewed => self.keys.renewed(id),
            Shelf::Stored => self.keys.session(id),
        }
    }

    async fn call<T: FromRedisValue + Send>(&self, call: &Cmd) -> Result<T, StoreError> {
        self.line.call(call).await
    }
}

/// A call of a script that touches `keys` and no others.
fn script(text: &str, keys: &[String]) -> Cmd {
    let mut call = redis::cmd("EVAL");
    call.arg(text).arg(keys.len()).arg(keys);
    call
}

/// From now until then, at least one.
fn seconds(now: Timestamp, until: Timestamp) -> u64 {
    now.until(until).as_secs().max(1)
}
