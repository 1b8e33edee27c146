//! Proofs that whoever sends a token may use it: a DPoP proof, or the client certificate of the connection.
//!
//! Checked with every request, also for callers who are remembered: what is remembered is whose token it is, not who sends it.

use crate::gate::authenticate::{Case, Failure, ask};
use crate::gate::caller::Caller;
use crate::gate::credential::{Credential, CredentialKind};
use crate::gate::policy::{Dpop, NonceRule, Provider};
use crate::gate::question::{Answer, FirstUseAnswer, ProofUse, Question};
use crate::gate::reason::Reason;
use crate::token::{Confirmation, Proof, ProofDemand, ProofError};

/// Whether `credential` comes with all the proofs that `caller`'s token and its provider ask for.
///
/// A bound token without its proof, and a proof with a token that is not bound, are both refused
/// ([RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1) and §7.2).
pub(super) fn check(
    case: &Case<'_>,
    credential: &Credential<'_>,
    caller: &Caller,
) -> Result<(), Failure> {
    let Some(provider) = case.policy.provider(caller.provider()) else { return Ok(()) };
    let bound = caller.confirmation();
    if credential.kind() == CredentialKind::Dpop {
        return check_proof(case, credential, caller, provider);
    }
    let explicit = matches!(credential.kind(), CredentialKind::Bearer | CredentialKind::Header);
    if explicit && matches!(provider.dpop, Dpop::Require(_)) {
        return Err(Reason::ProofMissing.into());
    }
    if *bound == Confirmation::default() || bound.is_met_by(certificate(case), None) {
        return Ok(());
    }
    Err(Reason::TokenBinding.into())
}

fn certificate<'c>(case: &Case<'c>) -> Option<&'c [u8; 32]> {
    case.request.certificate.map(|certificate| certificate.thumbprint_sha256())
}

fn check_proof(
    case: &Case<'_>,
    credential: &Credential<'_>,
    caller: &Caller,
    provider: &Provider,
) -> Result<(), Failure> {
    let bound = caller.confirmation();
    let proof = verify(case, credential, provider)?;
    if bound.key.is_none() || !bound.is_met_by(certificate(case), Some(proof.key())) {
        return Err(Reason::TokenBinding.into());
    }
    first_use(case, caller, &proof)
}

fn verify(
    case: &Case<'_>,
    credential: &Credential<'_>,
    provider: &Provider,
) -> Result<Proof, Failure> {
    let request = case.request;
    let nonces = match provider.dpop {
        Dpop::Off => return Err(Reason::UnknownScheme.into()),
        Dpop::Accept(NonceRule::None) | Dpop::Require(NonceRule::None) => None,
        Dpop::Accept(NonceRule::Demanded) | Dpop::Require(NonceRule::Demanded) => {
            // Without a key no nonce could ever be given out: nobody can tell which are good.
            let unavailable = Failure::Unavailable(Reason::ProofsUnavailable);
            Some(case.policy.nonces.as_ref().ok_or(unavailable)?)
        }
    };
    let demand = ProofDemand {
        method: request.method.as_str(),
        scheme: request.scheme.as_str(),
        authority: request.authority,
        path: request.target.path(),
        token: credential.token(),
        leeway: provider.rules.leeway,
        nonces,
    };
    let text = credential.proof().ok_or(Reason::ProofInvalid)?;
    Proof::verify(text, &demand, case.now).map_err(|error| match error {
        ProofError::NonceWanted => Reason::ProofNonce.into(),
        _ => Reason::ProofInvalid.into(),
    })
}

/// Asked only now that all else holds: strangers cannot fill the memory of proofs.
fn first_use(case: &Case<'_>, caller: &Caller, proof: &Proof) -> Result<(), Failure> {
    let question = Question::FirstUse(ProofUse {
        provider: caller.provider(),
        id: *proof.id(),
        until: proof.usable_until(),
    });
    match case.facts.answer(&question) {
        Some(Answer::FirstUse(FirstUseAnswer::First)) => Ok(()),
        Some(Answer::FirstUse(FirstUseAnswer::Replayed)) => Err(Reason::ProofReplayed.into()),
        Some(_) => Err(Failure::Unavailable(Reason::ProofsUnavailable)),
        None => {
            let unanswered = Failure::Unavailable(Reason::Unanswered);
            Err(ask(case.facts, question).unwrap_or(unanswered))
        }
    }
}
