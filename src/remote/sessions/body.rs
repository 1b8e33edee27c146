//! A session as a store keeps it: sealed under the key that only its ticket has.

use aws_lc_rs::digest::{Context, SHA256};

use crate::base::secret::Secret;
use crate::remote::sessions::{MAX_BODY, StoreError};
use crate::session::{Nonce, Purpose, SealContext, SealingKeys, Session, SessionId, Ticket};

/// What the seal of a renewed session is for, beside the session's name.
const RENEWED: &str = "renewed";

/// A ticket for a new session, with a key of its own.
pub(super) fn new_ticket(id: SessionId) -> Result<Ticket, StoreError> {
    Ok(Ticket { id, key: Secret::new(random()?) })
}

/// Bytes for one sealing.
pub(super) fn nonce() -> Result<Nonce, StoreError> {
    random()
}

/// Fresh random bytes.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| StoreError::Unavailable("no random bytes can be had".to_owned()))?;
    Ok(bytes)
}

/// What the store keeps.
pub(super) fn seal(session: &Session, ticket: &Ticket) -> Result<Vec<u8>, StoreError> {
    let body = ticket.seal_body(session, nonce()?);
    if body.len() > MAX_BODY { Err(StoreError::TooLarge(body.len())) } else { Ok(body) }
}

/// What a ticket is told apart by from all others, without being kept: of the same session, one with another key is another.
pub(super) fn digest(ticket: &Ticket) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(ticket.id.as_bytes());
    hash.update(ticket.key.expose());
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    digest
}

/// The session again.
pub(super) fn open(body: &[u8], ticket: &Ticket) -> Result<Session, StoreError> {
    ticket.open_body(body).map_err(|_| StoreError::Damaged)
}

/// What the store keeps of a session that is in its cookie, as it was renewed: for replicas, which share `keys`, alone.
pub(super) fn seal_renewed(session: &Session, keys: &SealingKeys) -> Result<Vec<u8>, StoreError> {
    let name = session.id.text();
    let body = keys.seal(&renewed(&name), nonce()?, &session.encode()).into_bytes();
    if body.len() > MAX_BODY { Err(StoreError::TooLarge(body.len())) } else { Ok(body) }
}

/// The session again.
pub(super) fn open_renewed(
    body: &[u8],
    id: SessionId,
    keys: &SealingKeys,
) -> Result<Session, StoreError> {
    let name = id.text();
    let text = std::str::from_utf8(body).map_err(|_| StoreError::Damaged)?;
    let plain = keys.open(&renewed(&name), text).map_err(|_| StoreError::Damaged)?;
    let session = Session::decode(&plain).map_err(|_| StoreError::Damaged)?;
    if session.id == id { Ok(session) } else { Err(StoreError::Damaged) }
}

const fn renewed(name: &str) -> SealContext<'_> {
    SealContext { purpose: Purpose::Body, name, scope: RENEWED }
}
