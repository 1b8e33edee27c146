//! What the sign-in page remembers of a browser: which provider was chosen, and whether sign-ins go round in circles. Never a
//! reason to let anybody pass.

use std::time::Duration;

use crate::base::time::Timestamp;
use crate::session::cookie::CookieSpec;
use crate::session::seal::{Nonce, Purpose, SealingKeys};
use crate::session::wire::{DecodeError, Reader, Writer};

const VERSION: u8 = 1;

/// How many completed sign-ins are remembered.
const REMEMBERED: usize = 5;

/// So many completed sign-ins …
const LOOP: usize = 3;

/// … within this time are one too many for a person.
const WINDOW: Duration = Duration::from_secs(60);

/// What is remembered of a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    completed: Vec<Timestamp>,
    /// The provider that was chosen last.
    pub provider: Option<String>,
    /// When a provider was last asked in vain without showing anything.
    pub last_probe: Option<Timestamp>,
}

impl Hint {
    /// The moments of the last completed sign-ins, oldest first, five at most.
    pub fn completed(&self) -> &[Timestamp] {
        &self.completed
    }

    /// Remembers that a sign-in was completed at `now`.
    pub fn complete(&mut self, now: Timestamp) {
        self.completed.push(now);
        let surplus = self.completed.len().saturating_sub(REMEMBERED);
        self.completed.drain(..surplus);
    }

    /// Whether three sign-ins were completed within the last minute, and here comes the next: its session did not hold.
    pub fn is_looping(&self, now: Timestamp) -> bool {
        self.completed.iter().filter(|then| then.until(now) <= WINDOW).count() >= LOOP
    }

    /// Begins to count anew: the person has seen the diagnosis and wants to try again.
    pub fn forget_completed(&mut self) {
        self.completed.clear();
    }

    /// The value of its cookie `spec` for `host`. `nonce` must be random and new.
    pub fn seal(&self, keys: &SealingKeys, spec: &CookieSpec, host: &str, nonce: Nonce) -> String {
        let mut out = Writer::new(VERSION);
        out.list(&self.completed, |out, time| out.time(*time));
        out.option(self.provider.as_deref(), Writer::text);
        out.option(self.last_probe, Writer::time);
        keys.seal(&spec.context(Purpose::Hint, host), nonce, &out.finish())
    }

    /// Opens the value of the cookie `spec`, sent to `host`; whatever does not open says nothing.
    pub fn open(keys: &SealingKeys, spec: &CookieSpec, host: &str, sealed: &str) -> Self {
        let plain = keys.open(&spec.context(Purpose::Hint, host), sealed);
        plain.ok().and_then(|plain| Self::decode(&plain).ok()).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, VERSION)?;
        let hint = Self {
            completed: reader.list(REMEMBERED as u64, Reader::time)?,
            provider: reader.option(Reader::string)?,
            last_probe: reader.option(Reader::time)?,
        };
        reader.finish()?;
        Ok(hint)
    }
}

#[cfg(test)]
mod tests;
