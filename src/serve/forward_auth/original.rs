//! The request that a front proxy asks about, out of the fields in which its dialect tells it.
//!
//! One complete set of fields counts, each given once. Where a field of another set names a target or a method as well, a
//! client has smuggled it past the proxy or the proxy is misconfigured, and nobody can say which request is meant
//! (CVE-2026-40575, CVE-2023-27487). Who may tell at all is decided elsewhere.

use std::net::IpAddr;

use http::header::HeaderValue;
use http::{HeaderMap, Method};

use crate::base::host::Authority;
use crate::gate::{Reason, RequestView, Scheme, Target, Terms};
use crate::serve::forward_auth::Dialect;
use crate::serve::forward_auth::told::{Field, Told};
use crate::serve::view::{authority_and_target, split_scheme};

/// In no set of ours.
const STRANGE: [Field; 3] = [Field::OriginalUri, Field::EnvoyOriginalPath, Field::RewriteUrl];

/// A question as it came: who asks, and all that may tell of the original request.
#[derive(Clone, Copy, Debug)]
pub struct SubRequest<'a> {
    /// Who asks.
    pub dialect: Dialect,
    /// Its own method.
    pub method: &'a Method,
    /// Its own host, if it has one.
    pub host: Option<&'a str>,
    /// Its fields, those of the original request among them.
    pub headers: &'a HeaderMap,
    /// What follows the address of the question.
    pub rest: &'a [u8],
}

/// The request that is asked about, in the words of the proxy.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    pub(super) method: Method,
    pub(super) scheme: &'a str,
    pub(super) authority: &'a str,
    pub(super) target: &'a str,
}

/// The request that is asked about.
#[derive(Clone, Debug)]
pub struct Original<'a> {
    method: Method,
    scheme: Scheme,
    authority: Authority<'a>,
    target: Target<'a>,
}

impl<'a> SubRequest<'a> {
    /// The request that is asked about.
    ///
    /// # Errors
    /// What is missing, told twice, or cannot be read.
    pub fn original(&self) -> Result<Original<'a>, Reason> {
        self.words()?.read()
    }

    /// What its fields tell of another request.
    pub(super) fn told(&self) -> Told<'a> {
        Told::of(self.headers)
    }

    /// The one complete set of fields.
    pub(super) fn words(&self) -> Result<Words<'a>, Reason> {
        let told = self.told();
        match self.dialect {
            Dialect::Envoy => self.behind_the_address(&told),
            Dialect::Nginx => x_original(&told),
            Dialect::Caddy | Dialect::Haproxy | Dialect::Traefik => x_forwarded(&told),
            Dialect::Plain if told.has(Field::OriginalUrl) => x_original(&told),
            Dialect::Plain => x_forwarded(&told),
            // Whoever asks like this is read with the routes at hand.
            Dialect::Authgear | Dialect::Oauth2Proxy => Err(Reason::ForwardedIncomplete),
        }
    }

    /// The method and host of the question itself, and what follows its address.
    fn behind_the_address(&self, told: &Told<'a>) -> Result<Words<'a>, Reason> {
        told.has_none_of(&STRANGE)?;
        let others = [
            Field::ForwardedMethod,
            Field::ForwardedUri,
            Field::OriginalMethod,
            Field::OriginalUrl,
        ];
        told.has_none_of(&others)?;
        if self.rest.is_empty() {
            return Err(Reason::ForwardedIncomplete);
        }
        let scheme = text(told.field(Field::ForwardedProto)?, Reason::ForwardedMixed)?;
        let authority = self.host.ok_or(Reason::MalformedHost)?;
        let target = std::str::from_utf8(self.rest).map_err(|_| Reason::MalformedTarget)?;
        Ok(Words { method: self.method.clone(), scheme, authority, target })
    }
}

/// `X-Original-Method`, and the whole URL in `X-Original-URL`.
fn x_original<'a>(told: &Told<'a>) -> Result<Words<'a>, Reason> {
    told.has_none_of(&STRANGE)?;
    told.has_none_of(&[Field::ForwardedMethod, Field::ForwardedUri])?;
    let method = method(told.field(Field::OriginalMethod)?)?;
    let url = text(told.field(Field::OriginalUrl)?, Reason::MalformedTarget)?;
    let (scheme, rest) = split_scheme(url).ok_or(Reason::ForwardedIncomplete)?;
    let (authority, target) = authority_and_target(rest);
    Ok(Words { method, scheme, authority, target })
}

/// `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`.
fn x_forwarded<'a>(told: &Told<'a>) -> Result<Words<'a>, Reason> {
    told.has_none_of(&STRANGE)?;
    told.has_none_of(&[Field::OriginalMethod, Field::OriginalUrl])?;
    let method = method(told.field(Field::ForwardedMethod)?)?;
    let scheme = text(told.field(Field::ForwardedProto)?, Reason::ForwardedMixed)?;
    let authority = text(told.field(Field::ForwardedHost)?, Reason::MalformedHost)?;
    let target = text(told.field(Field::ForwardedUri)?, Reason::MalformedTarget)?;
    Ok(Words { method, scheme, authority, target })
}

fn method(field: &HeaderValue) -> Result<Method, Reason> {
    Method::from_bytes(field.as_bytes()).map_err(|_| Reason::MethodNotAllowed)
}

pub(super) fn text(field: &HeaderValue, otherwise: Reason) -> Result<&str, Reason> {
    field.to_str().map_err(|_| otherwise)
}

/// Traefik tells of WebSockets by their own schemes; a list is of several proxies that were not agreed upon.
fn scheme(text: &str) -> Result<Scheme, Reason> {
    match text {
        "http" | "ws" => Ok(Scheme::Http),
        "https" | "wss" => Ok(Scheme::Https),
        _ => Err(Reason::ForwardedMixed),
    }
}

impl<'a> Words<'a> {
    /// The request that they tell of.
    pub(super) fn read(self) -> Result<Original<'a>, Reason> {
        let scheme = scheme(self.scheme)?;
        let authority = Authority::parse(self.authority).ok_or(Reason::MalformedHost)?;
        let target = Target::parse(self.target)?;
        Ok(Original { method: self.method, scheme, authority, target })
    }
}

impl<'a> Original<'a> {
    /// The method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The scheme that the client used.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host and port as the client wrote them.
    pub const fn authority(&self) -> &Authority<'a> {
        &self.authority
    }

    /// The target, in the bytes that go to the app.
    pub const fn target(&self) -> Target<'a> {
        self.target
    }

    /// What the gate looks at: the original request with the fields of the question, which has all of them but those of the
    /// client's connection. A certificate would be the front proxy's.
    pub fn view<'v>(
        &'v self,
        headers: &'v HeaderMap,
        client: Option<IpAddr>,
        terms: Option<&'v Terms>,
    ) -> RequestView<'v> {
        RequestView {
            method: &self.method,
            scheme: self.scheme,
            authority: &self.authority,
            target: self.target,
            headers,
            client,
            certificate: None,
            relayed: true,
            terms,
            familiar: None,
        }
    }
}
