//! A question by HTTP: the auth request has the request line and the host of the request that it is about.

use std::net::IpAddr;

use bytes::Bytes;
use http::header;
use http::request::Parts;

use crate::gate::{Policy, Reason, Scheme};
use crate::serve::ext_authz::asked::{Asked, Body};
use crate::serve::ext_authz::rest;
use crate::serve::forwarded::{Origin, TrustedProxies, forwarded_scheme};

/// Who asks, and has been found to be trusted: an address, or nobody in particular on a unix socket.
pub(super) type Asker = Option<IpAddr>;

/// Reads a question from `head` and `body`; none is a body longer than is taken. What cannot be read becomes its doubt.
pub(super) fn read(
    head: Parts,
    body: Option<Bytes>,
    (policy, trusted): (&Policy, &TrustedProxies),
    asker: Asker,
) -> Asked {
    let Parts { method, uri, mut headers, .. } = head;
    let scheme = forwarded_scheme(&headers);
    // Envoy is trusted; whether its client is, nobody tells here.
    let told = trusted.told(asker, scheme.unwrap_or(Scheme::Http), &headers);
    let origin = Origin { trusted: false, ..told };
    let apart = rest::take_apart(policy, &mut headers);
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().map(str::to_owned),
        _ => None,
    };
    let target = uri.path_and_query().map(|target| target.as_str().to_owned());
    let mut asked = Asked {
        method: method.as_str().to_owned(),
        target: target.unwrap_or_default(),
        body: Body::of(body.clone().unwrap_or_default(), &mut headers),
        origin,
        certificate: None,
        terms: None,
        doubt: apart.err(),
        host: host.unwrap_or_default(),
        headers,
    };
    if asked.host.is_empty() {
        asked.doubts(Reason::MalformedHost);
    }
    // Absolute-form could name another host than `Host` does; Envoy never writes it.
    if uri.authority().is_some() {
        asked.doubts(Reason::MalformedTarget);
    }
    if scheme.is_none() {
        asked.doubts(Reason::ForwardedIncomplete);
    }
    if body.is_none() {
        asked.doubts(Reason::BodyTooLarge);
    }
    asked
}
