//! The end of a sign-in: who must say so, what ends with it, and who hears of it.

use super::*;

const AFTER: &str = "http://127.0.0.1:8080/.auth/signed-out";

fn leaving(changes: &[(&str, &str)]) -> Fields {
    changed(&[("client_id", "demo"), ("post_logout_redirect_uri", AFTER)], changes)
}

fn end(fixture: &Fixture, changes: &[(&str, &str)], cookie: Option<&str>) -> Ending {
    fixture.provider.end_session(&leaving(changes), cookie).unwrap()
}

fn over(ending: Ending) -> (Option<String>, Option<Notice>) {
    match ending {
        Ending::Over(location, notice) => (location, notice),
        other => panic!("expected an end, found {other:?}"),
    }
}

#[test]
fn a_client_with_a_hint_ends_the_session_and_hears_of_it() {
    let fixture = Fixture::new();
    let (answer, cookie) = fixture.signed_in("ada");
    fixture.at(3600);
    let hint = answer["id_token"].as_str().unwrap();
    let ending = end(&fixture, &[("id_token_hint", hint), ("state", "s")], Some(&cookie));
    let (location, notice) = over(ending);
    assert_eq!(location.unwrap(), format!("{AFTER}?state=s"));
    let (url, token) = notice.unwrap().shown();
    let claims = claims(&token.into());
    assert_eq!(url, "http://127.0.0.1:8080/.auth/backchannel-logout/demo");
    let expected = json!({
        "iss": "http://127.0.0.1:9090", "aud": "demo", "sub": "ada", "iat": NOW + 3600, "exp": NOW + 3720,
        "sid": super::claims(&answer["id_token"])["sid"], "jti": claims["jti"],
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    assert_eq!(claims, expected);
    assert_eq!(asked(fixture.authorize(&[], Some(&cookie))).asks, Asks::Password);
    let refresh = answer["refresh_token"].as_str().unwrap();
    assert_eq!(fixture.refresh(refresh).unwrap_err(), GrantError::InvalidGrant);
}

#[test]
fn without_a_fitting_hint_the_person_is_asked() {
    let fixture = Fixture::new();
    let (_, cookie) = fixture.signed_in("ada");
    let (of_bob, _) = fixture.signed_in("bob");
    assert!(matches!(end(&fixture, &[], Some(&cookie)), Ending::Ask));
    let hint = of_bob["id_token"].as_str().unwrap();
    assert!(matches!(end(&fixture, &[("id_token_hint", hint)], Some(&cookie)), Ending::Ask));
    went_back(fixture.authorize(&[], Some(&cookie)));
    let said_so = fixture.provider.sign_out(&leaving(&[]), Some(&cookie)).unwrap();
    assert!(over(said_so).1.is_some());
    assert_eq!(asked(fixture.authorize(&[], Some(&cookie))).asks, Asks::Password);
}

#[test]
fn nobody_is_led_elsewhere_and_no_forged_hint_counts() {
    let fixture = Fixture::new();
    let (_, cookie) = fixture.signed_in("ada");
    let elsewhere = [("post_logout_redirect_uri", "https://evil.example/")];
    assert!(matches!(end(&fixture, &elsewhere, None), Ending::Refused(_)));
    assert!(matches!(end(&fixture, &[("client_id", "other")], None), Ending::Refused(_)));
    let (foreign, _) = Fixture::new().signed_in("ada");
    let forged = [("id_token_hint", foreign["id_token"].as_str().unwrap())];
    assert!(matches!(end(&fixture, &forged, Some(&cookie)), Ending::Refused(_)));
    went_back(fixture.authorize(&[], Some(&cookie)));
}

#[test]
fn a_client_that_never_knew_hears_nothing() {
    let fixture = Fixture::new();
    let cookie = fixture.cookie("ada");
    let ending = fixture.provider.sign_out(&leaving(&[]), Some(&cookie)).unwrap();
    assert!(over(ending).1.is_none());
    let nobody = end(&fixture, &[], None);
    assert_eq!(over(nobody).0.as_deref(), Some(AFTER));
}

#[test]
fn whoever_signs_in_as_somebody_else_has_left() {
    let fixture = Fixture::new();
    let (answer, cookie) = fixture.signed_in("ada");
    let enter = |user, cookie: &str| {
        fixture.provider.enter_by_password(people::find(user).unwrap(), Some(cookie)).unwrap()
    };
    let again = enter("ada", &cookie);
    assert!(again.notice.is_none());
    let other = enter("bob", &again.cookie);
    let claims = claims(&other.notice.unwrap().shown().1.into());
    assert_eq!(
        (claims["sub"].as_str(), &claims["sid"]),
        (Some("ada"), &super::claims(&answer["id_token"])["sid"])
    );
}
