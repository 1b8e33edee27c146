//! Questions in the words of systems that sidegate takes the place of: what their configurations tell of a request, and what a
//! client can add to it without the proxy noticing.
//!
//! These configurations were written for servers that look at the session alone. The fields that they set are believed, and none that
//! they leave to the client: the method never counts, another host only where it can change nothing, and without a target there has to
//! be one route for all.

use http::Method;

use crate::base::host::Authority;
use crate::gate::{Match, Policy, Reason};
use crate::serve::forward_auth::original::{SubRequest, Words, text};
use crate::serve::forward_auth::told::{Field, Told};
use crate::serve::view::authority_and_target;

/// Fields that tell a target. Each proxy sets one of them.
const TARGETS: [Field; 3] = [Field::ForwardedUri, Field::OriginalUri, Field::OriginalUrl];

/// Where nobody says so, people come by https: oauth2-proxy has secure cookies unless it is told otherwise.
const USUAL_SCHEME: &str = "https";

/// The request that is asked about, and the name of its route if that does not follow from the target.
pub(super) type Asked<'a> = (Words<'a>, Option<String>);

/// A question at `/oauth2/auth`.
///
/// # Errors
/// [`Reason::ForwardedMixed`] where the target or the host is told in two ways that differ; [`Reason::ForwardedIncomplete`] where
/// what is not told could change the decision.
pub(super) fn oauth2_proxy<'a>(
    sub_request: &SubRequest<'a>,
    policy: &Policy,
) -> Result<Asked<'a>, Reason> {
    let told = sub_request.told();
    told.has_none_of(&[Field::EnvoyOriginalPath, Field::RewriteUrl])?;
    let (scheme, authority, target) = match target(&told)? {
        Some(url) if url.contains("://") && !url.starts_with('/') => {
            let (scheme, rest) = url.split_once("://").ok_or(Reason::MalformedTarget)?;
            let (authority, target) = authority_and_target(rest);
            (scheme, authority, Some(target))
        }
        target => (scheme(&told)?, host(sub_request, &told, policy)?, target),
    };
    let name = host_name(authority)?;
    if policy.table.tells_methods_apart(&name) {
        return Err(Reason::ForwardedIncomplete);
    }
    let route = match target {
        Some(_) => None,
        None => Some(sole_route(policy, &name)?),
    };
    let target = target.unwrap_or("/");
    Ok((Words { method: Method::GET, scheme, authority, target }, route))
}

/// A question at Authgear's resolver, which is about a session and not about a request: it has the host of the resolver and the
/// client's credentials.
///
/// # Errors
/// [`Reason::ForwardedIncomplete`] where that host has several routes.
pub(super) fn authgear<'a>(
    sub_request: &SubRequest<'a>,
    policy: &Policy,
) -> Result<Asked<'a>, Reason> {
    let authority = sub_request.host.ok_or(Reason::MalformedHost)?;
    let route = sole_route(policy, &host_name(authority)?)?;
    let scheme = scheme(&sub_request.told())?;
    Ok((Words { method: Method::GET, scheme, authority, target: "/" }, Some(route)))
}

/// A question at Authelia's `ext-authz`: the original target follows the address, which ends in a slash.
pub(super) fn authelia_target(rest: &[u8]) -> &[u8] {
    if rest.starts_with(b"/") { rest } else { b"" }
}

fn target<'a>(told: &Told<'a>) -> Result<Option<&'a str>, Reason> {
    let targets = TARGETS.into_iter().filter(|field| told.has(*field));
    let mut targets = targets.map(|field| told.field(field));
    match (targets.next(), targets.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Reason::ForwardedMixed),
        (Some(Ok(field)), None) => text(field, Reason::MalformedTarget).map(Some),
        (Some(Err(reason)), None) => Err(reason),
    }
}

/// The host that the client asked for. A proxy that keeps it in `Host` may let the client say anything in the other field; one that
/// does not asks at a host of its own: one without routes, or with the same one for everything.
fn host<'a>(
    sub_request: &SubRequest<'a>,
    told: &Told<'a>,
    policy: &Policy,
) -> Result<&'a str, Reason> {
    let own = sub_request.host.ok_or(Reason::MalformedHost)?;
    if !told.has(Field::ForwardedHost) {
        return Ok(own);
    }
    let told = text(told.field(Field::ForwardedHost)?, Reason::MalformedHost)?;
    let (own_name, told_name) = (host_name(own)?, host_name(told)?);
    if own_name == told_name {
        return Ok(own);
    }
    let is_unknown = policy.table.find(&own_name, b"/", &Method::GET) == Match::NoHost;
    let sole = policy.table.sole(&own_name);
    if is_unknown || (sole.is_some() && sole == policy.table.sole(&told_name)) {
        return Ok(told);
    }
    Err(Reason::ForwardedMixed)
}

fn host_name(authority: &str) -> Result<String, Reason> {
    let authority = Authority::parse(authority).ok_or(Reason::MalformedHost)?;
    Ok(authority.host().to_owned())
}

fn scheme<'a>(told: &Told<'a>) -> Result<&'a str, Reason> {
    if !told.has(Field::ForwardedProto) {
        return Ok(USUAL_SCHEME);
    }
    text(told.field(Field::ForwardedProto)?, Reason::ForwardedMixed)
}

fn sole_route(policy: &Policy, host: &str) -> Result<String, Reason> {
    let route = policy.sole_route(host).ok_or(Reason::ForwardedIncomplete)?;
    Ok(route.name.to_string())
}
