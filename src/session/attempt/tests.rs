//! Attempts are random, bound to cookie and host, and few.

use super::*;
use crate::session::tests::{HOST, at, keys};

pub(in crate::session) fn attempt(seed: u8, created: Timestamp) -> Attempt {
    let entropy = std::array::from_fn(|index| u8::try_from(index).unwrap() ^ seed);
    let asked = Asked {
        prompt: Some(Prompt::Login),
        max_age: Some(Duration::from_secs(300)),
        acr_values: vec!["gold".into(), "silver".into()],
    };
    let start = AttemptStart {
        provider: "corp".into(),
        return_to: ReturnTo::from_sealed("/orders?x=1".into()),
        created,
        restarted: false,
        asked,
        redirect_uri: "https://app.example.com/.auth/callback/corp".into(),
        referral: Some(Referral {
            departure: AttemptId::from_bytes([seed; 16]),
            origin: "https://app.other.example".into(),
            created,
        }),
    };
    Attempt::new(&entropy, start)
}

fn cookies() -> AttemptCookies {
    AttemptCookies::new("/.auth", Scheme::Https, SameSite::Lax)
}

#[test]
fn id_nonce_and_verifier_have_nothing_in_common() {
    let attempt = attempt(0, at(0));
    assert_eq!((attempt.nonce.len(), attempt.verifier.expose().len()), (43, 43));
    assert_ne!(&attempt.nonce, attempt.verifier.expose());
    assert_eq!(attempt.id.short(), "AAECAwQF");
}

/// [RFC 7636 appendix B](https://www.rfc-editor.org/rfc/rfc7636#appendix-B).
#[test]
fn the_challenge_is_that_of_the_standard() {
    let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
    let attempt = Attempt { verifier, ..attempt(0, at(0)) };
    assert_eq!(attempt.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

#[test]
fn an_attempt_is_read_back_as_it_was() {
    let plain =
        Attempt { asked: Asked::default(), referral: None, restarted: true, ..attempt(1, at(0)) };
    for attempt in [attempt(0, at(0)), plain] {
        let spec = cookies().spec(attempt.id);
        let sealed = attempt.seal(&keys(), &spec, HOST, [1; 12]);
        let again = Attempt::open(&keys(), &spec, HOST, &sealed, at(1)).unwrap();
        assert_eq!(format!("{again:?}"), format!("{attempt:?}"));
        assert_eq!(again.verifier.expose(), attempt.verifier.expose());
        assert!(spec.write(&sealed, Some(Attempt::LIFETIME), 0).unwrap()[0].len() < 1024);
    }
}

#[test]
fn an_attempt_lasts_ten_minutes() {
    let attempt = attempt(0, at(0));
    let spec = cookies().spec(attempt.id);
    let sealed = attempt.seal(&keys(), &spec, HOST, [1; 12]);
    let open = |seconds| Attempt::open(&keys(), &spec, HOST, &sealed, at(seconds)).map(|_| ());
    assert_eq!((open(599), open(600)), (Ok(()), Err(AttemptError::Expired)));
}

#[test]
fn an_attempt_opens_under_its_own_name_and_host_alone() {
    let attempt = attempt(0, at(0));
    let spec = cookies().spec(attempt.id);
    let sealed = attempt.seal(&keys(), &spec, HOST, [1; 12]);
    let other = cookies().spec(self::attempt(1, at(0)).id);
    let forged = AttemptError::Open(OpenError::Forged);
    for (spec, host) in [(&other, HOST), (&spec, "b.example.com")] {
        assert_eq!(Attempt::open(&keys(), spec, host, &sealed, at(0)).unwrap_err(), forged);
    }
}

#[test]
fn the_cookie_is_for_our_own_endpoints() {
    let line = |cookies: &AttemptCookies| {
        let spec = cookies.spec(attempt(0, at(0)).id);
        spec.write("x", Some(Attempt::LIFETIME), 0).unwrap()[0].to_str().unwrap().to_owned()
    };
    assert_eq!(
        line(&cookies()),
        "__Secure-sidegate_attempt_AAECAwQF=x; HttpOnly; SameSite=Lax; Secure; Path=/.auth; Max-Age=600"
    );
    let posted = AttemptCookies::new("/.auth", Scheme::Https, SameSite::None);
    assert!(line(&posted).contains("SameSite=None; Secure"));
    let plain = AttemptCookies::new("/.auth", Scheme::Http, SameSite::None);
    assert_eq!(
        line(&plain),
        "sidegate_attempt_AAECAwQF=x; HttpOnly; SameSite=Lax; Path=/.auth; Max-Age=600"
    );
}

/// A request with the cookies of attempts begun at these seconds, the first seed being 0.
fn request(begun: &[u64]) -> HeaderMap {
    let pairs = begun.iter().enumerate().map(|(seed, seconds)| {
        let attempt = attempt(u8::try_from(seed).unwrap(), at(*seconds));
        let spec = cookies().spec(attempt.id);
        format!("{}={}", spec.name(), attempt.seal(&keys(), &spec, HOST, [1; 12]))
    });
    let field = pairs.collect::<Vec<_>>().join("; ");
    HeaderMap::from_iter([(header::COOKIE, field.parse().unwrap())])
}

fn surplus(headers: &HeaderMap, now: u64, keep: usize) -> Vec<CookieSpec> {
    cookies().surplus(headers, &keys(), HOST, at(now), keep)
}

fn spec(seed: u8) -> CookieSpec {
    cookies().spec(attempt(seed, at(0)).id)
}

#[test]
fn the_oldest_attempts_make_room() {
    let headers = request(&[30, 10, 50, 20, 40]);
    assert_eq!(surplus(&headers, 60, 5), []);
    assert_eq!(surplus(&headers, 60, 4), [spec(1)]);
    assert_eq!(surplus(&headers, 60, 2), [spec(0), spec(3), spec(1)]);
    assert_eq!(surplus(&headers, 60, 0).len(), 5);
}

#[test]
fn attempts_that_are_over_or_not_ours_go_first() {
    let mut headers = request(&[0, 500]);
    let foreign = "__Secure-sidegate_attempt_AAAAAAAA=x; __Secure-sidegate_attempt_short=x; \
                   __Secure-sidegate_attempt_too_long_=x; __Secure-sidegate_hint=x";
    headers.append(header::COOKIE, foreign.parse().unwrap());
    let gone = surplus(&headers, 600, 5);
    let names: Vec<&str> = gone.iter().map(CookieSpec::name).collect();
    assert_eq!(names, [spec(0).name(), "__Secure-sidegate_attempt_AAAAAAAA"]);
}

#[test]
fn a_flood_of_attempts_is_looked_at_within_bounds() {
    let pairs = (0..500).map(|n| format!("__Secure-sidegate_attempt_{n:08}=x"));
    let field = pairs.collect::<Vec<_>>().join(";");
    let headers = HeaderMap::from_iter([(header::COOKIE, field.parse().unwrap())]);
    assert_eq!(surplus(&headers, 0, 5).len(), 2 * MAX_SEEN);
}

#[test]
fn prompts_are_the_words_of_the_protocol() {
    for word in ["consent", "login", "none", "select_account"] {
        assert_eq!(Prompt::parse(word).map(Prompt::name), Some(word));
    }
    assert_eq!((Prompt::parse("Login"), Prompt::parse("")), (None, None));
}
