//! Whether this replica should be sent requests.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::gate::Introspection;
use crate::serve::drain::Drain;
use crate::serve::runtime::Runtime;

/// Ready is: every provider has given keys once, and the end has not begun. Keys that are old because a provider is down do not
/// make a replica unready: it serves on with them.
pub(crate) struct Readiness {
    pub(crate) live: Arc<ArcSwap<Runtime>>,
    pub(crate) drain: Drain,
}

impl Readiness {
    /// What is missing; empty when ready. Provider names only, and in words.
    pub(crate) fn missing(&self) -> Vec<(String, String)> {
        let mut missing = Vec::new();
        if self.drain.is_begun() {
            missing.push(("server".to_owned(), "stopping".to_owned()));
        }
        let live = self.live.load();
        let sessions = live.desk.as_ref().and_then(|desk| desk.sessions.not_ready());
        missing.extend(sessions.map(|why| ("sessions".to_owned(), why)));
        let asked = |name: &str| {
            let mut providers = live.policy.providers.iter();
            providers.any(|one| *one.name == *name && one.introspection == Introspection::Always)
        };
        for status in live.keys.status() {
            // Who is asked about every token needs no keys.
            if status.loaded.is_none() && !asked(&status.name) {
                let why = status.error.unwrap_or_else(|| "no attempt has ended yet".to_owned());
                missing.push((status.name, format!("has no keys yet: {why}")));
            }
        }
        missing
    }
}
