//! Whether a known caller may use a route.

use std::time::Duration;

use serde_json::Value;

use crate::base::time::Timestamp;
use crate::gate::reason::Reason;
use crate::identity::{ClaimPath, Identity};

/// How far a provider's clock may be ahead of ours before its `auth_time` is no date of an authentication.
const MAX_SKEW: Duration = Duration::from_secs(60);

/// What a route asks of its callers. Every part that is not empty must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// One of these groups.
    pub groups_any: Vec<String>,
    /// All of these groups.
    pub groups_all: Vec<String>,
    /// One of these roles.
    pub roles_any: Vec<String>,
    /// All of these roles.
    pub roles_all: Vec<String>,
    /// One of these scopes.
    pub scopes_any: Vec<String>,
    /// All of these scopes.
    pub scopes_all: Vec<String>,
    /// For each claim one of these values, equal in type and value; an array claim must contain one.
    pub claims: Vec<(ClaimPath, Vec<Value>)>,
    /// A mail address at one of these domains, in lower case.
    pub email_domains: Vec<String>,
    /// One of these mail addresses, in lower case.
    pub emails: Vec<String>,
    /// One of these subjects.
    pub subjects: Vec<String>,
    /// An authentication not longer ago than this.
    pub max_auth_age: Option<Duration>,
    /// One of these authentication methods.
    pub amr_any: Vec<String>,
    /// All of these authentication methods.
    pub amr_all: Vec<String>,
    /// One of these authentication context classes.
    pub acr_any: Vec<String>,
}

impl Rule {
    /// Whether `identity` may pass at `now`; if not, the first part that does not hold.
    pub(super) fn admits(&self, identity: &Identity, now: Timestamp) -> Result<(), Reason> {
        // Claims are looked up only for a rule that is about them: every request pays for this.
        if !self.subjects.is_empty() {
            hold(&self.subjects, &[identity.subject()], Quantity::Any)
                .or(Err(Reason::SubjectNotAllowed))?;
        }
        self.email(identity)?;
        hold(&self.groups_any, identity.groups(), Quantity::Any).or(Err(Reason::MissingGroup))?;
        hold(&self.groups_all, identity.groups(), Quantity::All).or(Err(Reason::MissingGroup))?;
        hold(&self.roles_any, identity.roles(), Quantity::Any).or(Err(Reason::MissingRole))?;
        hold(&self.roles_all, identity.roles(), Quantity::All).or(Err(Reason::MissingRole))?;
        hold(&self.scopes_any, identity.scopes(), Quantity::Any).or(Err(Reason::MissingScope))?;
        hold(&self.scopes_all, identity.scopes(), Quantity::All).or(Err(Reason::MissingScope))?;
        self.claims(identity)?;
        self.strength(identity, now)
    }

    /// Whether signing in again could make the caller pass: the rule's part on authentication alone.
    pub(super) const fn is_about_authentication(reason: Reason) -> bool {
        matches!(reason, Reason::AuthenticationTooOld | Reason::AuthenticationTooWeak)
    }

    fn email(&self, identity: &Identity) -> Result<(), Reason> {
        if self.emails.is_empty() && self.email_domains.is_empty() {
            return Ok(());
        }
        let email = identity.trusted_email().unwrap_or_default();
        // ASCII alone: Unicode folds the Kelvin sign into a `k`, and so one domain into another.
        let is_listed = |list: &[String], text: &str| {
            list.iter().any(|listed| listed.eq_ignore_ascii_case(text))
        };
        let listed = is_listed(&self.emails, email);
        let at_domain = domain(email).is_some_and(|name| is_listed(&self.email_domains, name));
        if listed || at_domain { Ok(()) } else { Err(Reason::MissingEmail) }
    }

    fn claims(&self, identity: &Identity) -> Result<(), Reason> {
        let holds = |(path, values): &(ClaimPath, Vec<Value>)| match path.find(identity.claims()) {
            Some(Value::Array(items)) => items.iter().any(|item| values.contains(item)),
            Some(value) => values.contains(value),
            None => false,
        };
        if self.claims.iter().all(holds) { Ok(()) } else { Err(Reason::MissingClaim) }
    }

    fn strength(&self, identity: &Identity, now: Timestamp) -> Result<(), Reason> {
        if !(self.amr_any.is_empty() && self.amr_all.is_empty()) {
            let methods = identity.methods();
            hold(&self.amr_any, &methods, Quantity::Any).or(Err(Reason::AuthenticationTooWeak))?;
            hold(&self.amr_all, &methods, Quantity::All).or(Err(Reason::AuthenticationTooWeak))?;
        }
        if !self.acr_any.is_empty() {
            hold(&self.acr_any, identity.context_class().as_slice(), Quantity::Any)
                .or(Err(Reason::AuthenticationTooWeak))?;
        }
        self.age(identity, now)
    }

    /// An authentication in the future, in milliseconds perhaps, would never grow old: it counts as none.
    fn age(&self, identity: &Identity, now: Timestamp) -> Result<(), Reason> {
        let Some(max_age) = self.max_auth_age else {
            return Ok(());
        };
        let fresh = |at: Timestamp| at <= now + MAX_SKEW && at.until(now) <= max_age;
        let fresh = identity.proved_at().is_some_and(fresh);
        if fresh { Ok(()) } else { Err(Reason::AuthenticationTooOld) }
    }
}

#[derive(Clone, Copy)]
enum Quantity {
    All,
    Any,
}

struct DoesNotHold;

#[inline]
fn hold<T: AsRef<str>>(
    wanted: &[String],
    had: &[T],
    quantity: Quantity,
) -> Result<(), DoesNotHold> {
    let has = |want: &String| had.iter().any(|item| item.as_ref() == want);
    let holds = match quantity {
        _ if wanted.is_empty() => true,
        Quantity::All => wanted.iter().all(has),
        Quantity::Any => wanted.iter().any(has),
    };
    if holds { Ok(()) } else { Err(DoesNotHold) }
}

/// The domain of an address with exactly one `@`: `a@evil.example@company.example` has none (CVE-2026-40574).
fn domain(email: &str) -> Option<&str> {
    let (local, domain) = email.split_once('@')?;
    (!local.is_empty() && !domain.contains('@')).then_some(domain)
}
