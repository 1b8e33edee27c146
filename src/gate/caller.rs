//! A caller who was verified, with what that verification rests on and the headers it yields: what is worth remembering.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use http::header::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::base::time::Timestamp;
use crate::gate::authenticate::Case;
use crate::gate::credential::CredentialKind;
use crate::gate::facts::ProviderId;
use crate::gate::fields::IdentityFields;
use crate::gate::headers::{HeaderPlan, ValueTooLong};
use crate::gate::request::Scheme;
use crate::gate::route::RouteId;
use crate::gate::session;
use crate::identity::Identity;
use crate::session::{Session, Ticket};
use crate::token::{Confirmation, KeySet};

/// A verified identity that may be remembered. Only the gate makes one.
#[derive(Debug)]
pub struct Caller {
    identity: Identity,
    provider: ProviderId,
    basis: Basis,
    confirmation: Confirmation,
    usable_until: Timestamp,
    token_bytes: usize,
    rendered: Box<[OnceLock<Result<IdentityFields, ValueTooLong>>]>,
    assertions: Mutex<SmallVec<[(RouteId, Timestamp, HeaderValue); 1]>>,
}

/// What one verification found out.
pub(super) struct Verified {
    pub(super) identity: Identity,
    pub(super) provider: ProviderId,
    pub(super) basis: Basis,
    /// What the token is bound to: proven anew with each request.
    pub(super) confirmation: Confirmation,
    pub(super) usable_until: Timestamp,
    pub(super) token_bytes: usize,
}

/// What a verification rests on.
#[derive(Debug)]
pub(super) enum Basis {
    /// The word of the provider, until its time is up.
    Introspection,
    /// These keys.
    Keys(Arc<KeySet>),
    /// A session of ours.
    Session(SessionBasis),
}

/// A session that was opened, and where: it counts nowhere else.
#[derive(Debug)]
pub(super) struct SessionBasis {
    pub(super) session: Arc<Session>,
    pub(super) scheme: Scheme,
    pub(super) scope: Box<str>,
    /// Up to which revocation it was found not to be revoked.
    pub(super) epoch: AtomicU64,
    pub(super) update: Option<SessionUpdate>,
}

/// A session that has gone on and is to be written back, with the answer and, if there is one, to its store.
#[derive(Clone, Debug)]
pub struct SessionUpdate {
    /// The session to write.
    pub session: Arc<Session>,
    /// What the cookie had, where sessions are in a store.
    pub ticket: Option<Arc<Ticket>>,
}

impl Caller {
    pub(super) fn new(verified: Verified, plans: usize) -> Self {
        let Verified { identity, provider, basis, confirmation, usable_until, token_bytes } =
            verified;
        let rendered = (0..plans).map(|_| OnceLock::new()).collect();
        Self {
            identity,
            provider,
            basis,
            confirmation,
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

    /// The caller's session, where that is the proof.
    pub const fn session(&self) -> Option<&Arc<Session>> {
        match &self.basis {
            Basis::Session(basis) => Some(&basis.session),
            Basis::Introspection | Basis::Keys(_) => None,
        }
    }

    /// The session to write back. Who has one is not remembered, so that every answer brings it until the browser has it.
    pub(super) const fn session_update(&self) -> Option<&SessionUpdate> {
        match &self.basis {
            Basis::Session(basis) => basis.update.as_ref(),
            Basis::Introspection | Basis::Keys(_) => None,
        }
    }

    /// What must be proven with each request.
    pub(super) const fn confirmation(&self) -> &Confirmation {
        &self.confirmation
    }

    /// Whether what was verified once still holds for a request of this kind: the time has not come, and what it rests on is
    /// the same.
    pub(super) fn still_holds(&self, case: &Case<'_>, kind: CredentialKind) -> bool {
        if case.now >= self.usable_until {
            return false;
        }
        let session = kind == CredentialKind::Session;
        match &self.basis {
            Basis::Introspection => !session,
            Basis::Keys(known) => {
                let keys = case.facts.keys(self.provider);
                !session && keys.is_some_and(|keys| Arc::ptr_eq(known, keys))
            }
            Basis::Session(basis) => session && basis.still_holds(case),
        }
    }

    /// The headers of `plan`; `all` are those by which any route tells of anybody.
    pub(super) fn headers(
        &self,
        plan: &HeaderPlan,
        all: &[HeaderName],
    ) -> Result<&IdentityFields, ValueTooLong> {
        let render = || plan.render(&self.identity).map(|set| IdentityFields::new(set, all));
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

impl SessionBasis {
    /// Looks into the revocations only when there are new ones.
    fn still_holds(&self, case: &Case<'_>) -> bool {
        let here = case.request.scheme == self.scheme && session::scope(case) == Some(&self.scope);
        let Some(revoked) = case.facts.revoked().filter(|_| here) else { return false };
        let epoch = revoked.epoch();
        if self.epoch.load(Ordering::Relaxed) == epoch {
            return true;
        }
        let holds = !revoked.is_revoked(&self.session, case.now);
        if holds {
            self.epoch.store(epoch, Ordering::Relaxed);
        }
        holds
    }
}
