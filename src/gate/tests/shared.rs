//! Sessions of one app at another app of the same tenant.

use std::sync::Arc;

use serde_json::{Map, json};

use super::fixture::*;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::gate::{Answer, Provider, Question, RelyingParty, Rule, SignInFlow, VerdictAnswer};
use crate::session::{Session, Tokens};
use crate::token::Claims;

fn app(name: &str, tenant: Option<&str>) -> Provider {
    let tenant = tenant.map(Arc::from);
    let relying_party =
        RelyingParty { client: name.to_owned(), flow: SignInFlow::Code, keep_alive: None, tenant };
    Provider { name: Arc::from(name), relying_party: Some(relying_party), ..party(ISSUER) }
}

/// Two apps of the tenant, one of another, and one of none.
fn site(answer: impl Fn() -> VerdictAnswer + 'static) -> Gate {
    let apps =
        [("app1", Some("acme")), ("app2", Some("acme")), ("app3", Some("else")), ("app4", None)];
    let apps = apps.map(|(name, tenant)| app(name, tenant)).to_vec();
    let rule = Rule { amr_any: vec!["mfa".to_owned()], ..Rule::default() };
    let routes = [
        route("/1").providers(&[0]),
        route("/2").providers(&[1]),
        route("/3").providers(&[2]),
        route("/4").providers(&[3]),
        route("/strong").providers(&[1]).requires(rule),
    ];
    sign_in_gate_of(apps, routes).oracle(move |question| match question {
        Question::Verdict(_) => Answer::Verdict(answer()),
        other => unavailable(other),
    })
}

/// Ada's at the first app.
fn own() -> Session {
    let refresh = Some(Secret::new("s1".to_owned()));
    let (provider, client) = ("app1".to_owned(), "app1".to_owned());
    Session { provider, client, tokens: Tokens { refresh, ..Tokens::default() }, ..session() }
}

fn known(more: serde_json::Value) -> VerdictAnswer {
    let mut members: Map<_, _> = more.as_object().cloned().unwrap();
    members.insert("sub".to_owned(), json!("ada"));
    let until = Timestamp::from_secs(NOW + 600);
    VerdictAnswer::Known { claims: Arc::new(Claims::from(members)), until }
}

#[test]
fn the_provider_is_asked_at_the_other_app_alone_and_its_word_counts_there() {
    let gate = site(|| known(json!({"groups": ["staff"]})));
    let at_home = gate.decide(get("/1").session(&own()));
    assert_eq!((at_home.outcome(), at_home.asked.len()), (allow("ada"), 0));
    assert_eq!(at_home.header("x-forwarded-groups"), None);
    let elsewhere = gate.decide(get("/2").session(&own()));
    assert_eq!((elsewhere.outcome(), elsewhere.asked.len()), (allow("ada"), 1));
    assert_eq!(elsewhere.header("x-forwarded-groups"), Some("staff"));
    assert!(elsewhere.caller().usable_until().as_secs() <= NOW + 600);
}

#[test]
fn what_is_remembered_of_one_app_is_not_taken_for_the_other() {
    let gate = site(|| known(json!({})));
    let elsewhere = gate.decide(get("/2").session(&own()));
    let home = gate.decide(get("/1").session(&own()));
    let again = gate.decide_knowing(get("/2").session(&own()), &[Some(home.caller())]);
    assert_eq!(again.asked.len(), 1);
    let known = gate.decide_knowing(get("/2").session(&own()), &[Some(elsewhere.caller())]);
    assert_eq!((known.outcome(), known.asked.len()), (allow("ada"), 0));
}

#[test]
fn nobody_is_asked_about_other_tenants_or_sessions_without_a_name() {
    let gate = site(|| known(json!({})));
    for path in ["/3", "/4"] {
        let verdict = gate.decide(get(path).session(&own()));
        assert_eq!(
            (verdict.outcome(), verdict.asked.len()),
            (deny("session_foreign"), 0),
            "{path}"
        );
    }
    let nameless = Session { tokens: Tokens::default(), ..own() };
    let verdict = gate.decide(get("/2").session(&nameless));
    assert_eq!((verdict.outcome(), verdict.asked.len()), (deny("session_foreign"), 0));
    let of_another_client = Session { client: "web".to_owned(), ..own() };
    let verdict = gate.decide(get("/2").session(&of_another_client));
    assert_eq!((verdict.outcome(), verdict.asked.len()), (deny("session_foreign"), 0));
}

#[test]
fn a_session_that_is_over_at_the_provider_leads_to_the_sign_in() {
    let gate = site(|| VerdictAnswer::Ended);
    gate.check(get("/2").session(&own()), deny("session_not_renewed"));
    let verdict = gate.decide(get("/2").session(&own()).navigating());
    assert_eq!(verdict.outcome(), sign_in("/.auth/login?return_to=%2F2"));
}

#[test]
fn a_provider_that_does_not_answer_opens_nothing_and_ends_nothing() {
    let gate = site(|| VerdictAnswer::Unavailable);
    gate.check(get("/2").session(&own()), Outcome::Unavailable("sessions_unavailable"));
}

#[test]
fn a_verdict_that_is_too_weak_leads_to_a_stronger_sign_in() {
    let weak = site(|| known(json!({"amr": ["pwd"]})));
    let verdict = weak.decide(get("/strong").session(&own()).navigating());
    assert_eq!(verdict.outcome(), sign_in("/.auth/login?return_to=%2Fstrong"));
    let strong = site(|| known(json!({"amr": ["pwd", "mfa"]})));
    strong.check(get("/strong").session(&own()), allow("ada"));
}
