//! Codes and refresh tokens: each is good once, for one client, for what it was asked for.

use super::*;
use crate::token::{Algorithm, half_hash};

#[test]
fn a_code_becomes_tokens_that_say_who_when_and_how() {
    let fixture = Fixture::new();
    let cookie = fixture.cookie("ada");
    fixture.at(30);
    let answer = fixture.redeem(&[("code", &fixture.code(&cookie))]).unwrap();
    assert_eq!(
        (answer["token_type"].as_str(), answer["expires_in"].as_u64()),
        (Some("Bearer"), Some(600))
    );
    let said = claims(&answer["id_token"]);
    let at_hash = half_hash(Algorithm::Es256, answer["access_token"].as_str().unwrap());
    let expected = json!({
        "iss": "http://127.0.0.1:9090", "aud": "demo", "sub": "ada", "nonce": "the nonce",
        "iat": NOW + 30, "exp": NOW + 630, "auth_time": NOW, "acr": "password", "amr": ["pwd"],
        "sid": said["sid"], "at_hash": at_hash, "name": "Ada Lovelace", "preferred_username": "ada",
        "email": "ada@example.com", "email_verified": true, "groups": ["admin", "staff"],
    });
    assert_eq!(said, expected);
    assert_ne!(said["sid"].as_str(), Some(cookie.as_str()), "the cookie is nobody else's to know");
}

#[test]
fn a_code_is_for_its_client_address_and_verifier_and_one_try() {
    let other = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl";
    for change in [
        ("code_verifier", other),
        ("code_verifier", ""),
        ("code_verifier", CHALLENGE),
        ("redirect_uri", "http://localhost:8080/.auth/callback/demo"),
        ("redirect_uri", ""),
    ] {
        let fixture = Fixture::new();
        let code = fixture.code(&fixture.cookie("ada"));
        let wrong = fixture.redeem(&[("code", &code), change]);
        assert_eq!(wrong.unwrap_err(), GrantError::InvalidGrant, "{change:?}");
        let late = fixture.redeem(&[("code", &code)]);
        assert_eq!(late.unwrap_err(), GrantError::InvalidGrant, "a second try after {change:?}");
    }
}

#[test]
fn a_code_ends_after_a_minute() {
    let fixture = Fixture::new();
    let code = fixture.code(&fixture.cookie("ada"));
    fixture.at(60);
    assert_eq!(fixture.redeem(&[("code", &code)]).unwrap_err(), GrantError::InvalidGrant);
}

// RFC 6749 §4.1.2: a second use revokes what the first one gave.
#[test]
fn a_code_that_comes_twice_ends_what_it_gave() {
    let fixture = Fixture::new();
    let code = fixture.code(&fixture.cookie("ada"));
    let answer = fixture.redeem(&[("code", &code)]).unwrap();
    assert_eq!(fixture.redeem(&[("code", &code)]).unwrap_err(), GrantError::InvalidGrant);
    let refresh = answer["refresh_token"].as_str().unwrap();
    assert_eq!(fixture.refresh(refresh).unwrap_err(), GrantError::InvalidGrant);
}

#[test]
fn only_the_client_redeems_anything() {
    let fixture = Fixture::new();
    let form = changed(&[("grant_type", "authorization_code")], &[("code", "x")]);
    let redeem = |headers| fixture.provider.redeem(&headers, &form).unwrap_err();
    assert_eq!(redeem(client("guess")), GrantError::InvalidClient);
    assert_eq!(redeem(HeaderMap::new()), GrantError::InvalidClient);
    assert_eq!(redeem(client("secret")), GrantError::InvalidGrant);
    let refused = |changes: &[(&str, &str)]| fixture.redeem(changes).unwrap_err();
    assert_eq!(refused(&[("client_secret", "secret")]), GrantError::InvalidRequest);
    assert_eq!(refused(&[("client_id", "other")]), GrantError::InvalidClient);
    assert_eq!(refused(&[("code", "a"), ("code", "b")]), GrantError::InvalidRequest);
    assert_eq!(refused(&[("grant_type", "password")]), GrantError::UnsupportedGrantType);
    assert_eq!(refused(&[("grant_type", "")]), GrantError::InvalidRequest);
}

#[test]
fn refresh_tokens_change_and_a_spent_one_ends_them_all() {
    let fixture = Fixture::new();
    let (first, _) = fixture.signed_in("ada");
    let spent = first["refresh_token"].as_str().unwrap();
    fixture.at(500);
    let second = fixture.refresh(spent).unwrap();
    let good = second["refresh_token"].as_str().unwrap();
    assert_ne!(good, spent);
    let (before, after) = (claims(&first["id_token"]), claims(&second["id_token"]));
    assert_eq!(
        (&after["sub"], &after["sid"], &after["auth_time"]),
        (&before["sub"], &before["sid"], &before["auth_time"])
    );
    assert_eq!((after["iat"].as_u64(), after.get("nonce")), (Some(NOW + 500), None));
    assert_eq!(fixture.refresh(spent).unwrap_err(), GrantError::InvalidGrant);
    assert_eq!(fixture.refresh(good).unwrap_err(), GrantError::InvalidGrant);
}

#[test]
fn a_revoked_refresh_token_is_spent() {
    let fixture = Fixture::new();
    let (answer, _) = fixture.signed_in("ada");
    let token = answer["refresh_token"].as_str().unwrap();
    let form = changed(&[], &[("token", token)]);
    let revoke = |headers| fixture.provider.revoke(&headers, &form);
    assert_eq!(revoke(client("guess")), Err(GrantError::InvalidClient));
    assert_eq!(revoke(client("secret")), Ok(()));
    assert_eq!(fixture.refresh(token).unwrap_err(), GrantError::InvalidGrant);
    assert_eq!(revoke(client("secret")), Ok(()), "what is gone is no error");
}

#[test]
fn userinfo_is_for_a_good_access_token() {
    let fixture = Fixture::new();
    let (answer, _) = fixture.signed_in("bob");
    let ask = |scheme: &str, token: &str| {
        let field = format!("{scheme} {token}").parse().unwrap();
        fixture.provider.userinfo(&HeaderMap::from_iter([(header::AUTHORIZATION, field)]))
    };
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(ask("Bearer", token).unwrap()["sub"], "bob");
    assert_eq!(ask("Basic", token), None);
    assert_eq!(ask("Bearer", "made-up"), None);
    fixture.at(600);
    assert_eq!(ask("Bearer", token), None);
}
