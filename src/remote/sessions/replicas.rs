//! What processes with one store tell each other: what was ended, and what was used.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::base::time::Timestamp;
use crate::clock::Clock;
use crate::remote::sessions::record::Record;
use crate::remote::sessions::redis::{Listener, Remote};
use crate::remote::sessions::{Sessions, Store, StoreError};
use crate::session::RevocationSet;

/// How often it is looked for what other processes have ended.
const CATCH_UP: Duration = Duration::from_millis(250);

impl Sessions {
    /// What was ended, if that is known. Where sealed cookies are believed, a process that has not heard yet what others ended
    /// knows nothing.
    pub fn revocations(&self) -> Option<&RevocationSet> {
        self.caught_up.load(Ordering::Acquire).then_some(&*self.revocations)
    }

    /// Why this process should be sent no requests, in words; `None` if nothing is wrong, or the operator wants it to be served on.
    pub fn not_ready(&self) -> Option<String> {
        let remote = self.remote()?;
        let unheard = || "has not heard yet what other replicas ended".to_owned();
        remote.not_ready().or_else(|| self.revocations().is_none().then(unheard))
    }

    /// Whether this is the first use of `name` in all processes that share the store, within `window`. Without a store that others
    /// share this process alone knows, and whoever asks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nobody can tell.
    pub async fn use_once(&self, name: &str, window: Duration) -> Result<bool, StoreError> {
        match self.remote() {
            None => Ok(true),
            Some(remote) => remote.use_once(name, window).await,
        }
    }

    /// Learns what other processes with the same store have ended that `listener` has not heard of.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: to be tried again.
    pub(super) async fn catch_up(
        &self,
        listener: &mut Listener,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(remote) = self.remote() else { return Ok(()) };
        for Record { what, at, keep_until } in remote.news(listener).await? {
            self.revocations.revoke(&what, at, keep_until, now);
        }
        self.metrics.revocations_held(&self.revocations);
        self.caught_up.store(true, Ordering::Release);
        Ok(())
    }

    /// Goes on learning what other processes end, as long as the sessions are in use, and tells them what they could not be told at
    /// once. Only processes that share a store have others.
    pub async fn follow(sessions: Weak<Self>, clock: Clock) {
        let (mut listener, mut rounds) = (Listener::default(), interval(CATCH_UP));
        let mut connection = None;
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        if let Some(error) = first_word(&sessions).await {
            tracing::error!(%error, "the session store is of no use as it is");
        }
        loop {
            rounds.tick().await;
            let Some(sessions) = sessions.upgrade().filter(|one| one.remote().is_some()) else {
                return;
            };
            // That the store does not answer is told where it is found out.
            if sessions.catch_up(&mut listener, clock.now()).await.is_ok() {
                let now_on = sessions.remote().map(Remote::connection);
                if std::mem::replace(&mut connection, now_on) != now_on {
                    sessions.owed.doubt();
                }
                sessions.settle(clock.now()).await;
            }
        }
    }

    /// Tells the others what they could not be told before.
    async fn settle(&self, now: Timestamp) {
        let Some(remote) = self.remote() else { return };
        while let Some(record) = self.owed.next() {
            let Record { what, at, keep_until } = &record;
            if now >= *keep_until {
                continue;
            }
            match remote.end(what, *at, *keep_until, now).await {
                Ok(()) => self.owed.told(record),
                Err(_) => return self.owed.put_back(record),
            }
        }
    }
}

/// What is wrong with the store, if something is: asked once, so that it is told at the start.
async fn first_word(sessions: &Weak<Sessions>) -> Option<StoreError> {
    let sessions = sessions.upgrade()?;
    match &*sessions.store {
        Store::Cookie(_) | Store::Memory(_) => None,
        Store::Coordinated(_, remote) | Store::Redis(remote) => remote.ping().await.err(),
    }
}
