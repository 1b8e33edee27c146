//! From a decision to an HTTP answer: status, headers, and a body for whoever asked, a person or a program.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

use crate::gate::{
    BearerError, Challenge, Decision, DpopChallenge, Forbidden, PreflightAnswer, Reason, SignIn,
};
use crate::serve::handed::HandedIdentity;
use crate::serve::pages::{Explanation, Language, Pages, json};
use crate::token::Algorithm;

/// An answer of our own, complete but for the request id.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Who calls, where the answer tells that a request may pass.
    pub(crate) identity: Option<HandedIdentity>,
    pub(crate) body: Bytes,
}

/// For whom an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A browser that shows pages.
    Person,
    /// Anything else.
    Program,
}

/// Who asks, and what answers to them are made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) audience: Audience,
    pub(crate) language: Language,
    pub(crate) pages: &'a Pages,
    pub(crate) request_id: &'a str,
}

/// What went wrong behind us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamFailure {
    /// It could not be reached, or its answer was none.
    BadGateway,
    /// A fault of our own.
    Internal,
    /// It did not answer in time.
    Timeout,
}

/// Room for the fields of most answers.
const USUAL_FIELDS: usize = 8;

/// For pages without scripts and forms.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

impl Reply {
    /// The answer to a decision; none where the request goes on, upstream or to an endpoint of our own.
    pub(crate) fn to(decision: &Decision, asker: Asker<'_>) -> Option<Self> {
        match decision {
            Decision::Allow(_) | Decision::OwnEndpoint => None,
            Decision::Challenge(challenge) => Some(challenge_reply(challenge, asker)),
            Decision::Forbid(forbidden) => Some(forbidden_reply(forbidden, asker)),
            Decision::Preflight(answer) => Some(preflight_reply(answer)),
            Decision::Refuse(reason) => Some(Self::refusal(*reason, asker)),
            Decision::SignIn(sign_in) => Some(sign_in_reply(sign_in)),
            Decision::Unavailable(reason) => {
                let reply = Self::refusal(*reason, asker);
                Some(reply.with(header::RETRY_AFTER, HeaderValue::from_static("5")))
            }
        }
    }

    /// The answer to a request that is refused for what it is, whoever sent it.
    pub(crate) fn refusal(reason: Reason, asker: Asker<'_>) -> Self {
        let reply = Self::explain(status(reason), &Explanation::of(reason), asker);
        if reason == Reason::MethodNotAllowed {
            reply.with(header::ALLOW, HeaderValue::from_static(METHODS))
        } else {
            reply
        }
    }

    /// The answer where the upstream gave none.
    pub(crate) fn upstream_failed(failure: UpstreamFailure, asker: Asker<'_>) -> Self {
        let (status, code, message) = match failure {
            UpstreamFailure::BadGateway => (
                StatusCode::BAD_GATEWAY,
                "bad_gateway",
                "the application cannot be reached at the moment",
            ),
            UpstreamFailure::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "something went wrong on our side",
            ),
            UpstreamFailure::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "gateway_timeout",
                "the application took too long to answer",
            ),
        };
        Self::explain(status, &Explanation { code, message, ..Explanation::default() }, asker)
    }

    /// An answer in JSON.
    pub(crate) fn json(body: String) -> Self {
        Self::new(StatusCode::OK, HeaderValue::from_static("application/json"), body)
    }

    /// An answer in another text format, fit to be kept by caches.
    pub(crate) fn text(body: &str, content_type: HeaderValue) -> Self {
        Self::new(StatusCode::OK, content_type, body.to_owned())
    }

    /// The policy of pages without scripts and forms.
    pub(crate) const fn policy() -> HeaderValue {
        HeaderValue::from_static(CONTENT_SECURITY_POLICY)
    }

    /// The policy of a page whose only script is `script`
    /// ([CSP 3 §6.7](https://www.w3.org/TR/CSP3/#match-element-to-source-list)).
    pub(crate) fn policy_with_script(script: &str) -> HeaderValue {
        let hash = STANDARD.encode(digest(&SHA256, script.as_bytes()));
        let policy = format!("{CONTENT_SECURITY_POLICY}; script-src 'sha256-{hash}'");
        HeaderValue::try_from(policy).unwrap_or(Self::policy())
    }

    /// The policy of a page whose form leads to ourselves.
    pub(crate) fn policy_with_forms() -> HeaderValue {
        let policy = CONTENT_SECURITY_POLICY.replace("form-action 'none'", "form-action 'self'");
        HeaderValue::try_from(policy).unwrap_or(Self::policy())
    }

    /// Every field.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let own = self.headers.iter().map(|(name, value)| (name, value));
        own.chain(self.identity.iter().flat_map(HandedIdentity::iter))
    }

    /// The same under another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Sets a header in place of what it was.
    pub(crate) fn replacing(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.with(name, value)
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The answer where there is nothing at an address of our own.
    pub(crate) fn not_found(asker: Asker<'_>) -> Self {
        Self::refusal(Reason::NoRoute, asker)
    }

    /// A page of our own, under the policy that it needs.
    pub(crate) fn page(status: StatusCode, body: String, policy: HeaderValue) -> Self {
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        Self::new(status, kind, body).with(header::CONTENT_SECURITY_POLICY, policy)
    }

    /// What `explanation` says, for whoever asks.
    pub(crate) fn explain(
        status: StatusCode,
        explanation: &Explanation<'_>,
        asker: Asker<'_>,
    ) -> Self {
        let Asker { audience, language, pages, request_id } = asker;
        match audience {
            Audience::Person => {
                let body = pages.message(status, explanation, language, request_id);
                Self::page(status, body, HeaderValue::from_static(CONTENT_SECURITY_POLICY))
            }
            Audience::Program => Self::new(
                status,
                HeaderValue::from_static("application/json"),
                json(explanation, request_id),
            ),
        }
    }

    fn new(status: StatusCode, content_type: HeaderValue, body: String) -> Self {
        let reply = Self::empty(status);
        let body = Bytes::from(body);
        Self { body, ..reply }
            .with(header::CONTENT_TYPE, content_type)
            .with(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
            .with(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
    }

    /// No answer of ours may be kept by any cache: it depends on who asks.
    pub(crate) fn empty(status: StatusCode) -> Self {
        let reply = Self {
            status,
            headers: Vec::with_capacity(USUAL_FIELDS),
            identity: None,
            body: Bytes::new(),
        };
        reply.with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }
}

const fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Reason::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Reason::IntrospectionUnavailable
        | Reason::KeysUnavailable
        | Reason::ProofsUnavailable
        | Reason::ResolverUnavailable
        | Reason::SessionsUnavailable
        | Reason::Unanswered => StatusCode::SERVICE_UNAVAILABLE,
        Reason::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Reason::NoRoute => StatusCode::NOT_FOUND,
        Reason::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
        Reason::OwnAnswerNeeded | Reason::UntrustedPeer => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn challenge_reply(challenge: &Challenge, asker: Asker<'_>) -> Reply {
    let over = challenge.error.is_none() && challenge.reason.is_about_session();
    let (code, message) = match &challenge.error {
        None if over => ("login_required", SESSION_OVER),
        None => ("login_required", Reason::MissingCredential.public_text()),
        Some(BearerError::InvalidToken) => ("invalid_token", Reason::TokenMalformed.public_text()),
        Some(BearerError::InsufficientUserAuthentication { .. }) => {
            ("insufficient_user_authentication", challenge.reason.public_text())
        }
    };
    // Whoever could have been redirected was: here, something may have been typed that a sign-in in the same tab would lose.
    let key = match (&challenge.error, &challenge.login_url) {
        (None, _) if over => Some("session_over"),
        (None, Some(_)) => Some("sign_in_beside"),
        _ => None,
    };
    let explanation = Explanation {
        code,
        message,
        link: challenge.login_url.as_deref(),
        title: over.then_some("title.session_over"),
        key,
        new_tab: key.is_some(),
        ..Explanation::default()
    };
    let reply = Reply::explain(StatusCode::UNAUTHORIZED, &explanation, asker);
    let dpop = challenge.dpop.as_ref();
    if dpop.is_none_or(|dpop| dpop.error.is_none()) {
        let reply =
            reply.with(header::WWW_AUTHENTICATE, www_authenticate(challenge.error.as_ref()));
        return dpop.into_iter().fold(reply, with_dpop);
    }
    dpop.into_iter().fold(reply, with_dpop)
}

/// Only what is no navigation is answered like this: a form, perhaps, that took somebody an hour.
const SESSION_OVER: &str = "your session is over, and what you sent was not passed on: sign in again in another tab, go back and send it once more";

/// The name of the field that carries nonces, in answers and nowhere else.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// [RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1) and §8.
fn with_dpop(reply: Reply, challenge: &DpopChallenge) -> Reply {
    let algorithms = Algorithm::ALL.map(Algorithm::name).join(" ");
    let error = challenge.error.map(|error| format!(", error=\"{}\"", error.code()));
    let text = format!("DPoP algs=\"{algorithms}\"{}", error.unwrap_or_default());
    let reply = match HeaderValue::try_from(text) {
        Ok(value) => reply.with(header::WWW_AUTHENTICATE, value),
        Err(_) => reply,
    };
    match challenge.nonce.as_deref().map(HeaderValue::try_from) {
        Some(Ok(nonce)) => reply.with(DPOP_NONCE, nonce),
        Some(Err(_)) | None => reply,
    }
}

/// [RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3): no `error` where nothing was offered.
fn www_authenticate(error: Option<&BearerError>) -> HeaderValue {
    let text = match error {
        None => return HeaderValue::from_static("Bearer realm=\"sidegate\""),
        Some(BearerError::InvalidToken) => {
            return HeaderValue::from_static("Bearer realm=\"sidegate\", error=\"invalid_token\"");
        }
        Some(BearerError::InsufficientUserAuthentication { acr_values, max_age }) => {
            let acr = if acr_values.is_empty() {
                String::new()
            } else {
                format!(", acr_values=\"{}\"", acr_values.join(" "))
            };
            let age = max_age.map(|seconds| format!(", max_age=\"{seconds}\"")).unwrap_or_default();
            format!(
                "Bearer realm=\"sidegate\", error=\"insufficient_user_authentication\"{acr}{age}"
            )
        }
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer realm=\"sidegate\""))
}

fn forbidden_reply(forbidden: &Forbidden, asker: Asker<'_>) -> Reply {
    let identity = forbidden.caller.as_ref().map(|caller| caller.identity());
    let explanation = Explanation {
        user: identity.map(|identity| {
            identity
                .preferred_username()
                .or_else(|| identity.name())
                .unwrap_or_else(|| identity.user())
        }),
        email: identity.and_then(|identity| identity.email()),
        link: forbidden.login_url.as_deref(),
        ..Explanation::of(forbidden.reason)
    };
    let reply = Reply::explain(StatusCode::FORBIDDEN, &explanation, asker);
    if forbidden.reason != Reason::MissingScope {
        return reply;
    }
    let challenge =
        HeaderValue::from_static("Bearer realm=\"sidegate\", error=\"insufficient_scope\"");
    reply.with(header::WWW_AUTHENTICATE, challenge)
}

/// 302 for a navigation: only GET and HEAD get this far, and both stay what they are.
fn sign_in_reply(sign_in: &SignIn) -> Reply {
    match HeaderValue::try_from(sign_in.location.as_str()) {
        Ok(location) => Reply::empty(StatusCode::FOUND)
            .with(header::LOCATION, location)
            .with(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        Err(_) => Reply::empty(StatusCode::UNAUTHORIZED),
    }
}

fn preflight_reply(answer: &PreflightAnswer) -> Reply {
    let reply = Reply::empty(StatusCode::NO_CONTENT)
        .with(header::ACCESS_CONTROL_ALLOW_ORIGIN, answer.origin.clone())
        .with(header::VARY, HeaderValue::from_static("Origin"))
        .with(header::ACCESS_CONTROL_ALLOW_METHODS, answer.methods.clone())
        .with(header::ACCESS_CONTROL_ALLOW_HEADERS, answer.headers.clone())
        .with(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(answer.max_age));
    if !answer.credentials {
        return reply;
    }
    reply.with(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"))
}

#[cfg(test)]
mod tests;
