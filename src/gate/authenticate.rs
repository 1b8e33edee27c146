//! From a credential to a caller: who issued it, does it hold, who is it.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::base::time::Timestamp;
use crate::gate::caller::{Caller, Verified};
use crate::gate::credential::Credential;
use crate::gate::decision::Reason;
use crate::gate::facts::{Facts, KeyDoubt, KeyQuestion, ProviderId};
use crate::gate::policy::{Policy, Provider};
use crate::identity::Identity;
use crate::token::{Jwt, KeySet, TokenError};

/// Why there is no caller (yet).
pub(super) enum Failure {
    /// The keys at hand do not do: ask, then try again.
    Missing(KeyQuestion),
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

/// Who offers `credential`, the one at `index` of the inquiry.
pub(super) fn authenticate(
    policy: &Policy,
    credential: &Credential<'_>,
    index: usize,
    facts: &Facts<'_>,
    now: Timestamp,
) -> Result<Arc<Caller>, Failure> {
    if let Some(caller) = facts.remembered(index) {
        let accepted = credential.providers().contains(&caller.provider());
        let keys = facts.keys(caller.provider());
        if accepted && keys.is_some_and(|keys| caller.still_holds(keys, now)) {
            return Ok(Arc::clone(caller));
        }
    }
    verify(policy, credential, facts, now)
}

/// Asks each provider of the token's issuer in turn: one issuer may be configured once for each audience.
fn verify(
    policy: &Policy,
    credential: &Credential<'_>,
    facts: &Facts<'_>,
    now: Timestamp,
) -> Result<Arc<Caller>, Failure> {
    let jwt = parse(policy, credential)?;
    let candidates = issuers(policy, credential, &jwt);
    let mut failure = Failure::Rejected(Reason::TokenIssuer);
    let mut parsed = Some(jwt);
    for provider in candidates {
        let jwt = parsed.take().map_or_else(|| parse(policy, credential), Ok)?;
        match identify(jwt, provider, facts, now) {
            Ok((identity, keys)) => {
                let known = (provider.0, keys);
                return Ok(Arc::new(caller(policy, credential, known, identity, now)));
            }
            Err(Failure::Rejected(reason)) => failure = Failure::Rejected(reason),
            Err(open) => return Err(open),
        }
    }
    Err(failure)
}

fn parse<'a>(policy: &Policy, credential: &Credential<'a>) -> Result<Jwt<'a>, Failure> {
    Jwt::parse(credential.token(), policy.max_token_bytes)
        .map_err(|error| Failure::Rejected(reason(&error)))
}

/// Whom `jwt` names by the rules and keys of one provider.
fn identify<'f>(
    jwt: Jwt<'_>,
    (id, provider): (ProviderId, &Provider),
    facts: &'f Facts<'_>,
    now: Timestamp,
) -> Result<(Identity, &'f Arc<KeySet>), Failure> {
    let kid = jwt.header().kid.clone();
    let ask = |why| ask(facts, KeyQuestion { provider: id, kid, why });
    let Some(keys) = facts.keys(id) else {
        let unavailable = Failure::Unavailable(Reason::KeysUnavailable);
        return Err(ask(KeyDoubt::NotLoaded).unwrap_or(unavailable));
    };
    // An old token may well be signed by a key that is gone, and nobody should be asked for that.
    let hopeful = jwt.claims_hold(&provider.rules, now);
    let token = jwt.verify(keys, &provider.rules, now).map_err(|error| {
        doubt(&error)
            .filter(|_| hopeful)
            .and_then(ask)
            .unwrap_or_else(|| Failure::Rejected(reason(&error)))
    })?;
    let (issuer, expires) = (Arc::clone(&provider.issuer), token.expires());
    let identity = Identity::new(issuer, token.into_claims(), &provider.claims, expires)
        .map_err(|_| Reason::NoIdentity)?;
    Ok((identity, keys))
}

/// Whether newer keys could make a difference, and which.
const fn doubt(error: &TokenError) -> Option<KeyDoubt> {
    match error {
        TokenError::UnknownKey => Some(KeyDoubt::UnknownKid),
        TokenError::BadSignature => Some(KeyDoubt::BadSignature),
        _ => None,
    }
}

fn caller(
    policy: &Policy,
    credential: &Credential<'_>,
    (provider, keys): (ProviderId, &Arc<KeySet>),
    identity: Identity,
    now: Timestamp,
) -> Caller {
    let usable_until = identity.expires().min(now + policy.max_remembered);
    let token_bytes = credential.token().len();
    let verified =
        Verified { identity, provider, keys: Arc::clone(keys), usable_until, token_bytes };
    Caller::new(verified, usize::from(policy.plans))
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
fn ask(facts: &Facts<'_>, question: KeyQuestion) -> Option<Failure> {
    if facts.answered(&question) { None } else { Some(Failure::Missing(question)) }
}

/// The gate's word for what is wrong with a token: fewer words than the token's own, for metrics and logs.
const fn reason(error: &TokenError) -> Reason {
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
