//! Callers whom only a resolver can tell: what it is shown, and what its answers lead to.

use std::sync::{Arc, Mutex};

use http::header::HeaderValue;
use serde_json::{Value, json};

use super::fixture::*;
use crate::base::time::Timestamp;
use crate::gate::{
    Answer, CredentialKind, Offered, Provider, Question, ResolvedTokens, Resolver, ResolverAnswer,
    ResolverUse, Rule,
};
use crate::token::Claims;

fn resolving(issuer: &str, tokens: ResolvedTokens) -> Provider {
    let cookies = ["app_session", "app_access_token", "session"].map(str::to_owned).to_vec();
    let cookie = Vec::new();
    Provider { resolver: Some(Resolver { cookies, tokens }), cookies: cookie, ..provider(issuer) }
}

fn valid(claims: &Value) -> ResolverAnswer {
    let Value::Object(members) = claims.clone() else { panic!("claims are an object") };
    let until = Timestamp::from_secs(NOW + 10);
    ResolverAnswer::Valid { claims: Arc::new(Claims::from(members)), until }
}

fn ada() -> ResolverAnswer {
    valid(&json!({ "sub": "ada", "amr": ["pwd"] }))
}

fn invalid() -> ResolverAnswer {
    ResolverAnswer::Invalid { clear: [HeaderValue::from_static("session=; Path=/")].into() }
}

fn gate_that(answer: ResolverAnswer) -> Gate {
    gate_with(vec![resolving(ISSUER, ResolvedTokens::All)], answer)
}

fn gate_with(providers: Vec<Provider>, answer: ResolverAnswer) -> Gate {
    gate_of(providers, vec![route("/*")]).oracle(move |question| match question {
        Question::Resolver(_) => Answer::Resolver(answer.clone()),
        other => unavailable(other),
    })
}

/// What the resolver was shown for `request`: `Authorization`, `Cookie`.
fn shown(request: Ask) -> Vec<(String, String)> {
    let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let providers = vec![resolving(ISSUER, ResolvedTokens::All)];
    let gate = gate_of(providers, vec![route("/*")]).oracle(move |question| {
        let Question::Resolver(asked) = question else { return unavailable(question) };
        let text = |part: Option<&crate::base::secret::Secret<String>>| {
            part.map(|text| text.expose().clone()).unwrap_or_default()
        };
        let offered: &Offered = &asked.offered;
        kept.lock().unwrap().push((text(offered.authorization()), text(offered.cookie())));
        assert!(!format!("{asked:?}").contains("s3cret"), "{asked:?}");
        Answer::Resolver(invalid())
    });
    gate.decide(request);
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[test]
fn a_cookie_that_the_resolver_knows_names_the_caller() {
    let verdict = gate_that(ada()).decide(get("/").cookie("session", "opaque"));
    assert_eq!((verdict.outcome(), verdict.asked), (allow("ada"), vec!["a resolver"]));
}

#[test]
fn the_resolver_is_shown_all_four_in_its_own_order_and_nothing_else() {
    let request = get("/")
        .header("cookie", "session=s3cret-4; theme=dark; app_access_token=s3cret-3")
        .header("cookie", "app_session=s3cret-2");
    let cookies = "app_session=s3cret-2; app_access_token=s3cret-3; session=s3cret-4".to_owned();
    assert_eq!(shown(request), [(String::new(), cookies)]);
    let request = get("/").bearer("s3cret-1").cookie("session", "s3cret-4");
    assert_eq!(shown(request), [("Bearer s3cret-1".to_owned(), "session=s3cret-4".to_owned())]);
    assert!(shown(get("/").cookie("theme", "dark")).is_empty());
}

#[test]
fn a_jwt_of_another_issuer_is_none_of_its_business() {
    let foreign = token().claim("iss", json!("https://other.test")).text();
    assert!(shown(get("/").bearer(&foreign).cookie("session", "opaque")).is_empty());
    let own = token().text();
    assert_eq!(shown(get("/").bearer(&own)).len(), 1);
}

#[test]
fn an_answer_counts_until_its_time_and_is_remembered_no_longer() {
    let gate = gate_that(ada());
    let verdict = gate.decide(get("/").cookie("session", "opaque"));
    assert_eq!(verdict.caller().usable_until().as_secs(), NOW + 10);
    let known = [Some(verdict.caller())];
    let again = gate.decide_knowing(get("/").cookie("session", "opaque"), &known);
    assert!(again.asked.is_empty(), "{:?}", again.asked);
    let late = gate.at(NOW + 10);
    let again = late.decide_knowing(get("/").cookie("session", "opaque"), &known);
    assert_eq!(again.asked, ["a resolver"]);
}

#[test]
fn what_does_not_hold_leads_to_sign_in_and_a_token_to_401() {
    let gate = gate_that(invalid());
    let request = || get("/").cookie("session", "opaque");
    assert!(matches!(gate.decide(request().navigating()).outcome(), Outcome::SignIn(_)));
    gate.check(request(), deny("resolver_rejected"));
    gate.check(request().bearer("opaque").navigating(), deny("resolver_rejected"));
    let gate = gate_that(ResolverAnswer::SawNone);
    gate.check(request(), deny("resolver_saw_none"));
}

#[test]
fn guests_may_have_a_cookie_that_does_not_hold_but_no_such_token() {
    let providers = vec![resolving(ISSUER, ResolvedTokens::All)];
    let gate = gate_of(providers, vec![route("/*").optional()]).oracle(|question| match question {
        Question::Resolver(_) => Answer::Resolver(invalid()),
        other => unavailable(other),
    });
    gate.check(get("/").cookie("session", "opaque"), ANONYMOUS);
    gate.check(get("/").bearer("opaque"), deny("resolver_rejected"));
}

#[test]
fn no_answer_is_neither_yes_nor_no() {
    let gate = gate_that(ResolverAnswer::Unavailable);
    let expected = || Outcome::Unavailable("resolver_unavailable");
    gate.check(get("/").cookie("session", "opaque"), expected());
    gate.check(get("/").cookie("session", "opaque").navigating(), expected());
    let optional =
        gate_of(vec![resolving(ISSUER, ResolvedTokens::All)], vec![route("/*").optional()]);
    optional.check(get("/").cookie("session", "opaque"), expected());
}

#[test]
fn two_cookies_of_one_name_are_refused() {
    let request = get("/").header("cookie", "session=a; session=b");
    gate_that(ada()).check(request, refuse("several_cookies"));
    let request = get("/").header("cookie", "theme=a; theme=b; session=c");
    gate_that(ada()).check(request, allow("ada"));
}

#[test]
fn a_cookie_that_could_be_more_than_one_is_not_shown() {
    for value in ["a,b", "a\\b", "a\u{e9}", "a b"] {
        let request = get("/").header("cookie", format!("session={value}"));
        assert!(shown(request).is_empty(), "{value}");
    }
}

#[test]
fn a_route_that_takes_no_cookies_shows_none() {
    let providers = || vec![resolving(ISSUER, ResolvedTokens::All)];
    let route = route("/*").accepts(&[CredentialKind::Bearer]);
    let gate = gate_of(providers(), vec![route]).oracle(|question| match question {
        Question::Resolver(asked) => {
            assert!(asked.offered.cookie().is_none());
            Answer::Resolver(ada())
        }
        other => unavailable(other),
    });
    gate.check(get("/").cookie("session", "opaque"), deny("missing_credential"));
    gate.check(get("/").cookie("session", "opaque").bearer("opaque"), allow("ada"));
}

#[test]
fn a_jwt_is_judged_here_first_and_asked_about_then() {
    let gate = |answer| gate_with(vec![resolving(ISSUER, ResolvedTokens::Recheck)], answer);
    let verdict = gate(ada()).decide(get("/").bearer(token().text()));
    assert_eq!((verdict.outcome(), verdict.asked.clone()), (allow("ada"), vec!["a resolver"]));
    assert_eq!(verdict.caller().usable_until().as_secs(), NOW + 10);
    // A token that does not hold here causes no question.
    let expired = get("/").bearer(token().expires(NOW - 600).text());
    let verdict = gate(ada()).decide(expired);
    assert_eq!((verdict.outcome(), verdict.asked), (deny("token_expired"), vec![]));
    gate(invalid()).check(get("/").bearer(token().text()), deny("resolver_rejected"));
    let another = valid(&json!({ "sub": "bob" }));
    gate(another).check(get("/").bearer(token().text()), deny("resolver_rejected"));
    let down = gate(ResolverAnswer::Unavailable);
    down.check(get("/").bearer(token().text()), Outcome::Unavailable("resolver_unavailable"));
}

#[test]
fn a_recheck_is_another_question_than_who_it_is() {
    let providers = vec![resolving(ISSUER, ResolvedTokens::Recheck)];
    let gate = gate_of(providers, vec![route("/*")]).oracle(|question| match question {
        Question::Resolver(asked) if asked.purpose == ResolverUse::Recheck => {
            Answer::Resolver(ada())
        }
        Question::Resolver(_) => Answer::Resolver(valid(&json!({ "sub": "bob" }))),
        other => unavailable(other),
    });
    gate.check(get("/").bearer(token().text()), allow("ada"));
    gate.check(get("/").bearer("opaque"), allow("bob"));
    // A token of this kind decides alone.
    gate.check(get("/").bearer(token().text()).cookie("session", "opaque"), allow("ada"));
}

#[test]
fn rules_hold_for_callers_of_a_resolver() {
    let rule = Rule { amr_any: vec!["mfa".into()], ..Rule::default() };
    let providers = vec![resolving(ISSUER, ResolvedTokens::All)];
    let gate =
        gate_of(providers, vec![route("/*").requires(rule)]).oracle(|question| match question {
            Question::Resolver(_) => Answer::Resolver(ada()),
            other => unavailable(other),
        });
    gate.check(get("/").bearer("opaque"), deny("authentication_too_weak"));
    gate.check(get("/").cookie("session", "opaque"), deny("authentication_too_weak"));
}
