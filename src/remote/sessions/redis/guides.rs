//! The way by Sentinels: which server is the primary, by the word of most of them, and that it is one, by its own
//! ([Guidelines for clients](https://redis.io/docs/latest/develop/reference/sentinel-clients/)).
//!
//! All are asked at once. One that was cut off together with an old primary names that one for as long as it is: what more of them
//! say counts, and one that hangs delays nobody.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Value};
use tokio::task::JoinSet;

use crate::remote::sessions::redis::door::{connect, no_answer, within};
use crate::remote::sessions::redis::settings::{
    RedisAddress, RedisSettings, RedisSettingsError, Sentinels,
};
use crate::remote::sessions::redis::words;

/// How long Sentinels are waited for where nobody waits for us.
const LOOK: Duration = Duration::from_millis(500);

/// The Sentinels, and what leads from their word to the primary.
pub(super) struct Guides {
    settings: RedisSettings,
    sentinels: Sentinels,
    guides: Vec<Arc<Guide>>,
    /// The primary that was connected to last.
    present: Mutex<Option<RedisAddress>>,
}

/// One Sentinel.
struct Guide {
    address: RedisAddress,
    client: Client,
    /// The connection on which it answered last.
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// A server, and how many Sentinels name it as the primary.
struct Named {
    address: RedisAddress,
    by: usize,
}

impl Guides {
    /// Those of `settings`. Connects to nothing.
    pub(super) fn new(
        settings: &RedisSettings,
        sentinels: &Sentinels,
    ) -> Result<Self, RedisSettingsError> {
        let guide = |address: &RedisAddress| {
            let client = settings.sentinel(address, sentinels)?;
            let (address, connection) = (address.clone(), Mutex::default());
            Ok(Arc::new(Guide { address, client, connection }))
        };
        let guides = sentinels.addresses.iter().map(guide).collect::<Result<_, _>>()?;
        let (settings, sentinels) = (settings.clone(), sentinels.clone());
        Ok(Self { settings, sentinels, guides, present: Mutex::default() })
    }

    /// Connects to the primary; what takes longer than `patience` is for the caller to give up.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) async fn open(&self, patience: Duration) -> Result<MultiplexedConnection, String> {
        let mut why = "no Sentinel is named".to_owned();
        let named = self.named(patience / 2).await?;
        // One that hangs leaves time for the next.
        let share = patience / u32::try_from(named.len() + 1).unwrap_or(u32::MAX);
        for Named { address, .. } in named {
            let opening = within(share, self.primary(&address, share)).await;
            match opening.unwrap_or_else(|| Err(no_answer(share))) {
                Ok(connection) => {
                    *self.present.lock() = Some(address);
                    return Ok(connection);
                }
                Err(error) => why = format!("Sentinels name {address}: {error}"),
            }
        }
        Err(why)
    }

    /// Whether most Sentinels name another primary than the one that was connected to last.
    pub(super) async fn name_another(&self) -> bool {
        let Some(present) = self.present.lock().clone() else { return false };
        let named = self.named(LOOK).await.unwrap_or_default();
        named.first().is_some_and(|first| self.are_most(first.by) && first.address != present)
    }

    /// What Sentinels name, the most often named first. Waits for no more of them once most say the same.
    async fn named(&self, patience: Duration) -> Result<Vec<Named>, String> {
        let mut asked = JoinSet::new();
        for guide in &self.guides {
            let (guide, name) = (Arc::clone(guide), self.sentinels.primary.clone());
            asked.spawn(async move { within(patience, guide.primary(&name, patience)).await });
        }
        let (mut named, mut why) = (Vec::new(), "no Sentinel is named".to_owned());
        while let Some(Ok(answer)) = asked.join_next().await {
            let silent = || format!("a Sentinel: {}", no_answer(patience));
            match answer.unwrap_or_else(|| Err(silent())) {
                Ok(address) => {
                    if self.are_most(counted(&mut named, address)) {
                        break;
                    }
                }
                Err(error) => why = error,
            }
        }
        named.sort_by_key(|one| Reverse(one.by));
        if named.is_empty() { Err(why) } else { Ok(named) }
    }

    const fn are_most(&self, count: usize) -> bool {
        count * 2 > self.guides.len()
    }

    async fn primary(
        &self,
        address: &RedisAddress,
        patience: Duration,
    ) -> Result<MultiplexedConnection, String> {
        let client = self.settings.client(address, self.sentinels.database);
        let client = client.map_err(|error| error.to_string())?;
        let mut connection = connect(&client, patience).await.map_err(|error| words::of(&error))?;
        let role = redis::cmd("ROLE").query_async::<Vec<Value>>(&mut connection).await;
        match role.as_deref().map(|role| role.first()) {
            Ok(Some(Value::BulkString(role))) if role != b"master" => {
                Err("it says that it is none".to_owned())
            }
            // Who may not ask for it learns it from the first write.
            _ => Ok(connection),
        }
    }
}

impl Guide {
    /// Where the primary called `name` is, by its word.
    async fn primary(&self, name: &str, patience: Duration) -> Result<RedisAddress, String> {
        // Taken out, so that nobody goes on with a connection on which no answer came.
        let kept = self.connection.lock().take();
        let found = match kept {
            Some(kept) => self.asked(kept, name).await.ok(),
            None => None,
        };
        let found = match found {
            Some(found) => found,
            None => {
                let told = |error: RedisError| {
                    format!("Sentinel at {}: {}", self.address, words::of(&error))
                };
                let new = connect(&self.client, patience).await.map_err(told)?;
                self.asked(new, name).await.map_err(told)?
            }
        };
        let (host, port) = found.ok_or_else(|| {
            let address = &self.address;
            format!(
                "Sentinel at {address}: it knows no primary called `{name}`; see `sentinel.primary`"
            )
        })?;
        Ok(self.address.moved(host, port))
    }

    async fn asked(
        &self,
        mut connection: MultiplexedConnection,
        name: &str,
    ) -> Result<Option<(String, u16)>, RedisError> {
        let mut question = redis::cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(name);
        let found = question.query_async(&mut connection).await?;
        *self.connection.lock() = Some(connection);
        Ok(found)
    }
}

/// How many have named it, this one included.
fn counted(named: &mut Vec<Named>, address: RedisAddress) -> usize {
    match named.iter_mut().find(|one| one.address == address) {
        Some(one) => {
            one.by += 1;
            one.by
        }
        None => {
            named.push(Named { address, by: 1 });
            1
        }
    }
}
