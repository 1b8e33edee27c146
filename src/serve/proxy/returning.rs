//! What comes back to the client in place of what the upstream said.

use http::header::{self, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;

use crate::serve::context::Context;
use crate::serve::edge_session::{self, EDGE_SESSION};
use crate::serve::proxy::outgoing::upstream;

/// Of one connection only ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)).
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Whether the answer hands in a session: [`take_session`] must have it before the client.
pub(super) fn brings_session(answer: &ResponseHeader) -> bool {
    answer.headers.contains_key(&EDGE_SESSION)
}

/// Takes a session out of the answer that a login service hands in.
pub(super) async fn take_session(
    session: &ServerSession,
    answer: &mut ResponseHeader,
    ctx: &mut Context,
) {
    let trusted = upstream(ctx).is_ok_and(|(upstream, _)| upstream.settings.is_login_service);
    edge_session::take(session, answer, (ctx, trusted)).await;
}

/// Makes `answer` what the client gets. What is said before it stays as it is.
pub(super) fn finish(
    session: &mut ServerSession,
    answer: &mut ResponseHeader,
    ctx: &mut Context,
) -> Result<()> {
    answer.remove_header(&KEEP_ALIVE);
    if answer.status.is_informational() && answer.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(());
    }
    set_cookies(answer, ctx)?;
    if is_long_lived(answer) {
        ctx.watch();
    }
    if session.req_header().version == Version::HTTP_10
        && answer.remove_header(&header::TRANSFER_ENCODING).is_some()
    {
        session.set_keepalive(None);
    }
    Ok(())
}

/// Brings the browser its session as it went on, save with answers that caches may share.
fn set_cookies(answer: &mut ResponseHeader, ctx: &mut Context) -> Result<()> {
    if ctx.cookies.is_empty() || is_for_everyone(answer) {
        return Ok(());
    }
    for cookie in std::mem::take(&mut ctx.cookies) {
        answer.append_header(header::SET_COOKIE, cookie)?;
    }
    Ok(())
}

/// Whether shared caches may keep the answer ([RFC 9111 §5.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2)).
fn is_for_everyone(answer: &ResponseHeader) -> bool {
    let directives = answer.headers.get_all(header::CACHE_CONTROL).iter();
    directives.filter_map(|value| value.to_str().ok()).any(|value| {
        let mut words = value.split(',').map(|word| word.trim().to_ascii_lowercase());
        words.any(|word| word == "public" || word.starts_with("s-maxage"))
    })
}

/// Whether the answer goes on for as long as both sides like: a WebSocket, or a stream of events.
fn is_long_lived(answer: &ResponseHeader) -> bool {
    let events = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/event-stream");
    answer.status == StatusCode::SWITCHING_PROTOCOLS
        || answer.headers.get(header::CONTENT_TYPE).is_some_and(events)
}
