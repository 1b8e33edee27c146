//! From a question to a ruling: the gate's decision and all that hangs on it.
//!
//! The same for both flavours; how a ruling is put into words is theirs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::header::{self, HeaderMap, HeaderValue};
use parking_lot::Mutex;

use crate::base::time::Timestamp;
use crate::clock::Clock;
use crate::gate::{Decision, Permit, Reason, RequestView};
use crate::serve::answer::asker_of;
use crate::serve::callers::Memo;
use crate::serve::context::Told;
use crate::serve::ext_authz::asked::{Asked, Body, Parts};
use crate::serve::ext_authz::finish::{finished, stranger};
use crate::serve::ext_authz::handed::Handed;
use crate::serve::ext_authz::story;
use crate::serve::gatekeeper::{Verdict, decide};
use crate::serve::own::MAX_FORM_BYTES;
use crate::serve::proxy::is_too_long;
use crate::serve::reception::{Reception, bring_session};
use crate::serve::reply::{Asker, Reply};
use crate::serve::request_id::{RequestId, RequestIds, X_REQUEST_ID, acceptable};
use crate::serve::runtime::Runtime;
use crate::telemetry::Outcome;
use crate::telemetry::writer::LineWriter;
use crate::token::SigningError;

/// What judging takes, beside the question.
pub(crate) struct Judge {
    pub(crate) live: Arc<ArcSwap<Runtime>>,
    pub(crate) clock: Clock,
    pub(crate) ids: RequestIds,
    pub(crate) listener: String,
    pub(crate) lines: LineWriter,
}

/// How Envoy asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// By gRPC: any answer can be given in place of the app's.
    Grpc,
    /// By HTTP: an answer of 200 would let the request pass.
    Http,
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Ruling {
    /// Envoy gives this answer in place of the app's.
    Answer { reply: Reply, outcome: Outcome, reason: Reason },
    /// It goes on to the app.
    Pass { permit: Permit, handed: Handed },
}

/// A request's id: that of Envoy, or one of our own.
#[derive(Debug)]
pub(super) enum Id {
    Given(HeaderValue),
    Ours(RequestId),
}

/// One question while it is being judged.
pub(super) struct Case<'a> {
    pub(super) runtime: &'a Arc<Runtime>,
    pub(super) asked: &'a Asked,
    pub(super) id: Id,
    /// In milliseconds since the epoch.
    pub(super) began: u64,
    flavour: Flavour,
}

impl Judge {
    /// Judges what was `asked`, and keeps in `memo` whose it was.
    pub(super) async fn rule(
        &self,
        runtime: &Arc<Runtime>,
        asked: &Asked,
        flavour: Flavour,
        memo: &Mutex<Memo>,
    ) -> Ruling {
        #[expect(clippy::disallowed_methods, reason = "how long a decision takes is measured here")]
        let started = Instant::now();
        let id = Id::of(&asked.headers, &self.ids);
        let case = self.case(runtime, asked, id, flavour);
        // Questions are answered beside each other: each begins with what the last one left.
        let mut known = memo.lock().clone();
        let (told, ruling) = case.rule(&mut known).await;
        *memo.lock() = known;
        story::tell(self, &case, &told, &ruling, started.elapsed());
        ruling
    }

    /// The answer to a peer that may not ask; nothing that it says is believed.
    pub(super) fn turn_stranger_away(&self, runtime: &Arc<Runtime>, asked: &Asked) -> Reply {
        let id = Id::Ours(self.ids.next());
        let case = self.case(runtime, asked, id, Flavour::Http);
        let told = Told::of(&Verdict::refused(Reason::UntrustedPeer));
        let reply = stranger(&asked.headers, case.asker());
        story::answered(self, &case, &told, &reply, Duration::ZERO);
        reply
    }

    fn case<'a>(
        &self,
        runtime: &'a Arc<Runtime>,
        asked: &'a Asked,
        id: Id,
        flavour: Flavour,
    ) -> Case<'a> {
        Case { runtime, asked, id, began: self.clock.unix_millis(), flavour }
    }
}

impl Case<'_> {
    async fn rule(&self, memo: &mut Memo) -> (Told, Ruling) {
        match Parts::of(self.asked, &self.runtime.limits) {
            Ok(parts) => self.judge(parts.view(self.asked), memo).await,
            Err(reason) => self.turn_away(Verdict::refused(reason)),
        }
    }

    async fn judge(&self, view: RequestView<'_>, memo: &mut Memo) -> (Told, Ruling) {
        let verdict = decide(self.runtime, view, memo, self.now()).await;
        let told = Told::of(&verdict);
        match verdict.decision {
            Decision::Allow(permit)
                if is_too_long(&self.asked.headers, permit.route().max_body_bytes) =>
            {
                let decision = Decision::Refuse(Reason::BodyTooLarge);
                self.turn_away(Verdict { decision, ..verdict })
            }
            Decision::Allow(permit) => match self.hand(&permit, &view, verdict.cookies).await {
                Ok(handed) => (told, Ruling::Pass { permit, handed }),
                Err(error) => {
                    tracing::error!(%error, "assertion could not be signed");
                    let decision = Decision::Unavailable(Reason::Unanswered);
                    self.turn_away(Verdict { route: verdict.route, ..Verdict::early(decision) })
                }
            },
            Decision::OwnEndpoint => {
                let reply = self.receive(view).await;
                self.answer(told, reply)
            }
            decision => self.turn_away(Verdict { decision, ..verdict }),
        }
    }

    /// What Envoy shall change of a request that may pass, and of its answer.
    async fn hand(
        &self,
        permit: &Permit,
        view: &RequestView<'_>,
        cookies: Vec<HeaderValue>,
    ) -> Result<Handed, SigningError> {
        let mut handed = Handed::of(self.runtime, permit, self.asked, &self.id, self.now())?;
        handed.cookies = cookies;
        if permit.session().is_some() {
            handed.cookies.extend(bring_session(self.runtime, permit, view, self.now()).await);
        }
        Ok(handed)
    }

    /// Answers at an endpoint of our own, in place of the app.
    async fn receive(&self, view: RequestView<'_>) -> Reply {
        let reception = Reception { runtime: self.runtime, now: self.now(), asker: self.asker() };
        let endpoint = match reception.plain(&view) {
            Ok(reply) => return reply,
            Err(endpoint) => endpoint,
        };
        match &self.asked.body {
            Body::Whole(form) if form.len() <= MAX_FORM_BYTES => {
                reception.visit(endpoint, view, form).await
            }
            _ if endpoint.reads_form(view.method) => {
                Reply::refusal(Reason::BodyTooLarge, self.asker())
            }
            _ => reception.visit(endpoint, view, &[]).await,
        }
    }

    fn turn_away(&self, verdict: Verdict) -> (Told, Ruling) {
        let told = Told::of(&verdict);
        let reply = Reply::to(&verdict.decision, self.asker());
        // Decisions that have no answer do not come here; should one do, it opens nothing.
        let reply = reply.unwrap_or_else(|| Reply::refusal(Reason::Unanswered, self.asker()));
        self.answer(told, reply.with_cookies(verdict.cookies))
    }

    fn answer(&self, told: Told, reply: Reply) -> (Told, Ruling) {
        if self.flavour == Flavour::Http && reply.status.is_success() {
            // Envoy would take it for a permission.
            let refused = Verdict::refused(Reason::OwnAnswerNeeded);
            return self.turn_away(Verdict { route: told.route, ..refused });
        }
        let (outcome, reason) = (told.outcome, told.reason);
        let reply = finished(reply, reason, self);
        (told, Ruling::Answer { reply, outcome, reason })
    }

    pub(super) fn asker(&self) -> Asker<'_> {
        asker_of(&self.runtime.pages, &self.asked.headers, self.id.as_str())
    }

    const fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.began / 1000)
    }
}

impl Id {
    /// What `headers` have, which are of a trusted proxy, or the next of `ids`.
    fn of(headers: &HeaderMap, ids: &RequestIds) -> Self {
        match headers.get(X_REQUEST_ID).filter(|given| acceptable(given)) {
            Some(given) => Self::Given(given.clone()),
            None => Self::Ours(ids.next()),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Given(given) => given.to_str().unwrap_or_default(),
            Self::Ours(ours) => ours.as_str(),
        }
    }

    pub(super) fn header(&self) -> HeaderValue {
        match self {
            Self::Given(given) => given.clone(),
            Self::Ours(ours) => ours.header(),
        }
    }
}

/// Whether who sent `headers` speaks gRPC, and reads a status and a line of text instead of pages
/// ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).
pub(super) fn speaks_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.starts_with(b"application/grpc")
}
