//! From a decision to the answer that a front proxy understands.
//!
//! Only a permit gives a 2xx, and that names every header that carries an identity, empty where there is no value: a proxy
//! that copies them leaves nothing of what a client sent (CVE-2026-30851).

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::base::time::Timestamp;
use crate::gate::{
    CredentialKind, Decision, InboundCredential, Permit, Policy, Reason, RequestView, Resolution,
    authgear_headers,
};
use crate::serve::forward_auth::{Dialect, Original};
use crate::serve::handed::{self, HandedIdentity};
use crate::serve::reply::{Asker, Reply};
use crate::serve::runtime::Runtime;
use crate::token::SigningError;

/// The answer to somebody who may not ask: 401 to whoever offers nothing that a request could pass by, 403 to others, so that no
/// proxy takes the answer for a reason to sign in once more.
pub(super) fn untrusted(headers: &HeaderMap, asker: Asker<'_>) -> Reply {
    let reply = Reply::refusal(Reason::UntrustedPeer, asker);
    let offers =
        headers.contains_key(header::COOKIE) || headers.contains_key(header::AUTHORIZATION);
    if offers { reply } else { unauthorized(reply) }
}

/// The answer to a permitted request; an error where its assertion cannot be signed.
pub(super) fn allow(
    runtime: &Runtime,
    permit: &Permit,
    (request, dialect): (&RequestView<'_>, Dialect),
    now: Timestamp,
) -> Result<Reply, SigningError> {
    let status =
        if dialect == Dialect::Oauth2Proxy { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mut reply = Reply::empty(status);
    reply.identity = Some(HandedIdentity::of(runtime, permit, now)?);
    // Configurations made for oauth2-proxy let browsers ask there too, whose scripts would read what is kept from them.
    if dialect != Dialect::Oauth2Proxy {
        reply = reply.with(header::COOKIE, handed::cookie(runtime, permit, request.headers));
        reply = with_credentials(reply, &runtime.policy, permit, request.headers);
    }
    Ok(reply)
}

/// What Authgear's resolver would say: who calls, if anybody who may, and always with 200. That nobody can tell is no answer of it.
pub(super) fn resolved(decision: &Decision, asker: Asker<'_>) -> Reply {
    let resolution = match decision {
        Decision::Unavailable(_) => return turn_away(decision, Dialect::Authgear, None, asker),
        Decision::Allow(permit) => who(permit),
        decision if decision.reason() == Reason::MissingCredential => Resolution::Nobody,
        _ => Resolution::Invalid,
    };
    let mut reply = Reply::empty(StatusCode::OK);
    reply.headers.extend(authgear_headers(resolution));
    reply
}

fn who(permit: &Permit) -> Resolution<'_> {
    let can_sign_in_again = permit.kind() == Some(CredentialKind::Session);
    match permit.caller() {
        Some(caller) => Resolution::Valid { identity: caller.identity(), can_sign_in_again },
        None => Resolution::Nobody,
    }
}

/// Whether it is nginx that asks, or what speaks to it.
const fn is_for_nginx(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Authgear | Dialect::Nginx | Dialect::Oauth2Proxy)
}

/// `reply` with what the browser is to keep or to forget.
pub(super) fn with_cookies(reply: Reply, dialect: Dialect, cookies: Vec<HeaderValue>) -> Reply {
    let reply = if is_for_nginx(dialect) { numbered(reply, &cookies) } else { reply };
    reply.with_cookies(cookies)
}

/// nginx has one variable for all fields of a name: each cookie under a name of its own, too.
fn numbered(reply: Reply, cookies: &[HeaderValue]) -> Reply {
    (1..).zip(cookies).fold(reply, |reply, (number, cookie)| {
        match HeaderName::try_from(format!("x-sidegate-set-cookie-{number}")) {
            Ok(name) => reply.with(name, cookie.clone()),
            Err(_) => reply,
        }
    })
}

/// Names every field that may carry a credential, unless it carries the identity.
fn with_credentials(
    mut reply: Reply,
    policy: &Policy,
    permit: &Permit,
    headers: &HeaderMap,
) -> Reply {
    for name in policy.credential_headers() {
        let is_told = policy.identity_headers.contains(name)
            || reply.headers.iter().any(|(known, _)| known == name);
        if !is_told {
            reply.headers.push((name.clone(), credential(name, permit, headers)));
        }
    }
    reply
}

/// The field `name` that the app is to get; empty where it stays here, or where nobody can say which one is meant.
fn credential(name: &HeaderName, permit: &Permit, headers: &HeaderMap) -> HeaderValue {
    const NONE: HeaderValue = HeaderValue::from_static("");
    if permit.route().authorization != InboundCredential::Keep {
        return NONE;
    }
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (Some(field), None) => field.clone(),
        _ => NONE,
    }
}

/// The answer to a request that may not pass; `original` is what could be read of it.
pub(super) fn turn_away(
    decision: &Decision,
    dialect: Dialect,
    original: Option<&Original<'_>>,
    asker: Asker<'_>,
) -> Reply {
    let reply = Reply::to(decision, asker);
    let reply = reply.unwrap_or_else(|| Reply::refusal(Reason::OwnAnswerNeeded, asker));
    let reply = match (decision, original) {
        (Decision::SignIn(_), Some(original)) => with_whole_location(reply, original),
        _ => reply,
    };
    if is_for_nginx(dialect) { for_nginx(reply, decision) } else { reply }
}

/// The browser is at the front proxy, which may make another URL of a relative reference than a browser would.
fn with_whole_location(mut reply: Reply, original: &Original<'_>) -> Reply {
    for (name, value) in &mut reply.headers {
        if *name == header::LOCATION && value.as_bytes().starts_with(b"/") {
            let (scheme, host) = (original.scheme().as_str(), original.authority().written());
            let path = value.to_str().unwrap_or("/");
            *value = HeaderValue::try_from(format!("{scheme}://{host}{path}"))
                .unwrap_or(HeaderValue::from_static("/"));
        }
    }
    reply
}

/// nginx takes 401 and 403 for what they are, and anything else that is not 2xx for an error of its own. It never shows the
/// body.
fn for_nginx(reply: Reply, decision: &Decision) -> Reply {
    let status = match decision {
        Decision::Challenge(_) => StatusCode::UNAUTHORIZED,
        Decision::SignIn(_) => return unauthorized(without_body(reply)),
        Decision::Unavailable(_) => reply.status,
        _ => StatusCode::FORBIDDEN,
    };
    without_body(reply).with_status(status)
}

fn without_body(mut reply: Reply) -> Reply {
    reply.body.clear();
    reply.headers.retain(|(name, _)| {
        *name != header::CONTENT_TYPE && *name != header::CONTENT_SECURITY_POLICY
    });
    reply
}

/// [RFC 9110 §15.5.2](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2): a 401 names a way to authenticate.
fn unauthorized(reply: Reply) -> Reply {
    let challenge = HeaderValue::from_static("Bearer realm=\"sidegate\"");
    reply.with_status(StatusCode::UNAUTHORIZED).with(header::WWW_AUTHENTICATE, challenge)
}
