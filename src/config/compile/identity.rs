//! `identity` and `assertion`: what upstreams learn about callers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;

use crate::config::compile::{require, times, words};
use crate::config::file::{
    Assertion, AssertionSpec as WrittenSpec, Disposal, HeaderSet, Identity, RouteAssertion, System,
};
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::Span;
use crate::gate::{AssertionSpec, HeaderPlan, HeaderSource, InboundCredential, PlanId, Preset};

/// The longest life of an assertion. It is made anew for each caller all the time; a long one only helps a thief.
const LONGEST_ASSERTION: Span = Span::secs(300);

type Field = (HeaderName, HeaderSource);

/// What one `identity` section says, each part only if it says it.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    /// The contract where nothing else is wished for, if not the usual one.
    usual: Option<Preset>,
    headers: Option<Vec<HeaderSet>>,
    claims: Option<Vec<Field>>,
    assertion: Option<AssertionWish>,
    authorization: Option<InboundCredential>,
    cookie: Option<InboundCredential>,
}

#[derive(Clone, Debug)]
enum AssertionWish {
    None,
    Some { audience: Option<String>, header: Option<HeaderName>, lifetime: Option<Duration> },
}

impl Wishes {
    pub(super) fn read(written: &Identity, path: &KeyPath, report: &mut Report) -> Self {
        Self {
            usual: None,
            headers: written
                .headers
                .as_ref()
                .map(|sets| header_sets(&sets.0, &path.key("headers"), report)),
            claims: written
                .claims
                .as_ref()
                .map(|claims| claim_fields(claims, &path.key("claims"), report)),
            assertion: written
                .assertion
                .as_ref()
                .map(|it| assertion(it, &path.key("assertion"), report)),
            authorization: written.authorization.map(inbound),
            cookie: written.cookie.map(inbound),
        }
    }

    /// The same where apps know the headers of systems whose place we take.
    pub(super) fn in_place_of(self, systems: &[System]) -> Self {
        let usual = systems.iter().find_map(|system| match system {
            System::Authelia => Some(Preset::Remote),
            System::Authgear => None,
            System::Oauth2Proxy => Some(Preset::XAuthRequest),
        });
        Self { usual, ..self }
    }

    /// What holds on a route: its own wishes, and for the rest those of all routes.
    pub(super) fn over(self, all: &Self) -> Self {
        Self {
            usual: all.usual,
            headers: self.headers.or_else(|| all.headers.clone()),
            claims: self.claims.or_else(|| all.claims.clone()),
            assertion: self.assertion.or_else(|| all.assertion.clone()),
            authorization: self.authorization.or(all.authorization),
            cookie: self.cookie.or(all.cookie),
        }
    }

    /// What becomes of the `Authorization` that a request came with.
    pub(super) fn authorization(&self) -> InboundCredential {
        self.authorization.unwrap_or(InboundCredential::Keep)
    }

    /// What becomes of the SSO cookie that a request came with.
    pub(super) fn cookie(&self) -> InboundCredential {
        self.cookie.unwrap_or(InboundCredential::Keep)
    }

    /// Whether it says anything that only matters where there is an identity.
    pub(super) const fn needs_identity(&self) -> bool {
        self.headers.is_some() || self.claims.is_some() || self.assertion.is_some()
    }

    /// The assertion for a route of that name, if one is wished for.
    pub(super) fn assertion(&self, route: &str, signer: &Signer) -> Option<AssertionSpec> {
        let Some(AssertionWish::Some { audience, header, lifetime }) = &self.assertion else {
            return None;
        };
        Some(AssertionSpec {
            audience: audience.clone().unwrap_or_else(|| route.to_owned()),
            header: header.clone().unwrap_or_else(|| signer.header.clone()),
            lifetime: lifetime.unwrap_or(signer.lifetime),
        })
    }

    /// The identity headers, in the order they are sent. A claim replaces a header of the same name.
    pub(super) fn fields(&self) -> Vec<Field> {
        let usual = [HeaderSet::Preset(self.usual.unwrap_or(Preset::XForwarded))];
        let claims = self.claims.as_deref().unwrap_or_default();
        let taken: BTreeSet<String> = claims.iter().map(|(name, _)| words::folded(name)).collect();
        let sets = self.headers.as_deref().unwrap_or(&usual).iter();
        let preset_fields = sets.flat_map(|set| match set {
            HeaderSet::None => Vec::new(),
            HeaderSet::Preset(preset) => preset.fields(),
        });
        preset_fields
            .filter(|(name, _)| !taken.contains(&words::folded(name)))
            .chain(claims.iter().cloned())
            .collect()
    }
}

fn header_sets(sets: &[HeaderSet], path: &KeyPath, report: &mut Report) -> Vec<HeaderSet> {
    for (index, set) in sets.iter().enumerate() {
        if *set == HeaderSet::None && sets.len() > 1 {
            report.refuse(
                &path.index(index),
                "`none` beside others is not none",
                "remove `none`, or the others",
            );
        }
        if sets[..index].contains(set) {
            report.refuse(
                &path.index(index),
                format!("`{}` is listed twice", set.name()),
                "keep one of the two",
            );
        }
    }
    sets.to_vec()
}

fn claim_fields(
    claims: &BTreeMap<String, String>,
    path: &KeyPath,
    report: &mut Report,
) -> Vec<Field> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut fields = Vec::new();
    for (name, claim) in claims {
        let path = path.key(name);
        let header = words::header(name, &path, report);
        let claim = require::claim(claim, &path, report);
        let (Some(header), Some(claim)) = (header, claim) else { continue };
        if let Some(other) = seen.insert(words::folded(&header), name) {
            let message = format!("`{name}` and `{other}` are one header to many servers");
            report.refuse(&path, message, "keep one of the two");
        }
        fields.push((header, HeaderSource::Claim(claim)));
    }
    fields
}

fn assertion(written: &RouteAssertion, path: &KeyPath, report: &mut Report) -> AssertionWish {
    let plain = WrittenSpec::default();
    let spec = match written {
        RouteAssertion::Switch(false) => return AssertionWish::None,
        RouteAssertion::Switch(true) => &plain,
        RouteAssertion::Spec(spec) => spec,
    };
    AssertionWish::Some {
        audience: spec.audience.clone(),
        header: spec
            .header
            .as_ref()
            .and_then(|name| words::header(name, &path.key("header"), report)),
        lifetime: spec.ttl.and_then(|ttl| lifetime(ttl, &path.key("ttl"), report)),
    }
}

fn lifetime(ttl: Span, path: &KeyPath, report: &mut Report) -> Option<Duration> {
    times::span(ttl, Span::secs(1), LONGEST_ASSERTION, path, report)
}

const fn inbound(disposal: Disposal) -> InboundCredential {
    match disposal {
        Disposal::Keep => InboundCredential::Keep,
        Disposal::Remove => InboundCredential::Remove,
    }
}

/// How assertions are made unless a route says otherwise.
#[derive(Debug)]
pub(super) struct Signer {
    header: HeaderName,
    lifetime: Duration,
}

impl Signer {
    pub(super) fn read(written: &Assertion, path: &KeyPath, report: &mut Report) -> Self {
        let header = words::header(&written.header, &path.key("header"), report);
        let lifetime = lifetime(written.ttl, &path.key("ttl"), report);
        Self {
            header: header.unwrap_or(HeaderName::from_static("x-sidegate-assertion")),
            lifetime: lifetime.unwrap_or(LONGEST_ASSERTION.0),
        }
    }
}

/// The distinct header plans of a policy.
#[derive(Debug, Default)]
pub(super) struct Plans(Vec<Arc<HeaderPlan>>);

impl Plans {
    /// The plan with exactly these fields; a new one if there is none yet. `None` when there are too many.
    pub(super) fn with(&mut self, fields: Vec<Field>) -> Option<Arc<HeaderPlan>> {
        if let Some(plan) = self.0.iter().find(|plan| plan.fields == fields) {
            return Some(Arc::clone(plan));
        }
        let id = PlanId(self.len()?);
        let plan = Arc::new(HeaderPlan { id, fields });
        self.0.push(Arc::clone(&plan));
        Some(plan)
    }

    /// How many there are; `None` beyond what an id can count.
    pub(super) fn len(&self) -> Option<u16> {
        u16::try_from(self.0.len()).ok()
    }

    /// Every header name of every plan.
    pub(super) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().flat_map(|plan| plan.fields.iter().map(|(name, _)| name))
    }
}
