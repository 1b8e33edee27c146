//! What an authorization request asks for, and what is refused of it
//! ([OpenID Connect Core 1.0 §3.1.2](https://openid.net/specs/openid-connect-core-1_0.html#AuthorizationEndpoint)).
//!
//! Stricter than the standards: PKCE with S256, `state` and `nonce` are required, and no parameter may occur twice.

use std::time::Duration;

use url::Url;

use super::super::fields::Fields;
use super::super::tokens::Strength;
use super::registration::Registration;
use super::session::SignedIn;
use crate::base::time::Timestamp;

/// The length of a SHA-256 in base64url.
const CHALLENGE_LENGTH: usize = 43;

/// A request that may be answered at `redirect_uri`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authorization {
    pub(super) redirect_uri: String,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) challenge: String,
    pub(super) scope: String,
    prompt: Prompt,
    max_age: Option<Duration>,
    strength: Strength,
}

/// Why a request is not answered with a code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The client is told, at its own address.
    Back(String),
    /// There is nobody to tell but the person: who asks is not known
    /// ([RFC 6749 §4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)).
    Page(&'static str),
}

/// The error's registered code, and its description.
type Flaw = (&'static str, &'static str);

/// What the client wants the person to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prompt {
    /// To sign in, in any case.
    Login,
    /// Nothing.
    None,
    /// What is needed.
    Usual,
}

/// What is still to be asked of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// The second factor alone.
    Code,
    /// Who they are, and the password.
    Password,
    /// Everything.
    PasswordAndCode,
}

impl Authorization {
    /// Reads a request of the client `registration`.
    pub(super) fn parse(
        fields: &Fields,
        registration: &Registration,
        issuer: &str,
    ) -> Result<Self, Refusal> {
        if fields.value("client_id") != Some(registration.id) {
            return Err(Refusal::Page("No client of that name is registered here."));
        }
        let redirect_uri =
            fields.value("redirect_uri").and_then(|text| registration.redirect_uri(text));
        let redirect_uri = redirect_uri.ok_or(Refusal::Page(
            "The address to come back to is not one that the client registered. Open the app at the address that the demo printed.",
        ))?;
        Self::understand(fields, redirect_uri).map_err(|(error, description)| {
            let state = fields.value("state");
            let pairs = [("error", error), ("error_description", description)];
            Refusal::Back(back(redirect_uri, issuer, state, &pairs))
        })
    }

    /// The rest of a request whose client and address are known.
    fn understand(fields: &Fields, redirect_uri: &str) -> Result<Self, Flaw> {
        check_kind(fields)?;
        let need = |name, description| fields.value(name).ok_or_else(|| invalid(description));
        if fields.value("code_challenge_method") != Some("S256") {
            return Err(invalid("expected code_challenge_method=S256"));
        }
        let challenge = need("code_challenge", "expected a code_challenge")?;
        if challenge.len() != CHALLENGE_LENGTH || !challenge.bytes().all(is_base64url) {
            return Err(invalid("expected a code_challenge of 43 characters of base64url"));
        }
        Ok(Self {
            redirect_uri: redirect_uri.to_owned(),
            state: need("state", "expected a state")?.to_owned(),
            nonce: need("nonce", "expected a nonce")?.to_owned(),
            challenge: challenge.to_owned(),
            scope: fields.words("scope").join(" "),
            prompt: Prompt::of(&fields.words("prompt")).map_err(invalid)?,
            max_age: max_age(fields).map_err(invalid)?,
            strength: strength(&fields.words("acr_values")),
        })
    }

    /// What must be asked of a person who has `session` here; nothing if it is enough.
    pub(super) fn asks(&self, session: Option<&SignedIn>, now: Timestamp) -> Option<Asks> {
        let fresh =
            |session: &&SignedIn| self.max_age.is_none_or(|age| session.since.until(now) <= age);
        let usable = session.filter(|_| self.prompt != Prompt::Login).filter(fresh);
        match (usable, self.strength) {
            (None, Strength::Password) => Some(Asks::Password),
            (None, Strength::SecondFactor) => Some(Asks::PasswordAndCode),
            (Some(session), strength) => (session.strength < strength).then_some(Asks::Code),
        }
    }

    /// The error if the person would have to be asked, but must not be
    /// ([Core §3.1.2.6](https://openid.net/specs/openid-connect-core-1_0.html#AuthError)).
    pub(super) fn silent_error(&self, asks: Asks) -> Option<&'static str> {
        (self.prompt == Prompt::None).then_some(match asks {
            Asks::Code => "interaction_required",
            Asks::Password | Asks::PasswordAndCode => "login_required",
        })
    }

    /// Where an answer of these parameters goes.
    pub(super) fn back(&self, issuer: &str, pairs: &[(&str, &str)]) -> String {
        back(&self.redirect_uri, issuer, Some(&self.state), pairs)
    }
}

impl Prompt {
    fn of(words: &[&str]) -> Result<Self, &'static str> {
        let known = ["consent", "login", "none", "select_account"];
        if words.iter().any(|word| !known.contains(word)) {
            return Err("expected prompt to be none, login, consent or select_account");
        }
        if words.contains(&"none") {
            return if words.len() == 1 { Ok(Self::None) } else { Err("prompt=none stands alone") };
        }
        let asks = words.contains(&"login") || words.contains(&"select_account");
        Ok(if asks { Self::Login } else { Self::Usual })
    }
}

/// Whether it is a request of the kind that is answered here: for a code, in the open, with an ID token.
fn check_kind(fields: &Fields) -> Result<(), Flaw> {
    if fields.has_repetition() {
        return Err(invalid("a parameter occurs twice"));
    }
    if fields.value("request").is_some() {
        return Err(("request_not_supported", "expected plain parameters"));
    }
    if fields.value("request_uri").is_some() {
        return Err(("request_uri_not_supported", "expected plain parameters"));
    }
    if fields.value("response_type") != Some("code") {
        return Err(("unsupported_response_type", "expected response_type=code"));
    }
    if fields.value("response_mode").is_some_and(|mode| mode != "query") {
        return Err(invalid("expected response_mode=query"));
    }
    if !fields.words("scope").contains(&"openid") {
        return Err(("invalid_scope", "expected the scope openid"));
    }
    Ok(())
}

const fn invalid(description: &'static str) -> Flaw {
    ("invalid_request", description)
}

/// An answer says who gives it ([RFC 9207 §2](https://www.rfc-editor.org/rfc/rfc9207#section-2)).
fn back(redirect_uri: &str, issuer: &str, state: Option<&str>, pairs: &[(&str, &str)]) -> String {
    let mut url = Url::parse(redirect_uri).expect("registered addresses are URLs");
    let state = state.map(|state| ("state", state));
    url.query_pairs_mut().extend_pairs(pairs).extend_pairs(state).append_pair("iss", issuer);
    url.into()
}

fn max_age(fields: &Fields) -> Result<Option<Duration>, &'static str> {
    let Some(text) = fields.value("max_age") else { return Ok(None) };
    let seconds = text.parse().map_err(|_| "expected max_age in whole seconds")?;
    Ok(Some(Duration::from_secs(seconds)))
}

/// Unknown classes are wishes that nobody here can grant
/// ([Core §3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).
fn strength(acr_values: &[&str]) -> Strength {
    let asks = |strength: Strength| acr_values.contains(&strength.acr());
    let strong = asks(Strength::SecondFactor) && !asks(Strength::Password);
    if strong { Strength::SecondFactor } else { Strength::Password }
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
