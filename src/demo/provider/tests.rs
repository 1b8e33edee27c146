//! What the provider gives, and above all what it refuses.

mod authorization;
mod exchange;
mod logout;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, header};
use url::{Url, form_urlencoded};

use super::*;
use crate::base::time::Timestamp;
use crate::demo::addresses::samples;

const NOW: u64 = 1_800_000_000;
const REDIRECT: &str = "http://127.0.0.1:8080/.auth/callback/demo";
/// [RFC 7636 Appendix B](https://www.rfc-editor.org/rfc/rfc7636#appendix-B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A provider whose time is a test's to set.
struct Fixture {
    provider: Provider,
    clock: Clock,
}

impl Fixture {
    fn new() -> Self {
        let clock = Clock::fixed(Timestamp::from_secs(NOW));
        let secret = Secret::new("secret".to_owned());
        Self { provider: Provider::new(&samples(), secret, clock.clone()).unwrap(), clock }
    }

    fn at(&self, seconds: u64) {
        self.clock.set(Timestamp::from_secs(NOW + seconds));
    }

    /// Signs `user` in, as the page does; the cookie.
    fn cookie(&self, user: &str) -> String {
        self.provider.enter_by_password(people::find(user).unwrap(), None).unwrap().cookie
    }

    fn authorize(&self, changes: &[(&str, &str)], cookie: Option<&str>) -> Outcome {
        self.provider.authorize(&request(changes), cookie).unwrap()
    }

    /// A code for the person with `cookie`.
    fn code(&self, cookie: &str) -> String {
        parameter(&went_back(self.authorize(&[], Some(cookie))), "code").unwrap()
    }

    fn redeem(&self, changes: &[(&str, &str)]) -> Result<Value, GrantError> {
        let usual = [
            ("grant_type", "authorization_code"),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        self.provider.redeem(&client("secret"), &changed(&usual, changes))
    }

    fn refresh(&self, token: &str) -> Result<Value, GrantError> {
        let form = changed(&[("grant_type", "refresh_token")], &[("refresh_token", token)]);
        self.provider.redeem(&client("secret"), &form)
    }

    /// The tokens of a new sign-in of `user`, and the browser's cookie.
    fn signed_in(&self, user: &str) -> (Value, String) {
        let cookie = self.cookie(user);
        (self.redeem(&[("code", &self.code(&cookie))]).unwrap(), cookie)
    }
}

/// A right request, but for `changes`; an empty value takes a parameter out.
fn request(changes: &[(&str, &str)]) -> Fields {
    let usual = [
        ("client_id", "demo"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", "openid profile email"),
        ("state", "the state"),
        ("nonce", "the nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    changed(&usual, changes)
}

fn changed(usual: &[(&str, &str)], changes: &[(&str, &str)]) -> Fields {
    let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let kept = usual.iter().filter(|(name, _)| !is_changed(name));
    let pairs = kept.chain(changes.iter().filter(|(_, value)| !value.is_empty()));
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Fields::parse(text.as_bytes())
}

fn client(secret: &str) -> HeaderMap {
    let field = format!("Basic {}", STANDARD.encode(format!("demo:{secret}")));
    HeaderMap::from_iter([(header::AUTHORIZATION, field.parse().unwrap())])
}

fn went_back(outcome: Outcome) -> String {
    match outcome {
        Outcome::Back(location) => location,
        other => panic!("expected a redirect, found {other:?}"),
    }
}

fn asked(outcome: Outcome) -> Question {
    match outcome {
        Outcome::Ask(question) => question,
        other => panic!("expected a question, found {other:?}"),
    }
}

fn parameter(location: &str, name: &str) -> Option<String> {
    let url = Url::parse(location).unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
