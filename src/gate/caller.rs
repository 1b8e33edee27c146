//! A caller who was verified, with what that verification rests on and the headers it yields: what is worth remembering.

use std::sync::{Arc, OnceLock};

use http::header::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::base::time::Timestamp;
use crate::gate::facts::ProviderId;
use crate::gate::headers::{HeaderPlan, ValueTooLong};
use crate::gate::route::RouteId;
use crate::identity::Identity;
use crate::token::KeySet;

/// Rendered identity headers.
pub(super) type Fields = Arc<[(HeaderName, HeaderValue)]>;

/// A verified identity that may be remembered. Only the gate makes one.
#[derive(Debug)]
pub struct Caller {
    identity: Identity,
    provider: ProviderId,
    keys: Arc<KeySet>,
    usable_until: Timestamp,
    token_bytes: usize,
    rendered: Box<[OnceLock<Result<Fields, ValueTooLong>>]>,
    assertions: Mutex<SmallVec<[(RouteId, Timestamp, HeaderValue); 1]>>,
}

/// What one verification found out.
pub(super) struct Verified {
    pub(super) identity: Identity,
    pub(super) provider: ProviderId,
    pub(super) keys: Arc<KeySet>,
    pub(super) usable_until: Timestamp,
    pub(super) token_bytes: usize,
}

impl Caller {
    pub(super) fn new(verified: Verified, plans: usize) -> Self {
        let Verified { identity, provider, keys, usable_until, token_bytes } = verified;
        let rendered = (0..plans).map(|_| OnceLock::new()).collect();
        Self {
            identity,
            provider,
            keys,
            usable_until,
            token_bytes,
            rendered,
            assertions: Mutex::default(),
        }
    }

    /// Who it is.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Who vouches for it.
    pub const fn provider(&self) -> ProviderId {
        self.provider
    }

    /// The moment from which this must be verified anew.
    pub const fn usable_until(&self) -> Timestamp {
        self.usable_until
    }

    /// Whether what was verified once still holds: the time has not come, and the keys are the same.
    pub(super) fn still_holds(&self, keys: &Arc<KeySet>, now: Timestamp) -> bool {
        now < self.usable_until && Arc::ptr_eq(&self.keys, keys)
    }

    pub(super) fn headers(&self, plan: &HeaderPlan) -> Result<&Fields, ValueTooLong> {
        let render = || plan.render(&self.identity).map(Fields::from);
        let slot = self.rendered.get(usize::from(plan.id.0)).ok_or(ValueTooLong)?;
        slot.get_or_init(render).as_ref().map_err(|error| *error)
    }

    /// The assertion that was signed for `route`, if it is good until `needed`.
    pub fn assertion(&self, route: RouteId, needed: Timestamp) -> Option<HeaderValue> {
        let known = self.assertions.lock();
        let found = known.iter().find(|(of, until, _)| *of == route && *until >= needed);
        found.map(|(_, _, value)| value.clone())
    }

    /// Keeps an assertion signed for `route`, good until `until`.
    pub fn keep_assertion(&self, route: RouteId, until: Timestamp, value: HeaderValue) {
        let mut known = self.assertions.lock();
        known.retain(|(of, _, _)| *of != route);
        known.push((route, until, value));
    }

    /// About how much memory this takes, in bytes: parsed claims are three to four times their text.
    pub fn weight(&self) -> usize {
        1024 + 4 * self.token_bytes
    }
}
