//! Codes, access tokens and refresh tokens: what they stand for, and what they are exchanged for
//! ([RFC 6749 §5](https://www.rfc-editor.org/rfc/rfc6749#section-5)).

use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::tokens::{self, ACCESS_LIFE, Binding, Grant, SESSION_LIFE};
use super::authorization::Authorization;
use super::book::random_name;
use super::session::SignedIn;
use super::{Provider, State};
use crate::base::time::Timestamp;
use crate::token::{Algorithm, SigningError, half_hash, sha256_base64url};

/// What a code stands for. It stays for its time once it is redeemed, so that a second use is noticed.
#[derive(Debug)]
pub(super) struct Code {
    grant: Grant,
    redirect_uri: String,
    challenge: String,
    nonce: String,
    usage: Usage,
}

#[derive(Debug)]
enum Usage {
    /// By whoever failed, or for the family of that name.
    Used(Option<String>),
    Unused,
}

/// The refresh tokens that followed from one code: one is good, all before it are spent.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) grant: Grant,
    /// The second half of the good one.
    current: String,
}

/// Why nothing is given out: the registered error, and what a person may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum GrantError {
    #[error("the client is not who it says it is")]
    InvalidClient,
    #[error("the code or refresh token is unknown, spent, or not for this request")]
    InvalidGrant,
    #[error("the request cannot be read")]
    InvalidRequest,
    #[error("the crypto library failed")]
    Library(#[from] SigningError),
    #[error("expected grant_type to be authorization_code or refresh_token")]
    UnsupportedGrantType,
}

impl Code {
    /// A code for `session`, good for what `request` says.
    pub(super) fn new(request: &Authorization, session: &SignedIn) -> Self {
        let grant = Grant {
            sid: session.sid.clone(),
            person: session.person,
            since: session.since,
            strength: session.strength,
            scope: request.scope.clone(),
        };
        Self {
            grant,
            redirect_uri: request.redirect_uri.clone(),
            challenge: request.challenge.clone(),
            nonce: request.nonce.clone(),
            usage: Usage::Unused,
        }
    }

    /// Whether it followed from the session of that name.
    pub(super) fn is_of(&self, sid: &str) -> bool {
        self.grant.sid == sid
    }

    /// Whether the one who redeems it is the one who asked for it
    /// ([RFC 7636 §4.6](https://www.rfc-editor.org/rfc/rfc7636#section-4.6)).
    fn is_for(&self, form: &Fields) -> bool {
        let verifier = form.value("code_verifier").unwrap_or("");
        form.value("redirect_uri") == Some(&self.redirect_uri)
            && is_verifier(verifier)
            && sha256_base64url(verifier) == self.challenge
    }
}

impl GrantError {
    /// The registered code ([RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    pub(in super::super) const fn code(self) -> &'static str {
        match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::Library(_) => "server_error",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }
}

impl Provider {
    /// Answers a token request: the members of the answer.
    ///
    /// # Errors
    /// [`GrantError`]
    pub(in super::super) fn redeem(
        &self,
        headers: &HeaderMap,
        form: &Fields,
    ) -> Result<Value, GrantError> {
        self.check_client(headers, form)?;
        match form.value("grant_type") {
            Some("authorization_code") => self.redeem_code(form),
            Some("refresh_token") => self.refresh(form),
            Some(_) => Err(GrantError::UnsupportedGrantType),
            None => Err(GrantError::InvalidRequest),
        }
    }

    /// Ends what a refresh token stands for; unknown ones are no error
    /// ([RFC 7009 §2.2](https://www.rfc-editor.org/rfc/rfc7009#section-2.2)).
    ///
    /// # Errors
    /// [`GrantError`]
    pub(in super::super) fn revoke(
        &self,
        headers: &HeaderMap,
        form: &Fields,
    ) -> Result<(), GrantError> {
        self.check_client(headers, form)?;
        let token = form.value("token").ok_or(GrantError::InvalidRequest)?;
        let now = self.clock.now();
        let mut state = self.state.lock();
        state.access.take(token, now);
        if let Some((family, _)) = token.split_once('.') {
            state.families.take(family, now);
        }
        Ok(())
    }

    /// What the access token in `headers` opens
    /// ([Core §5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).
    pub(in super::super) fn userinfo(&self, headers: &HeaderMap) -> Option<Value> {
        let field = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = field.split_once(' ')?;
        let state = self.state.lock();
        let grant = state.access.find(token, self.clock.now())?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| tokens::about(grant.person))
    }

    fn check_client(&self, headers: &HeaderMap, form: &Fields) -> Result<(), GrantError> {
        let proves_twice =
            ["client_secret", "client_assertion"].map(|name| form.value(name).is_some());
        if form.has_repetition() || proves_twice.contains(&true) {
            return Err(GrantError::InvalidRequest);
        }
        let is_other = form.value("client_id").is_some_and(|id| id != self.registration.id);
        if is_other || !self.registration.has_authenticated(headers) {
            return Err(GrantError::InvalidClient);
        }
        Ok(())
    }

    fn redeem_code(&self, form: &Fields) -> Result<Value, GrantError> {
        let name = form.value("code").ok_or(GrantError::InvalidRequest)?;
        let now = self.clock.now();
        let mut state = self.state.lock();
        let code = state.codes.find_mut(name, now).ok_or(GrantError::InvalidGrant)?;
        if let Usage::Used(family) = &mut code.usage {
            if let Some(family) = family.take() {
                state.families.take(&family, now);
            }
            return Err(GrantError::InvalidGrant);
        }
        code.usage = Usage::Used(None);
        if !code.is_for(form) {
            return Err(GrantError::InvalidGrant);
        }
        let (grant, nonce) = (code.grant.clone(), code.nonce.clone());
        let told = state.sessions.values_mut().find(|session| session.sid == grant.sid);
        told.ok_or(GrantError::InvalidGrant)?.is_known_to_client = true;
        let family = Family { grant: grant.clone(), current: random_name()? };
        let current = family.current.clone();
        let family = state.families.enter(family, SESSION_LIFE, now)?;
        let refresh_token = format!("{family}.{current}");
        if let Some(code) = state.codes.find_mut(name, now) {
            code.usage = Usage::Used(Some(family));
        }
        self.tokens(&mut state, grant, Some(&nonce), &refresh_token, now)
    }

    /// A spent refresh token ends the whole family: somebody has a copy
    /// ([RFC 9700 §4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)).
    fn refresh(&self, form: &Fields) -> Result<Value, GrantError> {
        let token = form.value("refresh_token").ok_or(GrantError::InvalidRequest)?;
        let (name, secret) = token.split_once('.').ok_or(GrantError::InvalidGrant)?;
        let now = self.clock.now();
        let mut state = self.state.lock();
        let family = state.families.find_mut(name, now).ok_or(GrantError::InvalidGrant)?;
        if family.current != secret {
            state.families.take(name, now);
            return Err(GrantError::InvalidGrant);
        }
        family.current = random_name()?;
        let (refresh_token, grant) = (format!("{name}.{}", family.current), family.grant.clone());
        self.tokens(&mut state, grant, None, &refresh_token, now)
    }

    fn tokens(
        &self,
        state: &mut State,
        grant: Grant,
        nonce: Option<&str>,
        refresh_token: &str,
        now: Timestamp,
    ) -> Result<Value, GrantError> {
        let access_token = state.access.enter(grant.clone(), ACCESS_LIFE, now)?;
        let at_hash = half_hash(Algorithm::Es256, &access_token);
        let binding = Binding { nonce, at_hash: &at_hash };
        let id_token =
            self.keys.sign(&tokens::id_token(&self.issuer, &grant, binding, now), "JWT")?;
        Ok(json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": ACCESS_LIFE.as_secs(),
            "refresh_token": refresh_token,
            "id_token": id_token,
            "scope": grant.scope,
        }))
    }
}

/// [RFC 7636 §4.1](https://www.rfc-editor.org/rfc/rfc7636#section-4.1).
fn is_verifier(text: &str) -> bool {
    let unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}
