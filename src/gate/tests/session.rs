//! Sessions of our own: which count, which are over, and what a broken one leads to.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::fixture::*;
use crate::base::time::Timestamp;
use crate::gate::{Answer, Question};
use crate::gate::{CredentialKind, Decision, Reason, SessionAnswer, Silent};
use crate::session::{Revoked, Session};

const HERE: &str = "/.auth/login?return_to=%2F";

fn site() -> Gate {
    sign_in_gate([route("/*")])
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(NOW + seconds)
}

/// What a person and a program get who come with this request.
fn check_over(gate: &Gate, request: impl Fn() -> Ask, reason: &'static str) {
    let verdict = gate.decide(request().navigating());
    assert_eq!(verdict.outcome(), sign_in(HERE), "{reason}");
    assert_eq!(verdict.decision.reason().label(), reason);
    gate.check(request(), deny(reason));
}

#[test]
fn a_good_session_names_the_caller() {
    let verdict = site().decide(get("/").session(&session()));
    assert_eq!(verdict.outcome(), allow("ada"));
    let Decision::Allow(permit) = &verdict.decision else { unreachable!() };
    assert_eq!(permit.kind(), Some(CredentialKind::Session));
    assert_eq!(verdict.caller().session().unwrap().id, session().id);
    assert!(verdict.update().is_none() && verdict.asked.is_empty());
}

#[test]
fn plain_http_has_a_cookie_of_its_own() {
    site().check(get("/").over_http().session(&session()), allow("ada"));
    let name = session_cookie(crate::gate::Scheme::Http).name().to_owned();
    let value = session().seal(
        &sealing_keys(1),
        &session_cookie(crate::gate::Scheme::Https),
        "app.example",
        [5; 12],
    );
    site().check(get("/").over_http().cookie(&name, value), deny("session_malformed"));
}

#[test]
fn a_session_is_over_when_its_time_is() {
    for (seconds, outcome) in [(IDLE - 1, allow("ada")), (IDLE, deny("session_idle"))] {
        site().at(NOW + seconds).check(get("/").session(&session()), outcome);
    }
    let busy = Session { idle_until: at(ABSOLUTE), ..session() };
    site().at(NOW + ABSOLUTE - 1).check(get("/").session(&busy), allow("ada"));
    check_over(&site().at(NOW + ABSOLUTE), || get("/").session(&busy), "session_expired");
}

#[test]
fn a_broken_session_leads_a_person_to_sign_in_again() {
    let good = session_cookie(crate::gate::Scheme::Https);
    let name = good.name();
    let sealed = |byte, host: &str| session().seal(&sealing_keys(byte), &good, host, [5; 12]);
    check_over(&site(), || get("/").cookie(name, "garbage"), "session_malformed");
    check_over(&site(), || get("/").cookie(name, sealed(1, "other.example")), "session_malformed");
    check_over(&site(), || get("/").cookie(name, sealed(2, "app.example")), "session_key_unknown");
    let mut cut = sealed(1, "app.example");
    cut.truncate(cut.len() - 3);
    check_over(&site(), || get("/").cookie(name, &cut), "session_malformed");
}

#[test]
fn a_session_of_another_provider_client_or_issuer_does_not_count() {
    for foreign in [
        Session { provider: "other".into(), ..session() },
        Session { client: "other".into(), ..session() },
        Session { issuer: OTHER_ISSUER.into(), ..session() },
    ] {
        check_over(&site(), || get("/").session(&foreign), "session_foreign");
    }
    let elsewhere = sign_in_gate_of(
        vec![party(ISSUER), party(OTHER_ISSUER)],
        [route("/*").providers(&[1]), route("/x").providers(&[0])],
    );
    elsewhere.check(get("/").session(&session()), deny("session_foreign"));
    elsewhere.check(get("/x").session(&session()), allow("ada"));
}

#[test]
fn a_session_without_the_users_claim_names_nobody() {
    let nobody = Session { claims: serde_json::Map::new().into(), ..session() };
    site().check(get("/").session(&nobody), deny("no_identity"));
}

#[test]
fn who_signed_out_is_out() {
    let (issuer, sid, subject) = (ISSUER.to_owned(), "s1".to_owned(), "ada".to_owned());
    for what in [
        Revoked::Session(session().id),
        Revoked::Sid { issuer: issuer.clone(), sid },
        Revoked::Subject { issuer, subject },
    ] {
        let gate = site();
        gate.revoked.revoke(&what, at(0), at(ABSOLUTE), at(0));
        check_over(&gate, || get("/").session(&session()), "session_revoked");
    }
}

#[test]
fn a_remembered_session_is_not_opened_again_and_ends_with_its_revocation() {
    let gate = site();
    let request = || get("/").session(&session());
    let known = gate.decide(request());
    let again = |gate: &Gate| gate.decide_knowing(request(), &[Some(known.caller())]);
    assert!(Arc::ptr_eq(again(&gate).caller(), known.caller()));
    gate.revoked.revoke(&Revoked::Session(other_id()), at(0), at(99), at(0));
    assert!(Arc::ptr_eq(again(&gate).caller(), known.caller()), "somebody else signed out");
    gate.revoked.revoke(&Revoked::Session(session().id), at(0), at(99), at(0));
    assert_eq!(again(&gate).outcome(), deny("session_revoked"));
}

fn other_id() -> crate::session::SessionId {
    crate::session::SessionId::from_bytes([8; 16])
}

/// The cookie is sealed for one host: what is remembered of it counts there alone.
#[test]
fn a_remembered_session_counts_on_its_own_host_and_scheme_alone() {
    let gate = site();
    let known = gate.decide(get("/").session(&session()));
    let elsewhere = get("/").host("other.example").session(&session());
    let verdict = gate.decide_knowing(elsewhere, &[Some(known.caller())]);
    assert_eq!(verdict.outcome(), deny("session_malformed"));
}

/// The value of the cookie is no token, whoever remembers it as whose.
#[test]
fn a_session_does_not_count_as_a_bearer_token() {
    let gate = site();
    let known = gate.decide(get("/").session(&session()));
    let spec = session_cookie(crate::gate::Scheme::Https);
    let value = session().seal(&sealing_keys(1), &spec, "app.example", [5; 12]);
    let verdict = gate.decide_knowing(get("/").bearer(value), &[Some(known.caller())]);
    assert_eq!(verdict.outcome(), deny("token_malformed"));
}

#[test]
fn a_session_that_was_used_goes_on() {
    let gate = site().at(NOW + 300);
    let verdict = gate.decide(get("/").session(&session()));
    let update = verdict.update().expect("five minutes have passed");
    assert_eq!((update.idle_until, update.ends), (at(300 + IDLE), at(ABSOLUTE)));
    assert!(verdict.caller().usable_until() <= at(300), "every answer brings it until it is kept");
    assert!(site().at(NOW + 299).decide(get("/").session(&session())).update().is_none());
}

#[test]
fn a_session_is_remembered_until_something_is_to_be_done_about_it() {
    let verdict = site().decide(get("/").session(&session()));
    assert_eq!(verdict.caller().usable_until(), at(300));
    let verdict = site().decide(get("/").session(&renewable(100, 200)));
    assert_eq!(verdict.caller().usable_until(), at(100));
}

#[test]
fn a_program_with_a_bearer_token_is_judged_by_that_alone() {
    let request = get("/").session(&session()).bearer(token().expires(1).text());
    site().check(request, deny("token_expired"));
}

#[test]
fn the_session_comes_before_an_sso_cookie_which_stands_in_for_a_session_that_is_over() {
    let grace = || token().subject("grace").text();
    site().check(get("/").cookie("sso", grace()).session(&session()), allow("ada"));
    let later = site().at(NOW + IDLE);
    later.check(
        get("/")
            .cookie("sso", token().subject("grace").expires(NOW + 9999).text())
            .session(&session()),
        allow("grace"),
    );
}

#[test]
fn two_session_cookies_are_refused() {
    let request = get("/").session(&session()).session(&session());
    site().check(request, refuse("several_cookies"));
}

#[test]
fn on_an_optional_route_a_session_that_is_over_makes_a_guest() {
    let gate = sign_in_gate([route("/*").optional()]).at(NOW + IDLE);
    gate.check(get("/").session(&session()), ANONYMOUS);
    gate.check(get("/").navigating().session(&session()), ANONYMOUS);
}

#[test]
fn a_route_that_takes_no_sessions_does_not_read_them() {
    let gate = sign_in_gate([route("/*").accepts(&[CredentialKind::Bearer])]);
    gate.check(get("/").session(&session()), deny("missing_credential"));
    gate.check(get("/").navigating().session(&session()), deny("missing_credential"));
}

/// Cross-site WebSocket hijacking: SameSite does not hold back what a sibling host sends.
#[test]
fn a_socket_with_a_session_is_for_the_own_origin_alone() {
    let gate = sign_in_gate([route("/*").upgrades(&[])]);
    let from = |origin: &str| get("/ws").websocket().session(&session()).header("origin", origin);
    gate.check(from("https://app.example"), allow("ada"));
    gate.check(from("https://evil.example"), forbid("cross_origin_upgrade"));
}

#[test]
fn who_posts_with_a_session_that_is_over_is_told_so_and_not_redirected() {
    let gate = site().at(NOW + IDLE);
    let request = ask("POST", "/orders").header("accept", "text/html").session(&session());
    let verdict = gate.decide(request);
    let Decision::Challenge(challenge) = &verdict.decision else { panic!("{verdict:?}") };
    assert_eq!((challenge.reason, &challenge.error), (Reason::SessionIdle, &None));
    let login = "https://app.example/.auth/login?return_to=%2F";
    assert_eq!(challenge.login_url.as_deref(), Some(login));
}

#[test]
fn a_stored_session_is_fetched_by_its_ticket() {
    let gate = site().stored().oracle(store(Some(session())));
    let verdict = gate.decide(get("/").ticket(&ticket()));
    assert_eq!((verdict.outcome(), verdict.asked), (allow("ada"), vec!["a stored session"]));
    let verdict = gate.decide(get("/").ticket(&ticket()));
    assert_eq!(verdict.caller().usable_until(), at(1), "another replica may end it");
    let gate = site().stored().at(NOW + 300).oracle(store(Some(session())));
    let verdict = gate.decide(get("/").ticket(&ticket()));
    let Decision::Allow(permit) = &verdict.decision else { panic!("{verdict:?}") };
    assert_eq!(permit.session().unwrap().ticket.as_ref().unwrap().id, session().id);
}

#[test]
fn a_stored_session_that_is_gone_is_over_and_one_out_of_reach_is_not() {
    let gate = site().stored().oracle(store(None));
    check_over(&gate, || get("/").ticket(&ticket()), "session_unknown");
    let gate = sign_in_gate([route("/*").optional()]).stored();
    let outcome = Outcome::Unavailable("sessions_unavailable");
    gate.check(get("/").navigating().ticket(&ticket()), outcome);
    let other = Session { id: other_id(), ..session() };
    let gate = site().stored().oracle(store(Some(other)));
    gate.check(get("/").ticket(&ticket()), deny("session_malformed"));
}

#[test]
fn an_answer_to_another_question_is_none() {
    let gate = site().stored().oracle(|_| Answer::Keys(crate::gate::KeyAnswer::Unchanged));
    gate.check(get("/").ticket(&ticket()), Outcome::Unavailable("sessions_unavailable"));
    let found = Arc::new(session());
    let gate = site().oracle(move |question| match question {
        Question::Renewal(_) => Answer::Session(SessionAnswer::Found(Arc::clone(&found))),
        other => unavailable(other),
    });
    gate.check(get("/").session(&renewable(0, 100)), allow("ada"));
}

#[test]
fn sessions_in_the_cookie_are_no_tickets_and_tickets_no_sessions() {
    let gate = site().stored().oracle(store(Some(session())));
    gate.check(get("/").session(&session()), deny("session_malformed"));
    site().check(get("/").ticket(&ticket()), deny("session_malformed"));
}

#[test]
fn a_long_session_comes_in_pieces() {
    // Names without a pattern, so that packing does not make one cookie of them.
    let name =
        |n: u64| format!("{:016x}", (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
    let names: Vec<String> = (0..600).map(name).collect();
    let long = session_with("groups", json!(names));
    let spec = session_cookie(crate::gate::Scheme::Https);
    let value = long.seal(&sealing_keys(1), &spec, "app.example", [5; 12]);
    let lines = spec.write(&value, Some(Duration::from_secs(60)), 0).unwrap();
    assert!(lines.len() > 1);
    let pairs = lines.iter().map(|line| line.to_str().unwrap().split(';').next().unwrap());
    let request = |pairs: &[&str]| get("/").header("cookie", pairs.join("; "));
    let pairs: Vec<&str> = pairs.collect();
    site().check(request(&pairs), allow("ada"));
    site().check(request(&pairs[..pairs.len() - 1]), deny("session_malformed"));
}

#[test]
fn where_nobody_signs_in_no_session_is_read() {
    check(get("/").session(&session()), deny("missing_credential"));
    let gate = sign_in_gate([route("/*").silent(Silent::Never).public()]);
    gate.check(get("/").session(&session()), ANONYMOUS);
}

#[test]
fn cookies_of_our_own_are_known_by_name_in_all_their_pieces() {
    let policy = site().policy;
    for name in ["__Host-sidegate", "__Host-sidegate_1", "sidegate", "sidegate_4", "sidegate_probe"]
    {
        assert!(policy.is_own_cookie(name.as_bytes()), "{name}");
    }
    for name in ["sso", "", "sidegate_x", "__Host-sidegate-2", "Sidegate", "xsidegate"] {
        assert!(!policy.is_own_cookie(name.as_bytes()), "{name}");
    }
    assert!(!gate().policy.is_own_cookie(b"sidegate"), "nobody signs in there");
}
