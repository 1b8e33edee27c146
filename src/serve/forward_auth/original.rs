//! The request that a front proxy asks about, out of the fields in which its dialect tells it.
//!
//! One complete set of fields counts, each given once. Where a field of another set names a target or a method as well, a
//! client has smuggled it past the proxy or the proxy is misconfigured, and nobody can say which request is meant
//! (CVE-2026-40575, CVE-2023-27487). Who may tell at all is decided elsewhere.

use std::net::IpAddr;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};

use crate::base::host::Authority;
use crate::gate::{Reason, RequestView, Scheme, Target, Terms};
use crate::serve::forward_auth::Dialect;
use crate::serve::forwarded::{X_FORWARDED_HOST, X_FORWARDED_PROTO};
use crate::serve::view::authority_and_target;

pub(super) const X_ENVOY_ORIGINAL_PATH: HeaderName =
    HeaderName::from_static("x-envoy-original-path");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
pub(super) const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
pub(super) const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
pub(super) const X_ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
pub(super) const X_REWRITE_URL: HeaderName = HeaderName::from_static("x-rewrite-url");

/// In no set of ours.
const STRANGE: [HeaderName; 3] = [X_ORIGINAL_URI, X_ENVOY_ORIGINAL_PATH, X_REWRITE_URL];

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

    /// The one complete set of fields.
    pub(super) fn words(&self) -> Result<Words<'a>, Reason> {
        match self.dialect {
            Dialect::Envoy => self.behind_the_address(),
            Dialect::Nginx => self.x_original(),
            Dialect::Caddy | Dialect::Haproxy | Dialect::Traefik => self.x_forwarded(),
            Dialect::Plain if self.headers.contains_key(&X_ORIGINAL_URL) => self.x_original(),
            Dialect::Plain => self.x_forwarded(),
            // Whoever asks like this is read with the routes at hand.
            Dialect::Authgear | Dialect::Oauth2Proxy => Err(Reason::ForwardedIncomplete),
        }
    }

    /// `X-Original-Method`, and the whole URL in `X-Original-URL`.
    fn x_original(&self) -> Result<Words<'a>, Reason> {
        self.has_none_of(&STRANGE)?;
        self.has_none_of(&[X_FORWARDED_METHOD, X_FORWARDED_URI])?;
        let method = method(self.field(&X_ORIGINAL_METHOD)?)?;
        let url = text(self.field(&X_ORIGINAL_URL)?, Reason::MalformedTarget)?;
        let (scheme, rest) = url.split_once("://").ok_or(Reason::ForwardedIncomplete)?;
        let (authority, target) = authority_and_target(rest);
        Ok(Words { method, scheme, authority, target })
    }

    /// `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`.
    fn x_forwarded(&self) -> Result<Words<'a>, Reason> {
        self.has_none_of(&STRANGE)?;
        self.has_none_of(&[X_ORIGINAL_METHOD, X_ORIGINAL_URL])?;
        let method = method(self.field(&X_FORWARDED_METHOD)?)?;
        let scheme = text(self.field(&X_FORWARDED_PROTO)?, Reason::ForwardedMixed)?;
        let authority = text(self.field(&X_FORWARDED_HOST)?, Reason::MalformedHost)?;
        let target = text(self.field(&X_FORWARDED_URI)?, Reason::MalformedTarget)?;
        Ok(Words { method, scheme, authority, target })
    }

    /// The method and host of the question itself, and what follows its address.
    fn behind_the_address(&self) -> Result<Words<'a>, Reason> {
        self.has_none_of(&STRANGE)?;
        let others = [X_FORWARDED_METHOD, X_FORWARDED_URI, X_ORIGINAL_METHOD, X_ORIGINAL_URL];
        self.has_none_of(&others)?;
        if self.rest.is_empty() {
            return Err(Reason::ForwardedIncomplete);
        }
        let scheme = text(self.field(&X_FORWARDED_PROTO)?, Reason::ForwardedMixed)?;
        let authority = self.host.ok_or(Reason::MalformedHost)?;
        let target = std::str::from_utf8(self.rest).map_err(|_| Reason::MalformedTarget)?;
        Ok(Words { method: self.method.clone(), scheme, authority, target })
    }

    pub(super) fn has_none_of(&self, names: &[HeaderName]) -> Result<(), Reason> {
        let found = names.iter().any(|name| self.headers.contains_key(name));
        if found { Err(Reason::ForwardedMixed) } else { Ok(()) }
    }

    /// The one field of that name. nginx drops fields that are empty, others send them: both tell nothing.
    pub(super) fn field(&self, name: &HeaderName) -> Result<&'a HeaderValue, Reason> {
        let mut fields = self.headers.get_all(name).iter();
        let field = fields.next().filter(|field| !field.is_empty());
        match (field, fields.next()) {
            (_, Some(_)) => Err(Reason::ForwardedMixed),
            (None, None) => Err(Reason::ForwardedIncomplete),
            (Some(field), None) => Ok(field),
        }
    }
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
        }
    }
}
