//! Sessions that are to be renewed at their provider: asked for when, and what the answers lead to.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::*;
use crate::base::time::Timestamp;
use crate::gate::{Answer, Question, RenewalAnswer};
use crate::session::{Renewal, Session};

fn site(answer: impl Fn() -> RenewalAnswer + 'static) -> Gate {
    sign_in_gate([route("/*")]).oracle(move |question| match question {
        Question::Renewal(_) => Answer::Renewal(answer()),
        other => unavailable(other),
    })
}

fn renewed(session: &Session) -> Session {
    let at = |seconds| Timestamp::from_secs(NOW + seconds);
    let renewal = Some(Renewal { due: at(1000), by: at(2000) });
    Session { renewal, renewals: session.renewals + 1, ..session.clone() }
}

fn answers(session: Session) -> RenewalAnswer {
    RenewalAnswer::Renewed(Arc::new(session))
}

#[test]
fn renewing_is_asked_for_from_when_it_is_due() {
    let gate = site(|| RenewalAnswer::Underway);
    assert!(gate.decide(get("/").session(&renewable(1, 9))).asked.is_empty());
    let verdict = gate.decide(get("/").session(&renewable(0, 9)));
    assert_eq!((verdict.outcome(), verdict.asked.len()), (allow("ada"), 1));
}

#[test]
fn while_it_is_underway_the_session_passes_and_is_not_remembered() {
    for answer in [RenewalAnswer::Underway, RenewalAnswer::Unavailable] {
        let verdict = site(move || answer.clone()).decide(get("/").session(&renewable(0, 9)));
        assert_eq!(verdict.outcome(), allow("ada"));
        assert!(verdict.update().is_none());
        assert!(verdict.caller().usable_until().as_secs() <= NOW);
    }
}

#[test]
fn a_renewed_session_takes_the_place_of_the_old_one() {
    let old = renewable(0, 9);
    let mut new = renewed(&old);
    claim(&mut new, "groups", serde_json::json!(["admins"]));
    let gate = site(move || answers(new.clone()));
    let verdict = gate.decide(get("/").session(&old));
    assert_eq!(verdict.header("x-forwarded-groups"), Some("admins"));
    assert_eq!(verdict.update().unwrap().renewals, 1);
    assert!(verdict.caller().usable_until().as_secs() <= NOW, "until the browser has it");
}

#[test]
fn a_renewed_session_is_written_as_used_now() {
    let old = renewable(0, 600);
    let new = renewed(&old);
    let verdict = site(move || answers(new.clone())).at(NOW + 400).decide(get("/").session(&old));
    let idle_until = Timestamp::from_secs(NOW + 400) + Duration::from_secs(IDLE);
    let update = verdict.update().unwrap();
    assert_eq!((update.renewals, update.idle_until), (1, idle_until));
}

#[test]
fn what_the_provider_ends_is_over() {
    for late in [0, 9] {
        let gate = site(|| RenewalAnswer::Ended).at(NOW + late);
        gate.check(get("/").session(&renewable(0, 9)), deny("session_not_renewed"));
    }
}

/// An outage of the provider signs nobody out.
#[test]
fn when_it_must_be_renewed_nothing_else_will_do() {
    for answer in [RenewalAnswer::Underway, RenewalAnswer::Unavailable] {
        let gate = site(move || answer.clone()).at(NOW + 9);
        let outcome = Outcome::Unavailable("sessions_unavailable");
        gate.check(get("/").navigating().session(&renewable(0, 9)), outcome);
    }
    let old = renewable(0, 9);
    let new = renewed(&old);
    site(move || answers(new.clone())).at(NOW + 9).check(get("/").session(&old), allow("ada"));
}

#[test]
fn a_session_that_is_over_is_not_renewed() {
    let gate = site(|| panic!("asked")).at(NOW + IDLE);
    gate.check(get("/").session(&renewable(0, 9)), deny("session_idle"));
}

/// Whoever answers must not be able to put another person into a session.
#[test]
fn somebody_elses_session_renews_none() {
    let old = renewable(0, 9);
    let new = renewed(&old);
    for other in [
        Session { subject: "eve".into(), ..new.clone() },
        Session { issuer: OTHER_ISSUER.into(), ..new.clone() },
        Session { id: crate::session::SessionId::from_bytes([9; 16]), ..new.clone() },
        Session { started: Timestamp::from_secs(NOW + 1), ..new },
    ] {
        let gate = site(move || answers(other.clone()));
        gate.check(get("/").session(&old), deny("session_not_renewed"));
    }
}
