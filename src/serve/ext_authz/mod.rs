//! The `ext_authz` door: Envoy asks about each request, by gRPC or by HTTP, and is told what becomes of it.
//!
//! Only translation lives here: `check` and `request` make an `asked::Asked` of a question, `judge` has it judged as any other
//! door would, `answer` and `reply` tell Envoy. Nothing is forwarded.

mod answer;
mod asked;
mod check;
mod connection;
mod finish;
mod handed;
mod judge;
mod metadata;
mod pulse;
mod question;
mod reply;
mod request;
mod rest;
mod story;

use std::sync::Arc;

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;

use crate::gate::{self, Decision, Examined, Policy};
use crate::serve::drain::Drain;
use crate::serve::forwarded::TrustedProxies;
use crate::serve::listener::BoundListener;
use crate::serve::settings::RequestLimits;

pub(crate) use connection::Door;
pub(crate) use judge::Judge;

/// Answers on `bound` until `drain` begins; what is being answered then goes on.
pub(crate) async fn serve(door: Arc<Door>, bound: BoundListener, drain: &Drain) {
    let way = connection::Way::of(&bound);
    bound.accept_with(drain, |socket| door.serve(socket, way)).await;
}

/// What the gate says of a question as Envoy asks it; nothing where that needs an identity. For fuzzing and tests.
pub fn examine(
    policy: &Policy,
    limits: &RequestLimits,
    question: CheckRequest,
) -> Option<Decision> {
    let asked = check::read(question, policy, &TrustedProxies::default(), limits);
    let parts = match asked::Parts::of(&asked, limits) {
        Ok(parts) => parts,
        Err(reason) => return Some(Decision::Refuse(reason)),
    };
    match gate::examine(policy, parts.view(&asked)) {
        Examined::Decided { decision, .. } => Some(decision),
        Examined::Open(_) => None,
    }
}
