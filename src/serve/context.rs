//! What is known of one request while it passes through pingora's phases.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::HeaderValue;
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType};

use crate::base::time::Timestamp;
use crate::clock::Clock;
use crate::gate::{Caller, Decision, Permit, Reason, Route};
use crate::serve::callers::Memo;
use crate::serve::forwarded::Origin;
use crate::serve::gatekeeper::Verdict;
use crate::serve::guard::{ConnectionContext, StreamContext};
use crate::serve::request_id::{RequestId, X_REQUEST_ID, acceptable};
use crate::serve::runtime::Runtime;
use crate::serve::upstream::Loan;
use crate::serve::watch::{Watched, Way};
use crate::telemetry::Outcome;

/// How far a request has got. Only a permitted one reaches an upstream.
#[derive(Debug, Default)]
pub(crate) enum Progress {
    /// Answered by us.
    Answered,
    /// Not judged yet.
    #[default]
    Fresh,
    /// Let through.
    Permitted(Permit),
}

/// See the module's text.
pub(crate) struct Context {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) started: Instant,
    pub(crate) began_millis: u64,
    pub(crate) now: Timestamp,
    pub(crate) id: RequestId,
    pub(crate) connection: Option<Box<ConnectionContext>>,
    /// Boxed once for each connection, not for each request.
    pub(crate) memo: Option<Box<Memo>>,
    pub(crate) progress: Progress,
    pub(crate) origin: Option<Origin>,
    pub(crate) told: Option<Told>,
    pub(crate) loan: Option<Arc<Loan>>,
    pub(crate) attempts: usize,
    /// Which server of the upstream was the first to be tried.
    pub(crate) turn: Option<usize>,
    pub(crate) body_bytes: u64,
    /// The `Set-Cookie` fields that the answer brings.
    pub(crate) cookies: Vec<HeaderValue>,
    /// Keeps the answer under watch as long as it goes on.
    watched: Option<Watched>,
}

/// What is told of the decision, in logs and metrics.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    pub(crate) reason: Reason,
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) caller: Option<Arc<Caller>>,
}

impl Context {
    /// A request that begins now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the duration of a request begins to be measured"
    )]
    pub(crate) fn new(runtime: Arc<Runtime>, clock: &Clock, id: RequestId) -> Self {
        let started = Instant::now();
        let began_millis = clock.unix_millis();
        let now = Timestamp::from_secs(began_millis / 1000);
        Self {
            runtime,
            started,
            began_millis,
            now,
            id,
            connection: None,
            memo: None,
            progress: Progress::Fresh,
            origin: None,
            told: None,
            loan: None,
            attempts: 0,
            turn: None,
            body_bytes: 0,
            cookies: Vec::new(),
            watched: None,
        }
    }

    /// What lets the request pass, if anything does.
    pub(crate) const fn permit(&self) -> Option<&Permit> {
        match &self.progress {
            Progress::Permitted(permit) => Some(permit),
            Progress::Answered | Progress::Fresh => None,
        }
    }

    /// The id that a trusted proxy gave, which the upstream is told instead of our own.
    pub(crate) fn given_request_id<'r>(
        &self,
        received: &'r RequestHeader,
    ) -> Option<&'r HeaderValue> {
        let trusted = self.origin.is_some_and(|origin| origin.trusted);
        received.headers.get(X_REQUEST_ID).filter(|given| trusted && acceptable(given))
    }

    /// Counts a piece of the request's body, and fails once that is longer than its route takes.
    pub(crate) fn count(&mut self, piece: Option<&Bytes>) -> pingora::Result<()> {
        let length = piece.map_or(0, Bytes::len);
        self.body_bytes += u64::try_from(length).unwrap_or(u64::MAX);
        let limit = self.permit().and_then(|permit| permit.route().max_body_bytes);
        if limit.is_some_and(|limit| self.body_bytes > limit) {
            return Error::e_explain(ErrorType::HTTPStatus(413), Reason::BodyTooLarge.label());
        }
        self.check_deadline()
    }

    /// Leaves the memo to the next request of the connection.
    pub(crate) fn leave_memo(&mut self) {
        if let (Some(connection), Some(memo)) = (self.connection.take(), self.memo.take()) {
            connection.leave_memo(memo);
        }
    }

    /// Has the answer end with the caller's session.
    pub(crate) fn watch(&mut self) {
        let session = self.permit().and_then(|permit| permit.caller()?.session()).cloned();
        let connection = self.connection.as_deref().cloned().map(Way::Connection);
        let way = connection.or_else(|| StreamContext::current().map(Way::Stream));
        if let (Some(session), Some(way)) = (session, way) {
            self.watched = Some(self.runtime.watch.begin(way, session));
        }
    }

    /// Fails once the session of an answer that goes on was ended: no event passes that comes before it is cut.
    pub(crate) fn check_session(&self) -> pingora::Result<()> {
        match &self.watched {
            Some(watched) if watched.is_over(&self.runtime.answers.revoked, self.now) => {
                Error::e_explain(ErrorType::HTTPStatus(401), "the session was ended")
            }
            _ => Ok(()),
        }
    }

    /// Fails once the exchange has taken longer than its route allows.
    pub(crate) fn check_deadline(&self) -> pingora::Result<()> {
        let timeout = self.permit().and_then(|permit| permit.route().timeout);
        match timeout {
            Some(timeout) if self.started.elapsed() > timeout => Error::e_explain(
                ErrorType::HTTPStatus(504),
                "the exchange took longer than its route allows",
            ),
            _ => Ok(()),
        }
    }
}

impl Told {
    /// What to tell of `verdict`.
    pub(crate) fn of(verdict: &Verdict) -> Self {
        let outcome = match &verdict.decision {
            Decision::Allow(_) => Outcome::Allow,
            Decision::Challenge(_) => Outcome::Challenge,
            Decision::Forbid(_) => Outcome::Forbid,
            Decision::OwnEndpoint => Outcome::Own,
            Decision::Preflight(_) => Outcome::Preflight,
            Decision::Refuse(_) => Outcome::Refuse,
            Decision::SignIn(_) => Outcome::SignIn,
            Decision::Unavailable(_) => Outcome::Unavailable,
        };
        let caller = verdict.decision.caller().cloned();
        Self { outcome, reason: verdict.decision.reason(), route: verdict.route.clone(), caller }
    }
}
