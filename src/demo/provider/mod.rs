//! The demo's OpenID provider: small, strict, and in memory. It decides; how its answers look is the login service's business.
//!
//! One client, two people, no consent. It does what a relying party can rely on any good provider for: the code flow with
//! PKCE alone, every code once, refresh tokens that change with each use, sign-ins that can be asked to be fresh or strong, and
//! logouts that are told.

mod authorization;
mod book;
mod grants;
mod logout;
mod registration;
mod session;

use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

pub(super) use authorization::Asks;
use authorization::{Authorization, Refusal};
use book::Book;
pub(super) use grants::GrantError;
use grants::{Code, Family};
pub(super) use logout::{Ending, Notice};
use registration::Registration;
use session::SignedIn;

use super::addresses::Addresses;
use super::fields::Fields;
use super::keys::Keys;
use super::people::{self, Person};
use super::tokens::{Grant, SESSION_LIFE, Strength};
use crate::base::secret::Secret;
use crate::clock::Clock;
use crate::token::SigningError;

/// How long a code is good for: one redirect.
const CODE_LIFE: Duration = Duration::from_secs(60);

/// The provider, and all that it remembers.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) issuer: String,
    pub(super) keys: Keys,
    registration: Registration,
    clock: Clock,
    state: Mutex<State>,
}

/// What is remembered until the demo ends.
#[derive(Debug)]
struct State {
    /// By the value of the browser's cookie.
    sessions: Book<SignedIn>,
    codes: Book<Code>,
    /// By access token.
    access: Book<Grant>,
    /// By the first half of the refresh token.
    families: Book<Family>,
}

/// What becomes of an authorization request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Somebody must be asked something.
    Ask(Question),
    /// The browser goes back to the client, with a code or an error.
    Back(String),
    /// A page that says why not.
    Refused(&'static str),
}

/// What the sign-in page asks for.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) asks: Asks,
    /// Who is signed in, or was named.
    pub(super) person: Option<&'static Person>,
    /// Whether the last answer was wrong.
    pub(super) is_repeated: bool,
}

/// What somebody typed.
#[derive(Clone, Copy)]
pub(super) struct Typed<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) code: &'a str,
}

/// A sign-in that succeeded.
#[derive(Debug)]
pub(super) struct Entered {
    /// The new value of the browser's cookie.
    pub(super) cookie: String,
    /// What must be told of the session that this one replaces.
    pub(super) notice: Option<Notice>,
}

impl Provider {
    /// A provider with a new key, for the client with that secret.
    ///
    /// # Errors
    /// If the crypto library cannot make a key.
    pub(super) fn new(
        addresses: &Addresses,
        secret: Secret<String>,
        clock: Clock,
    ) -> Result<Self, SigningError> {
        let state = State {
            sessions: Book::new(),
            codes: Book::new(),
            access: Book::new(),
            families: Book::new(),
        };
        Ok(Self {
            issuer: addresses.issuer(),
            keys: Keys::generate()?,
            registration: Registration::new(addresses, secret),
            clock,
            state: Mutex::new(state),
        })
    }

    /// Discovery metadata
    /// ([OpenID Connect Discovery 1.0 §3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata)).
    pub(super) fn configuration(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"),
            "revocation_endpoint": at("/revoke"),
            "end_session_endpoint": at("/end-session"),
            "jwks_uri": at("/jwks.json"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "scopes_supported": ["openid", "profile", "email"],
            "acr_values_supported": [Strength::Password.acr(), Strength::SecondFactor.acr()],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
        })
    }

    /// Answers an authorization request from a browser with `cookie`.
    ///
    /// # Errors
    /// If there is no randomness to be had.
    pub(super) fn authorize(
        &self,
        fields: &Fields,
        cookie: Option<&str>,
    ) -> Result<Outcome, SigningError> {
        let request = match Authorization::parse(fields, &self.registration, &self.issuer) {
            Ok(request) => request,
            Err(refusal) => return Ok(refusal.into()),
        };
        let session = self.signed_in(cookie);
        match request.asks(session.as_ref(), self.clock.now()) {
            None => self.grant(&request, session.as_ref()),
            Some(asks) => Ok(self.question(&request, fields, asks, session.as_ref())),
        }
    }

    /// Answers the sign-in page, whose request is still in `fields`; who signed in gets a new cookie.
    ///
    /// # Errors
    /// If there is no randomness to be had.
    pub(super) fn answer(
        &self,
        fields: &Fields,
        typed: Typed<'_>,
        cookie: Option<&str>,
    ) -> Result<(Outcome, Option<Entered>), SigningError> {
        let request = match Authorization::parse(fields, &self.registration, &self.issuer) {
            Ok(request) => request,
            Err(refusal) => return Ok((refusal.into(), None)),
        };
        let session = self.signed_in(cookie);
        let Some(asks) = request.asks(session.as_ref(), self.clock.now()) else {
            return Ok((self.grant(&request, session.as_ref())?, None));
        };
        let Some((person, strength)) = check(asks, typed, session.as_ref()) else {
            let person = match asks {
                Asks::Code => session.map(|session| session.person),
                Asks::Password | Asks::PasswordAndCode => people::find(typed.user),
            };
            let question = Question { asks, person, is_repeated: true };
            return Ok((Outcome::Ask(question), None));
        };
        let entered = self.enter(person, strength, asks, cookie)?;
        let outcome = self.grant(&request, self.signed_in(Some(&entered.cookie)).as_ref())?;
        Ok((outcome, Some(entered)))
    }

    /// Signs in by password alone, outside of any request.
    ///
    /// # Errors
    /// If there is no randomness to be had.
    pub(super) fn enter_by_password(
        &self,
        person: &'static Person,
        cookie: Option<&str>,
    ) -> Result<Entered, SigningError> {
        self.enter(person, Strength::Password, Asks::Password, cookie)
    }

    /// A session of `person` under a new name, in the place of the one that the browser had. That of somebody else ends.
    fn enter(
        &self,
        person: &'static Person,
        strength: Strength,
        asked: Asks,
        cookie: Option<&str>,
    ) -> Result<Entered, SigningError> {
        let now = self.clock.now();
        let before = cookie.and_then(|cookie| self.state.lock().sessions.take(cookie, now));
        let (before, notice) = match before {
            Some(session) if session.person.id == person.id => (Some(session), None),
            Some(session) => (None, self.end(&session)?),
            None => (None, None),
        };
        let session = match before {
            Some(session) => SignedIn {
                since: if asked == Asks::Code { session.since } else { now },
                strength: session.strength.max(strength),
                ..session
            },
            None => SignedIn {
                sid: book::random_name()?,
                person,
                since: now,
                strength,
                is_known_to_client: false,
            },
        };
        let cookie = self.state.lock().sessions.enter(session, SESSION_LIFE, now)?;
        Ok(Entered { cookie, notice })
    }

    fn signed_in(&self, cookie: Option<&str>) -> Option<SignedIn> {
        self.state.lock().sessions.find(cookie?, self.clock.now()).cloned()
    }

    fn question(
        &self,
        request: &Authorization,
        fields: &Fields,
        asks: Asks,
        session: Option<&SignedIn>,
    ) -> Outcome {
        if let Some(error) = request.silent_error(asks) {
            return Outcome::Back(request.back(&self.issuer, &[("error", error)]));
        }
        let named = fields.value("login_hint").and_then(people::find);
        let person = session.map(|session| session.person).or(named);
        Outcome::Ask(Question { asks, person, is_repeated: false })
    }

    /// Sends a code; `session` is there whenever nothing is left to ask.
    fn grant(
        &self,
        request: &Authorization,
        session: Option<&SignedIn>,
    ) -> Result<Outcome, SigningError> {
        let Some(session) = session else {
            return Ok(Outcome::Back(request.back(&self.issuer, &[("error", "login_required")])));
        };
        let code = Code::new(request, session);
        let code = self.state.lock().codes.enter(code, CODE_LIFE, self.clock.now())?;
        Ok(Outcome::Back(request.back(&self.issuer, &[("code", &code)])))
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Back(location) => Self::Back(location),
            Refusal::Page(text) => Self::Refused(text),
        }
    }
}

/// Who it is and how strongly, if all that was asked for is right.
fn check(
    asks: Asks,
    typed: Typed<'_>,
    session: Option<&SignedIn>,
) -> Option<(&'static Person, Strength)> {
    let by_code = |person| (typed.code == people::CODE).then_some((person, Strength::SecondFactor));
    match asks {
        Asks::Code => by_code(session?.person),
        Asks::Password => Some((people::sign_in(typed.user, typed.password)?, Strength::Password)),
        Asks::PasswordAndCode => by_code(people::sign_in(typed.user, typed.password)?),
    }
}

#[cfg(test)]
mod tests;
