//! One case: what the provider does, what is expected of us, and how it is checked.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::stage::Stage;

/// One line of the table.
pub(super) struct Row {
    pub(super) id: &'static str,
    /// What the provider, or an attacker, does.
    pub(super) case: &'static str,
    pub(super) expected: &'static str,
    pub(super) kind: Kind,
    pub(super) plan: Plan,
}

type Check = Box<dyn FnOnce(Arc<Stage>) -> Pin<Box<dyn Future<Output = ()>>>>;

/// Where a case is checked.
pub(super) enum Kind {
    /// Here.
    Check(Check),
    /// By the test of this name.
    Elsewhere(&'static str),
    /// Not at all, and why.
    NotApplicable(&'static str),
}

/// What is set up before sidegate starts.
#[derive(Default)]
pub(super) struct Plan {
    /// Misbehaviours.
    pub(super) told: Value,
    /// Settings of the provider.
    pub(super) settings: Value,
    /// What the client is registered with, beside its addresses.
    pub(super) registration: Value,
    /// The issuer in the configuration, where it is not the provider's.
    pub(super) issuer: Option<&'static str>,
    /// The names of further providers.
    pub(super) others: &'static [&'static str],
    /// Lines of the provider's section of the configuration.
    pub(super) provider: String,
    /// More of the configuration, from the margin.
    pub(super) rest: String,
}

impl Row {
    /// A case that is checked by `check`.
    pub(super) fn new<F>(
        id: &'static str,
        case: &'static str,
        expected: &'static str,
        check: impl FnOnce(Arc<Stage>) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let check: Check = Box::new(|stage| Box::pin(check(stage)));
        Self { id, case, expected, kind: Kind::Check(check), plan: Plan::default() }
    }

    /// A case in which the misbehaviours `told` lead to an error page and nothing else.
    pub(super) fn refused(id: &'static str, case: &'static str, told: Value) -> Self {
        let check = |stage: Arc<Stage>| async move {
            stage.is_refused().await;
        };
        Self::new(id, case, "an error page; no session, no loop", check).told(told)
    }

    /// A case in which nobody can sign in at the moment because of the misbehaviours `told`.
    pub(super) fn unavailable(id: &'static str, case: &'static str, told: Value) -> Self {
        let check = |stage: Arc<Stage>| async move {
            stage.is_unavailable().await;
        };
        Self::new(id, case, "503 with Retry-After; the provider's addresses are not used", check)
            .told(told)
    }

    /// A case in which the misbehaviours `told` lead to an error page before any request for tokens.
    pub(super) fn unredeemed(id: &'static str, case: &'static str, told: Value) -> Self {
        let check = |stage: Arc<Stage>| async move {
            stage.is_refused().await;
            stage.no_tokens_were_asked_for().await;
        };
        Self::new(id, case, "an error page; no request for tokens, no session", check).told(told)
    }

    /// A case in which sign-in succeeds in spite of the misbehaviours `told`.
    pub(super) fn accepted(id: &'static str, case: &'static str, told: Value) -> Self {
        let check = |stage: Arc<Stage>| async move {
            stage.is_accepted().await;
        };
        Self::new(id, case, "signed in, on the page that was wanted", check).told(told)
    }

    /// A case that the test called `test` checks.
    pub(super) fn elsewhere(
        id: &'static str,
        case: &'static str,
        expected: &'static str,
        test: &'static str,
    ) -> Self {
        Self { id, case, expected, kind: Kind::Elsewhere(test), plan: Plan::default() }
    }

    /// A case that does not concern us.
    pub(super) fn not_applicable(id: &'static str, case: &'static str, why: &'static str) -> Self {
        Self { id, case, expected: "–", kind: Kind::NotApplicable(why), plan: Plan::default() }
    }

    /// Misbehaving as `told` from the start.
    pub(super) fn told(mut self, told: Value) -> Self {
        self.plan.told = told;
        self
    }

    /// With another issuer in the configuration.
    pub(super) fn issuer(mut self, issuer: &'static str) -> Self {
        self.plan.issuer = Some(issuer);
        self
    }

    /// With further providers of these names.
    pub(super) fn beside(mut self, others: &'static [&'static str]) -> Self {
        self.plan.others = others;
        self
    }

    /// With these settings of the provider.
    pub(super) fn settings(mut self, settings: Value) -> Self {
        self.plan.settings = settings;
        self
    }

    /// With this in the client's registration.
    pub(super) fn registered(mut self, registration: Value) -> Self {
        self.plan.registration = registration;
        self
    }

    /// With these lines, without indentation, in the provider's section of the configuration.
    pub(super) fn provider(mut self, lines: &str) -> Self {
        self.plan.provider = lines.lines().map(|line| format!("    {line}\n")).collect();
        self
    }

    /// With this at the end of the configuration.
    pub(super) fn configured(mut self, rest: &str) -> Self {
        rest.clone_into(&mut self.plan.rest);
        self
    }
}
