//! The header of a permitted request on its way upstream: foreign claims to identity go, our own are set.
//!
//! Runs on the copy that pingora makes for each attempt, after hop-by-hop fields are gone: a client's
//! `Connection: X-Forwarded-User` can no longer take away what is set here.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use smallvec::SmallVec;

use crate::gate::{InboundCredential, ManagedNames, Permit, Policy};
use crate::serve::forwarded::Origin;

/// What is set besides the identity.
pub(crate) struct Additions {
    pub(crate) forwarded: Option<HeaderValue>,
    pub(crate) forwarded_for: Option<HeaderValue>,
    pub(crate) forwarded_host: Option<HeaderValue>,
    pub(crate) request_id: HeaderValue,
    pub(crate) assertion: Option<(HeaderName, HeaderValue)>,
    pub(crate) host: Option<String>,
}

/// Rewrites `request` for the upstream.
pub(crate) fn rewrite(
    request: &mut RequestHeader,
    permit: &Permit,
    policy: &Policy,
    (forwarded_names, origin): (&ManagedNames, &Origin),
    additions: Additions,
) -> pingora::Result<()> {
    strip(request, policy, forwarded_names, origin);
    credentials(request, permit, policy)?;
    for (name, value) in permit.identity_headers() {
        set(request, name, value.clone())?;
    }
    if let Some((name, value)) = additions.assertion {
        set(request, &name, value)?;
    }
    if let Some(value) = additions.forwarded {
        request.insert_header("Forwarded", value)?;
    }
    if let Some(value) = additions.forwarded_for {
        request.insert_header("X-Forwarded-For", value)?;
    }
    if let Some(value) = additions.forwarded_host {
        request.insert_header("X-Forwarded-Host", value)?;
    }
    request.insert_header("X-Forwarded-Proto", HeaderValue::from_static(origin.scheme.as_str()))?;
    request.insert_header("X-Request-Id", additions.request_id)?;
    if let Some(host) = additions.host {
        request.insert_header("Host", host)?;
    }
    Ok(())
}

fn set(request: &mut RequestHeader, name: &HeaderName, value: HeaderValue) -> pingora::Result<()> {
    request.insert_header(Bytes::copy_from_slice(name.as_str().as_bytes()), value)
}

/// Takes away what only sidegate, or a proxy it trusts, may say. What a trusted proxy says stays only in its plain spelling.
fn strip(
    request: &mut RequestHeader,
    policy: &Policy,
    forwarded_names: &ManagedNames,
    origin: &Origin,
) {
    let foreign = |name: &&HeaderName| {
        policy.managed.contains(name)
            || (forwarded_names.contains(name) && !(origin.trusted && is_plain(name)))
    };
    let names: SmallVec<[HeaderName; 4]> =
        request.headers.keys().filter(foreign).cloned().collect();
    for name in &names {
        request.remove_header(name);
    }
}

fn is_plain(name: &HeaderName) -> bool {
    name.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Credentials go along or stay, as the route says; several `Cookie` fields become one
/// ([RFC 9113 §8.2.3](https://www.rfc-editor.org/rfc/rfc9113#section-8.2.3)).
fn credentials(
    request: &mut RequestHeader,
    permit: &Permit,
    policy: &Policy,
) -> pingora::Result<()> {
    let route = permit.route();
    if route.authorization == InboundCredential::Remove {
        request.remove_header(&header::AUTHORIZATION);
        request.remove_header("DPoP");
        let carriers = policy.providers.iter().flat_map(|provider| &provider.headers);
        carriers.for_each(|name| {
            request.remove_header(name);
        });
    }
    let several = request.headers.get_all(header::COOKIE).iter().nth(1).is_some();
    let cookies = request.headers.contains_key(header::COOKIE);
    let remove = cookies && route.sso_cookie == InboundCredential::Remove;
    let own = cookies && policy.sessions.is_some();
    if !several && !remove && !own {
        return Ok(());
    }
    // Cookies of our own never go on: an app could use them as the person they stand for.
    let keep = |pair: &[u8]| {
        let sso =
            remove && policy.providers.iter().any(|provider| names_one_of(pair, &provider.cookies));
        let name = pair.split(|b| *b == b'=').next().unwrap_or(pair);
        !sso && !policy.is_own_cookie(name)
    };
    let joined = join_cookies(&request.headers, keep);
    request.remove_header(&header::COOKIE);
    match HeaderValue::from_bytes(&joined) {
        Ok(value) if !joined.is_empty() => request.insert_header("Cookie", value),
        _ => Ok(()),
    }
}

fn names_one_of(pair: &[u8], names: &[String]) -> bool {
    names
        .iter()
        .any(|name| pair.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")))
}

fn join_cookies(headers: &HeaderMap, keep: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let fields = headers.get_all(header::COOKIE).iter();
    let pairs =
        fields.flat_map(|field| field.as_bytes().split(|b| *b == b';')).map(<[u8]>::trim_ascii);
    let kept: Vec<&[u8]> = pairs.filter(|pair| !pair.is_empty() && keep(pair)).collect();
    kept.join(&b"; "[..])
}
