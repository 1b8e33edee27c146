//! Tells step by step how a decision comes about, by the very functions that make it.
//!
//! For `sidegate explain`: what it says about tokens is for whoever holds them, never for a client.

use std::fmt::{self, Display};

use crate::base::time::Timestamp;
use crate::gate::authenticate::{Case, Failure, authenticate};
use crate::gate::credential::{Credential, CredentialKind};
use crate::gate::decision::Decision;
use crate::gate::examine::{Examined, Inquiry, examine, judge};
use crate::gate::facts::Facts;
use crate::gate::policy::Policy;
use crate::gate::question::Question;
use crate::gate::readings::every_reading;
use crate::gate::request::RequestView;
use crate::gate::{Match, Step};
use crate::token::Jwt;

/// One step: what was looked at, and what came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What was looked at.
    pub subject: &'static str,
    /// What came out.
    pub finding: String,
}

impl Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<11} {}", self.subject, self.finding)
    }
}

/// The steps of the decision on `request`, and the decision; none where a fact is missing that `facts` do not have.
pub fn narrate(
    policy: &Policy,
    request: RequestView<'_>,
    facts: &Facts<'_>,
    now: Timestamp,
) -> (Vec<Told>, Option<Decision>) {
    let mut steps = vec![told("request", asked(&request))];
    steps.extend(paths(policy, &request));
    let decision = match examine(policy, request) {
        Examined::Decided { decision, route } => {
            let name = route.map_or("none", |route| &*route.name);
            steps.push(told("route", name));
            Some(decision)
        }
        Examined::Open(inquiry) => {
            steps.extend(inquired(policy, &inquiry, facts, now));
            match judge(&inquiry, facts, now) {
                Step::Decided { decision, .. } => Some(decision),
                Step::Missing(_) => None,
            }
        }
    };
    steps.push(told(
        "decision",
        decision.as_ref().map_or_else(|| "open: a fact is missing".to_owned(), summary),
    ));
    (steps, decision)
}

fn told(subject: &'static str, finding: impl Into<String>) -> Told {
    Told { subject, finding: finding.into() }
}

fn asked(request: &RequestView<'_>) -> String {
    let (scheme, host) = (request.scheme.as_str(), request.authority.written());
    format!("{} {scheme}://{host}{}", request.method, request.target.written())
}

/// The other readings of the path, each with the route it would fall under.
fn paths(policy: &Policy, request: &RequestView<'_>) -> Vec<Told> {
    if request.target.has_one_reading() {
        return vec![told("readings", "one: every upstream reads this path alike")];
    }
    let path = request.target.path();
    let mut all = vec![path.as_bytes().to_vec()];
    let judgeable = every_reading(path, |reading| {
        all.push(reading.to_vec());
        true
    });
    if !judgeable {
        return vec![told("readings", "too many to judge")];
    }
    let place =
        |reading: &[u8]| match policy.table.find(request.authority.host(), reading, request.method)
        {
            _ if policy.own_path(reading).is_some() => "own endpoints".to_owned(),
            Match::Route(id) => {
                policy.route(id).map_or("no route", |route| &*route.name).to_owned()
            }
            Match::NoHost | Match::NoPath => "no route".to_owned(),
        };
    let tell = |reading: &Vec<u8>| {
        told("reading", format!("{} -> {}", reading.escape_ascii(), place(reading)))
    };
    all.iter().map(tell).collect()
}

fn inquired(
    policy: &Policy,
    inquiry: &Inquiry<'_>,
    facts: &Facts<'_>,
    now: Timestamp,
) -> Vec<Told> {
    let route = inquiry.route();
    let mut steps =
        vec![told("route", format!("{} (access {:?})", route.name, route.access).to_lowercase())];
    if inquiry.credentials().is_empty() {
        steps.push(told("credential", "none"));
    }
    for (index, credential) in inquiry.credentials().iter().enumerate() {
        steps.extend(credential_steps(policy, credential));
        steps.push(told("identity", verified(policy, inquiry, (index, credential), facts, now)));
    }
    steps
}

/// What a credential says about itself, before anything of it is believed.
fn credential_steps(policy: &Policy, credential: &Credential<'_>) -> Vec<Told> {
    let kind = credential.kind().label();
    let mut steps = vec![told("credential", format!("{kind}, {} bytes", credential.token().len()))];
    if matches!(credential.kind(), CredentialKind::Resolved | CredentialKind::Session) {
        return steps;
    }
    match Jwt::parse(credential.token(), policy.max_token_bytes) {
        Err(error) => steps.push(told("token", error.to_string())),
        Ok(jwt) => {
            let header = jwt.header();
            let kid = header.kid.as_deref().unwrap_or("none");
            let typ = header.typ.as_deref().unwrap_or("none");
            steps.push(told("token", format!("alg {}, kid {kid}, typ {typ}", header.algorithm)));
            let named = jwt.issuer().unwrap_or("none");
            let known = credential.providers().iter().filter_map(|id| policy.provider(*id));
            let provider = known.into_iter().find(|provider| &*provider.issuer == named);
            let found = match provider {
                Some(provider) => format!("provider {}", provider.name),
                None => "no provider of this route".to_owned(),
            };
            steps.push(told("issuer", format!("{named} -> {found}")));
        }
    }
    steps
}

fn verified(
    policy: &Policy,
    inquiry: &Inquiry<'_>,
    (index, credential): (usize, &Credential<'_>),
    facts: &Facts<'_>,
    now: Timestamp,
) -> String {
    let case = Case { policy, request: &inquiry.request, facts, now };
    match authenticate(&case, credential, index) {
        Ok(caller) => {
            let identity = caller.identity();
            let ends = now.until(identity.expires()).as_secs();
            let rule = match inquiry.route().rule.admits(identity, now) {
                Ok(()) => "the route's rule holds".to_owned(),
                Err(reason) => format!("the route's rule does not hold: {}", reason.label()),
            };
            format!("{} of {}, for {ends} s more; {rule}", identity.user(), identity.issuer())
        }
        Err(Failure::Missing(Question::Keys(question))) => format!(
            "open: keys of provider {} are asked for ({:?})",
            question.provider.0, question.why
        ),
        Err(Failure::Missing(question)) => format!("open: asks for {}", question.label()),
        Err(Failure::Rejected(reason) | Failure::Unavailable(reason)) => {
            format!("none: {}", reason.label())
        }
    }
}

fn summary(decision: &Decision) -> String {
    format!("{} ({})", decision.outcome(), decision.reason().label())
}
