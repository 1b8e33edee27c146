//! What is known of one request while it passes through pingora's phases.

use std::sync::Arc;
use std::time::Instant;

use crate::base::time::Timestamp;
use crate::gate::{Caller, Permit, Reason, Route};
use crate::serve::callers::Memo;
use crate::serve::forwarded::Origin;
use crate::serve::request_id::RequestId;
use crate::serve::runtime::Runtime;
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
    pub(crate) now: Timestamp,
    pub(crate) id: RequestId,
    pub(crate) memo: Memo,
    pub(crate) progress: Progress,
    pub(crate) origin: Option<Origin>,
    pub(crate) verdict: Option<Told>,
    pub(crate) attempts: usize,
    pub(crate) body_bytes: u64,
}

/// What is told of the decision, in logs and metrics.
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    pub(crate) reason: Reason,
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) caller: Option<Arc<Caller>>,
}

impl Context {
    pub(crate) const fn permit(&self) -> Option<&Permit> {
        match &self.progress {
            Progress::Permitted(permit) => Some(permit),
            Progress::Answered | Progress::Fresh => None,
        }
    }
}
