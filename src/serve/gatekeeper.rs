//! The gatekeeper's loop: the gate asks, the keeper of keys answers, until there is a decision.

use std::sync::Arc;

use http::header::HeaderValue;
use smallvec::SmallVec;

use crate::base::time::Timestamp;
use crate::gate::{
    self, Caller, Credential, Decision, Examined, Facts, Inquiry, Reason, RequestView, Route, Step,
};
use crate::serve::callers::{Key, Memo};
use crate::serve::runtime::Runtime;
use crate::telemetry::metrics::CacheLookup;

/// A decision and the route it was made for.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) decision: Decision,
    pub(crate) route: Option<Arc<Route>>,
    /// The `Set-Cookie` fields by which providers have the browser forget what does not hold any more.
    pub(crate) cookies: Vec<HeaderValue>,
}

impl Verdict {
    /// Decided before any route was found.
    pub(crate) const fn early(decision: Decision) -> Self {
        Self { decision, route: None, cookies: Vec::new() }
    }

    /// Refused before any route was found.
    pub(crate) const fn refused(reason: Reason) -> Self {
        Self::early(Decision::Refuse(reason))
    }
}

/// Runs the gate to a decision, fetching each fact it asks for.
///
/// A question asked twice, or one that cannot be answered, closes the gate.
pub(crate) async fn decide(
    runtime: &Runtime,
    request: RequestView<'_>,
    memo: &mut Memo,
    now: Timestamp,
) -> Verdict {
    if runtime.app_links.has(request.target.path()) {
        return Verdict::early(Decision::OwnEndpoint);
    }
    let before = memo.clone();
    let request = RequestView { familiar: before.familiar(), ..request };
    match gate::examine(&runtime.policy, request) {
        Examined::Decided { decision, route } => {
            Verdict { decision, route: route.cloned(), cookies: Vec::new() }
        }
        Examined::Open(inquiry) => {
            let (decision, cookies) = settle(runtime, &inquiry, memo, now).await;
            Verdict { decision, route: Some(Arc::clone(inquiry.route())), cookies }
        }
    }
}

async fn settle(
    runtime: &Runtime,
    inquiry: &Inquiry<'_>,
    memo: &mut Memo,
    now: Timestamp,
) -> (Decision, Vec<HeaderValue>) {
    let ring = runtime.keys.ring();
    let mut facts = Facts::new(&ring);
    if let Some(revoked) = runtime.answers.revocations() {
        facts = facts.with_revocations(revoked);
    }
    let mut keys = SmallVec::<[Option<Key>; 2]>::new();
    for credential in inquiry.credentials() {
        let (caller, key) = recall(runtime, credential, memo);
        facts.remember(caller);
        keys.push(key);
    }
    loop {
        match gate::judge(inquiry, &facts, now) {
            Step::Decided { decision, by } => {
                if let (Some(index), Some(caller)) = (by, decision.caller()) {
                    let key = keys.get(index).copied().flatten();
                    learn(runtime, inquiry, &facts, (index, key, caller), memo, now);
                }
                return (decision, facts.cookies_to_clear());
            }
            Step::Missing(question) if facts.answered(&question) => {
                return (Decision::Unavailable(Reason::Unanswered), Vec::new());
            }
            Step::Missing(question) => {
                // Few requests ask anything: the others need not carry the room for it.
                let answer = runtime.answers.answer(&runtime.policy, &runtime.keys, &question, now);
                let answer = Box::pin(answer).await;
                facts.learn(question, answer);
            }
        }
    }
}

/// Whose `credential` was, and its key if that was needed to find out.
fn recall(
    runtime: &Runtime,
    credential: &Credential<'_>,
    memo: &Memo,
) -> (Option<Arc<Caller>>, Option<Key>) {
    if let Some(caller) = memo.find(runtime.policy.generation, credential) {
        runtime.metrics.cache_looked_up(CacheLookup::Memo);
        return (Some(Arc::clone(caller)), None);
    }
    if runtime.policy.max_remembered.is_zero() {
        runtime.metrics.cache_looked_up(CacheLookup::Miss);
        return (None, None);
    }
    let key = Key::of(credential);
    let found = runtime.callers.find(&key);
    runtime.metrics.cache_looked_up(if found.is_some() {
        CacheLookup::Hit
    } else {
        CacheLookup::Miss
    });
    (found, Some(key))
}

/// Remembers the caller that was found, on this connection and on all others.
fn learn(
    runtime: &Runtime,
    inquiry: &Inquiry<'_>,
    facts: &Facts<'_>,
    found: (usize, Option<Key>, &Arc<Caller>),
    memo: &mut Memo,
    now: Timestamp,
) {
    let (index, key, caller) = found;
    let Some(credential) = inquiry.credentials().get(index) else {
        return;
    };
    if caller.usable_until() <= now {
        return;
    }
    if !facts.knew(index, caller) {
        runtime.callers.keep(key.unwrap_or_else(|| Key::of(credential)), caller);
    }
    let generation = runtime.policy.generation;
    if memo.find(generation, credential).is_none_or(|known| !Arc::ptr_eq(known, caller)) {
        memo.keep(generation, credential, caller);
    }
}
