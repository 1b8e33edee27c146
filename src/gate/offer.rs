//! What a request offers to prove who sends it.
//!
//! An explicit credential (`Authorization`, or a header that the provider names) decides alone; two explicit ones are
//! refused. Cookies come along by themselves: they are judged only where nothing explicit is offered.

use http::HeaderMap;
use http::header::{self, HeaderName};
use smallvec::SmallVec;

use crate::base::cookie::CookieValues;
use crate::gate::credential::{Credential, CredentialKind, Providers};
use crate::gate::facts::ProviderId;
use crate::gate::policy::{Dpop, Introspection, Policy, Provider, Route, SignInFlow};
use crate::gate::reason::Reason;
use crate::gate::request::RequestView;
use crate::gate::resolver::{ResolvedTokens, Resolver, only_cookie};
use crate::session::CookieError;
use crate::token::Jwt;

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
    let reading = Reading { policy, route, request };
    match (authorization(request)?, reading.configured_header()?) {
        (Some(_), Some(_)) => Err(Reason::SeveralCredentials),
        (Some((Scheme::Bearer, token)), None) => reading.bearer(token),
        (Some((Scheme::Dpop, token)), None) => reading.dpop(token),
        (None, Some(credential)) => reading.explicit(credential),
        (None, None) => reading.cookies(),
    }
}

/// What is read, and for whom.
struct Reading<'r, 'a> {
    policy: &'r Policy,
    route: &'r Route,
    request: &'r RequestView<'a>,
}

impl<'a> Reading<'_, 'a> {
    fn explicit(&self, credential: Credential<'a>) -> Result<Offer<'a>, Reason> {
        if !self.route.accepts.contains(credential.kind()) {
            return Err(Reason::CredentialNotAccepted);
        }
        let credentials = SmallVec::from_iter([credential]);
        Ok(Offer { credentials, explicit: true, unreadable: None })
    }

    /// A bearer token: for its issuer's resolver, if it has one, else for whoever may verify it.
    fn bearer(&self, token: &'a str) -> Result<Offer<'a>, Reason> {
        let kind = CredentialKind::Bearer;
        let takes = self.route.accepts.contains(kind);
        let resolved = if takes && !self.providers(|one| one.resolver.is_some()).is_empty() {
            self.resolved(Some(token))?
        } else {
            SmallVec::new()
        };
        if resolved.is_empty() {
            return self.explicit(Credential::new(kind, token, self.route.providers.clone()));
        }
        // Others may know it too, if it says itself of nobody whose it is.
        let is_opaque = Jwt::parse(token, self.policy.max_token_bytes).is_err();
        let others = self.providers(|one| one.introspection != Introspection::Never);
        let mut offer = match others.is_empty() || !is_opaque {
            true => Offer { explicit: true, ..Offer::default() },
            false => self.explicit(Credential::new(kind, token, others))?,
        };
        offer.credentials.extend(resolved);
        Ok(offer)
    }

    /// What each provider of the route that has a resolver is to have it shown, `bearer` included where it may be its own.
    fn resolved(&self, bearer: Option<&str>) -> Result<SmallVec<[Credential<'a>; 2]>, Reason> {
        let mut found = SmallVec::new();
        let jwt = bearer.map(|token| Jwt::parse(token, self.policy.max_token_bytes));
        let plain = HeaderMap::new();
        let cookies = self.route.accepts.contains(CredentialKind::Cookie);
        let headers = if cookies { self.request.headers } else { &plain };
        for (id, provider) in self.each_provider() {
            let Some(resolver) = &provider.resolver else { continue };
            let is_for_it = match &jwt {
                None | Some(Err(_)) => true,
                Some(Ok(jwt)) => is_its_own(jwt, provider, resolver),
            };
            if !is_for_it {
                continue;
            }
            let Some(offered) = resolver.offered(headers, bearer)? else { continue };
            let token = offered.text();
            if token.len() > self.policy.max_token_bytes {
                return Err(Reason::TokenMalformed);
            }
            let providers = SmallVec::from_iter([id]);
            found.push(Credential::new(CredentialKind::Resolved, token, providers));
        }
        Ok(found)
    }

    /// A token with its proof, for the providers that take proofs.
    fn dpop(&self, token: &'a str) -> Result<Offer<'a>, Reason> {
        let providers = self.providers(|one| one.dpop != Dpop::Off);
        if providers.is_empty() {
            return Err(Reason::UnknownScheme);
        }
        // Two proofs are none ([RFC 9449 §4.3](https://www.rfc-editor.org/rfc/rfc9449#section-4.3), point 1).
        let proof = self.request.text(DPOP).ok_or(Reason::ProofInvalid)?;
        let credential = Credential::new(CredentialKind::Dpop, token, providers);
        self.explicit(credential.with_proof(proof))
    }

    fn configured_header(&self) -> Result<Option<Credential<'a>>, Reason> {
        let mut found: Option<(&HeaderName, &'a str)> = None;
        let mut providers = Providers::new();
        for (id, provider) in self.each_provider() {
            for name in &provider.headers {
                let mut fields = self.request.headers.get_all(name).iter();
                let Some(field) = fields.next() else { continue };
                if fields.next().is_some() || found.is_some_and(|(other, _)| other != name) {
                    return Err(Reason::SeveralCredentials);
                }
                let text = field.to_str().map_err(|_| Reason::MalformedCredential)?.trim();
                found = Some((name, text));
                providers.push(id);
            }
        }
        Ok(found.map(|(_, text)| Credential::new(CredentialKind::Header, text, providers)))
    }

    fn cookies(&self) -> Result<Offer<'a>, Reason> {
        let mut offer = Offer::default();
        if !self.request.headers.contains_key(header::COOKIE) {
            return Ok(offer);
        }
        self.session(&mut offer)?;
        if !self.route.accepts.contains(CredentialKind::Cookie) {
            return Ok(offer);
        }
        for (id, provider) in self.each_provider() {
            for name in &provider.cookies {
                match only_cookie(self.request.headers, name)?.map(std::str::from_utf8) {
                    Some(Ok(token)) => offer.add_cookie(token, id),
                    Some(Err(_)) => offer.unreadable = Some(Reason::MalformedCredential),
                    None => {}
                }
            }
        }
        match self.resolved(None) {
            Ok(resolved) => offer.credentials.extend(resolved),
            Err(reason @ Reason::SeveralCookies) => return Err(reason),
            Err(reason) => offer.unreadable = Some(reason),
        }
        Ok(offer)
    }

    /// The session's cookie comes first: it was made for this very host, by us.
    fn session(&self, offer: &mut Offer<'a>) -> Result<(), Reason> {
        let Some(sessions) = &self.policy.sessions else { return Ok(()) };
        let providers = self.providers(|provider| {
            let party = provider.relying_party.as_ref();
            party.is_some_and(|party| party.flow == SignInFlow::Code)
        });
        let kind = CredentialKind::Session;
        if providers.is_empty() || !self.route.accepts.contains(kind) {
            return Ok(());
        }
        let cookie = sessions.cookie(self.request.scheme, self.request.authority.host());
        match cookie.read(self.request.headers) {
            Ok(None) => {}
            Ok(Some(text)) => {
                offer.credentials.push(Credential::new(kind, text.value, providers));
            }
            Err(CookieError::Duplicate) => return Err(Reason::SeveralCookies),
            Err(_) => offer.unreadable = Some(Reason::SessionMalformed),
        }
        Ok(())
    }

    /// The providers of the route, in its order.
    fn each_provider(&self) -> impl Iterator<Item = (ProviderId, &Provider)> {
        let known = |id: &ProviderId| Some((*id, self.policy.provider(*id)?));
        self.route.providers.iter().filter_map(known)
    }

    /// Those of them that are so.
    fn providers(&self, is_so: impl Fn(&Provider) -> bool) -> Providers {
        self.each_provider().filter(|(_, one)| is_so(one)).map(|(id, _)| id).collect()
    }
}

impl<'a> Offer<'a> {
    /// A cookie that several providers read is one credential.
    fn add_cookie(&mut self, token: &'a str, provider: ProviderId) {
        let kind = CredentialKind::Cookie;
        let same = |known: &&mut Credential<'_>| known.kind() == kind && known.token() == token;
        match self.credentials.iter_mut().find(same) {
            Some(known) => known.also_of(provider),
            None => {
                let providers = SmallVec::from_iter([provider]);
                self.credentials.push(Credential::new(kind, token, providers));
            }
        }
    }
}

/// Whether the resolver of `provider` is to be shown a token of that issuer.
fn is_its_own(jwt: &Jwt<'_>, provider: &Provider, resolver: &Resolver) -> bool {
    resolver.tokens == ResolvedTokens::All && jwt.issuer() == Some(&*provider.issuer)
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
    let text = field.as_bytes();
    let end = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
    let (scheme, rest) = text.split_at(end);
    let scheme = match scheme {
        name if name.eq_ignore_ascii_case(b"bearer") => Scheme::Bearer,
        name if name.eq_ignore_ascii_case(b"dpop") => Scheme::Dpop,
        _ if text.is_ascii() => return Err(Reason::UnknownScheme),
        _ => return Err(Reason::MalformedCredential),
    };
    let begin = rest.iter().position(|b| *b != b' ').unwrap_or(rest.len());
    let written = &rest[begin..];
    let familiar = request.familiar.filter(|known| known.as_bytes() == written);
    let token = familiar.or_else(|| token68(written)).ok_or(Reason::MalformedCredential)?;
    Ok(Some((scheme, token)))
}

/// `text`, if it is one: [RFC 9110 §11.2](https://www.rfc-editor.org/rfc/rfc9110#section-11.2).
fn token68(text: &[u8]) -> Option<&str> {
    let padding = text.iter().rev().take_while(|b| **b == b'=').count();
    let body = &text[..text.len() - padding];
    // Without an early end and without a table, so that many bytes are looked at at once: every request pays for this, and bad
    // ones are few.
    let allowed = |all: bool, b: &u8| all & is_of_token68(*b);
    let is_one = !body.is_empty() && body.iter().fold(true, allowed);
    if is_one { std::str::from_utf8(text).ok() } else { None }
}

/// Whether `b` may be in a token68, padding apart.
const fn is_of_token68(b: u8) -> bool {
    let letter = (b | 0x20).wrapping_sub(b'a') < 26;
    // `-`, `.`, `/` and the digits follow each other.
    let digit_or_near = b.wrapping_sub(b'-') < 13;
    letter | digit_or_near | (b == b'_') | (b == b'~') | (b == b'+')
}

/// The values of `name` in one `Cookie` field: for fuzzing and tests.
pub fn cookie_values<'a>(field: &'a [u8], name: &str) -> Vec<&'a [u8]> {
    CookieValues::new(field, name.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token68_has_these_bytes_and_padding_at_its_end() {
        for b in 0..=u8::MAX {
            let allowed = b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
            assert_eq!(token68(&[b'a', b, b'a']).is_some(), allowed, "{b:#x}");
            assert_eq!(token68(&[b'a', b]).is_some(), allowed || b == b'=', "{b:#x}");
        }
        assert_eq!(token68(b"abc=="), Some("abc=="));
        assert_eq!([token68(b""), token68(b"="), token68(b"=a")], [None; 3]);
    }
}
