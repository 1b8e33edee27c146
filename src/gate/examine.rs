//! The way of a request through the gate: route, credential, identity, rule, in that order.

use std::sync::Arc;

use http::header::{self, HeaderValue};

use crate::base::time::Timestamp;
use crate::gate::authenticate::{Failure, authenticate};
use crate::gate::authorize::Rule;
use crate::gate::caller::Caller;
use crate::gate::credential::{Credential, CredentialKind, Offer, extract};
use crate::gate::decision::{
    BearerError, Challenge, Decision, Forbidden, Permit, PreflightAnswer, Reason, SignIn, Step,
};
use crate::gate::facts::Facts;
use crate::gate::navigation::is_navigation;
use crate::gate::policy::{Access, Policy, Preflight, Route, Upgrades};
use crate::gate::readings::every_reading;
use crate::gate::request::RequestView;
use crate::gate::route::Match;

/// A request whose route is found and whose credentials are read: what is left is to judge them.
#[derive(Debug)]
pub struct Inquiry<'a> {
    policy: &'a Policy,
    request: RequestView<'a>,
    route: &'a Arc<Route>,
    offer: Offer<'a>,
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
    let route = match find(policy, &request) {
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
    let mut first_failure = inquiry.offer.unreadable;
    for (index, credential) in inquiry.credentials().iter().enumerate() {
        match authenticate(inquiry.policy, credential, index, facts, now) {
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
    Step::Decided { decision: inquiry.turn_away(first_failure), by: None }
}

const fn decided<'a>(decision: Decision, route: Option<&'a Arc<Route>>) -> Examined<'a> {
    Examined::Decided { decision, route }
}

enum Found<'a> {
    Own,
    Route(&'a Arc<Route>),
}

/// The one route under which every reading of the target falls.
fn find<'a>(policy: &'a Policy, request: &RequestView<'_>) -> Result<Found<'a>, Reason> {
    let path = request.target.path();
    let first = lookup(policy, request, path.as_bytes());
    let agrees = |reading: &[u8]| lookup(policy, request, reading) == first;
    if !request.target.has_one_reading() && !every_reading(path, agrees) {
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

fn lookup(policy: &Policy, request: &RequestView<'_>, path: &[u8]) -> Place {
    if policy.own_path(path).is_some() {
        return Place::Own;
    }
    Place::Table(policy.table.find(request.authority.host(), path, request.method))
}

/// Decisions that hold whoever is calling.
fn without_identity(route: &Arc<Route>, request: &RequestView<'_>) -> Option<Decision> {
    if request.wants_upgrade() && !may_upgrade(route, request) {
        return Some(Decision::Forbid(Reason::UpgradeNotAllowed.into()));
    }
    if route.access == Access::Public {
        return Some(Decision::Allow(Permit::anonymous(Arc::clone(route))));
    }
    if request.is_preflight() { preflight(route, request) } else { None }
}

/// Only by a handshake that says WebSocket and nothing else.
fn may_upgrade(route: &Route, request: &RequestView<'_>) -> bool {
    matches!(route.upgrades, Upgrades::WebSocket { .. }) && request.is_websocket_handshake()
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
            login_url: None,
        }),
    }
}

impl Inquiry<'_> {
    fn admit(&self, caller: Arc<Caller>, kind: CredentialKind, now: Timestamp) -> Decision {
        if let Err(reason) = self.route.rule.admits(caller.identity(), now) {
            return self.not_enough(reason, caller, kind);
        }
        if kind == CredentialKind::Cookie
            && self.request.wants_upgrade()
            && !self.origin_may_upgrade()
        {
            return self.forbid(Reason::CrossOriginUpgrade, caller);
        }
        match caller.headers(&self.route.headers).map(Arc::clone) {
            Ok(fields) => {
                Decision::Allow(Permit::identified(Arc::clone(self.route), caller, kind, fields))
            }
            Err(_) => self.forbid(Reason::IdentityTooLarge, caller),
        }
    }

    /// A known caller who may not pass. A program that could sign in better is told so
    /// ([RFC 9470 §3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    fn not_enough(&self, reason: Reason, caller: Arc<Caller>, kind: CredentialKind) -> Decision {
        if kind == CredentialKind::Cookie || !Rule::is_about_authentication(reason) {
            return self.forbid(reason, caller);
        }
        let error = BearerError::InsufficientUserAuthentication {
            acr_values: self.route.rule.acr_any.clone(),
            max_age: self.route.rule.max_auth_age.map(|age| age.as_secs()),
        };
        Decision::Challenge(Challenge { reason, error: Some(error), login_url: None })
    }

    fn forbid(&self, reason: Reason, caller: Arc<Caller>) -> Decision {
        let login_url = if is_navigation(&self.request) { self.login_url() } else { None };
        Decision::Forbid(Forbidden { reason, caller: Some(caller), login_url })
    }

    /// Nobody could be identified; `failure` says why, if something was offered.
    fn turn_away(&self, failure: Option<Reason>) -> Decision {
        let guest =
            self.route.access == Access::Optional && (failure.is_none() || !self.offer.explicit);
        if guest {
            return Decision::Allow(Permit::anonymous(Arc::clone(self.route)));
        }
        let reason = failure.unwrap_or(Reason::MissingCredential);
        let error = failure.map(|_| BearerError::InvalidToken);
        if self.offer.explicit {
            return Decision::Challenge(Challenge { reason, error, login_url: None });
        }
        match self.login_url() {
            Some(location) if is_navigation(&self.request) => {
                Decision::SignIn(SignIn { reason, location })
            }
            login_url => Decision::Challenge(Challenge { reason, error, login_url }),
        }
    }

    /// Where a person signs in to come back to this request; only a page can be come back to.
    fn login_url(&self) -> Option<String> {
        let of_provider = || {
            self.route.providers.iter().find_map(|id| self.policy.provider(*id)?.login_url.as_ref())
        };
        let url = self.route.login_url.as_ref().or_else(of_provider)?;
        let request = &self.request;
        let scheme = request.scheme.as_str();
        let authority = request.authority.written();
        let target = if is_navigation(request) { request.target.written() } else { "/" };
        Some(url.with_return_to(&format!("{scheme}://{authority}{target}")))
    }

    /// Browsers attach cookies to WebSocket handshakes of any page, and tell whose page it is: `Origin`.
    fn origin_may_upgrade(&self) -> bool {
        let Upgrades::WebSocket { origins } = &self.route.upgrades else {
            return false;
        };
        let Some(origin) = self.request.text(header::ORIGIN) else {
            // Programs that are no browsers send none, and no browser can be made to leave it out.
            return !self.request.headers.contains_key(header::ORIGIN);
        };
        let origin = origin.to_ascii_lowercase();
        let own = format!(
            "{}://{}",
            self.request.scheme.as_str(),
            self.request.authority.written().to_ascii_lowercase()
        );
        origins.contains(&origin) || (origins.is_empty() && origin == own)
    }
}
