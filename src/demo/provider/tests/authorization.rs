//! Authorization requests: who is asked what, and what never gets a code.

use super::*;

fn error(changes: &[(&str, &str)]) -> Option<String> {
    parameter(&went_back(Fixture::new().authorize(changes, None)), "error")
}

#[test]
fn somebody_who_is_signed_in_goes_back_with_a_code() {
    let fixture = Fixture::new();
    let location = went_back(fixture.authorize(&[], Some(&fixture.cookie("ada"))));
    assert!(location.starts_with(&format!("{REDIRECT}?code=")), "{location}");
    assert_eq!(parameter(&location, "state").as_deref(), Some("the state"));
    assert_eq!(parameter(&location, "iss").as_deref(), Some("http://127.0.0.1:9090"));
}

#[test]
fn a_stranger_is_asked_and_silence_is_kept_if_told_so() {
    let fixture = Fixture::new();
    assert_eq!(asked(fixture.authorize(&[], None)).asks, Asks::Password);
    assert_eq!(asked(fixture.authorize(&[], Some("made up"))).asks, Asks::Password);
    assert_eq!(error(&[("prompt", "none")]).as_deref(), Some("login_required"));
}

#[test]
fn nothing_is_sent_to_an_address_that_is_not_registered() {
    for changes in [
        [("redirect_uri", "https://evil.example/.auth/callback/demo")],
        [("redirect_uri", "http://127.0.0.1:8080/.auth/callback/demo/../../")],
        [("redirect_uri", "")],
        [("client_id", "other")],
        [("client_id", "")],
    ] {
        let outcome = Fixture::new().authorize(&changes, None);
        assert!(matches!(outcome, Outcome::Refused(_)), "{changes:?}: {outcome:?}");
    }
}

#[test]
fn every_flaw_of_a_request_has_its_error() {
    let flaws = [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("scope", "profile", "invalid_scope"),
        ("state", "", "invalid_request"),
        ("nonce", "", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "too-short", "invalid_request"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("prompt", "please", "invalid_request"),
        ("max_age", "soon", "invalid_request"),
        ("request", "eyJ", "request_not_supported"),
        ("request_uri", "urn:x", "request_uri_not_supported"),
    ];
    for (name, value, expected) in flaws {
        assert_eq!(error(&[(name, value)]).as_deref(), Some(expected), "{name}={value}");
    }
    assert_eq!(error(&[("state", "a"), ("state", "b")]).as_deref(), Some("invalid_request"));
}

#[test]
fn a_fresh_sign_in_is_asked_for_by_prompt_and_by_age() {
    let fixture = Fixture::new();
    let cookie = fixture.cookie("ada");
    fixture.at(60);
    for changes in [("prompt", "login"), ("prompt", "select_account"), ("max_age", "59")] {
        let question = asked(fixture.authorize(&[changes], Some(&cookie)));
        assert_eq!((question.asks, question.person.unwrap().id), (Asks::Password, "ada"));
    }
    went_back(fixture.authorize(&[("max_age", "60")], Some(&cookie)));
    let silent = fixture.authorize(&[("max_age", "59"), ("prompt", "none")], Some(&cookie));
    assert_eq!(parameter(&went_back(silent), "error").as_deref(), Some("login_required"));
}

#[test]
fn a_second_factor_is_asked_for_once() {
    let fixture = Fixture::new();
    let cookie = fixture.cookie("ada");
    let strong = [("acr_values", "mfa")];
    assert_eq!(asked(fixture.authorize(&strong, None)).asks, Asks::PasswordAndCode);
    assert_eq!(asked(fixture.authorize(&strong, Some(&cookie))).asks, Asks::Code);
    went_back(fixture.authorize(&[("acr_values", "mfa password")], Some(&cookie)));
    let silent = fixture.authorize(&[strong[0], ("prompt", "none")], Some(&cookie));
    assert_eq!(parameter(&went_back(silent), "error").as_deref(), Some("interaction_required"));

    let typed = |code| Typed { user: "bob", password: "", code };
    let answer = |code| fixture.provider.answer(&request(&strong), typed(code), Some(&cookie));
    let (outcome, entered) = answer("000000").unwrap();
    assert!(asked(outcome).is_repeated && entered.is_none());
    let (outcome, entered) = answer(people::CODE).unwrap();
    let entered = entered.unwrap();
    let session = fixture.provider.signed_in(Some(&entered.cookie)).unwrap();
    assert_eq!(session.person.id, "ada", "the session says who it is, not the form");
    went_back(outcome);
    went_back(fixture.authorize(&strong, Some(&entered.cookie)));
    assert_eq!(
        asked(fixture.authorize(&[], Some(&cookie))).asks,
        Asks::Password,
        "the old name is gone"
    );
}

#[test]
fn the_page_takes_the_right_password_alone() {
    let fixture = Fixture::new();
    let answer = |user, password, code| {
        let typed = Typed { user, password, code };
        fixture.provider.answer(&request(&[("acr_values", "mfa")]), typed, None).unwrap()
    };
    for (user, password, code) in
        [("ada", "guess", people::CODE), ("ada", "demo", ""), ("eve", "demo", people::CODE)]
    {
        let (outcome, entered) = answer(user, password, code);
        assert!(asked(outcome).is_repeated && entered.is_none(), "{user} {password} {code}");
    }
    let (outcome, entered) = answer("bob", "demo", people::CODE);
    assert!(went_back(outcome).contains("code=") && entered.is_some());
}

#[test]
fn who_mistypes_the_password_of_somebody_else_is_asked_for_that_again() {
    let fixture = Fixture::new();
    let cookie = fixture.cookie("ada");
    let typed = Typed { user: "bob", password: "guess", code: "" };
    let answer = fixture.provider.answer(&request(&[("prompt", "login")]), typed, Some(&cookie));
    assert_eq!(asked(answer.unwrap().0).person.unwrap().id, "bob");
}

#[test]
fn a_request_that_was_changed_on_the_page_is_refused_like_any_other() {
    let fixture = Fixture::new();
    let fields = request(&[("redirect_uri", "https://evil.example/")]);
    let typed = Typed { user: "ada", password: "demo", code: "" };
    let (outcome, entered) = fixture.provider.answer(&fields, typed, None).unwrap();
    assert!(matches!(outcome, Outcome::Refused(_)) && entered.is_none());
}
