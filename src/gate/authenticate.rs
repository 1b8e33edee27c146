//! From a credential to a caller: who issued it, does it hold, who is it.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::base::time::Timestamp;
use crate::gate::caller::{Basis, Caller, Verified};
use crate::gate::credential::{Credential, CredentialKind};
use crate::gate::facts::{Facts, ProviderId};
use crate::gate::policy::{Introspection, Policy, Provider};
use crate::gate::question::{KeyDoubt, KeyQuestion, Question};
use crate::gate::reason::Reason;
use crate::gate::request::RequestView;
use crate::gate::{introspect, possession, resolver, session};
use crate::identity::Identity;
use crate::token::{Claims, Confirmation, Jwt, TokenError};

/// Why there is no caller (yet).
pub(super) enum Failure {
    /// What is known does not do: ask, then try again.
    Missing(Question),
    /// The credential does not hold.
    Rejected(Reason),
    /// Nobody can tell at the moment.
    Unavailable(Reason),
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self::Rejected(reason)
    }
}

/// All by which the credentials of one request are judged.
#[derive(Clone, Copy)]
pub(super) struct Case<'c> {
    pub(super) policy: &'c Policy,
    pub(super) request: &'c RequestView<'c>,
    pub(super) facts: &'c Facts<'c>,
    pub(super) now: Timestamp,
}

/// Who offers `credential`, the one at `index` of the inquiry.
pub(super) fn authenticate(
    case: &Case<'_>,
    credential: &Credential<'_>,
    index: usize,
) -> Result<Arc<Caller>, Failure> {
    let known = case.facts.remembered(index).filter(|caller| {
        let accepted = credential.providers().contains(&caller.provider());
        accepted && caller.still_holds(case, credential.kind())
    });
    let caller = match (known, credential.kind()) {
        (Some(caller), _) => Arc::clone(caller),
        (None, CredentialKind::Resolved) => Arc::new(resolver::resolve(case, credential)?),
        (None, CredentialKind::Session) => Arc::new(session::open(case, credential)?),
        (None, _) => Arc::new(verify(case, credential)?),
    };
    possession::check(case, credential, &caller)?;
    Ok(caller)
}

/// Asks each provider of the token's issuer in turn: one issuer may be configured once for each audience.
fn verify(case: &Case<'_>, credential: &Credential<'_>) -> Result<Caller, Failure> {
    let jwt = match Jwt::parse(credential.token(), case.policy.max_token_bytes) {
        Ok(jwt) => jwt,
        Err(error) => return introspect::opaque(case, credential, reason(&error)),
    };
    let candidates = issuers(case.policy, credential, &jwt);
    let mut failure = Failure::Rejected(Reason::TokenIssuer);
    let mut parsed = Some(jwt);
    for candidate in candidates {
        let found = if candidate.1.introspection == Introspection::Always {
            introspect::ask_provider(case, credential, candidate)
        } else {
            let jwt = parsed.take().map_or_else(|| parse(case, credential), Ok)?;
            identify(case, credential, jwt, candidate)
        };
        match found {
            Err(Failure::Rejected(reason)) => failure = Failure::Rejected(reason),
            settled => return settled,
        }
    }
    Err(failure)
}

fn parse<'a>(case: &Case<'_>, credential: &'a Credential<'_>) -> Result<Jwt<'a>, Failure> {
    Jwt::parse(credential.token(), case.policy.max_token_bytes)
        .map_err(|error| Failure::Rejected(reason(&error)))
}

/// Whom `jwt` names by the rules and keys of one provider.
fn identify(
    case: &Case<'_>,
    credential: &Credential<'_>,
    jwt: Jwt<'_>,
    (id, provider): (ProviderId, &Provider),
) -> Result<Caller, Failure> {
    let ask = |jwt: &Jwt<'_>, why| {
        let kid = jwt.header().kid.clone();
        ask(case.facts, Question::Keys(KeyQuestion { provider: id, kid, why }))
    };
    let Some(keys) = case.facts.keys(id) else {
        let unavailable = Failure::Unavailable(Reason::KeysUnavailable);
        return Err(ask(&jwt, KeyDoubt::NotLoaded).unwrap_or(unavailable));
    };
    let verified = jwt.verify_or_keep(keys, &provider.rules, case.now);
    let token = verified.map_err(|(jwt, error)| {
        // An old token may well be signed by a key that is gone, and nobody should be asked for that.
        let doubt = doubt(&error).filter(|_| jwt.claims_hold(&provider.rules, case.now));
        let asked = doubt.and_then(|why| ask(&jwt, why));
        asked.unwrap_or_else(|| Failure::Rejected(reason(&error)))
    })?;
    let (expires, claims) = (token.expires(), token.into_claims());
    let still = resolver::recheck(case, credential, (id, provider), claims.text("sub"))?;
    let ends = expires.min(still);
    let basis = Basis::Keys(Arc::clone(keys));
    caller(case, credential, (id, provider), Grounds { basis, claims, ends })
}

/// What makes a caller of a token that holds.
pub(super) struct Grounds {
    pub(super) basis: Basis,
    pub(super) claims: Claims,
    /// When the proof ends.
    pub(super) ends: Timestamp,
}

/// The caller whom a token that holds names.
pub(super) fn caller(
    case: &Case<'_>,
    credential: &Credential<'_>,
    (id, provider): (ProviderId, &Provider),
    grounds: Grounds,
) -> Result<Caller, Failure> {
    let Grounds { basis, claims, ends } = grounds;
    let confirmation = Confirmation::of(&claims).map_err(|_| Reason::TokenBinding)?;
    let identity = Identity::new(Arc::clone(&provider.issuer), claims, &provider.claims, ends)
        .map_err(|_| Reason::NoIdentity)?;
    let verified = Verified {
        identity,
        provider: id,
        basis,
        confirmation,
        usable_until: ends.min(case.now + case.policy.max_remembered),
        token_bytes: credential.token().len(),
    };
    Ok(Caller::new(verified, usize::from(case.policy.plans)))
}

/// Whether newer keys could make a difference, and which.
const fn doubt(error: &TokenError) -> Option<KeyDoubt> {
    match error {
        TokenError::UnknownKey => Some(KeyDoubt::UnknownKid),
        TokenError::BadSignature => Some(KeyDoubt::BadSignature),
        _ => None,
    }
}

/// The providers whose issuer is the token's `iss`, octet for octet, among those that count here.
fn issuers<'p>(
    policy: &'p Policy,
    credential: &Credential<'_>,
    jwt: &Jwt<'_>,
) -> SmallVec<[(ProviderId, &'p Provider); 2]> {
    let named = jwt.issuer();
    let counted = credential.providers().iter();
    counted
        .filter_map(|id| Some((*id, policy.provider(*id)?)))
        .filter(|(_, provider)| named == Some(&*provider.issuer))
        .collect()
}

/// The question, unless it was asked already: asking again would not help.
pub(super) fn ask(facts: &Facts<'_>, question: Question) -> Option<Failure> {
    if facts.answered(&question) { None } else { Some(Failure::Missing(question)) }
}

/// The gate's word for what is wrong with a token: fewer words than the token's own, for metrics and logs.
pub(super) const fn reason(error: &TokenError) -> Reason {
    match error {
        TokenError::AlgorithmNotAllowed { .. }
        | TokenError::UnsupportedAlgorithm
        | TokenError::WrongType => Reason::TokenType,
        TokenError::BadSignature => Reason::TokenSignature,
        TokenError::Expired => Reason::TokenExpired,
        TokenError::IssuedInFuture | TokenError::NotYetValid => Reason::TokenNotYetValid,
        TokenError::UnknownKey => Reason::TokenUnknownKey,
        TokenError::WrongAudience => Reason::TokenAudience,
        TokenError::WrongClient => Reason::TokenClient,
        TokenError::WrongIssuer => Reason::TokenIssuer,
        TokenError::BadClaim { .. }
        | TokenError::BadEncoding { .. }
        | TokenError::BadHeader { .. }
        | TokenError::BadJson { .. }
        | TokenError::CriticalHeader
        | TokenError::Encrypted
        | TokenError::MissingAlgorithm
        | TokenError::MissingClaim { .. }
        | TokenError::NotCompact
        | TokenError::TooLong { .. }
        | TokenError::UnsupportedHeader { .. } => Reason::TokenMalformed,
    }
}
