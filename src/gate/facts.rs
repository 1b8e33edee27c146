//! What the gate knows from outside for one request: key sets, remembered callers, answers.

use std::sync::Arc;

use http::header::HeaderValue;
use smallvec::SmallVec;

use crate::gate::caller::Caller;
use crate::gate::question::{Answer, KeyAnswer, Question, ResolverAnswer};
use crate::session::RevocationSet;
use crate::token::KeySet;

/// A provider, by its place in the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(pub u16);

/// Every provider's keys at one moment.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Vec<KeyState>);

/// The keys of one provider.
#[derive(Clone, Debug, Default)]
pub enum KeyState {
    /// No key set has been had yet.
    #[default]
    NotLoaded,
    /// The last good key set.
    Loaded(Arc<KeySet>),
}

impl KeyRing {
    /// One state per provider, in the policy's order.
    pub const fn new(states: Vec<KeyState>) -> Self {
        Self(states)
    }

    /// How many providers have keys.
    pub fn loaded(&self) -> usize {
        self.0.iter().filter(|state| matches!(state, KeyState::Loaded(_))).count()
    }

    /// The keys of `provider`; not loaded for one that the ring does not know.
    pub fn state(&self, provider: ProviderId) -> &KeyState {
        self.0.get(usize::from(provider.0)).unwrap_or(&KeyState::NotLoaded)
    }
}

/// What is known for one request. Starts with snapshots, gains answers.
#[derive(Debug)]
pub struct Facts<'a> {
    keys: &'a KeyRing,
    remembered: SmallVec<[Option<Arc<Caller>>; 2]>,
    answers: Vec<(Question, Answer)>,
    revoked: Option<&'a RevocationSet>,
}

impl<'a> Facts<'a> {
    /// Knows `keys` and nothing else.
    pub fn new(keys: &'a KeyRing) -> Self {
        Self { keys, remembered: SmallVec::new(), answers: Vec::new(), revoked: None }
    }

    /// Knows also which sessions were ended before their time. Without this no session counts.
    #[must_use]
    pub const fn with_revocations(mut self, revoked: &'a RevocationSet) -> Self {
        self.revoked = Some(revoked);
        self
    }

    /// Adds who the next credential, in the order of the inquiry, was found to be before.
    pub fn remember(&mut self, caller: Option<Arc<Caller>>) {
        self.remembered.push(caller);
    }

    /// Adds the answer to a question. Later answers win.
    pub fn learn(&mut self, question: Question, answer: Answer) {
        self.answers.push((question, answer));
    }

    /// Whether `question` has been answered.
    pub fn answered(&self, question: &Question) -> bool {
        self.answers.iter().any(|(asked, _)| asked == question)
    }

    /// Whether `caller` is who the credential at `index` was found to be before.
    pub fn knew(&self, index: usize, caller: &Arc<Caller>) -> bool {
        self.remembered(index).is_some_and(|known| Arc::ptr_eq(known, caller))
    }

    /// The `Set-Cookie` fields by which resolvers have the browser forget what does not hold any more.
    pub fn cookies_to_clear(&self) -> Vec<HeaderValue> {
        let clear = |(_, answer): &'_ (Question, Answer)| match answer {
            Answer::Resolver(ResolverAnswer::Invalid { clear }) => clear.to_vec(),
            _ => Vec::new(),
        };
        self.answers.iter().flat_map(clear).collect()
    }

    pub(super) fn remembered(&self, index: usize) -> Option<&Arc<Caller>> {
        self.remembered.get(index).and_then(Option::as_ref)
    }

    pub(super) const fn revoked(&self) -> Option<&'a RevocationSet> {
        self.revoked
    }

    /// The answer to `question`, if it has one of its kind.
    pub(super) fn answer(&self, question: &Question) -> Option<&Answer> {
        self.answers.iter().rev().find(|(asked, _)| asked == question).map(|(_, answer)| answer)
    }

    /// The newest key set of `provider` that is known.
    pub(super) fn keys(&self, provider: ProviderId) -> Option<&Arc<KeySet>> {
        let learnt =
            self.answers.iter().rev().find_map(|(question, answer)| match (question, answer) {
                (Question::Keys(asked), Answer::Keys(KeyAnswer::Fresh(set)))
                    if asked.provider == provider =>
                {
                    Some(set)
                }
                _ => None,
            });
        learnt.or_else(|| match self.keys.state(provider) {
            KeyState::Loaded(set) => Some(set),
            KeyState::NotLoaded => None,
        })
    }
}
