//! What a request offers to prove who sends it.
//!
//! An explicit credential (`Authorization`, or a header that the provider names) decides alone; two explicit ones are
//! refused. Cookies come along by themselves: they are judged only where nothing explicit is offered.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{self, HeaderName};
use smallvec::SmallVec;

use crate::base::cookie::CookieValues;
use crate::gate::facts::ProviderId;
use crate::gate::policy::{Dpop, Introspection, Policy, Provider, Route, SignInFlow};
use crate::gate::reason::Reason;
use crate::gate::request::RequestView;
use crate::gate::resolver::{ResolvedTokens, only_cookie};
use crate::session::CookieError;
use crate::token::Jwt;

/// How a credential came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// `Authorization: Bearer` ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    Bearer,
    /// An SSO cookie that is itself a token.
    Cookie,
    /// `Authorization: DPoP` with a proof beside it
    /// ([RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
    Dpop,
    /// Another header that the provider's configuration names.
    Header,
    /// All that a provider's resolver is shown of a request: its cookies, and a token if there is one.
    Resolved,
    /// The cookie of a session of our own.
    Session,
}

impl CredentialKind {
    /// The word of configuration, logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Cookie => "cookie",
            Self::Dpop => "dpop",
            Self::Header => "header",
            Self::Resolved => "resolver",
            Self::Session => "session",
        }
    }

    /// Whether browsers send it along by themselves, whichever page makes the request.
    pub const fn is_ambient(self) -> bool {
        matches!(self, Self::Cookie | Self::Resolved | Self::Session)
    }
}

/// The kinds a route accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialKinds(u8);

impl CredentialKinds {
    /// Every kind there is.
    pub const ALL: Self = Self(0b11_1111);

    /// Whether `kind` is among them.
    pub const fn contains(self, kind: CredentialKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

impl FromIterator<CredentialKind> for CredentialKinds {
    fn from_iter<I: IntoIterator<Item = CredentialKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u8))
    }
}

/// A credential and who may vouch for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential<'a> {
    kind: CredentialKind,
    /// Owned where a cookie came in several pieces.
    token: Cow<'a, str>,
    proof: Option<&'a str>,
    providers: SmallVec<[ProviderId; 4]>,
}

impl<'a> Credential<'a> {
    /// How it came.
    pub const fn kind(&self) -> CredentialKind {
        self.kind
    }

    /// The token as offered. A secret: it may be judged and hashed, never written anywhere.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The proof of possession that came along.
    pub(super) const fn proof(&self) -> Option<&'a str> {
        self.proof
    }

    /// The providers that may have issued it, here and in this way.
    pub fn providers(&self) -> &[ProviderId] {
        &self.providers
    }
}

/// What a request offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer<'a> {
    /// In the order they are judged.
    pub(super) credentials: SmallVec<[Credential<'a>; 2]>,
    /// Whether the client chose to send it, so that nothing else may take its place.
    pub(super) explicit: bool,
    /// Why a cookie is not among the credentials although it was sent.
    pub(super) unreadable: Option<Reason>,
}

/// Reads what `request` offers to `route`.
pub(super) fn extract<'a>(
    policy: &Policy,
    route: &Route,
    request: &RequestView<'a>,
) -> Result<Offer<'a>, Reason> {
    let authorization = authorization(request)?;
    let header = configured_header(policy, route, request)?;
    match (authorization, header) {
        (Some(_), Some(_)) => Err(Reason::SeveralCredentials),
        (Some((Scheme::Bearer, token)), None) => bearer(policy, route, request, token),
        (Some((Scheme::Dpop, token)), None) => dpop(policy, route, request, token),
        (None, Some((token, providers))) => {
            explicit(route, CredentialKind::Header, token, providers)
        }
        (None, None) => cookies(policy, route, request),
    }
}

fn explicit<'a>(
    route: &Route,
    kind: CredentialKind,
    token: &'a str,
    providers: SmallVec<[ProviderId; 4]>,
) -> Result<Offer<'a>, Reason> {
    if !route.accepts.contains(kind) {
        return Err(Reason::CredentialNotAccepted);
    }
    let credential = Credential { kind, token: Cow::Borrowed(token), proof: None, providers };
    let credentials = SmallVec::from_iter([credential]);
    Ok(Offer { credentials, explicit: true, unreadable: None })
}

/// A bearer token: for its issuer's resolver, if it has one, else for whoever may verify it.
fn bearer<'a>(
    policy: &Policy,
    route: &Route,
    request: &RequestView<'a>,
    token: &'a str,
) -> Result<Offer<'a>, Reason> {
    let kind = CredentialKind::Bearer;
    let resolves = |id: &ProviderId| policy.provider(*id).is_some_and(|one| one.resolver.is_some());
    let resolved = if route.accepts.contains(kind) && route.providers.iter().any(resolves) {
        resolved(policy, route, request, Some(token))?
    } else {
        SmallVec::new()
    };
    if resolved.is_empty() {
        return explicit(route, kind, token, route.providers.clone());
    }
    // Others may know it too, if it says itself of nobody whose it is.
    let introspects = |id: &ProviderId| {
        let provider = policy.provider(*id);
        provider.is_some_and(|one| one.introspection != Introspection::Never)
    };
    let is_opaque = Jwt::parse(token, policy.max_token_bytes).is_err();
    let others: SmallVec<_> = route.providers.iter().copied().filter(introspects).collect();
    let mut offer = match others.is_empty() || !is_opaque {
        true => Offer { explicit: true, ..Offer::default() },
        false => explicit(route, kind, token, others)?,
    };
    offer.credentials.extend(resolved);
    Ok(offer)
}

/// What each provider of the route that has a resolver is to have it shown, `bearer` included where it may be its own.
fn resolved<'a>(
    policy: &Policy,
    route: &Route,
    request: &RequestView<'a>,
    bearer: Option<&str>,
) -> Result<SmallVec<[Credential<'a>; 2]>, Reason> {
    let mut found = SmallVec::new();
    let jwt = bearer.map(|token| Jwt::parse(token, policy.max_token_bytes));
    let plain = HeaderMap::new();
    let cookies = route.accepts.contains(CredentialKind::Cookie);
    for id in &route.providers {
        let Some(provider) = policy.provider(*id) else { continue };
        let Some(resolver) = &provider.resolver else { continue };
        let is_for_it = match &jwt {
            None | Some(Err(_)) => true,
            Some(Ok(jwt)) => {
                resolver.tokens == ResolvedTokens::All && jwt.issuer() == Some(&*provider.issuer)
            }
        };
        if !is_for_it {
            continue;
        }
        let headers = if cookies { request.headers } else { &plain };
        let Some(offered) = resolver.offered(headers, bearer)? else { continue };
        let token = offered.text();
        if token.len() > policy.max_token_bytes {
            return Err(Reason::TokenMalformed);
        }
        let (kind, token) = (CredentialKind::Resolved, Cow::Owned(token));
        let providers = SmallVec::from_iter([*id]);
        found.push(Credential { kind, token, proof: None, providers });
    }
    Ok(found)
}

/// A token with its proof, for the providers that take proofs.
fn dpop<'a>(
    policy: &Policy,
    route: &Route,
    request: &RequestView<'a>,
    token: &'a str,
) -> Result<Offer<'a>, Reason> {
    let takes = |id: &ProviderId| policy.provider(*id).is_some_and(|one| one.dpop != Dpop::Off);
    let providers: SmallVec<_> = route.providers.iter().copied().filter(takes).collect();
    if providers.is_empty() {
        return Err(Reason::UnknownScheme);
    }
    // Two proofs are none ([RFC 9449 §4.3](https://www.rfc-editor.org/rfc/rfc9449#section-4.3), point 1).
    let proof = request.text(DPOP).ok_or(Reason::ProofInvalid)?;
    let mut offer = explicit(route, CredentialKind::Dpop, token, providers)?;
    offer.credentials.iter_mut().for_each(|credential| credential.proof = Some(proof));
    Ok(offer)
}

/// The field that carries a proof.
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The schemes of `Authorization` that can be judged.
enum Scheme {
    Bearer,
    Dpop,
}

/// Scheme and token, if there is an `Authorization` field. Any other scheme is a credential too, one we cannot judge.
fn authorization<'a>(request: &RequestView<'a>) -> Result<Option<(Scheme, &'a str)>, Reason> {
    let mut fields = request.headers.get_all(header::AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(Reason::SeveralCredentials);
    }
    let text = field.to_str().map_err(|_| Reason::MalformedCredential)?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    let scheme = match scheme {
        name if name.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        name if name.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        _ => return Err(Reason::UnknownScheme),
    };
    let token = rest.trim_start_matches(' ');
    if is_token68(token) { Ok(Some((scheme, token))) } else { Err(Reason::MalformedCredential) }
}

/// [RFC 9110 §11.2](https://www.rfc-editor.org/rfc/rfc9110#section-11.2).
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    // Without an early end, on all bytes alike: every request pays for this, and bad ones are few.
    let allowed = |all: bool, b: u8| all & TOKEN68[usize::from(b)];
    !body.is_empty() && body.bytes().fold(true, allowed)
}

/// The bytes of a token68, padding apart.
const TOKEN68: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 128_u8 {
        let sign = matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        table[b as usize] = sign || b.is_ascii_alphanumeric();
        b += 1;
    }
    table
};

type HeaderOffer<'a> = Option<(&'a str, SmallVec<[ProviderId; 4]>)>;

fn configured_header<'a>(
    policy: &Policy,
    route: &Route,
    request: &RequestView<'a>,
) -> Result<HeaderOffer<'a>, Reason> {
    let mut found: Option<(&HeaderName, &'a str)> = None;
    let mut providers = SmallVec::new();
    for id in &route.providers {
        for name in policy.provider(*id).map_or(&[][..], |provider| &provider.headers) {
            let mut fields = request.headers.get_all(name).iter();
            let Some(field) = fields.next() else { continue };
            if fields.next().is_some() || found.is_some_and(|(other, _)| other != name) {
                return Err(Reason::SeveralCredentials);
            }
            let text = field.to_str().map_err(|_| Reason::MalformedCredential)?.trim();
            found = Some((name, text));
            providers.push(*id);
        }
    }
    Ok(found.map(|(_, text)| (text, providers)))
}

fn cookies<'a>(
    policy: &Policy,
    route: &Route,
    request: &RequestView<'a>,
) -> Result<Offer<'a>, Reason> {
    let mut offer = Offer::default();
    if !request.headers.contains_key(header::COOKIE) {
        return Ok(offer);
    }
    session(policy, route, request, &mut offer)?;
    if !route.accepts.contains(CredentialKind::Cookie) {
        return Ok(offer);
    }
    for id in &route.providers {
        let Some(provider) = policy.provider(*id) else { continue };
        for name in &provider.cookies {
            match only_cookie(request.headers, name)?.map(std::str::from_utf8) {
                Some(Ok(token)) => offer_cookie(&mut offer, token, *id),
                Some(Err(_)) => offer.unreadable = Some(Reason::MalformedCredential),
                None => {}
            }
        }
    }
    match resolved(policy, route, request, None) {
        Ok(resolved) => offer.credentials.extend(resolved),
        Err(reason @ Reason::SeveralCookies) => return Err(reason),
        Err(reason) => offer.unreadable = Some(reason),
    }
    Ok(offer)
}

/// The session's cookie comes first: it was made for this very host, by us.
fn session<'a>(
    policy: &Policy,
    route: &Route,
    request: &RequestView<'a>,
    offer: &mut Offer<'a>,
) -> Result<(), Reason> {
    let Some(sessions) = &policy.sessions else { return Ok(()) };
    let ours = |id: &ProviderId| {
        let party = policy.provider(*id).and_then(|provider| provider.relying_party.as_ref());
        party.is_some_and(|party| party.flow == SignInFlow::Code)
    };
    let providers: SmallVec<_> = route.providers.iter().copied().filter(ours).collect();
    if providers.is_empty() || !route.accepts.contains(CredentialKind::Session) {
        return Ok(());
    }
    let cookie = sessions.cookie(request.scheme, request.authority.host());
    match cookie.read(request.headers) {
        Ok(None) => {}
        Ok(Some(text)) => offer.credentials.push(Credential {
            kind: CredentialKind::Session,
            token: text.value,
            proof: None,
            providers,
        }),
        Err(CookieError::Duplicate) => return Err(Reason::SeveralCookies),
        Err(_) => offer.unreadable = Some(Reason::SessionMalformed),
    }
    Ok(())
}

fn offer_cookie<'a>(offer: &mut Offer<'a>, token: &'a str, provider: ProviderId) {
    let same =
        |known: &&mut Credential<'_>| known.kind == CredentialKind::Cookie && known.token == token;
    match offer.credentials.iter_mut().find(same) {
        Some(known) => known.providers.push(provider),
        None => {
            let providers = SmallVec::from_iter([provider]);
            let (kind, token) = (CredentialKind::Cookie, Cow::Borrowed(token));
            offer.credentials.push(Credential { kind, token, proof: None, providers });
        }
    }
}

/// Whether `provider` takes a credential of that kind at all: for the configuration's warnings.
impl Provider {
    /// The kinds of credential this provider's tokens can come as.
    pub fn kinds(&self) -> CredentialKinds {
        let cookies = !self.cookies.is_empty() || self.resolver.is_some();
        let cookie = cookies.then_some(CredentialKind::Cookie);
        let header = (!self.headers.is_empty()).then_some(CredentialKind::Header);
        let dpop = (self.dpop != Dpop::Off).then_some(CredentialKind::Dpop);
        let session = self.relying_party.is_some().then_some(CredentialKind::Session);
        let named = [cookie, dpop, header, session].into_iter().flatten();
        [CredentialKind::Bearer].into_iter().chain(named).collect()
    }
}

/// The values of `name` in one `Cookie` field: for fuzzing and tests.
pub fn cookie_values<'a>(field: &'a [u8], name: &str) -> Vec<&'a [u8]> {
    CookieValues::new(field, name.as_bytes()).collect()
}
