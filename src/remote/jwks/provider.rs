//! One provider's key set as it is shared between those who ask and the task that fetches: what is held, how it fares, and
//! whether a doubt about it may cause a fetch now.
//!
//! Never fetches: it asks the task to, and waits a bounded time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::base::time::Timestamp;
use crate::clock::Clock;
use crate::gate::{KeyAnswer, KeyDoubt, KeyState};
use crate::remote::http::Client;
use crate::remote::jwks::board::Board;
use crate::remote::jwks::settings::ProviderKeys;
use crate::remote::jwks::unknown::UnknownKeys;
use crate::remote::jwks::{KeyObserver, ProviderStatus, RefreshResult};
use crate::token::KeySet;

/// How long a request waits for keys at most.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a request may have been judging by a set that was replaced meanwhile.
const SNAPSHOT_LIFE: Duration = Duration::from_secs(5);

/// The shared state.
pub(super) struct Provider {
    pub(super) settings: ProviderKeys,
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) observer: Arc<dyn KeyObserver>,
    held: ArcSwapOption<Held>,
    health: Mutex<Health>,
    pace: watch::Sender<Pace>,
    asked: Notify,
    unknown: Mutex<UnknownKeys>,
    boards: Mutex<Vec<Weak<Board>>>,
}

/// A set that was judged usable, with the document it came from.
pub(super) struct Held {
    pub(super) keys: Arc<KeySet>,
    pub(super) document: Bytes,
}

#[derive(Clone, Default)]
struct Health {
    loaded: Option<Timestamp>,
    confirmed: Option<Timestamp>,
    error: Option<String>,
}

/// How the fetching goes. The watch around it is the only lock on "may I cause a fetch".
#[derive(Clone, Copy)]
struct Pace {
    done: u64,
    phase: Phase,
    outcome: Outcome,
    changed: Option<Instant>,
    quiet_until: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A fetch was asked for and will begin at once.
    Claimed,
    Idle,
    Running,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Changed,
    Failed,
    Unchanged,
}

impl Provider {
    /// A provider without keys, whose first attempt is about to begin.
    pub(super) fn new(
        settings: ProviderKeys,
        client: Client,
        clock: Clock,
        observer: Arc<dyn KeyObserver>,
    ) -> Arc<Self> {
        let pace = Pace {
            done: 0,
            phase: Phase::Claimed,
            outcome: Outcome::Unchanged,
            changed: None,
            quiet_until: Instant::now(),
        };
        Arc::new(Self {
            settings,
            client,
            clock,
            observer,
            held: ArcSwapOption::empty(),
            health: Mutex::default(),
            pace: watch::Sender::new(pace),
            asked: Notify::new(),
            unknown: Mutex::new(UnknownKeys::new()),
            boards: Mutex::default(),
        })
    }

    /// Whether the other gets the same keys from the same place, however differently it goes about it.
    pub(super) fn has_source_of(&self, other: &ProviderKeys) -> bool {
        self.settings.issuer == other.issuer && self.settings.source == other.source
    }

    /// Starts with the keys of a predecessor: a change of settings is no reason to be without.
    pub(super) fn adopt(&self, predecessor: &Self) {
        self.held.store(predecessor.held.load_full());
        *self.health.lock() = predecessor.health.lock().clone();
        if let Some(held) = self.held() {
            self.report_keys(&held);
        }
    }

    /// From now on the board shows this provider's keys.
    pub(super) fn show_on(&self, board: Weak<Board>) {
        let mut boards = self.boards.lock();
        boards.retain(|known| known.strong_count() > 0);
        boards.push(board);
    }

    /// What is held.
    pub(super) fn held(&self) -> Option<Arc<Held>> {
        self.held.load_full()
    }

    /// The gate's view.
    pub(super) fn key_state(&self) -> KeyState {
        match &*self.held.load() {
            Some(held) => KeyState::Loaded(Arc::clone(&held.keys)),
            None => KeyState::NotLoaded,
        }
    }

    /// The operator's view.
    pub(super) fn status(&self) -> ProviderStatus {
        let health = self.health.lock().clone();
        ProviderStatus {
            name: self.settings.name.clone(),
            keys: self.held().map_or(0, |held| held.keys.len()),
            loaded: health.loaded,
            confirmed: health.confirmed,
            error: health.error,
        }
    }

    /// How many attempts have ended.
    pub(super) fn attempts(&self) -> u64 {
        self.pace.borrow().done
    }

    // What follows is for those who ask.

    /// Answers a doubt about the keys, if need be and allowed with a fetch that all askers share.
    pub(super) async fn answer(&self, kid: Option<&str>, why: KeyDoubt) -> KeyAnswer {
        let asked = Instant::now();
        let Some(before) = self.held() else { return self.first_keys().await };
        if why == KeyDoubt::NotLoaded {
            return KeyAnswer::Fresh(Arc::clone(&before.keys));
        }
        let outcome = match self.claim(kid, why) {
            Some(attempt) => self.outcome_of(attempt).await,
            None => {
                self.observer.refreshed(&self.settings.name, RefreshResult::Cooldown);
                None
            }
        };
        match self.held() {
            Some(held) if self.changed_since(asked) => KeyAnswer::Fresh(Arc::clone(&held.keys)),
            _ => {
                self.remember_unknown(kid, why, outcome);
                KeyAnswer::Unchanged
            }
        }
    }

    async fn first_keys(&self) -> KeyAnswer {
        let mut pace = self.pace.subscribe();
        let settled = pace.wait_for(|pace| pace.phase == Phase::Idle || self.held.load().is_some());
        // Whether it settled, or took too long, is told by what is held.
        let _ = timeout(PATIENCE, settled).await;
        self.held().map_or(KeyAnswer::Unavailable, |held| KeyAnswer::Fresh(Arc::clone(&held.keys)))
    }

    /// Joins the attempt that runs, or causes one, unless it is too early. Returns how many attempts had ended before it.
    fn claim(&self, kid: Option<&str>, why: KeyDoubt) -> Option<u64> {
        let now = Instant::now();
        let allowed = !self.unknown.lock().mutes(kid, why, now);
        let pace = *self.pace.borrow();
        if pace.phase == Phase::Idle && !(allowed && pace.quiet_until <= now) {
            return None;
        }
        let mut joined = None;
        self.pace.send_if_modified(|pace| {
            if pace.phase == Phase::Idle && allowed && pace.quiet_until <= now {
                pace.phase = Phase::Claimed;
                pace.quiet_until = now + self.settings.bounds.cooldown;
                self.asked.notify_one();
            }
            joined = (pace.phase != Phase::Idle).then_some(pace.done);
            false
        });
        joined
    }

    async fn outcome_of(&self, attempt: u64) -> Option<Outcome> {
        let mut pace = self.pace.subscribe();
        let ended = timeout(PATIENCE, pace.wait_for(|pace| pace.done > attempt)).await;
        ended.ok()?.ok().map(|pace| pace.outcome)
    }

    /// Whether an asker of that moment may have judged by an older set than the one that is held now.
    fn changed_since(&self, asked: Instant) -> bool {
        self.pace.borrow().changed.is_some_and(|changed| changed + SNAPSHOT_LIFE > asked)
    }

    fn remember_unknown(&self, kid: Option<&str>, why: KeyDoubt, outcome: Option<Outcome>) {
        if outcome == Some(Outcome::Unchanged) {
            self.unknown.lock().remember(kid, why, Instant::now());
        }
    }

    // What follows is for the task that fetches.

    /// An attempt begins.
    pub(super) fn begin(&self) {
        self.pace.send_modify(|pace| pace.phase = Phase::Running);
    }

    /// An attempt has ended; after a failure, doubts cause no other for `quiet`.
    pub(super) fn end(&self, outcome: Outcome, quiet: Duration) {
        let now = Instant::now();
        self.pace.send_modify(|pace| {
            pace.done += 1;
            pace.phase = Phase::Idle;
            pace.outcome = outcome;
            pace.quiet_until = pace.quiet_until.max(now + quiet);
        });
        self.for_boards(Board::announce);
    }

    /// Waits until the next attempt is due: that long, or until someone asks for it.
    pub(super) async fn until_due(&self, wait: Duration) {
        let due = sleep(wait);
        tokio::pin!(due);
        loop {
            tokio::select! {
                () = &mut due => return,
                // A wake-up may be left over from a claim that a timed attempt has served already.
                () = self.asked.notified() => if self.pace.borrow().phase == Phase::Claimed { return },
            }
        }
    }

    /// Replaces the set. Askers see it on all rings before they are told that the attempt has ended.
    pub(super) fn replace(&self, held: Held, confirmed: Timestamp) {
        let held = Arc::new(held);
        self.held.store(Some(Arc::clone(&held)));
        {
            let mut health = self.health.lock();
            health.loaded = Some(self.clock.now());
            health.confirmed = Some(confirmed);
        }
        self.unknown.lock().clear();
        self.for_boards(Board::renew);
        self.pace.send_modify(|pace| pace.changed = Some(Instant::now()));
        self.report_keys(&held);
    }

    /// The source says that what is held is still right. Returns whether it had failed before.
    pub(super) fn confirm(&self, now: Timestamp) -> bool {
        let recovered = {
            let mut health = self.health.lock();
            health.confirmed = Some(now);
            health.error.take().is_some()
        };
        if let Some(held) = self.held() {
            self.report_keys(&held);
        }
        recovered
    }

    /// An attempt failed. Returns whether this is news.
    pub(super) fn fail(&self, error: String) -> bool {
        let mut health = self.health.lock();
        let news = health.error.as_ref() != Some(&error);
        health.error = Some(error);
        news
    }

    fn report_keys(&self, held: &Held) {
        let confirmed = self.health.lock().confirmed;
        self.observer.holds(&self.settings.name, held.keys.len(), confirmed.unwrap_or_default());
    }

    fn for_boards(&self, act: fn(&Board)) {
        let boards: Vec<_> = self.boards.lock().iter().filter_map(Weak::upgrade).collect();
        for board in boards {
            act(&board);
        }
    }
}
