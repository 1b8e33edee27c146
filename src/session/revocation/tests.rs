//! What was ended stays ended, within bounds, and nothing else does.

use super::*;
use crate::session::tests::{at, session};

fn subject(subject: &str) -> Revoked {
    Revoked::Subject { issuer: session().issuer, subject: subject.to_owned() }
}

fn sid(sid: &str) -> Revoked {
    Revoked::Sid { issuer: session().issuer, sid: sid.to_owned() }
}

fn set(capacity: usize, ends: &[(Revoked, u64, u64)]) -> RevocationSet {
    let set = RevocationSet::new(capacity);
    ends.iter().for_each(|(what, time, keep)| set.revoke(what, at(*time), at(*keep), at(0)));
    set
}

#[test]
fn a_session_is_ended_by_its_id() {
    let set = set(8, &[(Revoked::Session(session().id), 10, 1000)]);
    assert!(set.is_revoked(&session(), at(10)));
    let other = Session { id: SessionId::from_bytes([1; 16]), ..session() };
    assert!(!set.is_revoked(&other, at(10)));
}

#[test]
fn all_sessions_of_a_provider_session_are_ended_also_later_ones() {
    let set = set(8, &[(sid("provider-session"), 10, 1000)]);
    let later = Session { started: at(500), ..session() };
    assert!(set.is_revoked(&session(), at(10)) && set.is_revoked(&later, at(500)));
    for other in [
        Session { sid: None, ..session() },
        Session { sid: Some("another".into()), ..session() },
        Session { issuer: "https://other.example".into(), ..session() },
    ] {
        assert!(!set.is_revoked(&other, at(10)), "{other:?}");
    }
}

#[test]
fn sessions_of_a_person_are_ended_if_they_had_begun() {
    let set = set(8, &[(subject(&session().subject), 100, 1000)]);
    let started = |second| Session { started: at(second), ..session() };
    assert!(set.is_revoked(&started(99), at(100)) && set.is_revoked(&started(100), at(100)));
    assert!(!set.is_revoked(&started(101), at(101)));
    let other = Session { subject: "another".into(), ..session() };
    assert!(!set.is_revoked(&other, at(100)));
}

#[test]
fn ending_again_never_brings_anybody_back() {
    let again = [(subject(&session().subject), 100, 1000), (subject(&session().subject), 50, 200)];
    let set = set(8, &again);
    let late = Session { started: at(90), ..session() };
    assert!(set.is_revoked(&late, at(500)));
    assert_eq!(set.len(), 1);
}

#[test]
fn parts_of_names_do_not_run_into_each_other() {
    let what = Revoked::Sid { issuer: "https://a".into(), sid: "bc".into() };
    let set = set(8, &[(what, 10, 1000)]);
    let session = Session { issuer: "https://ab".into(), sid: Some("c".into()), ..session() };
    assert!(!set.is_revoked(&session, at(10)));
    let crossed =
        Session { issuer: "https://a".into(), sid: None, subject: "bc".into(), ..session };
    assert!(!set.is_revoked(&crossed, at(10)));
}

#[test]
fn ends_are_forgotten_when_their_sessions_are_over_anyway() {
    let set = set(8, &[(sid("provider-session"), 10, 1000)]);
    assert!(set.is_revoked(&session(), at(999)));
    assert!(!set.is_revoked(&session(), at(1000)));
    set.revoke(&sid("x"), at(1000), at(2000), at(1000));
    assert_eq!((set.len(), set.evicted()), (1, 0));
    set.revoke(&sid("y"), at(1000), at(1000), at(1000));
    assert_eq!(set.len(), 1);
}

#[test]
fn without_room_the_first_to_expire_goes_and_is_counted() {
    let ends = [(sid("provider-session"), 10, 1000), (sid("b"), 10, 3000), (sid("c"), 10, 2000)];
    let set = set(2, &ends);
    assert_eq!((set.len(), set.evicted()), (2, 1));
    assert!(!set.is_revoked(&session(), at(20)));
    let named = |sid: &str| Session { sid: Some(sid.into()), ..session() };
    assert!(set.is_revoked(&named("b"), at(20)) && set.is_revoked(&named("c"), at(20)));
}

#[test]
fn the_epoch_tells_when_to_look_again() {
    let set = RevocationSet::new(8);
    assert_eq!((set.epoch(), set.is_empty()), (0, true));
    set.revoke(&sid("x"), at(1), at(1000), at(1));
    let first = set.epoch();
    set.revoke(&sid("x"), at(2), at(1000), at(2));
    assert!(first > 0 && set.epoch() > first);
}

#[test]
fn a_flood_stays_within_bounds() {
    let set = RevocationSet::new(100);
    for n in 0..10_000_u64 {
        set.revoke(&sid(&n.to_string()), at(n), at(n + 50_000), at(n));
    }
    let entries = set.entries.read();
    assert_eq!((entries.by_name.len(), entries.by_end.len()), (100, 100));
    assert_eq!(set.evicted(), 9_900);
}
