use super::*;
use std::path::Path;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;

use crate::gate::{KeyDoubt, KeyState, ProviderId};
use crate::remote::http::ClientSettings;
use crate::remote::origin::{Answer, Origin, within};
use crate::token::KeySet;

mod asking;
mod faults;
mod reading;
mod reload;
mod sources;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A set with a key of each of these ids (a point on P-256: RFC 7515 §A.3).
fn keys(kids: &[&str]) -> String {
    let key = |kid: &&str| {
        json!({
            "kty": "EC", "crv": "P-256", "kid": kid,
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        })
    };
    json!({ "keys": kids.iter().map(key).collect::<Vec<_>>() }).to_string()
}

/// Lifetimes and waits so long that within a test only doubts cause a second fetch.
fn quiet() -> RefreshBounds {
    RefreshBounds {
        min: HOUR,
        max: HOUR,
        default: HOUR,
        retry_min: HOUR,
        retry_max: HOUR,
        ..RefreshBounds::default()
    }
}

/// A refresh or retry every few milliseconds, so that a test need not wait.
fn brisk() -> RefreshBounds {
    RefreshBounds {
        min: 20 * MILLISECOND,
        max: 20 * MILLISECOND,
        retry_min: 20 * MILLISECOND,
        retry_max: 20 * MILLISECOND,
        timeout: 1000 * MILLISECOND,
        ..RefreshBounds::default()
    }
}

fn provider(source: KeySourceSettings, bounds: RefreshBounds) -> ProviderKeys {
    ProviderKeys {
        name: "main".to_owned(),
        issuer: "https://login.example.com".to_owned(),
        source,
        bounds,
        disk_copy: None,
    }
}

fn at_uri(origin: &Origin, bounds: RefreshBounds) -> ProviderKeys {
    provider(KeySourceSettings::JwksUri(origin.at("/jwks")), bounds)
}

/// What the observer heard.
#[derive(Default)]
struct Record {
    results: Mutex<Vec<RefreshResult>>,
    held: Mutex<Vec<(usize, u64)>>,
}

impl KeyObserver for Record {
    fn refreshed(&self, _: &str, result: RefreshResult) {
        self.results.lock().push(result);
    }

    fn holds(&self, _: &str, keys: usize, confirmed: Timestamp) {
        self.held.lock().push((keys, confirmed.as_secs()));
    }
}

impl Record {
    fn count(&self, wanted: RefreshResult) -> usize {
        self.results.lock().iter().filter(|result| **result == wanted).count()
    }
}

/// A keeper with what it was given.
struct Rig {
    keeper: KeyKeeper,
    record: Arc<Record>,
    clock: Clock,
}

impl Rig {
    fn start(providers: Vec<ProviderKeys>) -> Self {
        Self::start_after(providers, None)
    }

    fn start_after(providers: Vec<ProviderKeys>, previous: Option<&KeyKeeper>) -> Self {
        let client = Client::new(&ClientSettings::default()).unwrap();
        let (record, clock) = (Arc::new(Record::default()), Clock::fixed(NOW));
        let observer = Arc::<Record>::clone(&record);
        let keeper = KeyKeeper::start(providers, client, clock.clone(), observer, previous);
        Self { keeper, record, clock }
    }

    /// A keeper whose first attempts have ended.
    async fn settled(providers: Vec<ProviderKeys>) -> Self {
        let rig = Self::start(providers);
        within(rig.keeper.first_attempts()).await;
        rig
    }

    /// Waits until the keeper's state is as wanted.
    async fn until(&self, wanted: impl Fn(&ProviderStatus) -> bool) -> ProviderStatus {
        let mut events = self.keeper.events();
        within(events.wait_for(|_| wanted(&self.keeper.status()[0]))).await.unwrap();
        self.keeper.status().remove(0)
    }

    async fn until_error(&self, part: &str) -> ProviderStatus {
        self.until(|status| status.error.as_ref().is_some_and(|error| error.contains(part))).await
    }

    async fn ask(&self, kid: &str, why: KeyDoubt) -> Told {
        let question = KeyQuestion { provider: ProviderId(0), kid: Some(kid.to_owned()), why };
        match within(self.keeper.answer(&question)).await {
            KeyAnswer::Fresh(keys) => Told::Fresh(kids_of(&keys)),
            KeyAnswer::Unavailable => Told::Unavailable,
            KeyAnswer::Unchanged => Told::Unchanged,
        }
    }

    async fn ask_unknown(&self, kid: &str) -> Told {
        self.ask(kid, KeyDoubt::UnknownKid).await
    }

    /// The ids on the ring.
    fn kids(&self) -> Vec<String> {
        match self.keeper.ring().state(ProviderId(0)) {
            KeyState::Loaded(keys) => kids_of(keys),
            KeyState::NotLoaded => Vec::new(),
        }
    }
}

/// An answer in a form that can be compared.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Fresh(Vec<String>),
    Unavailable,
    Unchanged,
}

fn fresh(kids: &[&str]) -> Told {
    Told::Fresh(kids.iter().map(|kid| (*kid).to_owned()).collect())
}

fn kids_of(keys: &KeySet) -> Vec<String> {
    keys.iter().filter_map(|key| key.kid().map(str::to_owned)).collect()
}
