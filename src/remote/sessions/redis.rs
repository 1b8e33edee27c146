//! Sessions in Redis, or what speaks like it: bodies that only tickets open, and the ways to them by login and person.
//!
//! Every call has one deadline, and is made once more when an idle connection turns out to be closed: all of them may be
//! repeated. Whatever fails is [`StoreError::Unavailable`] and nothing else.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ErrorKind, FromRedisValue, RedisError};
use tokio::time::timeout;

use crate::base::time::Timestamp;
use crate::remote::sessions::StoreError;
use crate::remote::sessions::body;
use crate::remote::sessions::record::Record;
use crate::session::{Revoked, Session, SessionId};

mod settings;

pub use settings::{RedisAddress, RedisSettings, RedisSettingsError};

/// How long another process waits before it looks again whether a session has been renewed.
pub(super) const TURN_PAUSE: Duration = Duration::from_millis(100);

/// How long the turn to renew a session may be held: longer than a provider may take.
const TURN: Duration = Duration::from_secs(30);

/// How many ends are kept for processes that were cut off.
const FEED: usize = 10_000;

/// Stores, unless a sign-out came first or what is stored has been renewed more often.
const SAVE: &str = include_str!("redis/save.lua");

/// Ends, and leaves word for what is stored later and for other processes.
const END: &str = include_str!("redis/end.lua");

/// Gives the turn back if it is still ours.
const END_TURN: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// The store.
pub(super) struct Remote {
    connection: ConnectionManager,
    deadline: Duration,
    prefix: String,
    /// Tells this process from others.
    name: String,
}

/// What other processes ended, and where to read on.
pub(super) struct News {
    pub(super) records: Vec<Record>,
    pub(super) next: u64,
}

impl Remote {
    /// A store that will be connected to with the first call. Must be called on a tokio runtime.
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, RedisSettingsError> {
        let client: Client = settings.client()?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(20))
            .set_max_delay(Duration::from_millis(200))
            .set_connection_timeout(Some(settings.deadline.max(Duration::from_secs(1))))
            .set_response_timeout(Some(settings.deadline));
        let connection = ConnectionManager::new_lazy_with_config(client, config)
            .map_err(|error| RedisSettingsError::Unusable(text(&error)))?;
        let name =
            body::random().map_err(|error| RedisSettingsError::Unusable(error.to_string()))?;
        let name = SessionId::from_bytes(name).text();
        Ok(Self { connection, deadline: settings.deadline, prefix: settings.prefix.clone(), name })
    }

    /// Whether the store answers, and lets us write.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.call(redis::cmd("SET").arg(self.key("probe")).arg(1).arg("PX").arg(1000)).await
    }

    pub(super) async fn put(
        &self,
        session: &Session,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let person = group("u", &session.issuer, &session.subject);
        let login = session.sid.as_ref().map(|sid| group("l", &session.issuer, sid));
        let mut call = redis::cmd("EVAL");
        call.arg(SAVE).arg(0).arg(&self.prefix).arg(session.id.text());
        call.arg(person).arg(login.unwrap_or_default());
        call.arg(body).arg(session.renewals).arg(session.started.as_secs());
        call.arg(now.until(session.ends).as_secs().max(1));
        match self.call::<u8>(&call).await? {
            0 => Err(StoreError::Ended),
            _ => Ok(()),
        }
    }

    pub(super) async fn find(&self, id: SessionId) -> Result<Option<Vec<u8>>, StoreError> {
        self.call(redis::cmd("HGET").arg(self.session_key(id)).arg("b")).await
    }

    pub(super) async fn end(
        &self,
        what: &Revoked,
        at: Timestamp,
        keep_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (kind, name) = match what {
            Revoked::Session(id) => ("session", id.text()),
            Revoked::Sid { issuer, sid } => ("sid", group("l", issuer, sid)),
            Revoked::Subject { issuer, subject } => ("subject", group("u", issuer, subject)),
        };
        let line = Record { what: what.clone(), at, keep_until }.line();
        let mut call = redis::cmd("EVAL");
        call.arg(END).arg(0).arg(&self.prefix).arg(kind).arg(name).arg(at.as_secs());
        call.arg(now.until(keep_until).as_secs().max(1));
        call.arg(format!("{} {line}", self.name)).arg(FEED);
        self.call(&call).await
    }

    /// What others have ended since `from`, at most a thousand at once; all that is known if the store has begun anew.
    pub(super) async fn news(&self, from: u64) -> Result<News, StoreError> {
        let key = self.key("ends");
        let last: Option<u64> = self.call(redis::cmd("GET").arg(self.key("ends:last"))).await?;
        let from = if last.unwrap_or(0) < from { 0 } else { from };
        let mut call = redis::cmd("ZRANGEBYSCORE");
        call.arg(key).arg(format!("({from}")).arg("+inf").arg("WITHSCORES");
        call.arg("LIMIT").arg(0).arg(1000);
        let lines: Vec<(String, u64)> = self.call(&call).await?;
        let next = lines.last().map_or(from, |(_, number)| *number);
        let others = lines.iter().filter_map(|(line, _)| line.split_once(' '));
        let records =
            others.filter(|(process, _)| *process != self.name).filter_map(|(_, line)| {
                Record::parse(line.split_once(' ').map_or(line, |(_, rest)| rest))
            });
        Ok(News { records: records.collect(), next })
    }

    pub(super) async fn take_turn(&self, id: SessionId) -> Result<bool, StoreError> {
        let mut call = redis::cmd("SET");
        call.arg(self.turn_key(id)).arg(&self.name).arg("NX").arg("EX").arg(TURN.as_secs());
        self.call::<Option<String>>(&call).await.map(|taken| taken.is_some())
    }

    /// Whether nobody used `name` within `window` before.
    pub(super) async fn use_once(
        &self,
        name: &[u8; 16],
        window: Duration,
    ) -> Result<bool, StoreError> {
        let key = self.key(&format!("h:{}", SessionId::from_bytes(*name).text()));
        let mut call = redis::cmd("SET");
        call.arg(key).arg(&self.name).arg("NX").arg("EX").arg(window.as_secs().max(1));
        self.call::<Option<String>>(&call).await.map(|taken| taken.is_some())
    }

    pub(super) async fn end_turn(&self, id: SessionId) -> Result<(), StoreError> {
        let mut call = redis::cmd("EVAL");
        call.arg(END_TURN).arg(1).arg(self.turn_key(id)).arg(&self.name);
        self.call(&call).await
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn session_key(&self, id: SessionId) -> String {
        format!("{}s:{}", self.prefix, id.text())
    }

    fn turn_key(&self, id: SessionId) -> String {
        format!("{}t:{}", self.prefix, id.text())
    }

    async fn call<T: FromRedisValue>(&self, call: &Cmd) -> Result<T, StoreError> {
        let mut connection = self.connection.clone();
        let work = async {
            match call.query_async(&mut connection).await {
                Err(error) if is_broken(&error) => call.query_async(&mut connection).await,
                other => other,
            }
        };
        match timeout(self.deadline, work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(StoreError::Unavailable(text(&error))),
            Err(_) => Err(StoreError::Unavailable(format!(
                "no answer within {} ms",
                self.deadline.as_millis()
            ))),
        }
    }
}

/// Whether the connection was at fault, so that a new one may do better.
fn is_broken(error: &RedisError) -> bool {
    !error.is_timeout() && (error.is_connection_dropped() || error.is_io_error())
}

/// Persons and logins are hashed: the store need not know them to find their sessions.
fn group(kind: &str, issuer: &str, name: &str) -> String {
    let mut hash = Context::new(&SHA256);
    hash.update(&issuer.len().to_be_bytes());
    hash.update(issuer.as_bytes());
    hash.update(name.as_bytes());
    let hash = hash.finish();
    let hex: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{kind}:{hex}")
}

/// What the server says, on one line; its code names the cure (`NOAUTH`, `WRONGPASS`, `OOM`, `READONLY`).
fn text(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::AuthenticationFailed => {
            format!("user or password are refused: {}", crate::remote::error_text(error))
        }
        _ => crate::remote::error_text(error),
    }
}
