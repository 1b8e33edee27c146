//! What the tests of this module share, and those of a session's life and bytes.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::base::scheme::Scheme;

pub(super) const HOST: &str = "app.example.com";

pub(super) fn secret(seed: u8) -> Secret<[u8; 32]> {
    Secret::new(std::array::from_fn(|index| u8::try_from(index).unwrap() ^ seed))
}

pub(super) fn keys() -> SealingKeys {
    SealingKeys::new(&[secret(1)]).unwrap()
}

pub(super) fn spec() -> CookieSpec {
    CookieSpec::session("sidegate", Scope::Host, Scheme::Https).unwrap()
}

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + seconds)
}

pub(super) fn claims(value: Value) -> Claims {
    let Value::Object(members) = value else { panic!("not an object") };
    Claims::from(members)
}

pub(super) fn session() -> Session {
    let limits = Limits::default();
    Session {
        id: SessionId::from_bytes([9; 16]),
        provider: "corp".into(),
        client: "sidegate-client".into(),
        issuer: "https://login.example.com/realms/main".into(),
        subject: "8d0a3a6e-36a4-4b6f-8d8c-3f6d9a0b1c2d".into(),
        sid: Some("provider-session".into()),
        claims: claims(json!({ "sub": "8d0a3a6e-36a4-4b6f-8d8c-3f6d9a0b1c2d", "amr": ["pwd"] })),
        started: at(0),
        idle_until: at(0) + limits.idle,
        ends: at(0) + limits.absolute,
        renewal: None,
        persistent: false,
        tokens: Tokens::default(),
        renewals: 0,
    }
}

fn full() -> Session {
    let token = |text: &str| Some(Secret::new(text.to_owned()));
    Session {
        renewal: Some(Renewal { due: at(240), by: at(300) }),
        persistent: true,
        tokens: Tokens {
            refresh: token("hunter2"),
            access: token("hunter3"),
            id: token("hunter4"),
        },
        renewals: 7,
        ..session()
    }
}

// --- life ---

const IDLE: u64 = 8 * 3600;
const TOUCH: u64 = 300;

fn life(session: &Session, seconds: u64) -> Life {
    session.life(&Limits::default(), at(seconds))
}

#[test]
fn a_session_is_good_until_it_should_be_touched() {
    let session = session();
    let until = at(TOUCH);
    assert_eq!(life(&session, 0), Life::Good { until });
    assert_eq!(life(&session, TOUCH - 1), Life::Good { until });
    assert_eq!(life(&session, TOUCH), Life::Touch);
}

#[test]
fn a_session_ends_when_it_was_idle_for_too_long() {
    assert_eq!(life(&session(), IDLE - 1), Life::Touch);
    assert_eq!(life(&session(), IDLE), Life::Over(Ended::Idle));
}

#[test]
fn a_touched_session_lives_on_but_never_beyond_its_end() {
    let limits = Limits::default();
    let mut session = session();
    for hour in 0..24 {
        assert!(!matches!(life(&session, hour * 3600), Life::Over(_)), "hour {hour}");
        session = session.touched(&limits, at(hour * 3600));
    }
    assert_eq!(session.idle_until, session.ends);
    assert_eq!(life(&session, 24 * 3600 - 1), Life::Good { until: session.ends });
    assert_eq!(life(&session, 24 * 3600), Life::Over(Ended::Absolute));
}

/// The last touch but one may leave a stretch shorter than what a touch is worth.
#[test]
fn the_last_touch_reaches_the_very_end() {
    let almost = Session { idle_until: at(24 * 3600 - 10), ..session() };
    assert_eq!(life(&almost, 16 * 3600 - 10), Life::Good { until: at(16 * 3600) });
    assert_eq!(life(&almost, 16 * 3600), Life::Touch);
    let touched = almost.touched(&Limits::default(), at(16 * 3600));
    assert_eq!(life(&touched, 16 * 3600), Life::Good { until: touched.ends });
}

#[test]
fn shorter_limits_hold_for_sessions_that_are_there_already() {
    let hour = Duration::from_secs(3600);
    let short = Limits::new(hour, 2 * hour);
    assert_eq!(session().life(&short, at(0)), Life::Touch);
    assert_eq!(session().touched(&short, at(0)).idle_until, at(3600));
    assert_eq!(session().life(&short, at(3599)), Life::Touch);
    assert_eq!(session().life(&short, at(3600)), Life::Good { until: at(7200) });
    assert_eq!(session().life(&short, at(7200)), Life::Over(Ended::Absolute));
}

#[test]
fn what_was_found_good_is_looked_at_again_when_renewal_is_due() {
    let session = full();
    assert_eq!(life(&session, 0), Life::Good { until: at(240) });
    assert_eq!(life(&session, 240), Life::Good { until: at(300) });
    let due = [239, 240, 300].map(|second| session.is_due(at(second)));
    let must = [240, 299, 300].map(|second| session.must_be_renewed(at(second)));
    assert_eq!((due, must), ([false, true, true], [false, false, true]));
    assert!(!self::session().is_due(at(IDLE)));
}

#[test]
fn a_touch_waits_for_a_tenth_of_the_idle_time_or_five_minutes() {
    let touch = |idle| {
        let idle = Duration::from_secs(idle);
        Limits::new(idle, idle).touch_after.as_secs()
    };
    assert_eq!((touch(600), touch(3000), touch(3010), touch(IDLE)), (60, 300, 300, 300));
}

proptest! {
    /// `until` is a promise to those who remember the answer.
    #[test]
    fn nothing_changes_before_the_moment_it_was_promised_for(
        idle in 1_u64..40_000, absolute in 1_u64..40_000, idle_until in 0_u64..40_000,
        now in 0_u64..40_000, due in 0_u64..40_000, step in 0_u64..40_000,
    ) {
        let span = Duration::from_secs;
        let limits = Limits::new(span(idle), span(absolute));
        let renewal = Some(Renewal { due: at(due), by: at(due + 60) });
        let session = Session { idle_until: at(idle_until), renewal, ..session() };
        if let Life::Good { until } = session.life(&limits, at(now)) {
            prop_assert!(until > at(now));
            let later = at(now) + span(step % at(now).until(until).as_secs());
            prop_assert_eq!(session.life(&limits, later), Life::Good { until });
            prop_assert_eq!(session.is_due(later), session.is_due(at(now)));
        }
    }
}

// --- bytes ---

#[test]
fn a_session_is_read_back_as_it_was() {
    for session in [session(), full(), Session { sid: None, ..session() }] {
        let bytes = session.encode();
        let again = Session::decode(&bytes).unwrap();
        assert_eq!(again.encode(), bytes);
        assert_eq!(format!("{again:?}"), format!("{session:?}"));
        let refresh =
            |session: &Session| session.tokens.refresh.as_ref().map(|t| t.expose().clone());
        assert_eq!(refresh(&again), refresh(&session));
    }
}

fn with_refresh_token(text: &str) -> Session {
    let refresh = Some(Secret::new(text.to_owned()));
    Session { tokens: Tokens { refresh, ..Tokens::default() }, ..session() }
}

proptest! {
    /// Taken apart or not, a token is given back byte for byte.
    #[test]
    fn every_token_is_read_back_as_it_was(token in "[a-zA-Z0-9._=+/ é-]{0,60}|([a-zA-Z0-9_-]{0,24}[.]){0,7}") {
        let again = Session::decode(&with_refresh_token(&token).encode()).unwrap();
        let refresh = again.tokens.refresh.map(|token| token.expose().clone());
        prop_assert_eq!(refresh, Some(token));
    }
}

#[test]
fn tokens_in_base64url_take_three_quarters_of_their_length() {
    let length = |text: &str| with_refresh_token(text).encode().len() - session().encode().len();
    let part = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ".repeat(2);
    let token = format!("{part}.{part}.{part}");
    assert!(length(&token) <= token.len() * 3 / 4 + 6, "{}", length(&token));
    assert_eq!(length("not base64url"), "not base64url".len() + 1);
}

#[test]
fn cut_or_lengthened_bytes_are_refused() {
    let bytes = full().encode();
    for length in 0..bytes.len() {
        assert!(Session::decode(&bytes[..length]).is_err(), "{length}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Session::decode(&longer).unwrap_err(), DecodeError::Malformed);
}

#[test]
fn sessions_of_another_version_are_told_apart() {
    let mut bytes = session().encode().to_vec();
    bytes[0] = 2;
    assert_eq!(Session::decode(&bytes).unwrap_err(), DecodeError::Version(2));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Session::decode(&bytes);
        let _ = Session::decode(&[&[1][..], &bytes].concat());
    }
}

#[test]
fn debug_text_shows_no_token() {
    let shown = format!("{:?}", full());
    assert!(!shown.contains("hunter"), "{shown}");
}

// --- cookie ---

#[test]
fn a_session_opens_for_the_cookie_and_host_it_was_sealed_for() {
    let sealed = full().seal(&keys(), &spec(), HOST, [3; 12]);
    let opened = Session::open(&keys(), &spec(), HOST, &sealed).unwrap();
    assert_eq!(opened.encode(), full().encode());

    let forged = Some(SessionError::Open(OpenError::Forged));
    assert_eq!(Session::open(&keys(), &spec(), "b.example.com", &sealed).err(), forged);
    let other = CookieSpec::session("other", Scope::Host, Scheme::Https).unwrap();
    assert_eq!(Session::open(&keys(), &other, HOST, &sealed).err(), forged);
}

#[test]
fn a_session_of_a_domain_opens_on_all_of_its_hosts() {
    let scope = Scope::Domain("example.com".into());
    let spec = CookieSpec::session("sidegate", scope, Scheme::Https).unwrap();
    let sealed = session().seal(&keys(), &spec, HOST, [3; 12]);
    assert!(Session::open(&keys(), &spec, "b.example.com", &sealed).is_ok());
}

/// Frozen when the format was made: whatever changes it must raise the version, and read this still.
#[test]
fn sessions_of_every_release_stay_readable() {
    const VERSION_1: &str = "\
        ATN5o7kDAwMDAwMDAwMDAwNNMFY3t7bF8vOOhbFXpg0M2bdj4PYhtSQD8oqgEtQYgZUIjwsbyeuMrJDUkx9pt0P0Kq0MYdw0\
        MNu9fCoWZ2scwiHvDLjlgXGau0k9rOmgdf-2TtGB4h_MncYGX6GxpbhHkAGooCANNt8Y2gWa2EGphMShAyL5Hfix2d6EXO8K\
        4eec3ZWsWSLax2me5rrizY9zFzMG72NAG2v7CJnADIqc-1P1kMRg_StenTZVuOMZpQP4SXSBQHPSlovKZjXNqR4mZmLTmcUz\
        jInkY5QU1rrGcAuQDPaHjE6lPnND6tWAdU--xb_8O4H5EM3D_FdNbO-XCbWlHNO1GyNwcAeud6z8KYIkGvB09g";
    let opened = Session::open(&keys(), &spec(), HOST, VERSION_1);
    let sealed = full().seal(&keys(), &spec(), HOST, [3; 12]);
    assert!(opened.is_ok(), "{opened:?}: {sealed}");
    assert_eq!(opened.unwrap().encode(), full().encode());
}

#[test]
fn a_cookie_stays_below_a_kilobyte_with_hundreds_of_groups_in_the_token() {
    let groups: Vec<String> = (0..300).map(|n| format!("/departments/unit-{n}/members")).collect();
    let token = claims(json!({
        "sub": "8d0a3a6e-36a4-4b6f-8d8c-3f6d9a0b1c2d", "email": "ada.lovelace@example.com",
        "email_verified": true, "name": "Ada Lovelace", "preferred_username": "ada", "groups": groups,
        "auth_time": 1_700_000_000, "amr": ["pwd", "otp"], "acr": "urn:mace:incommon:iap:silver",
        "picture": "https://login.example.com/pictures/1.png", "at_hash": "x".repeat(22),
    }));
    let name = |name: &str| crate::identity::ClaimPath::parse(name).unwrap();
    let asked = ["/departments/unit-7/members", "/departments/unit-9/members", "admins"];
    let keep = Keep {
        paths: ["email", "name", "preferred_username"].map(name).to_vec(),
        values: vec![(name("groups"), asked.map(str::to_owned).into())],
    };
    let claims = keep_claims(&token, &keep);
    assert_eq!(name("groups").list(&claims), asked[..2]);
    let tokens = Tokens { refresh: Some(Secret::new("r".repeat(43))), ..Tokens::default() };
    let renewal = Some(Renewal { due: at(240), by: at(300) });
    let session = Session { claims, tokens, renewal, ..session() };
    let sealed = session.seal(&keys(), &spec(), HOST, [3; 12]);
    let lines = spec().write(&sealed, None, 0).unwrap();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].len() < 1024, "{} bytes", lines[0].len());
}

/// Header plans that name all groups keep all groups.
#[test]
fn hundreds_of_kept_groups_are_packed() {
    let groups: Vec<String> = (0..300).map(|n| format!("/departments/unit-{n}/members")).collect();
    let claims = claims(json!({"sub": "ada", "groups": groups}));
    let plain = Value::Object(claims.as_map().clone()).to_string().len();
    let session = Session { claims, ..session() };
    let sealed = session.seal(&keys(), &spec(), HOST, [3; 12]);
    let lines = spec().write(&sealed, None, 0).unwrap();
    assert!(plain > 8_000, "{plain} bytes");
    assert_eq!(lines.len(), 1);
    assert!(lines[0].len() < 1_500, "{} bytes", lines[0].len());
    let opened = Session::open(&keys(), &spec(), HOST, &sealed).unwrap();
    assert_eq!(opened.claims.as_map(), session.claims.as_map());
}

#[test]
fn claims_that_unfold_without_end_are_refused() {
    let long = json!({"sub": "ada", "groups": ["x".repeat(1 << 20)]});
    let bomb = Session { claims: claims(long), ..session() }.encode();
    assert!(bomb.len() < 4_096, "{} bytes", bomb.len());
    assert_eq!(Session::decode(&bomb).err(), Some(DecodeError::Malformed));
}
