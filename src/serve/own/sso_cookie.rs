//! Sign-ins that leave nothing but the provider's own cookie: whether it is seen here, and why not.
//!
//! The cookie of another host comes only where its domain, its `Secure` and its name are as this side expects them; each is
//! configured over there. Whoever went on without it would be sent back to sign in, again and again.

use std::sync::Arc;

use http::header::{self, HeaderValue};

use crate::base::cookie::CookiePairs;
use crate::gate::{Provider, Reason, Resolver, ResolverAnswer, Scheme, would_admit};
use crate::identity::Identity;
use crate::serve::own::desk::Party;
use crate::serve::own::failure::Failure;
use crate::serve::own::login::demand;
use crate::serve::own::visit::Visit;
use crate::session::Attempt;
use crate::token::Claims;

/// Why a person may not go on.
pub(crate) struct Unseen {
    pub(crate) failure: Failure,
    /// For whoever runs this: what to change where.
    pub(crate) detail: Option<String>,
    /// By which the provider has the browser forget what does not hold.
    pub(crate) clear: Vec<HeaderValue>,
}

impl From<Failure> for Unseen {
    fn from(failure: Failure) -> Self {
        Self { failure, detail: None, clear: Vec::new() }
    }
}

/// Whether the provider's resolver knows who is there now, and whether that will do for the page that was wanted.
pub(crate) async fn look(
    visit: &Visit<'_>,
    party: &Party,
    attempt: &Attempt,
) -> Result<(), Unseen> {
    let policy = &visit.runtime.policy;
    let provider = policy.provider(party.id()).ok_or(Failure::UnknownProvider)?;
    let resolver = provider.resolver.as_ref().ok_or(Failure::ProviderUnavailable)?;
    let offered = resolver.offered(visit.headers(), None).map_err(|reason| {
        let detail = Some(format!("the cookies cannot be read: {}", reason.label()));
        Unseen { detail, ..Failure::SsoCookieUnknown.into() }
    })?;
    let Some(offered) = offered else { return Err(none_came(visit, party, resolver)) };
    let answer = visit.runtime.answers.resolve_anew(party.id(), &offered, visit.now).await;
    match answer {
        ResolverAnswer::Valid { claims, .. } => suffices(visit, provider, attempt, &claims),
        ResolverAnswer::Invalid { clear } => {
            let detail = "the resolver says that the cookie is not valid: does `resolver.url` belong to the project that people sign in to?";
            let (detail, clear) = (Some(detail.to_owned()), clear.to_vec());
            Err(Unseen { detail, clear, ..Failure::SsoCookieUnknown.into() })
        }
        ResolverAnswer::SawNone => {
            let detail = "the resolver saw no credential: does `cookie_prefix` agree with `http.cookie_prefix` there?";
            Err(Unseen { detail: Some(detail.to_owned()), ..Failure::SsoCookieUnknown.into() })
        }
        ResolverAnswer::Unavailable => Err(Failure::ProviderUnavailable.into()),
    }
}

/// Going to a page that asks for more would lead here again.
fn suffices(
    visit: &Visit<'_>,
    provider: &Provider,
    attempt: &Attempt,
    claims: &Arc<Claims>,
) -> Result<(), Unseen> {
    let Some(demand) = demand(visit, &attempt.return_to) else { return Ok(()) };
    let (issuer, claims) = (Arc::clone(&provider.issuer), claims.as_ref().clone());
    let identity = Identity::new(issuer, claims, &provider.claims, visit.now);
    let identity = identity.map_err(|_| Failure::IdentityRefused)?;
    match would_admit(demand.route, &identity, visit.now) {
        Err(Reason::AuthenticationTooOld | Reason::AuthenticationTooWeak) => {
            Err(Failure::TooWeak.into())
        }
        // Whatever else the route asks for, no other sign-in of this person would bring: the page says so.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Nothing of the provider's came, although somebody has just signed in there.
fn none_came(visit: &Visit<'_>, party: &Party, resolver: &Resolver) -> Unseen {
    if visit.request.scheme == Scheme::Http && party.issuer().starts_with("https:") {
        let detail = "browsers send a `Secure` cookie over https alone, and this came over http: listen with `tls:`, or name the proxy in front in `trusted_proxies`";
        return Unseen { detail: Some(detail.to_owned()), ..Failure::SsoCookieInsecure.into() };
    }
    let expected = resolver.cookies.join(", ");
    let detail = match other_prefix(visit, resolver) {
        Some(prefix) => format!(
            "none of the cookies {expected} came, but one with the prefix `{prefix}`: write `cookie_prefix: {prefix}` in `resolver:`"
        ),
        None => format!(
            "none of the cookies {expected} came to {}: set `http.cookie_domain` of the project to a domain of both this host and {}",
            visit.host(),
            party.issuer()
        ),
    };
    Unseen { detail: Some(detail), ..Failure::SsoCookieMissing.into() }
}

/// The prefix of a cookie that looks like one of the provider's under another prefix.
fn other_prefix(visit: &Visit<'_>, resolver: &Resolver) -> Option<String> {
    const LAST: &str = "session";
    let expected = resolver.cookies.last()?;
    let prefix = expected.strip_suffix(LAST)?;
    let fields = visit.headers().get_all(header::COOKIE).iter();
    let names = fields.flat_map(|field| CookiePairs::new(field.as_bytes())).filter_map(|pair| {
        let name = std::str::from_utf8(pair).ok()?.split('=').next()?;
        let found = name.strip_suffix(LAST)?;
        let foreign = found != prefix && !visit.runtime.policy.is_own_cookie(name.as_bytes());
        let plain = found.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        (foreign && plain && found.len() <= 32).then(|| found.to_owned())
    });
    names.into_iter().next()
}
