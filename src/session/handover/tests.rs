//! A hand-over is for one host and one departure, soon; nothing else that is sealed is one.

use serde_json::json;

use super::*;
use crate::base::scheme::Scheme;
use crate::session::attempt::AttemptCookies;
use crate::session::tests::{HOST, at, claims, keys, session};

const HOME: &str = "auth.example.com";
const APP: &str = "https://app.other.example";

fn id(seed: u8) -> AttemptId {
    AttemptId::from_bytes([seed; 16])
}

fn referral() -> Referral {
    Referral { departure: id(7), origin: APP.to_owned(), created: at(0) }
}

fn return_to(text: &str) -> ReturnTo {
    ReturnTo::from_sealed(text.to_owned())
}

fn handover(parcel: Parcel) -> Handover {
    Handover::new([3; 16], &referral(), &return_to("/orders?x=1"), parcel, at(0))
}

fn code(handover: &Handover) -> String {
    handover.seal(&keys(), APP, [1; 12]).unwrap()
}

fn ticket() -> Ticket {
    Ticket { id: SessionId::from_bytes([9; 16]), key: Secret::new([8; 32]) }
}

#[test]
fn a_code_brings_what_was_put_in_and_no_token_but_the_refresh_token() {
    let mut session = session();
    session.tokens.refresh = Some(Secret::new("refresh".to_owned()));
    session.tokens.id = Some(Secret::new("a long ID token".to_owned()));
    let sealed = code(&handover(Parcel::of(&session, None)));
    let opened = Handover::open(&keys(), APP, &sealed).unwrap();
    assert_eq!((opened.id, opened.departure), ([3; 16], id(7)));
    assert_eq!(opened.return_to.as_str(), "/orders?x=1");
    let Parcel::Session(found) = opened.parcel else { panic!("{:?}", opened.parcel) };
    assert_eq!((found.id, found.ends), (session.id, session.ends));
    assert_eq!(found.tokens.refresh.unwrap().expose(), "refresh");
    assert!(found.tokens.id.is_none());
    let sealed = code(&handover(Parcel::of(&session, Some(&ticket()))));
    let Parcel::Ticket(found) = Handover::open(&keys(), APP, &sealed).unwrap().parcel else {
        panic!("no ticket")
    };
    assert_eq!((found.id, found.key.expose()), (ticket().id, ticket().key.expose()));
    let sealed = code(&handover(Parcel::Nobody));
    assert!(matches!(Handover::open(&keys(), APP, &sealed).unwrap().parcel, Parcel::Nobody));
}

/// Scheme and port count too: they are other origins, with other people behind them.
#[test]
fn a_code_opens_at_its_own_origin_alone() {
    let sealed = code(&handover(Parcel::Nobody));
    let forged = HandoverError::Open(OpenError::Forged);
    for other in
        ["https://app.example.com", "http://app.other.example", "https://app.other.example:8443"]
    {
        assert_eq!(Handover::open(&keys(), other, &sealed).unwrap_err(), forged, "{other}");
    }
}

#[test]
fn a_code_lasts_a_minute() {
    let handover = handover(Parcel::Nobody);
    assert_eq!((handover.is_over(at(59)), handover.is_over(at(60))), (false, true));
    assert_eq!(handover.ends(), at(60));
}

#[test]
fn a_code_that_servers_in_front_would_refuse_is_not_made() {
    let mut session = session();
    // Digests do not shrink.
    let groups: Vec<String> =
        (0..400_u32).map(|n| crate::token::sha256_base64url(&n.to_string())).collect();
    session.claims = claims(json!({ "sub": "ada", "groups": groups }));
    let sealed = handover(Parcel::of(&session, None)).seal(&keys(), APP, [1; 12]);
    assert!(matches!(sealed, Err(HandoverError::TooLong(length)) if length > MAX_CODE));
    let sealed = handover(Parcel::of(&session, Some(&ticket()))).seal(&keys(), APP, [1; 12]);
    assert!(sealed.unwrap().len() < 300);
}

#[test]
fn a_referral_is_for_the_host_of_sign_ins_and_for_ten_minutes() {
    let sealed = referral().seal(&keys(), HOME, [1; 12]);
    let open = |host: &str, seconds| Referral::open(&keys(), host, &sealed, at(seconds));
    assert_eq!(open(HOME, 599), Ok(referral()));
    assert_eq!(open(HOME, 600), Err(HandoverError::Expired));
    assert_eq!(open(HOST, 0), Err(HandoverError::Open(OpenError::Forged)));
}

#[test]
fn a_departure_opens_under_its_own_name_and_host_for_ten_minutes() {
    let cookies = AttemptCookies::departures("/.auth", Scheme::Https);
    let departure = Departure { id: id(7), return_to: return_to("/orders"), created: at(0) };
    let (spec, other) = (cookies.spec(departure.id), cookies.spec(id(8)));
    let sealed = departure.seal(&keys(), &spec, HOST, [1; 12]);
    let open = |spec, host, seconds| Departure::open(&keys(), spec, host, &sealed, at(seconds));
    assert_eq!(open(&spec, HOST, 599), Ok(departure));
    assert_eq!(open(&spec, HOST, 600), Err(HandoverError::Expired));
    for (spec, host) in [(&other, HOST), (&spec, "b.example.com")] {
        assert_eq!(open(spec, host, 0), Err(HandoverError::Open(OpenError::Forged)));
    }
}

#[test]
fn the_oldest_departures_make_room_and_attempts_are_none_of_them() {
    let cookies = AttemptCookies::departures("/.auth", Scheme::Https);
    let pair = |seed: u8| {
        let created = at(u64::from(seed));
        let departure = Departure { id: id(seed), return_to: return_to("/"), created };
        let spec = cookies.spec(departure.id);
        format!("{}={}", spec.name(), departure.seal(&keys(), &spec, HOST, [seed; 12]))
    };
    let text = format!("{}; {}; __Secure-sidegate_attempt_AAAAAAAA=x", pair(1), pair(2));
    let headers = http::HeaderMap::from_iter([(http::header::COOKIE, text.parse().unwrap())]);
    let surplus = |keep| cookies.surplus(&headers, &keys(), HOST, at(60), keep);
    assert_eq!((surplus(2), surplus(1)), (vec![], vec![cookies.spec(id(1))]));
}

#[test]
fn a_farewell_is_for_the_host_of_sign_ins_and_for_a_minute() {
    let farewell = Farewell { onward: "https://login.example.com/end".to_owned(), created: at(0) };
    let sealed = farewell.seal(&keys(), HOME, [1; 12]).unwrap();
    let open = |host: &str, seconds| Farewell::open(&keys(), host, &sealed, at(seconds));
    assert_eq!(open(HOME, 59), Ok(farewell.clone()));
    assert_eq!(open(HOME, 60), Err(HandoverError::Expired));
    assert_eq!(open(HOST, 0), Err(HandoverError::Open(OpenError::Forged)));
    let long = Farewell { onward: "x".repeat(8000), ..farewell };
    assert!(matches!(long.seal(&keys(), HOME, [1; 12]), Err(HandoverError::TooLong(_))));
}

/// Each leg has a seal of its own: no text of one serves for another.
#[test]
fn the_legs_are_not_taken_for_one_another() {
    let referral = referral().seal(&keys(), APP, [1; 12]);
    let code = code(&handover(Parcel::Nobody));
    let forged = HandoverError::Open(OpenError::Forged);
    assert_eq!(Handover::open(&keys(), APP, &referral).unwrap_err(), forged);
    assert_eq!(Referral::open(&keys(), APP, &code, at(0)).unwrap_err(), forged);
    assert_eq!(Farewell::open(&keys(), APP, &code, at(0)).unwrap_err(), forged);
}
