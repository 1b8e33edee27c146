//! The header of a permitted request on its way upstream: foreign claims to identity go, our own are set.
//!
//! Runs on the copy that pingora makes for each attempt, after hop-by-hop fields are gone: a client's
//! `Connection: X-Forwarded-User` can no longer take away what is set here.

mod lines;

use std::net::IpAddr;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use smallvec::SmallVec;

use crate::gate::{InboundCredential, ManagedNames, Permit, Policy, Provider};
use crate::serve::field_lines::{Name, line};
use crate::serve::forwarded::{
    FORWARDED, Origin, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, forwarded,
    forwarded_for,
};
use crate::serve::request_id::X_REQUEST_ID;
use crate::serve::upstream::Loan;

pub(crate) use lines::{is_plain, lines};

/// The fields that sidegate sets whatever the route.
static SET_HERE: [HeaderName; 5] =
    [FORWARDED, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REQUEST_ID];

/// What is set besides the identity.
pub(crate) struct Additions<'a> {
    /// The address of who connected to us.
    pub(crate) peer: Option<IpAddr>,
    /// The host that the client asked for.
    pub(crate) host: Option<&'a str>,
    pub(crate) request_id: &'a [u8],
    pub(crate) assertion: Option<(HeaderName, HeaderValue)>,
    /// The `Host` for the upstream, if it is not the client's.
    pub(crate) upstream_host: Option<String>,
    /// The header as it came.
    pub(crate) received: &'a HeaderMap,
}

/// Room for the fields of most requests.
const USUAL_BYTES: usize = 512;

/// Rewrites `request` for the upstream.
///
/// What sidegate sets goes beside it where there is a `loan`, which writes it as lines behind the rest of the header.
pub(crate) fn rewrite(
    request: &mut RequestHeader,
    permit: &Permit,
    policy: &Policy,
    (forwarded_names, origin): (&ManagedNames, &Origin),
    additions: &Additions<'_>,
    loan: Option<&Loan>,
) -> pingora::Result<()> {
    strip(request, policy, forwarded_names, origin);
    credentials(request, permit, policy)?;
    if let Some(host) = &additions.upstream_host {
        request.insert_header("Host", host.as_str())?;
    }
    let Some(loan) = loan else {
        for (name, value) in permit.identity_headers() {
            set(request, Name::Given(name), value.as_bytes())?;
        }
        return fields(origin, additions, |name, value| set(request, name, value));
    };
    make_room(request, origin, additions);
    let mut lines = Vec::with_capacity(USUAL_BYTES);
    lines.extend_from_slice(permit.identity_lines());
    fields(origin, additions, |name, value| line(&mut lines, name, value))?;
    loan.announce(lines);
    if request.headers.contains_key(header::UPGRADE) {
        loan.hold_answer();
    }
    Ok(())
}

/// Calls `set` for each field that sidegate sets, but for those that the permit yields.
fn fields(
    origin: &Origin,
    additions: &Additions<'_>,
    mut set: impl FnMut(Name<'_>, &[u8]) -> pingora::Result<()>,
) -> pingora::Result<()> {
    let Additions { peer, received, .. } = *additions;
    if let Some((name, value)) = &additions.assertion {
        set(Name::Given(name), value.as_bytes())?;
    }
    if let Some(value) = forwarded(peer, origin, received) {
        set(Name::Fixed("Forwarded"), value.as_bytes())?;
    }
    set(Name::Fixed("X-Forwarded-For"), forwarded_for(peer, origin, received).as_bytes())?;
    if let Some(host) = additions.host {
        set(Name::Fixed("X-Forwarded-Host"), host.as_bytes())?;
    }
    set(Name::Fixed("X-Forwarded-Proto"), origin.scheme.as_str().as_bytes())?;
    set(Name::Fixed("X-Request-Id"), additions.request_id)
}

fn set(request: &mut RequestHeader, name: Name<'_>, value: &[u8]) -> pingora::Result<()> {
    match name {
        Name::Fixed(name) => request.insert_header(name, value),
        name => request.insert_header(Bytes::copy_from_slice(name.as_bytes()), value),
    }
}

/// Takes away fields of `request` that lines will set: no name may be there twice. Those of the identity are gone already.
fn make_room(request: &mut RequestHeader, origin: &Origin, additions: &Additions<'_>) {
    if origin.trusted {
        for name in &SET_HERE {
            request.remove_header(name);
        }
    }
    if let Some((name, _)) = &additions.assertion {
        request.remove_header(name);
    }
}

/// Takes away what only sidegate, or a proxy it trusts, may say. What a trusted proxy says stays only in its plain spelling.
fn strip(
    request: &mut RequestHeader,
    policy: &Policy,
    forwarded_names: &ManagedNames,
    origin: &Origin,
) {
    let foreign = |name: &&HeaderName| is_foreign(name, policy, forwarded_names, origin);
    let names: SmallVec<[HeaderName; 4]> =
        request.headers.keys().filter(foreign).cloned().collect();
    for name in &names {
        request.remove_header(name);
    }
}

/// Whether a field of that `name` is not the client's to send.
fn is_foreign(
    name: &HeaderName,
    policy: &Policy,
    forwarded_names: &ManagedNames,
    origin: &Origin,
) -> bool {
    policy.managed.contains(name)
        || (forwarded_names.contains(name) && !(origin.trusted && is_plainly_spelled(name)))
}

/// Whether `name` has no signs but dashes: other spellings are nobody's to trust.
fn is_plainly_spelled(name: &HeaderName) -> bool {
    name.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Credentials go along or stay, as the route says; several `Cookie` fields become one
/// ([RFC 9113 §8.2.3](https://www.rfc-editor.org/rfc/rfc9113#section-8.2.3)).
fn credentials(
    request: &mut RequestHeader,
    permit: &Permit,
    policy: &Policy,
) -> pingora::Result<()> {
    for name in kept_here(permit, policy) {
        request.remove_header(name);
    }
    if !must_join(&request.headers, permit, policy) {
        return Ok(());
    }
    let joined = app_cookies(&request.headers, permit, policy);
    request.remove_header(&header::COOKIE);
    match HeaderValue::from_bytes(&joined) {
        Ok(value) if !joined.is_empty() => request.insert_header("Cookie", value),
        _ => Ok(()),
    }
}

/// Whether the cookies do not go on as they came.
fn must_join(headers: &HeaderMap, permit: &Permit, policy: &Policy) -> bool {
    let mut fields = headers.get_all(header::COOKIE).iter();
    let is_changed =
        permit.route().sso_cookie == InboundCredential::Remove || policy.sessions.is_some();
    fields.next().is_some() && (is_changed || fields.next().is_some())
}

/// The fields that carry credentials, if the route keeps those here.
pub(crate) fn kept_here<'p>(
    permit: &Permit,
    policy: &'p Policy,
) -> impl Iterator<Item = &'p HeaderName> {
    let remove = permit.route().authorization == InboundCredential::Remove;
    policy.credential_headers().filter(move |_| remove)
}

/// The cookies that the app gets, as one field value. Those of our own never go on: an app could use them as the person they stand
/// for.
pub(crate) fn app_cookies(headers: &HeaderMap, permit: &Permit, policy: &Policy) -> Vec<u8> {
    let remove = permit.route().sso_cookie == InboundCredential::Remove;
    join_cookies(headers, |pair| {
        let is_named = |name: &String| {
            let rest = pair.strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b"="))
        };
        let mut of_providers = policy.providers.iter().flat_map(Provider::cookie_names);
        let sso = remove && of_providers.any(is_named);
        let name = pair.split(|b| *b == b'=').next().unwrap_or(pair);
        !sso && !policy.is_own_cookie(name)
    })
}

fn join_cookies(headers: &HeaderMap, keep: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let fields = headers.get_all(header::COOKIE).iter();
    let pairs =
        fields.flat_map(|field| field.as_bytes().split(|b| *b == b';')).map(<[u8]>::trim_ascii);
    let kept: Vec<&[u8]> = pairs.filter(|pair| !pair.is_empty() && keep(pair)).collect();
    kept.join(&b"; "[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is set beside the header must not be in it: no name may reach the upstream twice.
    #[test]
    fn fields_of_a_trusted_proxy_make_room_for_ours() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for name in ["forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"] {
            request.append_header(name, "theirs").unwrap();
            request.append_header(name, "theirs too").unwrap();
        }
        request.append_header("X-Request-ID", "theirs").unwrap();
        request.append_header("X-Real-IP", "192.0.2.1").unwrap();
        request.append_header("X-Assertion", "theirs").unwrap();
        let origin = Origin { client: None, scheme: crate::gate::Scheme::Http, trusted: true };
        let received = HeaderMap::new();
        let assertion =
            Some((HeaderName::from_static("x-assertion"), HeaderValue::from_static("ours")));
        let additions = Additions {
            peer: None,
            host: None,
            request_id: b"1",
            assertion,
            upstream_host: None,
            received: &received,
        };
        make_room(&mut request, &origin, &additions);
        let left: Vec<&str> = request.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-real-ip"]);
    }
}
