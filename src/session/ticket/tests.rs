//! A ticket opens its own body; a store alone opens nothing.

use super::*;
use crate::session::seal::OpenError;
use crate::session::tests::{HOST, keys, secret, session, spec};

fn ticket() -> Ticket {
    Ticket { id: session().id, key: secret(7) }
}

#[test]
fn a_ticket_is_read_back_and_opens_the_body() {
    let sealed = ticket().seal(&keys(), &spec(), HOST, [1; 12]);
    assert!(sealed.len() < 120, "{}", sealed.len());
    let again = Ticket::open(&keys(), &spec(), HOST, &sealed).unwrap();
    let body = ticket().seal_body(&session(), [2; 12]);
    assert_eq!(again.open_body(&body).unwrap().encode(), session().encode());
}

#[test]
fn a_body_opens_with_no_other_ticket() {
    let body = ticket().seal_body(&session(), [2; 12]);
    let other_key = Ticket { key: secret(8), ..ticket() };
    let other_id = Ticket { id: SessionId::from_bytes([1; 16]), ..ticket() };
    for other in [other_key, other_id] {
        let error = other.open_body(&body).unwrap_err();
        assert_eq!(error, SessionError::Open(OpenError::Forged));
    }
    let cut = ticket().open_body(&body[..body.len() - 1]).unwrap_err();
    assert_eq!(cut, SessionError::Open(OpenError::Forged));
    assert_eq!(ticket().open_body(b"").unwrap_err(), SessionError::Open(OpenError::Malformed));
}

#[test]
fn a_session_in_a_cookie_is_no_ticket_nor_the_other_way_round() {
    let forged = Some(SessionError::Open(OpenError::Forged));
    let session = session().seal(&keys(), &spec(), HOST, [1; 12]);
    assert_eq!(Ticket::open(&keys(), &spec(), HOST, &session).err(), forged);
    let ticket = ticket().seal(&keys(), &spec(), HOST, [1; 12]);
    assert_eq!(Session::open(&keys(), &spec(), HOST, &ticket).err(), forged);
}

#[test]
fn debug_text_shows_neither_id_nor_key() {
    let shown = format!("{:?}", ticket());
    assert!(!shown.contains(&ticket().id.text()) && !shown.contains("key"), "{shown}");
}
