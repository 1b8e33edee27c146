use super::*;
use crate::oidc::fixture::{CLIENT, ISSUER, NOW, chain, es256, set_of, with};
use crate::token::SigningKey;
use serde_json::json;

const LEEWAY: Duration = Duration::from_secs(60);
const NONCE: &str = "n-0S6";
const ACCESS_TOKEN: &str = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";

fn claims(changes: Value) -> Value {
    let base = json!({
        "iss": ISSUER, "aud": CLIENT, "sub": "ada", "exp": NOW.as_secs() + 300, "iat": NOW.as_secs(),
        "nonce": NONCE, "auth_time": NOW.as_secs() - 100, "acr": "gold", "sid": "s1",
    });
    with(base, changes)
}

fn our_rules() -> Rules {
    rules(ISSUER, CLIENT, es256(), LEEWAY)
}

fn expectations() -> Expectations<'static> {
    Expectations {
        client_id: CLIENT,
        nonce: Some(NONCE),
        max_age: None,
        acr_values: &[],
        access_token: Some(ACCESS_TOKEN),
        max_iat_age: DEFAULT_MAX_AGE,
    }
}

fn judge_with(
    changes: Value,
    rules: &Rules,
    expectations: &Expectations<'_>,
) -> Result<IdToken, IdTokenError> {
    let key = SigningKey::generate().unwrap();
    let token = key.sign(&claims(changes), "JWT").unwrap();
    verify(&token, &set_of(&key), rules, expectations, NOW)
}

fn judge(changes: Value) -> Result<IdToken, IdTokenError> {
    judge_with(changes, &our_rules(), &expectations())
}

fn refused(changes: Value) -> String {
    let text = changes.to_string();
    let Err(error) = judge(changes) else { panic!("accepted with {text}") };
    chain(&error)
}

fn seconds_ago(seconds: u64) -> Value {
    json!(NOW.as_secs() - seconds)
}

#[test]
fn a_good_token_tells_who_signed_in() {
    let token = judge(json!({})).unwrap();
    assert_eq!((token.subject(), token.sid()), ("ada", Some("s1")));
    assert_eq!(token.auth_time(), Some(NOW - Duration::from_secs(100)));
    assert_eq!((token.issued(), token.expires()), (NOW, NOW + Duration::from_secs(300)));
    assert_eq!(token.claims().text("acr"), Some("gold"));
}

// The certification modules, by what they change.
#[test]
fn every_mutation_of_the_certification_suite_is_refused() {
    for (changes, reason) in [
        (json!({ "iss": format!("{ISSUER}1") }), "issued by somebody else"),
        (json!({ "iss": null }), "`iss` is missing"),
        (json!({ "sub": null }), "`sub` is missing"),
        (json!({ "aud": format!("{CLIENT}1") }), "another audience"),
        (json!({ "aud": null }), "`aud` is missing"),
        (json!({ "aud": [CLIENT, format!("{CLIENT}1")] }), "audiences that are not trusted"),
        (json!({ "iat": null }), "`iat` of the ID token is missing"),
        (json!({ "iat": seconds_ago(7 * 24 * 3600) }), "was issued 604800 s ago"),
        (json!({ "exp": seconds_ago(360) }), "expired"),
        (json!({ "exp": null }), "`exp` is missing"),
        (json!({ "nonce": format!("{NONCE}1") }), "`nonce` of the ID token is not"),
        (json!({ "nonce": null }), "`nonce` of the ID token is missing"),
        (json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RP" }), "`at_hash`"),
    ] {
        let text = refused(changes.clone());
        assert!(text.contains(reason), "{changes}: {text}");
    }
}

#[test]
fn what_the_suite_calls_valid_is_accepted() {
    for changes in [
        json!({ "aud": [CLIENT] }),
        json!({ "azp": CLIENT }),
        json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" }),
        json!({ "sid": null, "auth_time": null, "acr": null }),
        json!({ "nbf": NOW.as_secs() + 60 }),
    ] {
        judge(changes).unwrap();
    }
}

// The modules on signatures: another key, another algorithm, none.
#[test]
fn the_signature_is_of_a_key_of_the_provider_and_a_pinned_algorithm() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let token = key.sign(&claims(json!({})), "JWT").unwrap();
    let judge = |token: &str, keys: &SigningKey, rules: &Rules| {
        verify(token, &set_of(keys), rules, &expectations(), NOW).unwrap_err()
    };
    let unknown = judge(&token, &other, &our_rules());
    assert!(unknown.key_doubt());
    let rs256 = [Algorithm::Rs256].into_iter().collect();
    let pinned = judge(&token, &key, &rules(ISSUER, CLIENT, rs256, LEEWAY));
    assert!(!pinned.key_doubt() && chain(&pinned).contains("signed with ES256"));
    let unsigned = format!("eyJhbGciOiJub25lIn0{}", &token[token.find('.').unwrap()..]);
    let unsigned = judge(&unsigned, &key, &our_rules());
    assert_eq!(unsigned, IdTokenError::Token(TokenError::UnsupportedAlgorithm));
    let encrypted = judge("a.b.c.d.e", &key, &our_rules());
    assert_eq!(encrypted, IdTokenError::Token(TokenError::Encrypted));
    let long = "x".repeat(MAX_ID_TOKEN_BYTES + 1);
    assert!(chain(&judge(&long, &key, &our_rules())).contains("bytes"));
}

#[test]
fn only_an_id_token_is_one() {
    let key = SigningKey::generate().unwrap();
    for (typ, good) in [("JWT", true), ("at+jwt", false), ("logout+jwt", false)] {
        let token = key.sign(&claims(json!({})), typ).unwrap();
        let verdict = verify(&token, &set_of(&key), &our_rules(), &expectations(), NOW);
        assert_eq!(verdict.is_ok(), good, "{typ}");
    }
}

// Row x053.
#[test]
fn a_sign_in_that_is_too_long_ago_is_refused_when_that_was_asked() {
    let asked = |max_age, changes| {
        let expectations =
            Expectations { max_age: Some(Duration::from_secs(max_age)), ..expectations() };
        judge_with(changes, &our_rules(), &expectations).map(|_| ())
    };
    assert_eq!(asked(40, json!({})), Ok(()));
    assert_eq!(asked(39, json!({})), Err(IdTokenError::AuthTooOld));
    assert_eq!(asked(0, json!({ "auth_time": NOW.as_secs() })), Ok(()));
    assert_eq!(asked(600, json!({ "auth_time": null })), Err(IdTokenError::Missing("auth_time")));
    assert!(asked(600, json!({ "auth_time": "yesterday" })).is_err());
    assert!(judge(json!({ "auth_time": 1 })).is_ok());
}

// Row x054.
#[test]
fn a_weaker_sign_in_than_asked_is_refused() {
    let acr_values = ["silver".to_owned(), "gold".to_owned()];
    let expectations = Expectations { acr_values: &acr_values, ..expectations() };
    let asked = |changes| judge_with(changes, &our_rules(), &expectations).map(|_| ());
    assert_eq!(asked(json!({})), Ok(()));
    assert_eq!(asked(json!({ "acr": "bronze" })), Err(IdTokenError::AcrNotMet));
    assert_eq!(asked(json!({ "acr": null })), Err(IdTokenError::AcrNotMet));
    assert!(asked(json!({ "acr": ["gold"] })).is_err());
}

// Row x055.
#[test]
fn a_nonce_of_another_attempt_is_refused() {
    let expectations = Expectations { nonce: Some("other"), ..expectations() };
    let error = judge_with(json!({}), &our_rules(), &expectations).unwrap_err();
    assert_eq!(error, IdTokenError::NonceMismatch);
    assert!(refused(json!({ "nonce": 5 })).contains("`nonce` is not a string"));
}

// Row x056.
#[test]
fn a_token_for_another_client_is_refused() {
    assert!(refused(json!({ "aud": "other", "azp": CLIENT })).contains("another audience"));
    assert!(refused(json!({ "azp": "other" })).contains("another client"));
    let mut trusting = our_rules();
    trusting.audiences.push("other".to_owned());
    let judge = |changes| judge_with(changes, &trusting, &expectations()).map(|_| ());
    assert_eq!(judge(json!({ "aud": [CLIENT, "other"] })), Ok(()));
    // The other one is trusted to stand beside us, not to stand alone.
    let alone = judge(json!({ "aud": "other" }));
    assert_eq!(alone, Err(IdTokenError::Token(TokenError::WrongAudience)));
    let stranger = judge(json!({ "aud": [CLIENT, "other", "stranger"] }));
    assert_eq!(stranger, Err(IdTokenError::UntrustedAudience));
}

// Row x057.
#[test]
fn clocks_may_disagree_within_the_leeway() {
    for ahead in [30, 60] {
        assert!(judge(json!({ "iat": NOW.as_secs() + ahead })).is_ok(), "{ahead}");
    }
    for ahead in [61, 300, 600] {
        assert!(refused(json!({ "iat": NOW.as_secs() + ahead })).contains("compare the clocks"));
    }
    assert!(judge(json!({ "iat": seconds_ago(3660) })).is_ok());
    assert!(refused(json!({ "iat": seconds_ago(3661) })).contains("compare the clocks"));
}

// Row x058: names are compared byte for byte.
#[test]
fn a_subject_is_what_is_written() {
    assert_eq!(judge(json!({ "sub": "Ada" })).unwrap().subject(), "Ada");
    for sub in [json!(""), json!(5), json!("x".repeat(1025))] {
        assert!(refused(json!({ "sub": sub })).contains("`sub`"));
    }
    for sid in [json!(""), json!(5), json!("x".repeat(1025))] {
        assert!(refused(json!({ "sid": sid })).contains("`sid`"));
    }
}

fn refresh(changes: Value, previous: &Previous<'_>) -> Result<IdToken, IdTokenError> {
    let key = SigningKey::generate().unwrap();
    let token = key.sign(&claims(changes), "JWT").unwrap();
    refreshed(&token, &set_of(&key), &our_rules(), previous, NOW)
}

fn previous() -> Previous<'static> {
    Previous {
        client_id: CLIENT,
        subject: "ada",
        nonce: Some(NONCE),
        auth_time: Some(NOW - Duration::from_secs(5000)),
        access_token: None,
        max_iat_age: DEFAULT_MAX_AGE,
    }
}

#[test]
fn a_refreshed_token_continues_the_sign_in() {
    for nonce in [json!(null), json!(NONCE)] {
        assert!(refresh(json!({ "nonce": nonce }), &previous()).is_ok());
    }
    let forgotten = Previous { nonce: None, ..previous() };
    assert!(refresh(json!({}), &forgotten).is_ok());
}

// The refresh token modules.
#[test]
fn a_refreshed_token_never_changes_who_it_is_about() {
    for (changes, reason) in [
        (json!({ "sub": "adainvalid" }), "another subject"),
        (json!({ "sub": "Ada" }), "another subject"),
        (json!({ "iss": "https://evil.example" }), "somebody else"),
        (json!({ "aud": "other" }), "another audience"),
        (json!({ "azp": "other" }), "another client"),
        (json!({ "nonce": "other" }), "`nonce`"),
        (json!({ "iat": null }), "`iat`"),
    ] {
        let error = refresh(changes.clone(), &previous()).unwrap_err();
        assert!(chain(&error).contains(reason), "{changes}: {error}");
    }
}

#[test]
fn a_refresh_does_not_make_a_sign_in_younger() {
    let original = previous().auth_time;
    let token = refresh(json!({ "auth_time": NOW.as_secs() }), &previous()).unwrap();
    assert_eq!((token.auth_time(), token.claims().date("auth_time")), (original, Ok(original)));
    let token = refresh(json!({ "auth_time": null }), &previous()).unwrap();
    assert_eq!(token.auth_time(), original);
    let untold = Previous { auth_time: None, ..previous() };
    let token = refresh(json!({}), &untold).unwrap();
    assert_eq!((token.auth_time(), token.claims().get("auth_time")), (None, None));
}

#[test]
fn a_claim_that_is_demanded_must_be_there_with_that_very_text() {
    let changes = json!({ "tenant": "t1", "level": 2 });
    let token = judge_with(changes, &our_rules(), &expectations()).unwrap();
    let missing = |name: &str, text: &str| {
        let demanded = [("sub", "ada"), (name, text)];
        let demanded = demanded.map(|(name, text)| (name.to_owned(), text.to_owned()));
        token.missing(&demanded).map(str::to_owned)
    };
    assert_eq!(missing("tenant", "t1"), None);
    for (name, text) in [("tenant", "t2"), ("tenant", "T1"), ("level", "2"), ("org", "")] {
        assert_eq!(missing(name, text).as_deref(), Some(name), "{name} {text}");
    }
}
