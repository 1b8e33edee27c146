//! Whoever answers what the gate asks. What is not there cannot be asked, and the gate stays closed for want of an answer.

use std::sync::Arc;

use crate::base::time::Timestamp;
use crate::gate::{
    Answer, FirstUseAnswer, IntrospectionAnswer, IntrospectionQuestion, Offered, Policy, ProofUse,
    ProviderId, Question, RenewalAnswer, RenewalQuestion, ResolverAnswer, ResolverQuestion,
    SessionAnswer, SessionQuestion, VerdictAnswer, VerdictQuestion,
};
use crate::remote::backend::BackendSessions;
use crate::remote::introspection::Introspections;
use crate::remote::jwks::KeyKeeper;
use crate::remote::renewal::{Held, Renew, RenewalMeans, Renewals};
use crate::remote::replay::{FirstUses, OneTime};
use crate::remote::resolver::Resolutions;
use crate::remote::sessions::{Sessions, StoreError};
use crate::session::RevocationSet;

/// See the module's text. Lists are in the order of the policy's providers.
pub(crate) struct Answers {
    /// Which sessions were ended before their time.
    pub(crate) revoked: Arc<RevocationSet>,
    /// Where sessions are kept.
    pub(crate) sessions: Option<Arc<Sessions>>,
    /// What renews them.
    pub(crate) renewals: Option<Arc<Renewals>>,
    /// By whom they are renewed.
    pub(crate) renewers: Vec<Option<Arc<dyn Renew>>>,
    /// Who is asked about sessions of other apps.
    pub(crate) backends: Vec<Option<Arc<BackendSessions>>>,
    /// Who is asked about tokens.
    pub(crate) introspections: Vec<Option<Arc<Introspections>>>,
    /// Who is asked about callers whom only a resolver can tell.
    pub(crate) resolutions: Vec<Option<Arc<Resolutions>>>,
    /// Which proofs were used.
    pub(crate) first_uses: Arc<FirstUses>,
}

impl Answers {
    /// What was ended, if that is known.
    pub(crate) fn revocations(&self) -> Option<&RevocationSet> {
        self.sessions.as_ref().map_or(Some(&*self.revoked), |sessions| sessions.revocations())
    }

    /// Has each kind of question answered by whoever can.
    pub(crate) async fn answer(
        &self,
        policy: &Policy,
        keys: &KeyKeeper,
        question: &Question,
        now: Timestamp,
    ) -> Answer {
        match question {
            Question::FirstUse(asked) => Answer::FirstUse(self.first_use(policy, asked, now).await),
            Question::Introspection(asked) => {
                Answer::Introspection(self.introspect(asked, now).await)
            }
            Question::Keys(asked) => Answer::Keys(keys.answer(asked).await),
            Question::Renewal(asked) => Answer::Renewal(self.renew(policy, asked, now).await),
            Question::Resolver(asked) => Answer::Resolver(self.resolve(asked, now).await),
            Question::Session(asked) => Answer::Session(self.load(asked, now).await),
            Question::Verdict(asked) => Answer::Verdict(self.verdict(asked, now).await),
        }
    }

    async fn first_use(&self, policy: &Policy, asked: &ProofUse, now: Timestamp) -> FirstUseAnswer {
        let Some(provider) = policy.provider(asked.provider) else {
            return FirstUseAnswer::Unavailable;
        };
        let proof = (OneTime::DpopProof, &*provider.name, &asked.id[..]);
        let sessions = self.sessions.as_deref();
        self.first_uses.claim_everywhere(sessions, proof, asked.until, now).await.into()
    }

    async fn introspect(
        &self,
        asked: &IntrospectionQuestion,
        now: Timestamp,
    ) -> IntrospectionAnswer {
        match of(&self.introspections, asked.provider) {
            Some(introspections) => introspections.answer(&asked.token, now).await,
            None => IntrospectionAnswer::Unavailable,
        }
    }

    async fn resolve(&self, asked: &ResolverQuestion, now: Timestamp) -> ResolverAnswer {
        match of(&self.resolutions, asked.provider) {
            Some(resolutions) => resolutions.answer(&asked.offered, asked.purpose, now).await,
            None => ResolverAnswer::Unavailable,
        }
    }

    /// What the resolver of `provider` says of `offered` right now, whatever is remembered.
    pub(crate) async fn resolve_anew(
        &self,
        provider: ProviderId,
        offered: &Offered,
        now: Timestamp,
    ) -> ResolverAnswer {
        match of(&self.resolutions, provider) {
            Some(resolutions) => resolutions.answer_anew(offered, now).await,
            None => ResolverAnswer::Unavailable,
        }
    }

    async fn renew(
        &self,
        policy: &Policy,
        asked: &RenewalQuestion,
        now: Timestamp,
    ) -> RenewalAnswer {
        let named = |id: &ProviderId| {
            policy.provider(*id).is_some_and(|provider| *provider.name == *asked.session.provider)
        };
        let provider = (0..).map(ProviderId).take(policy.providers.len()).find(named);
        let renewer = provider.and_then(|id| of(&self.renewers, id));
        let (Some(provider), Some(sessions), Some(renewals)) =
            (renewer, &self.sessions, &self.renewals)
        else {
            return RenewalAnswer::Unavailable;
        };
        let (provider, sessions) = (Arc::clone(provider), Arc::clone(sessions));
        let means = RenewalMeans { provider, sessions };
        let held = Held { session: Arc::clone(&asked.session), ticket: asked.ticket.clone() };
        renewals.renew(&means, &held, now).await.into()
    }

    async fn verdict(&self, asked: &VerdictQuestion, now: Timestamp) -> VerdictAnswer {
        let Some(renewals) = &self.renewals else { return VerdictAnswer::Unavailable };
        match of(&self.backends, asked.provider) {
            // Its own app may have learnt another name of the session since the cookie was written.
            Some(backend) => backend.verdict(&renewals.latest(&asked.session), now).await,
            None => VerdictAnswer::Unavailable,
        }
    }

    async fn load(&self, asked: &SessionQuestion, now: Timestamp) -> SessionAnswer {
        let Some(sessions) = &self.sessions else { return SessionAnswer::Unavailable };
        match sessions.load_together(&asked.ticket, now).await {
            Ok(Some(session)) => SessionAnswer::Found(session),
            Ok(None) | Err(StoreError::Damaged | StoreError::Ended) => SessionAnswer::Gone,
            Err(StoreError::Late | StoreError::TooLarge(_) | StoreError::Unavailable(_)) => {
                SessionAnswer::Unavailable
            }
        }
    }
}

fn of<T>(list: &[Option<T>], id: ProviderId) -> Option<&T> {
    list.get(usize::from(id.0)).and_then(Option::as_ref)
}
