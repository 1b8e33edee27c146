//! Callers whom only their provider's resolver can tell: it is shown all that came, and says whose it is.
//!
//! Authgear's own cookies are opaque, and several may come at once. Which of them counts is the resolver's business: what is
//! shown to it is one credential here, whatever it consists of.

use http::HeaderMap;
use http::header;

use crate::base::cookie::CookieValues;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::gate::authenticate::{Case, Failure, Grounds, ask, caller};
use crate::gate::caller::{Basis, Caller};
use crate::gate::credential::Credential;
use crate::gate::facts::ProviderId;
use crate::gate::policy::Provider;
use crate::gate::question::{Answer, Question, ResolverAnswer, ResolverQuestion, ResolverUse};
use crate::gate::reason::Reason;

/// What parts the fields of one credential: no header value has it.
const SEPARATOR: char = '\n';

/// The resolver of a provider, as the gate goes by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// The cookies that it looks at, in the order in which it does.
    pub cookies: Vec<String>,
    /// Which tokens it is asked about.
    pub tokens: ResolvedTokens,
}

/// Which tokens a resolver is asked about. About cookies it always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolvedTokens {
    /// All that its provider may have issued.
    All,
    /// Those that are no JWT; and whether a JWT that was verified here still counts.
    Recheck,
}

/// What came with a request and is shown to a resolver. Its `Debug` text shows none of it.
#[derive(Clone, Debug)]
pub struct Offered {
    authorization: Option<Secret<String>>,
    cookie: Option<Secret<String>>,
}

impl Offered {
    /// The `Authorization` field to send.
    pub const fn authorization(&self) -> Option<&Secret<String>> {
        self.authorization.as_ref()
    }

    /// The `Cookie` field to send.
    pub const fn cookie(&self) -> Option<&Secret<String>> {
        self.cookie.as_ref()
    }

    /// A bearer token alone.
    pub fn bearer(token: &str) -> Self {
        Self { authorization: Some(Secret::new(format!("Bearer {token}"))), cookie: None }
    }

    /// All of it as one text, which [`Self::read`] reads.
    pub(super) fn text(&self) -> String {
        let part = |part: &Option<Secret<String>>| {
            part.as_ref().map(|text| text.expose().clone()).unwrap_or_default()
        };
        format!("{}{SEPARATOR}{}", part(&self.authorization), part(&self.cookie))
    }

    fn read(text: &str) -> Self {
        let (authorization, cookie) = text.split_once(SEPARATOR).unwrap_or((text, ""));
        let part = |text: &str| (!text.is_empty()).then(|| Secret::new(text.to_owned()));
        Self { authorization: part(authorization), cookie: part(cookie) }
    }
}

/// The exposed texts are compared only to find the answer to a question of this very request.
impl PartialEq for Offered {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Offered {}

impl Resolver {
    /// What of `headers` the resolver is to be shown, with `bearer` if that is for it too; nothing where nothing came.
    ///
    /// # Errors
    /// Two cookies of one name, or one with octets that no cookie of its has.
    pub fn offered(
        &self,
        headers: &HeaderMap,
        bearer: Option<&str>,
    ) -> Result<Option<Offered>, Reason> {
        let mut pairs = Vec::new();
        for name in &self.cookies {
            if let Some(value) = only_cookie(headers, name)? {
                let value = std::str::from_utf8(value).ok().filter(|text| is_cookie_value(text));
                pairs.push(format!("{name}={}", value.ok_or(Reason::MalformedCredential)?));
            }
        }
        let cookie = (!pairs.is_empty()).then(|| Secret::new(pairs.join("; ")));
        let authorization = bearer.map(|token| Secret::new(format!("Bearer {token}")));
        let came = cookie.is_some() || authorization.is_some();
        Ok(came.then_some(Offered { authorization, cookie }))
    }
}

/// [RFC 6265 §4.1.1](https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1), quotes around it included.
fn is_cookie_value(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b',' | b';' | b'\\'))
}

/// The value of the cookie `name` in all `Cookie` fields. Two of the same name are refused: a sibling domain can set one
/// beside ours, and browsers do not say which is which.
pub(super) fn only_cookie<'a>(
    headers: &'a HeaderMap,
    name: &str,
) -> Result<Option<&'a [u8]>, Reason> {
    let mut found = None;
    for field in headers.get_all(header::COOKIE) {
        for value in CookieValues::new(field.as_bytes(), name.as_bytes()) {
            if found.replace(value).is_some() {
                return Err(Reason::SeveralCookies);
            }
        }
    }
    Ok(found.filter(|value| !value.is_empty()))
}

/// Whom the resolver of its provider says that `credential` names.
pub(super) fn resolve(case: &Case<'_>, credential: &Credential<'_>) -> Result<Caller, Failure> {
    let found =
        credential.providers().first().and_then(|id| Some((*id, case.policy.provider(*id)?)));
    let Some((id, provider)) = found else { return Err(Reason::TokenIssuer.into()) };
    let offered = Offered::read(credential.token());
    let question = ResolverQuestion { provider: id, offered, purpose: ResolverUse::Identify };
    let (claims, until) = answered(case, question)?;
    let grounds =
        Grounds { basis: Basis::Introspection, claims: claims.as_ref().clone(), ends: until };
    caller(case, credential, (id, provider), grounds)
}

/// Until when a token that was verified here counts, as the resolver says; the end of time where it is not asked.
/// `subject` is whom the token names.
pub(super) fn recheck(
    case: &Case<'_>,
    credential: &Credential<'_>,
    (id, provider): (ProviderId, &Provider),
    subject: Option<&str>,
) -> Result<Timestamp, Failure> {
    let rechecked = |resolver: &Resolver| resolver.tokens == ResolvedTokens::Recheck;
    if !provider.resolver.as_ref().is_some_and(rechecked) {
        return Ok(Timestamp::from_secs(u64::MAX));
    }
    let offered = Offered::bearer(credential.token());
    let question = ResolverQuestion { provider: id, offered, purpose: ResolverUse::Recheck };
    let (claims, until) = answered(case, question)?;
    if claims.text("sub") == subject { Ok(until) } else { Err(Reason::ResolverRejected.into()) }
}

type Resolved<'c> = (&'c std::sync::Arc<crate::token::Claims>, Timestamp);

fn answered<'c>(case: &Case<'c>, question: ResolverQuestion) -> Result<Resolved<'c>, Failure> {
    let question = Question::Resolver(question);
    match case.facts.answer(&question) {
        Some(Answer::Resolver(ResolverAnswer::Valid { claims, until })) => Ok((claims, *until)),
        Some(Answer::Resolver(ResolverAnswer::Invalid { .. })) => {
            Err(Reason::ResolverRejected.into())
        }
        Some(Answer::Resolver(ResolverAnswer::SawNone)) => Err(Reason::ResolverSawNone.into()),
        Some(Answer::Resolver(ResolverAnswer::Unavailable)) => {
            Err(Failure::Unavailable(Reason::ResolverUnavailable))
        }
        Some(_) => Err(Failure::Unavailable(Reason::Unanswered)),
        None => {
            let unanswered = Failure::Unavailable(Reason::Unanswered);
            Err(ask(case.facts, question).unwrap_or(unanswered))
        }
    }
}
