//! `Authorization: Bearer`: tokens that hold and tokens that do not.

use super::fixture::*;

#[test]
fn a_good_token_names_the_caller() {
    check(get("/orders").by_ada(), allow("ada"));
}

#[test]
fn without_a_token_a_program_is_challenged() {
    check(get("/orders"), deny("missing_credential"));
}

#[test]
fn a_token_is_valid_until_the_second_its_leeway_ends() {
    check(get("/").bearer(token().expires(NOW - LEEWAY + 1).text()), allow("ada"));
    check(get("/").bearer(token().expires(NOW - LEEWAY).text()), deny("token_expired"));
}

#[test]
fn a_token_begins_to_be_valid_at_the_second_its_leeway_begins() {
    check(get("/").bearer(token().claim("nbf", NOW + LEEWAY).text()), allow("ada"));
    check(
        get("/").bearer(token().claim("nbf", NOW + LEEWAY + 1).text()),
        deny("token_not_yet_valid"),
    );
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    check(get("/").bearer(token().claim("aud", "mail").text()), deny("token_audience"));
    check(get("/").bearer(token().issuer("https://evil.example").text()), deny("token_issuer"));
    check(get("/").bearer(token().typ("logout+jwt").text()), deny("token_type"));
}

#[test]
fn a_token_that_says_too_little_is_refused() {
    for claim in ["sub", "aud", "exp"] {
        check(get("/").bearer(token().without(claim).text()), deny("token_malformed"));
    }
    check(get("/").bearer(token().without("iss").text()), deny("token_issuer"));
}

#[test]
fn a_signature_that_does_not_hold_is_refused() {
    check(get("/").bearer(token().broken()), deny("token_signature"));
}

#[test]
fn a_bad_token_wins_over_an_expired_one() {
    check(get("/").bearer(token().expires(1).broken()), deny("token_signature"));
}

/// CVE-2022-29226: any Authorization header was taken for a good one.
#[test]
fn what_is_no_token_is_refused() {
    for text in ["x", "a.b.c", "....", "e30.e30.e30", "%00", "\"quoted\""] {
        let verdict = gate().decide(get("/").bearer(text)).outcome();
        assert!(matches!(verdict, Outcome::Challenge(_)), "{text}: {verdict:?}");
    }
}

#[test]
fn the_scheme_is_bearer_in_any_case_and_nothing_else() {
    let good = token().text();
    for scheme in ["bearer", "BEARER", "Bearer ", "bEaReR   "] {
        check(get("/").header("authorization", format!("{scheme} {good}")), allow("ada"));
    }
    for scheme in ["Basic", "DPoP", "Token", "JWT", "Bearer:", "Bearer\t", "BearerX"] {
        let request = get("/").header("authorization", format!("{scheme} {good}"));
        check(request, deny("unknown_scheme"));
    }
}

#[test]
fn a_bearer_token_has_no_spaces_commas_or_strange_bytes() {
    let good = token().text();
    for value in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {good} "),
        format!("Bearer {good} {good}"),
        format!("Bearer {good},{good}"),
        format!("Bearer {good}, Bearer {good}"),
        format!("Bearer \u{e9}{good}"),
    ] {
        let verdict = gate().decide(get("/").header("authorization", &value)).outcome();
        assert_eq!(verdict, deny("malformed_credential"), "{value}");
    }
}

#[test]
fn a_token_longer_than_the_bound_is_refused_unread() {
    let long = token().claim("pad", "x".repeat(4096)).text();
    check(get("/").bearer(long), deny("token_malformed"));
}

#[test]
fn a_bad_token_is_never_a_redirect() {
    check(get("/").navigating().bearer(token().broken()), deny("token_signature"));
    check(get("/").navigating().header("authorization", "Basic eDp5"), deny("unknown_scheme"));
}

#[test]
fn a_route_that_takes_no_bearer_tokens_refuses_a_good_one() {
    use crate::gate::CredentialKind;
    let gate = routes([route("/*").accepts(&[CredentialKind::Cookie])]);
    gate.check(get("/").by_ada(), deny("credential_not_accepted"));
    gate.check(get("/").cookie("sso", token().text()), allow("ada"));
}

/// What a connection had before says how a token is written, never whose it is.
#[test]
fn a_familiar_token_is_judged_like_any_other() {
    let (ada, bob) = (token().text(), token().claim("sub", "bob").text());
    check(get("/").bearer(&ada).after(&*ada), allow("ada"));
    check(get("/").bearer(&bob).after(&*ada), allow("bob"));
    check(get("/").after(&*ada), deny("missing_credential"));
    let expired = token().expires(1).text();
    check(get("/").bearer(&expired).after(&*expired), deny("token_expired"));
    let cut = &ada[..ada.len() - 1];
    let outcome = |familiar: &str| {
        gate().decide(get("/").bearer(format!("{cut}\"")).after(familiar)).outcome()
    };
    assert_eq!(outcome(&ada), outcome(cut));
    assert_eq!(outcome(cut), deny("malformed_credential"));
}
