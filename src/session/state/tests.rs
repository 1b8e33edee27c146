//! The state survives the attempt's cookie, and nothing else is one.

use super::*;
use crate::session::attempt::tests::attempt;
use crate::session::tests::{HOST, at, keys};

#[test]
fn a_state_is_read_back_however_old_it_is() {
    let state = State { restarted: true, ..State::of(&attempt(0, at(0))) };
    let sealed = state.seal(&keys(), HOST, [1; 12]);
    assert_eq!(State::open(&keys(), HOST, &sealed), Ok(state));
    assert!(sealed.len() < 200, "{}", sealed.len());
}

#[test]
fn a_state_of_another_host_or_another_thing_is_refused() {
    let state = State::of(&attempt(0, at(0)));
    let sealed = state.seal(&keys(), HOST, [1; 12]);
    let forged = Err(StateError::Open(OpenError::Forged));
    assert_eq!(State::open(&keys(), "b.example.com", &sealed), forged);
    let context = SealContext { purpose: Purpose::Attempt, ..context(HOST) };
    let other = keys().seal(&context, [1; 12], b"\x01");
    assert_eq!(State::open(&keys(), HOST, &other), forged);
    assert!(matches!(
        State::open(&keys(), HOST, "xyz"),
        Err(StateError::Open(OpenError::Malformed))
    ));
}

#[test]
fn a_long_return_address_is_shortened_in_the_state_alone() {
    let long = format!("/orders?{}", "x".repeat(1000));
    let attempt = Attempt { return_to: ReturnTo::from_sealed(long.clone()), ..attempt(0, at(0)) };
    assert_eq!(State::of(&attempt).return_to.as_str(), "/orders");
    assert_eq!(attempt.return_to.as_str(), long);
}

#[test]
fn a_state_is_fresh_for_a_minute() {
    let state = State::of(&attempt(0, at(0)));
    assert_eq!((state.is_fresh(at(59)), state.is_fresh(at(60))), (true, false));
}
