//! Sealed texts and what is in them: nothing panics, and nobody without the key makes one that opens.

#![no_main]

use std::sync::LazyLock;

use http::header::{self, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use sidegate::base::scheme::Scheme;
use sidegate::base::secret::Secret;
use sidegate::base::time::Timestamp;
use sidegate::session::{
    AttemptCookies, CookieSpec, Farewell, Handover, Referral, SameSite, Scope, SealingKeys, Session,
    State, Ticket,
};

const HOST: &str = "app.example.com";
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

static KEYS: LazyLock<SealingKeys> = LazyLock::new(|| {
    let secret = std::array::from_fn(|index| u8::try_from(index).expect("32 bytes"));
    SealingKeys::new(&[Secret::new(secret)]).expect("a good key")
});

static SPEC: LazyLock<CookieSpec> = LazyLock::new(|| {
    CookieSpec::session("sidegate", Scope::Host, Scheme::Https).expect("a good name")
});

fuzz_target!(|input: &[u8]| {
    // The inside of a seal, as another version may have written it.
    if let Ok(session) = Session::decode(input) {
        assert!(Session::decode(&session.encode()).is_ok());
    }
    let Ok(field) = HeaderValue::from_bytes(input) else { return };
    let headers = HeaderMap::from_iter([(header::COOKIE, field)]);
    if let Ok(Some(text)) = SPEC.read(&headers) {
        assert!(Session::open(&KEYS, &SPEC, HOST, &text.value).is_err());
        assert!(Ticket::open(&KEYS, &SPEC, HOST, &text.value).is_err());
        assert!(State::open(&KEYS, HOST, &text.value).is_err());
        assert!(Handover::open(&KEYS, HOST, &text.value).is_err());
        assert!(Referral::open(&KEYS, HOST, &text.value, NOW).is_err());
        assert!(Farewell::open(&KEYS, HOST, &text.value, NOW).is_err());
    }
    let attempts = AttemptCookies::new("/.auth", Scheme::Https, SameSite::Lax);
    let departures = AttemptCookies::departures("/.auth", Scheme::Https);
    for cookies in [attempts, departures] {
        let _ = cookies.surplus(&headers, &KEYS, HOST, NOW, 5);
    }
});
