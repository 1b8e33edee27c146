use super::*;
use crate::token::algorithm::Algorithm;
use serde_json::json;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const LEEWAY: u64 = 30;

fn rules() -> Rules {
    Rules {
        issuer: "https://login.example".into(),
        audiences: vec!["web".into(), "https://api.example".into()],
        clients: None,
        client_claims: vec!["azp".into(), "client_id".into()],
        algorithms: [Algorithm::Rs256, Algorithm::Es256].into_iter().collect(),
        types: TypeRule::Any,
        leeway: Duration::from_secs(LEEWAY),
    }
}

fn for_clients(clients: &[&str]) -> Rules {
    Rules { clients: Some(clients.iter().map(ToString::to_string).collect()), ..rules() }
}

fn header(typ: Option<&str>) -> Header {
    Header { algorithm: Algorithm::Rs256, kid: None, typ: typ.map(str::to_owned) }
}

/// Good claims with `changes` on top; `null` takes a claim away.
fn claims(changes: Value) -> Claims {
    let mut claims = json!({
        "iss": "https://login.example", "aud": "web", "sub": "ada", "exp": NOW.as_secs() + 60
    });
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes {
        match value {
            Value::Null => drop(members.remove(&name)),
            value => drop(members.insert(name, value)),
        }
    }
    Claims::from(members.clone())
}

fn judge(rules: &Rules, changes: Value) -> Result<(), &'static str> {
    let claims = claims(changes);
    rules
        .check_origin(&header(None), &claims)
        .and_then(|()| rules.check_claims(&claims, NOW))
        .map(|_| ())
        .map_err(|error| error.label())
}

fn judge_type(types: TypeRule, typ: Option<&str>) -> Result<(), TokenError> {
    Rules { types, ..rules() }.check_origin(&header(typ), &claims(json!({})))
}

#[test]
fn a_token_is_valid_until_the_second_it_expires() {
    let exp = |seconds| judge(&rules(), json!({ "exp": seconds }));
    assert_eq!(exp(NOW.as_secs() - LEEWAY + 1), Ok(()));
    assert_eq!(exp(NOW.as_secs() - LEEWAY), Err("token_expired"));
    assert_eq!(exp(0), Err("token_expired"));
    assert_eq!(judge(&rules(), json!({ "exp": null })), Err("token_missing_claim"));
}

#[test]
fn without_leeway_the_boundary_is_the_date_itself() {
    let rules = Rules { leeway: Duration::ZERO, ..rules() };
    assert_eq!(judge(&rules, json!({ "exp": NOW.as_secs() + 1, "nbf": NOW.as_secs() })), Ok(()));
    assert_eq!(judge(&rules, json!({ "exp": NOW.as_secs() })), Err("token_expired"));
    assert_eq!(judge(&rules, json!({ "nbf": NOW.as_secs() + 1 })), Err("token_not_yet_valid"));
}

#[test]
fn the_last_moment_is_told_without_leeway() {
    let expires = rules().check_claims(&claims(json!({ "exp": 1_700_000_007.9 })), NOW);
    assert_eq!(expires, Ok(NOW + Duration::from_secs(7)));
}

#[test]
fn a_start_or_an_issue_beyond_the_leeway_refuses() {
    for (name, label) in [("nbf", "token_not_yet_valid"), ("iat", "token_issued_in_future")] {
        assert_eq!(judge(&rules(), json!({ name: NOW.as_secs() + LEEWAY })), Ok(()));
        assert_eq!(judge(&rules(), json!({ name: NOW.as_secs() + LEEWAY + 1 })), Err(label));
        assert_eq!(judge(&rules(), json!({ name: 0 })), Ok(()));
    }
}

/// [CVE-2026-25537](https://github.com/advisories/GHSA-h395-gr6q-cpjc): a date of a wrong type was taken for an absent one.
#[test]
fn a_date_of_a_wrong_type_refuses() {
    for name in ["exp", "nbf", "iat"] {
        for value in
            [json!("1700000000"), json!(true), json!([]), json!({}), json!(-1), json!(1e300)]
        {
            assert_eq!(
                judge(&rules(), json!({ name: value })),
                Err("token_bad_claim"),
                "{name}: {value}"
            );
        }
    }
    let null = json!({ "iss": "https://login.example", "aud": "web", "sub": "ada", "exp": 1_700_000_060, "nbf": null });
    let claims = Claims::from(null.as_object().unwrap().clone());
    assert_eq!(rules().check_claims(&claims, NOW).unwrap_err().label(), "token_bad_claim");
}

#[test]
fn the_issuer_is_compared_byte_for_byte() {
    for other in [
        "https://login.example/",
        "https://LOGIN.example",
        "https://login.exampl",
        "",
        " https://login.example",
    ] {
        assert_eq!(judge(&rules(), json!({ "iss": other })), Err("token_wrong_issuer"), "{other}");
    }
    assert_eq!(
        judge(&rules(), json!({ "iss": ["https://login.example"] })),
        Err("token_bad_claim")
    );
    assert_eq!(judge(&rules(), json!({ "iss": null })), Err("token_missing_claim"));
}

#[test]
fn one_audience_of_ours_is_enough() {
    for ours in
        [json!("web"), json!("https://api.example"), json!(["other", "web"]), json!(["web", "web"])]
    {
        assert_eq!(judge(&rules(), json!({ "aud": ours })), Ok(()), "{ours}");
    }
    for other in [json!("Web"), json!(""), json!([]), json!(["other"]), json!("web other")] {
        assert_eq!(
            judge(&rules(), json!({ "aud": other })),
            Err("token_wrong_audience"),
            "{other}"
        );
    }
    assert_eq!(judge(&rules(), json!({ "aud": null })), Err("token_missing_claim"));
}

#[test]
fn an_audience_that_is_no_string_refuses_even_beside_ours() {
    for odd in [
        json!(["web", 1]),
        json!([1, "web"]),
        json!(["web", null]),
        json!([["web"]]),
        json!({ "web": 1 }),
        json!(1),
        json!(true),
    ] {
        assert_eq!(judge(&rules(), json!({ "aud": odd })), Err("token_bad_claim"), "{odd}");
    }
}

#[test]
fn without_an_audience_of_ours_nothing_is_accepted() {
    let rules = Rules { audiences: Vec::new(), ..rules() };
    assert_eq!(judge(&rules, json!({})), Err("token_wrong_audience"));
    assert_eq!(judge(&rules, json!({ "aud": "" })), Err("token_wrong_audience"));
}

#[test]
fn every_client_that_is_named_must_be_listed() {
    let rules = for_clients(&["app", "batch"]);
    for good in [
        json!({ "azp": "app" }),
        json!({ "client_id": "batch" }),
        json!({ "azp": "app", "client_id": "batch" }),
    ] {
        assert_eq!(judge(&rules, good.clone()), Ok(()), "{good}");
    }
    for bad in [
        json!({}),
        json!({ "azp": "evil" }),
        json!({ "azp": "app", "client_id": "evil" }),
        json!({ "azp": "evil", "client_id": "app" }),
    ] {
        assert_eq!(judge(&rules, bad.clone()), Err("token_wrong_client"), "{bad}");
    }
    assert_eq!(judge(&rules, json!({ "azp": ["app"] })), Err("token_bad_claim"));
    assert_eq!(judge(&for_clients(&[]), json!({ "azp": "app" })), Err("token_wrong_client"));
}

#[test]
fn without_a_list_any_client_is_accepted() {
    assert_eq!(judge(&rules(), json!({ "azp": "anybody" })), Ok(()));
}

#[test]
fn a_subject_is_required_and_of_bounded_length() {
    assert_eq!(judge(&rules(), json!({ "sub": "x".repeat(1024) })), Ok(()));
    for bad in [json!(""), json!("x".repeat(1025)), json!(5), json!(["ada"])] {
        assert_eq!(judge(&rules(), json!({ "sub": bad })), Err("token_bad_claim"));
    }
    assert_eq!(judge(&rules(), json!({ "sub": null })), Err("token_missing_claim"));
}

#[test]
fn an_algorithm_that_is_not_pinned_is_refused() {
    let pinned = Rules { algorithms: [Algorithm::Es256].into_iter().collect(), ..rules() };
    let error = pinned.check_origin(&header(None), &claims(json!({}))).unwrap_err();
    assert_eq!(error, TokenError::AlgorithmNotAllowed { found: Algorithm::Rs256 });
}

#[test]
fn most_issuers_types_are_any() {
    for typ in [
        None,
        Some("JWT"),
        Some("jwt"),
        Some("application/jwt"),
        Some("at+jwt"),
        Some("application/AT+JWT"),
    ] {
        assert_eq!(judge_type(TypeRule::Any, typ), Ok(()), "{typ:?}");
    }
    for typ in [
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "JOSE",
        "",
        "application/",
        "text/jwt",
        "application/application/jwt",
    ] {
        assert_eq!(judge_type(TypeRule::Any, Some(typ)), Err(TokenError::WrongType), "{typ}");
    }
}

#[test]
fn an_access_token_says_so() {
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/at+JWT"] {
        assert_eq!(judge_type(TypeRule::AccessToken, Some(typ)), Ok(()), "{typ}");
    }
    for typ in [None, Some("JWT"), Some("logout+jwt"), Some("at+jwt ")] {
        assert_eq!(judge_type(TypeRule::AccessToken, typ), Err(TokenError::WrongType), "{typ:?}");
    }
}

#[test]
fn an_exact_list_replaces_the_usual_types() {
    let own = || TypeRule::Exactly(vec!["application/sso+jwt".into()]);
    assert_eq!(judge_type(own(), Some("sso+jwt")), Ok(()));
    for typ in [None, Some("JWT"), Some("at+jwt"), Some("é"), Some("applicatioé/sso+jwt")] {
        assert_eq!(judge_type(own(), typ), Err(TokenError::WrongType), "{typ:?}");
    }
}

#[test]
fn plain_and_logout_types_keep_access_tokens_out() {
    for (typ, plain, logout) in [
        (None, true, true),
        (Some("JWT"), true, true),
        (Some("logout+jwt"), false, true),
        (Some("application/logout+jwt"), false, true),
        (Some("at+jwt"), false, false),
        (Some(""), false, false),
    ] {
        assert_eq!(judge_type(TypeRule::Plain, typ).is_ok(), plain, "{typ:?}");
        assert_eq!(judge_type(TypeRule::Logout, typ).is_ok(), logout, "{typ:?}");
    }
}

#[test]
fn a_statement_may_lack_a_subject_and_an_end_but_not_have_bad_ones() {
    let judge = |changes| {
        let verdict = rules().check_statement(&claims(changes), NOW);
        verdict.map_err(|error| error.label())
    };
    assert_eq!(judge(json!({ "sub": null, "exp": null })), Ok(None));
    let end = NOW + Duration::from_secs(60);
    assert_eq!(judge(json!({})), Ok(Some(end)));
    for (changes, label) in [
        (json!({ "sub": "" }), "token_bad_claim"),
        (json!({ "exp": NOW.as_secs() - LEEWAY }), "token_expired"),
        (json!({ "aud": "other" }), "token_wrong_audience"),
        (json!({ "aud": null }), "token_missing_claim"),
    ] {
        assert_eq!(judge(changes), Err(label));
    }
}
