//! Tokens that only their provider can read ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use crate::base::secret::Secret;
use crate::gate::authenticate::{Case, Failure, Grounds, ask, caller, reason};
use crate::gate::caller::{Basis, Caller};
use crate::gate::credential::Credential;
use crate::gate::facts::ProviderId;
use crate::gate::policy::{Introspection, Provider};
use crate::gate::question::{Answer, IntrospectionAnswer, IntrospectionQuestion, Question};
use crate::gate::reason::Reason;

/// A token that is no JWT: each provider of the route that is asked about such ones is, in turn, until one knows it.
/// `failure` is the answer where there is none.
pub(super) fn opaque(
    case: &Case<'_>,
    credential: &Credential<'_>,
    failure: Reason,
) -> Result<Caller, Failure> {
    if credential.token().len() > case.policy.max_token_bytes {
        return Err(failure.into());
    }
    let mut failure = Failure::Rejected(failure);
    for id in credential.providers() {
        let provider = case.policy.provider(*id);
        let asked = provider.filter(|one| one.introspection != Introspection::Never);
        let Some(provider) = asked else { continue };
        match ask_provider(case, credential, (*id, provider)) {
            Err(Failure::Rejected(reason)) => failure = Failure::Rejected(reason),
            settled => return settled,
        }
    }
    Err(failure)
}

/// Whom one provider says that the token names.
pub(super) fn ask_provider(
    case: &Case<'_>,
    credential: &Credential<'_>,
    (id, provider): (ProviderId, &Provider),
) -> Result<Caller, Failure> {
    let token = Secret::new(credential.token().to_owned());
    let question = Question::Introspection(IntrospectionQuestion { provider: id, token });
    let (claims, until) = match case.facts.answer(&question) {
        Some(Answer::Introspection(IntrospectionAnswer::Active { claims, until })) => {
            (claims, *until)
        }
        Some(Answer::Introspection(IntrospectionAnswer::Inactive)) => {
            return Err(Reason::TokenInactive.into());
        }
        Some(Answer::Introspection(IntrospectionAnswer::Unavailable)) => {
            return Err(Failure::Unavailable(Reason::IntrospectionUnavailable));
        }
        Some(_) => return Err(Failure::Unavailable(Reason::Unanswered)),
        None => {
            let unanswered = Failure::Unavailable(Reason::Unanswered);
            return Err(ask(case.facts, question).unwrap_or(unanswered));
        }
    };
    let expires = provider.rules.check_introspected(claims, case.now);
    let expires = expires.map_err(|error| Failure::Rejected(reason(&error)))?;
    let ends = expires.map_or(until, |expires| expires.min(until));
    let grounds = Grounds { basis: Basis::Introspection, claims: claims.as_ref().clone(), ends };
    caller(case, credential, (id, provider), grounds)
}
