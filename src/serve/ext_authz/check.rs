//! A question by gRPC, [`CheckRequest`], read as a request.
//!
//! Envoy tells header fields as a list of the raw ones, or as a map in which fields of one name are joined by commas. Where that hides
//! that there are two credentials, they are taken apart again: they have to be judged as if they had come here by themselves.

use std::net::IpAddr;

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::address::Address;
use envoy_types::pb::envoy::config::core::v3::{HeaderMap as RawHeaders, HeaderValue as RawValue};
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer};
use http::HeaderMap;
use http::header::{self, HeaderName};

use crate::gate::{Policy, Reason, Scheme};
use crate::serve::ext_authz::asked::{Asked, Body};
use crate::serve::ext_authz::rest;
use crate::serve::forwarded::TrustedProxies;
use crate::serve::settings::RequestLimits;
use crate::serve::{terms, tls};

/// Pseudo-header fields that Envoy tells beside the others.
const PSEUDO: usize = 8;

/// Reads `question`. Whatever cannot be read becomes the doubt of what is returned.
pub(super) fn read(
    question: CheckRequest,
    policy: &Policy,
    trusted: &TrustedProxies,
    limits: &RequestLimits,
) -> Asked {
    let attributes = question.attributes.unwrap_or_default();
    let mut http = attributes.request.and_then(|request| request.http).unwrap_or_default();
    let source = attributes.source.unwrap_or_default();
    let scheme = scheme(&http.scheme);
    let (mut headers, mut doubt) = match headers(&mut http, policy, limits) {
        Ok(headers) => (headers, None),
        Err(reason) => (HeaderMap::new(), Some(reason)),
    };
    if scheme.is_none() {
        doubt.get_or_insert(Reason::ForwardedIncomplete);
    }
    let terms = terms::read(&attributes.context_extensions);
    if let Err(reason) = terms {
        doubt.get_or_insert(reason);
    }
    let raw = !http.raw_body.is_empty();
    let body = if raw { Bytes::from(http.raw_body) } else { Bytes::from(http.body) };
    Asked {
        body: Body::of(body, &mut headers),
        origin: trusted.origin(client(&source), scheme.unwrap_or(Scheme::Http), &headers),
        certificate: tls::certificate_in_url(&source.certificate),
        terms: terms.ok().flatten(),
        method: http.method,
        host: http.host,
        target: http.path,
        headers,
        doubt,
    }
}

fn scheme(text: &str) -> Option<Scheme> {
    match text {
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        _ => None,
    }
}

/// Who connected to Envoy; nobody in particular where that was by a unix socket.
fn client(source: &Peer) -> Option<IpAddr> {
    match source.address.as_ref()?.address.as_ref()? {
        Address::SocketAddress(socket) => socket.address.parse().ok(),
        Address::Pipe(_) | Address::EnvoyInternalAddress(_) => None,
    }
}

/// The header fields, taken out of `http`, which still says what the pseudo-header fields must agree with.
fn headers(
    http: &mut HttpRequest,
    policy: &Policy,
    limits: &RequestLimits,
) -> Result<HeaderMap, Reason> {
    let joined = std::mem::take(&mut http.headers);
    let raw = http.header_map.take().unwrap_or(RawHeaders { headers: Vec::new() });
    if !joined.is_empty() && !raw.headers.is_empty() {
        return Err(Reason::ForwardedMixed);
    }
    let count = joined.len() + raw.headers.len();
    if count > limits.headers + PSEUDO {
        return Err(Reason::HeadersTooLarge);
    }
    let headers = HeaderMap::try_with_capacity(count).map_err(|_| Reason::HeadersTooLarge)?;
    let mut fields = Fields { http, policy, headers };
    for (name, value) in joined {
        fields.add(&name, value.into())?;
    }
    for RawValue { key, value, raw_value } in raw.headers {
        match (value.is_empty(), raw_value.is_empty()) {
            (true, _) => fields.add(&key, raw_value.into())?,
            (false, true) => fields.add(&key, value.into())?,
            (false, false) => return Err(Reason::ForwardedMixed),
        }
    }
    Ok(fields.headers)
}

struct Fields<'a> {
    http: &'a HttpRequest,
    policy: &'a Policy,
    headers: HeaderMap,
}

/// What a question says of a field beside its fields.
enum Elsewhere<'a> {
    /// Nothing.
    Nothing,
    /// This.
    Said(&'a str),
    /// It is an unknown pseudo-header field: one that nothing agrees with.
    Strange,
}

impl Fields<'_> {
    fn add(&mut self, name: &str, value: Bytes) -> Result<(), Reason> {
        match self.said_elsewhere(name) {
            Elsewhere::Nothing => {}
            Elsewhere::Said(said) if said.as_bytes() == value => return Ok(()),
            Elsewhere::Said(_) | Elsewhere::Strange => return Err(Reason::ForwardedMixed),
        }
        // A name that is none: Envoy passes none on, so there is no telling what it stands for.
        let name = HeaderName::from_bytes(name.as_bytes());
        let name = name.map_err(|_| Reason::ForwardedIncomplete)?;
        rest::add(self.policy, &mut self.headers, &name, value)
    }

    /// What the question says itself of the field `name`.
    fn said_elsewhere(&self, name: &str) -> Elsewhere<'_> {
        let http = self.http;
        match name {
            ":authority" => Elsewhere::Said(&http.host),
            ":method" => Elsewhere::Said(&http.method),
            ":path" => Elsewhere::Said(&http.path),
            ":scheme" => Elsewhere::Said(&http.scheme),
            _ if name.starts_with(':') => Elsewhere::Strange,
            _ if name.eq_ignore_ascii_case(header::HOST.as_str()) => Elsewhere::Said(&http.host),
            _ => Elsewhere::Nothing,
        }
    }
}
