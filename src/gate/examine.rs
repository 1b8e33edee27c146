//! The way of a request through the gate: route, credential, identity, rule, in that order.

use std::sync::Arc;

use http::Method;
use http::header::{self, HeaderValue};

use crate::base::time::Timestamp;
use crate::gate::authenticate::{Case, Failure, authenticate};
use crate::gate::credential::Credential;
use crate::gate::decision::{
    BearerError, Challenge, Decision, DpopChallenge, DpopError, Permit, PreflightAnswer, Step,
};
use crate::gate::facts::Facts;
use crate::gate::offer::{Offer, extract};
use crate::gate::policy::{Access, Policy, Preflight, Route};
use crate::gate::readings::every_reading;
use crate::gate::reason::Reason;
use crate::gate::request::RequestView;
use crate::gate::route::Match;
use crate::gate::target::Target;
use crate::gate::upgrade::may_upgrade;

/// A request whose route is found and whose credentials are read: what is left is to judge them.
#[derive(Debug)]
pub struct Inquiry<'a> {
    pub(super) policy: &'a Policy,
    pub(super) request: RequestView<'a>,
    pub(super) route: &'a Arc<Route>,
    pub(super) offer: Offer<'a>,
}

impl<'a> Inquiry<'a> {
    /// The credentials to judge, in order.
    pub fn credentials(&self) -> &[Credential<'a>] {
        &self.offer.credentials
    }

    /// The route that was found.
    pub const fn route(&self) -> &Arc<Route> {
        self.route
    }
}

/// Where a request leads before anyone's identity is looked at.
#[derive(Debug)]
pub enum Examined<'a> {
    /// The decision needs no identity.
    Decided {
        /// The decision.
        decision: Decision,
        /// The route, if one was found.
        route: Option<&'a Arc<Route>>,
    },
    /// It does.
    Open(Inquiry<'a>),
}

/// Finds the route of `request` and reads what it offers.
pub fn examine<'a>(policy: &'a Policy, request: RequestView<'a>) -> Examined<'a> {
    let route = match choose(policy, &request) {
        Ok(Found::Own) => return decided(Decision::OwnEndpoint, None),
        Ok(Found::Route(route)) => route,
        Err(reason) => return decided(Decision::Refuse(reason), None),
    };
    if let Some(decision) = without_identity(route, &request) {
        return decided(decision, Some(route));
    }
    match extract(policy, route, &request) {
        Ok(offer) => Examined::Open(Inquiry { policy, request, route, offer }),
        Err(reason) => decided(unusable(reason), Some(route)),
    }
}

/// Judges `inquiry` by `facts` at `now`: a decision, or the question that is still open.
pub fn judge(inquiry: &Inquiry<'_>, facts: &Facts<'_>, now: Timestamp) -> Step {
    let case = Case { policy: inquiry.policy, request: &inquiry.request, facts, now };
    let mut first_failure = inquiry.offer.unreadable;
    for (index, credential) in inquiry.credentials().iter().enumerate() {
        match authenticate(&case, credential, index) {
            Ok(caller) => {
                let decision = inquiry.admit(caller, credential.kind(), now);
                return Step::Decided { decision, by: Some(index) };
            }
            Err(Failure::Missing(question)) => return Step::Missing(question),
            Err(Failure::Unavailable(reason)) => {
                return Step::Decided { decision: Decision::Unavailable(reason), by: None };
            }
            Err(Failure::Rejected(reason)) => {
                first_failure.get_or_insert(reason);
            }
        }
    }
    Step::Decided { decision: inquiry.turn_away(first_failure, now), by: None }
}

const fn decided<'a>(decision: Decision, route: Option<&'a Arc<Route>>) -> Examined<'a> {
    Examined::Decided { decision, route }
}

/// The route that a front proxy has chosen, or else that of host and path.
fn choose<'a>(policy: &'a Policy, request: &RequestView<'_>) -> Result<Found<'a>, Reason> {
    // Of a request that a front proxy tells of, the same path is the app's: only behind the prefix do proxies lead here.
    if !request.relayed && policy.compatible.serves(request.target.path().as_bytes()) {
        return Ok(Found::Own);
    }
    match request.terms.and_then(|terms| terms.route.as_deref()) {
        Some(name) => policy.route_named(name).map(Found::Route).ok_or(Reason::NoRoute),
        None => find(policy, request.method, request.authority.host(), request.target),
    }
}

/// Whose a target is.
pub(super) enum Found<'a> {
    Own,
    Route(&'a Arc<Route>),
}

/// The one route under which every reading of the target falls.
pub(super) fn find<'a>(
    policy: &'a Policy,
    method: &Method,
    host: &str,
    target: Target<'_>,
) -> Result<Found<'a>, Reason> {
    let path = target.path();
    let first = lookup(policy, method, host, path.as_bytes());
    let agrees = |reading: &[u8]| lookup(policy, method, host, reading) == first;
    if !target.has_one_reading() && !every_reading(path, agrees) {
        return Err(Reason::AmbiguousTarget);
    }
    match first {
        Place::Own => Ok(Found::Own),
        Place::Table(Match::NoHost) => Err(Reason::UnknownHost),
        Place::Table(Match::NoPath) => Err(Reason::NoRoute),
        Place::Table(Match::Route(id)) => policy.route(id).map(Found::Route).ok_or(Reason::NoRoute),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Own,
    Table(Match),
}

fn lookup(policy: &Policy, method: &Method, host: &str, path: &[u8]) -> Place {
    if policy.own_path(path).is_some() {
        return Place::Own;
    }
    Place::Table(policy.table.find(host, path, method))
}

/// Decisions that hold whoever is calling.
fn without_identity(route: &Arc<Route>, request: &RequestView<'_>) -> Option<Decision> {
    if request.wants_upgrade() && !may_upgrade(route, request) {
        return Some(Decision::Forbid(Reason::UpgradeNotAllowed.into()));
    }
    if route.access == Access::Public && request.demands().is_none() {
        return Some(Decision::Allow(Permit::anonymous(Arc::clone(route))));
    }
    if request.is_preflight() { preflight(route, request) } else { None }
}

fn preflight(route: &Arc<Route>, request: &RequestView<'_>) -> Option<Decision> {
    match &route.preflight {
        Preflight::Refuse => None,
        Preflight::Forward => Some(Decision::Allow(Permit::anonymous(Arc::clone(route)))),
        Preflight::Answer { origins, methods, headers, max_age, credentials } => {
            let origin = request
                .text(header::ORIGIN)
                .filter(|origin| origins.contains(&origin.to_ascii_lowercase()));
            let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(origin).ok()) else {
                return Some(Decision::Forbid(Reason::PreflightRefused.into()));
            };
            let (methods, headers) = (methods.clone(), headers.clone());
            let max_age = max_age.as_secs();
            Some(Decision::Preflight(PreflightAnswer {
                origin,
                methods,
                headers,
                max_age,
                credentials: *credentials,
            }))
        }
    }
}

/// A credential that cannot even be read: several are a malformed request, one is a bad credential.
const fn unusable(reason: Reason) -> Decision {
    match reason {
        Reason::SeveralCredentials | Reason::SeveralCookies => Decision::Refuse(reason),
        _ => Decision::Challenge(Challenge {
            reason,
            error: Some(BearerError::InvalidToken),
            dpop: if matches!(reason, Reason::ProofInvalid) {
                Some(DpopChallenge { error: Some(DpopError::InvalidProof), nonce: None })
            } else {
                None
            },
            login_url: None,
        }),
    }
}
