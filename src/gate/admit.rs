//! What becomes of a request once it is known who calls, or that nobody can be known.

use std::sync::Arc;

use crate::base::time::Timestamp;
use crate::gate::authorize::Rule;
use crate::gate::caller::Caller;
use crate::gate::credential::CredentialKind;
use crate::gate::decision::{
    BearerError, Challenge, Decision, DpopChallenge, DpopError, Forbidden, Permit, SignIn,
};
use crate::gate::examine::Inquiry;
use crate::gate::navigation::is_navigation;
use crate::gate::policy::{Access, Dpop};
use crate::gate::reason::Reason;
use crate::gate::upgrade::origin_may_upgrade;

/// Who asks for what a caller has not.
#[derive(Clone, Copy)]
enum Demander {
    /// A front proxy, by its terms.
    FrontProxy,
    /// The route.
    Route,
}

/// A rule that does not hold.
struct Unmet<'r> {
    by: Demander,
    rule: &'r Rule,
    reason: Reason,
}

impl Inquiry<'_> {
    /// A known caller: may they pass?
    pub(super) fn admit(
        &self,
        caller: Arc<Caller>,
        kind: CredentialKind,
        now: Timestamp,
    ) -> Decision {
        let rules = [
            (Demander::Route, Some(&self.route.rule)),
            (Demander::FrontProxy, self.request.demands()),
        ];
        for (by, rule) in rules.into_iter().filter_map(|(by, rule)| Some((by, rule?))) {
            if let Err(reason) = rule.admits(caller.identity(), now) {
                return self.not_enough(&Unmet { by, rule, reason }, caller, kind);
            }
        }
        if kind.is_ambient()
            && self.request.wants_upgrade()
            && !origin_may_upgrade(self.route, &self.request)
        {
            return self.forbid(Reason::CrossOriginUpgrade, caller);
        }
        let kept_alive =
            caller.session().and_then(|session| self.keep_alive_location(session, now));
        if let Some(location) = kept_alive {
            return Decision::SignIn(SignIn { reason: Reason::SessionKeptAlive, location });
        }
        match caller.headers(&self.route.headers, &self.policy.identity_headers).cloned() {
            Ok(fields) => {
                Decision::Allow(Permit::identified(Arc::clone(self.route), caller, kind, fields))
            }
            Err(_) => self.forbid(Reason::IdentityTooLarge, caller),
        }
    }

    /// A known caller who may not pass. Who could by signing in better is led there; a program is told so
    /// ([RFC 9470 §3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    fn not_enough(&self, unmet: &Unmet<'_>, caller: Arc<Caller>, kind: CredentialKind) -> Decision {
        let Unmet { by, rule, reason } = *unmet;
        if kind == CredentialKind::Cookie || !Rule::is_about_authentication(reason) {
            return self.forbid(reason, caller);
        }
        let session = match kind {
            CredentialKind::Resolved => !self.offer.explicit,
            kind => kind == CredentialKind::Session,
        };
        if session && is_navigation(&self.request) {
            let location = match by {
                Demander::Route => self.step_up_location(),
                Demander::FrontProxy => self.anew_location(reason, &caller),
            };
            return match location {
                Some(location) => Decision::SignIn(SignIn { reason, location }),
                None => self.forbid(reason, caller),
            };
        }
        let error = BearerError::InsufficientUserAuthentication {
            acr_values: rule.acr_any.clone(),
            max_age: rule.max_auth_age.map(|age| age.as_secs()),
        };
        let login_url = match by {
            _ if !session => None,
            Demander::Route => self.login_url(),
            Demander::FrontProxy => self.other_login_url(),
        };
        Decision::Challenge(Challenge { reason, error: Some(error), dpop: None, login_url })
    }

    /// A sign-in asks for what the route asks for and knows nothing of terms. What is too old, a new sign-in makes new; one that
    /// is too weak, or of unknown age, would only lead in circles.
    fn anew_location(&self, reason: Reason, caller: &Caller) -> Option<String> {
        let dated = caller.identity().proved_at().is_some();
        if dated && reason == Reason::AuthenticationTooOld { self.renewed_location() } else { None }
    }

    fn forbid(&self, reason: Reason, caller: Arc<Caller>) -> Decision {
        let login_url = if is_navigation(&self.request) { self.other_login_url() } else { None };
        Decision::Forbid(Forbidden { reason, caller: Some(caller), login_url })
    }

    /// Nobody could be identified; `failure` says why, if something was offered.
    pub(super) fn turn_away(&self, failure: Option<Reason>, now: Timestamp) -> Decision {
        let reason = failure.unwrap_or(Reason::MissingCredential);
        let person = !self.offer.explicit && is_navigation(&self.request);
        if let Some(location) = self.silent_location().filter(|_| person) {
            return Decision::SignIn(SignIn { reason, location });
        }
        let guest =
            self.route.access == Access::Optional && (failure.is_none() || !self.offer.explicit);
        let guest = guest && self.request.demands().is_none();
        if guest {
            return Decision::Allow(Permit::anonymous(Arc::clone(self.route)));
        }
        if person && self.is_silent_only() {
            return Decision::Forbid(Reason::NotSignedIn.into());
        }
        match self.sign_in_location() {
            Some(location) if person => Decision::SignIn(SignIn { reason, location }),
            _ => self.challenge(failure, reason, now),
        }
    }

    fn challenge(&self, failure: Option<Reason>, reason: Reason, now: Timestamp) -> Decision {
        let login_url = if self.offer.explicit { None } else { self.login_url() };
        let wrong = |why: &Reason| self.offer.explicit || !why.is_about_session();
        let error = failure.filter(wrong).map(|_| BearerError::InvalidToken);
        Decision::Challenge(Challenge { reason, error, dpop: self.dpop(failure, now), login_url })
    }

    /// The `DPoP` challenge, where the route takes proofs
    /// ([RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
    fn dpop(&self, failure: Option<Reason>, now: Timestamp) -> Option<DpopChallenge> {
        let takes = |id| self.policy.provider(id).is_some_and(|one| one.dpop != Dpop::Off);
        if !self.route.providers.iter().copied().any(takes) {
            return None;
        }
        let proven = self.offer.credentials.iter().any(|one| one.kind() == CredentialKind::Dpop);
        let error = match failure {
            Some(Reason::ProofInvalid | Reason::ProofReplayed) => Some(DpopError::InvalidProof),
            Some(Reason::ProofNonce) => Some(DpopError::UseNonce),
            Some(Reason::ProofMissing) => Some(DpopError::InvalidToken),
            Some(_) if proven => Some(DpopError::InvalidToken),
            _ => None,
        };
        let nonce = self.policy.nonces.as_ref().filter(|_| failure == Some(Reason::ProofNonce));
        Some(DpopChallenge { error, nonce: nonce.map(|key| key.nonce(now)) })
    }
}
