use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::base::scheme::Scheme;
use crate::base::secret::Secret;
use crate::clock::Clock;
use crate::session::{Note, Scope, SessionId};
use crate::telemetry::metrics::Metrics;
use crate::token::Claims;

mod cookies;
mod costs;
mod failover;
mod fleet;
mod latency;
mod remote;
mod server;
mod suite;
mod topologies;

const ISSUER: &str = "https://login.example.com";
const HOST: &str = "app.example.com";
const ENDS: u64 = 1000;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn spec() -> CookieSpec {
    CookieSpec::session("sidegate", Scope::Host, Scheme::Https).unwrap()
}

fn keys() -> SealingKeys {
    SealingKeys::new(&[Secret::new(std::array::from_fn(|index| u8::try_from(index).unwrap()))])
        .unwrap()
}

fn id(number: u8) -> SessionId {
    SessionId::from_bytes([number; 16])
}

fn session(number: u8, subject: &str, sid: Option<&str>, started: u64) -> Session {
    let serde_json::Value::Object(claims) = json!({ "sub": subject }) else { unreachable!() };
    let secret = |text: &str| Some(Secret::new(text.to_owned()));
    Session {
        id: id(number),
        provider: "main".to_owned(),
        client: "app".to_owned(),
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        sid: sid.map(str::to_owned),
        claims: Claims::from(claims),
        started: at(started),
        idle_until: at(ENDS),
        ends: at(ENDS),
        renewal: None,
        persistent: false,
        tokens: Tokens { refresh: secret("refresh"), access: secret("access"), id: secret("hint") },
        renewals: 0,
    }
}

/// A process with sessions of these settings.
fn process(settings: &StoreSettings) -> Arc<Sessions> {
    let revocations = Arc::new(RevocationSet::new(1000));
    let sessions = Sessions::new(settings, keys(), revocations, None, Metrics::new().sessions());
    Arc::new(sessions.unwrap())
}

/// The turn, which must be ours.
fn ours(turn: Result<Turn, StoreError>) -> Option<Hold> {
    match turn {
        Ok(Turn::Ours(hold)) => hold,
        other => panic!("the turn is not ours: {other:?}"),
    }
}

async fn save(
    sessions: &Sessions,
    session: &Session,
    ticket: Option<&Ticket>,
) -> Result<Ticket, StoreError> {
    let (spec, now) = (spec(), session.started);
    let cookie = sessions.save(session, ticket, Place { spec: &spec, host: HOST }, now).await?;
    Ok(Ticket::open(&keys(), &spec, HOST, &cookie).unwrap())
}

async fn subject(sessions: &Sessions, ticket: &Ticket, now: u64) -> Option<String> {
    sessions.load(ticket, at(now)).await.unwrap().map(|session| session.subject)
}

async fn end(sessions: &Sessions, what: Revoked, ended: u64) {
    sessions.end(&what, at(ended), at(ENDS), at(ended)).await.unwrap();
}

fn login(sid: &str) -> Revoked {
    Revoked::Sid { issuer: ISSUER.to_owned(), sid: sid.to_owned() }
}

fn person(subject: &str) -> Revoked {
    Revoked::Subject { issuer: ISSUER.to_owned(), subject: subject.to_owned() }
}
