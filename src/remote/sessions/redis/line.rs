//! The line to the store: every call has one deadline, a connection that broke is made anew, and a store that does not answer
//! is left alone by all but one who tries.
//!
//! Without the last of these, every request would wait out its deadline, and a store that comes back would find them all at
//! its door.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use redis::{Cmd, FromRedisValue, RedisError};
use tokio::time::sleep;

use crate::remote::sessions::StoreError;
use crate::remote::sessions::redis::door::{Door, Wire, no_answer, within};
use crate::remote::sessions::redis::words;
use crate::telemetry::metrics::SessionMetrics;

/// After so many failures in a row nobody is kept waiting any more.
const FAILURES: u32 = 3;

/// How long connecting may take where nobody waits for it.
const CONNECTING: Duration = Duration::from_millis(500);

/// The pauses between attempts to get through again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How often it is looked whether the server that answers is still the right one.
const LOOK: Duration = Duration::from_secs(1);

/// See the module's text. Threads share it.
pub(super) struct Line {
    door: Door,
    /// What an operator knows the store by.
    store: String,
    deadline: Duration,
    /// What a store that does its work answers.
    probe: Cmd,
    state: Mutex<State>,
    opening: tokio::sync::Mutex<()>,
    metrics: SessionMetrics,
}

#[derive(Default)]
struct State {
    wire: Option<Wire>,
    /// Counts the connections.
    number: u64,
    /// Failures in a row.
    failures: u32,
    /// Why it does not answer, if that is sure.
    trouble: Option<String>,
    /// Whether somebody tries to get through.
    is_tried: bool,
}

/// A call under way.
type Attempt<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failed>> + Send + 'a>>;

/// Why a call failed.
enum Failed {
    Connecting(String),
    Said(RedisError),
}

impl Line {
    /// A line to that store, which is opened with the first call. `probe` is a call that a store answers which does its work. Must be called on a tokio
    /// runtime.
    pub(super) fn new(
        (door, store): (Door, String),
        deadline: Duration,
        probe: Cmd,
        metrics: SessionMetrics,
    ) -> Arc<Self> {
        let (state, opening) = (Mutex::default(), tokio::sync::Mutex::default());
        let line = Arc::new(Self { door, store, deadline, probe, state, opening, metrics });
        if line.door.may_turn() {
            tokio::spawn(stay_right(Arc::downgrade(&line)));
        }
        line
    }

    /// Which connection this is: a new one may lead to another server.
    pub(super) fn number(&self) -> u64 {
        self.state.lock().number
    }

    /// Why the store does not answer; `None` if it does, or was not asked yet.
    pub(super) fn trouble(&self) -> Option<String> {
        self.state.lock().trouble.clone()
    }

    /// The connection as it is, for those who speak to many servers at once.
    pub(super) async fn open(&self) -> Result<Wire, StoreError> {
        let wire = self.wire().await.map(|(_, wire)| wire);
        wire.map_err(|why| StoreError::Unavailable(self.of_the_store(&why)))
    }

    /// What the store answers. Makes the call once more on a new connection if the old one turns out to be closed: all our
    /// calls may be repeated.
    pub(super) async fn call<T: FromRedisValue + Send>(
        self: &Arc<Self>,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        let before = {
            let state = self.state.lock();
            if let Some(trouble) = &state.trouble {
                return Err(StoreError::Unavailable(trouble.clone()));
            }
            state.number
        };
        // Behind a pointer: what the library does is deep, and would be a part of every request's state.
        let attempt: Attempt<'_, T> = Box::pin(self.attempt(command));
        match within(self.deadline, attempt).await {
            Some(Ok(value)) => {
                self.answered();
                Ok(value)
            }
            Some(Err(failed)) => Err(self.failed(failed)),
            None => {
                let why = self.of_the_store(&no_answer(self.deadline));
                self.fell_silent(why.clone(), before);
                Err(StoreError::Unavailable(why))
            }
        }
    }

    fn of_the_store(&self, why: &str) -> String {
        format!("{}: {why}", self.store)
    }

    async fn attempt<T: FromRedisValue + Send>(&self, command: &Cmd) -> Result<T, Failed> {
        let (number, wire) = self.wire().await.map_err(Failed::Connecting)?;
        match wire.ask(command).await {
            Err(error) if words::wants_another_connection(&error) => {
                self.hang_up(number);
                let (_, wire) = self.wire().await.map_err(Failed::Connecting)?;
                wire.ask(command).await.map_err(Failed::Said)
            }
            other => other.map_err(Failed::Said),
        }
    }

    /// The connection, made if there is none: by one, for all who wait.
    async fn wire(&self) -> Result<(u64, Wire), String> {
        if let Some(found) = self.present() {
            return Ok(found);
        }
        let _one = self.opening.lock().await;
        if let Some(found) = self.present() {
            return Ok(found);
        }
        let wire = self.door.open(CONNECTING.max(self.deadline)).await?;
        let mut state = self.state.lock();
        state.number += 1;
        state.wire = Some(wire.clone());
        Ok((state.number, wire))
    }

    fn present(&self) -> Option<(u64, Wire)> {
        let state = self.state.lock();
        state.wire.clone().map(|wire| (state.number, wire))
    }

    /// Uses the connection of that number no more. Who waits for an answer on it goes on waiting.
    fn hang_up(&self, number: u64) {
        let mut state = self.state.lock();
        if state.number == number {
            state.wire = None;
        }
    }

    fn answered(&self) {
        let mut state = self.state.lock();
        state.failures = 0;
        if state.trouble.take().is_some() {
            tracing::info!("the session store answers again");
        }
        drop(state);
        self.metrics.store_answers(true);
    }

    /// A refusal of one command tells that the store is well.
    fn failed(self: &Arc<Self>, failed: Failed) -> StoreError {
        let (why, is_outage) = match failed {
            Failed::Connecting(why) => (why, true),
            Failed::Said(error) => (words::of(&error), words::is_outage(&error)),
        };
        let why = self.of_the_store(&why);
        if !is_outage {
            return StoreError::Unavailable(why);
        }
        let number = self.number();
        self.fell_silent(why.clone(), number);
        StoreError::Unavailable(why)
    }

    /// When it is sure that the store does not answer, tells so, once, and tries to get through alone.
    fn fell_silent(self: &Arc<Self>, why: String, number: u64) {
        let mut state = self.state.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES {
            return;
        }
        if state.trouble.replace(why.clone()).is_none() {
            tracing::warn!(error = why, "the session store does not answer");
        }
        if state.number == number {
            state.wire = None;
        }
        let is_tried = std::mem::replace(&mut state.is_tried, true);
        drop(state);
        self.metrics.store_answers(false);
        if !is_tried {
            tokio::spawn(get_through(Arc::downgrade(self)));
        }
    }

    /// Whether a new connection gets an answer.
    async fn try_anew(&self) -> Result<(), String> {
        let patience = CONNECTING.max(self.deadline);
        let wire = self.door.open(patience).await?;
        let asked = within(patience, wire.ask::<()>(&self.probe)).await;
        match asked {
            Some(Ok(())) => {}
            Some(Err(error)) if !words::is_outage(&error) => {}
            Some(Err(error)) => return Err(words::of(&error)),
            None => return Err(no_answer(patience)),
        }
        let mut state = self.state.lock();
        state.number += 1;
        state.wire = Some(wire);
        Ok(())
    }
}

/// Leaves a server that was replaced, also one that still answers: what it is told is lost.
async fn stay_right(line: Weak<Line>) {
    loop {
        sleep(LOOK).await;
        let Some(line) = line.upgrade() else { return };
        let Some((number, _)) = line.present() else { continue };
        if line.door.leads_elsewhere().await {
            tracing::info!("the session store has another primary");
            line.hang_up(number);
        }
    }
}

/// Tries until the store answers, or nobody needs it any more.
async fn get_through(line: Weak<Line>) {
    let mut pause = FIRST_PAUSE;
    loop {
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let Some(line) = line.upgrade() else { return };
        match line.try_anew().await {
            Ok(()) => {
                line.state.lock().is_tried = false;
                line.answered();
                return;
            }
            Err(why) => line.state.lock().trouble = Some(line.of_the_store(&why)),
        }
    }
}
