//! From a credential to a caller: who issued it, does it hold, who is it.

use std::sync::Arc;

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

fn verify(
    policy: &Policy,
    credential: &Credential<'_>,
    facts: &Facts<'_>,
    now: Timestamp,
) -> Result<Arc<Caller>, Failure> {
    let jwt =
        Jwt::parse(credential.token(), policy.max_token_bytes).map_err(|error| reason(&error))?;
    let (id, provider) = issuer(policy, credential, &jwt).ok_or(Reason::TokenIssuer)?;
    let kid = jwt.header().kid.clone();
    let ask = |why| ask(facts, KeyQuestion { provider: id, kid: kid.clone(), why });
    let Some(keys) = facts.keys(id) else {
        return Err(
            ask(KeyDoubt::NotLoaded).unwrap_or(Failure::Unavailable(Reason::KeysUnavailable))
        );
    };
    match jwt.verify(keys, &provider.rules, now) {
        Ok(token) => {
            let expires = token.expires();
            let identity = Identity::new(
                Arc::clone(&provider.issuer),
                token.into_claims(),
                &provider.claims,
                expires,
            )
            .map_err(|_| Reason::NoIdentity)?;
            Ok(Arc::new(caller(policy, credential, (id, keys), identity, now)))
        }
        Err(error) => {
            let doubt = match error {
                TokenError::UnknownKey => Some(KeyDoubt::UnknownKid),
                TokenError::BadSignature => Some(KeyDoubt::BadSignature),
                _ => None,
            };
            Err(doubt.and_then(ask).unwrap_or_else(|| Failure::Rejected(reason(&error))))
        }
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

/// The provider whose issuer is the token's `iss`, octet for octet, among those that count here.
fn issuer<'p>(
    policy: &'p Policy,
    credential: &Credential<'_>,
    jwt: &Jwt<'_>,
) -> Option<(ProviderId, &'p Provider)> {
    let named = jwt.issuer()?;
    let candidates =
        credential.providers().iter().filter_map(|id| Some((*id, policy.provider(*id)?)));
    candidates.into_iter().find(|(_, provider)| &*provider.issuer == named)
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
