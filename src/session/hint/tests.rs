//! The hint counts sign-ins, and what does not open counts nothing.

use super::*;
use crate::base::scheme::Scheme;
use crate::session::tests::{HOST, at, keys};

fn completed(seconds: &[u64]) -> Hint {
    let mut hint = Hint::default();
    seconds.iter().for_each(|second| hint.complete(at(*second)));
    hint
}

#[test]
fn three_sign_ins_within_a_minute_are_a_loop() {
    assert!(!completed(&[0, 1]).is_looping(at(2)));
    assert!(completed(&[0, 1, 2]).is_looping(at(2)));
    assert!(completed(&[0, 30, 60]).is_looping(at(60)));
    assert!(!completed(&[0, 30, 60]).is_looping(at(61)));
    let mut hint = completed(&[0, 1, 2]);
    hint.forget_completed();
    assert!(!hint.is_looping(at(2)));
}

#[test]
fn five_sign_ins_are_remembered_the_last_ones() {
    assert_eq!(completed(&[1, 2, 3, 4, 5, 6]).completed(), [2, 3, 4, 5, 6].map(at));
}

#[test]
fn a_hint_is_read_back_from_its_own_cookie_alone() {
    let spec = CookieSpec::hint("/.auth", Scheme::Https);
    let mut hint = completed(&[1, 2]);
    hint.provider = Some("corp".into());
    hint.last_probe = Some(at(3));
    let sealed = hint.seal(&keys(), &spec, HOST, [1; 12]);
    assert_eq!(Hint::open(&keys(), &spec, HOST, &sealed), hint);
    for (host, text) in [("b.example.com", sealed.as_str()), (HOST, "x"), (HOST, "")] {
        assert_eq!(Hint::open(&keys(), &spec, host, text), Hint::default());
    }
}
