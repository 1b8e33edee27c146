//! Requests to endpoints of our own, and sessions on their way back to browsers: between pingora's session and [`crate::serve::own`].

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pingora::proxy::Session;

use crate::gate::{Reason, SessionUpdate};
use crate::remote::sessions::{Place, StoreError};
use crate::serve::answer::asker;
use crate::serve::context::Context;
use crate::serve::own::{self, Endpoint, MAX_FORM_BYTES, Visit};
use crate::serve::reply::Reply;
use crate::serve::view::{self, Parts};

/// Answers at an endpoint of our own.
pub(crate) async fn receive(session: &mut Session, ctx: &Context) -> Reply {
    let runtime = Arc::clone(&ctx.runtime);
    let request = session.req_header();
    let target = view::target(request).unwrap_or("/").to_owned();
    let path = target.split('?').next().unwrap_or(&target);
    let rest = runtime.policy.own_path(path.as_bytes()).unwrap_or_default();
    let plain =
        own::plain(&runtime, &request.method, rest, asker(&runtime.pages, request, &ctx.id));
    let endpoint = match plain {
        Ok(reply) => return reply,
        Err(endpoint) => endpoint,
    };
    let body = match form(session, endpoint).await {
        Ok(body) => body,
        Err(reason) => {
            let asker = asker(&runtime.pages, session.req_header(), &ctx.id);
            return Reply::refusal(reason, asker);
        }
    };
    visit(session, ctx, endpoint, &body).await
}

/// The form of the request, where the endpoint reads one.
async fn form(session: &mut Session, endpoint: Endpoint<'_>) -> Result<Bytes, Reason> {
    let mut body = BytesMut::new();
    if !endpoint.reads_form(&session.req_header().method) {
        return Ok(body.freeze());
    }
    while let Some(chunk) =
        session.read_request_body().await.map_err(|_| Reason::MalformedFraming)?
    {
        if body.len() + chunk.len() > MAX_FORM_BYTES {
            return Err(Reason::BodyTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Answers a visit to an endpoint that must know its browser.
async fn visit(session: &Session, ctx: &Context, endpoint: Endpoint<'_>, body: &[u8]) -> Reply {
    let (request, runtime) = (session.req_header(), &ctx.runtime);
    let asker = asker(&runtime.pages, request, &ctx.id);
    let (Ok(parts), Some(origin)) = (Parts::of(request), ctx.origin.as_ref()) else {
        return Reply::not_found(asker);
    };
    let (Some(desk), Some(sessions)) = (&runtime.desk, &runtime.policy.sessions) else {
        return Reply::not_found(asker);
    };
    let request = parts.view(request, origin, view::client_certificate(session));
    let visit = Visit { runtime, desk, sessions, request, now: ctx.now, asker, body };
    own::visited(endpoint, &visit).await
}

/// Writes a session that went on to its store, and its cookie where the answer will find it. Should that fail, the next request
/// tries again: the browser still has what it had.
pub(crate) async fn bring_session(session: &Session, ctx: &mut Context) {
    let runtime = Arc::clone(&ctx.runtime);
    let update = ctx.permit().and_then(|permit| permit.session()).cloned();
    let (Some(SessionUpdate { session: current, ticket }), Some(desk), Some(policy)) =
        (update, &runtime.desk, &runtime.policy.sessions)
    else {
        return;
    };
    let request = session.req_header();
    let (Ok(parts), Some(origin)) = (Parts::of(request), ctx.origin.as_ref()) else { return };
    let view = parts.view(request, origin, None);
    let spec = policy.cookie(view.scheme);
    let place = Place { spec, host: view.authority.host() };
    match desk.sessions.save(&current, ticket.as_deref(), place, ctx.now).await {
        Ok(value) => {
            let lifetime = current.persistent.then(|| ctx.now.until(current.ends));
            let chunks = spec.chunks_present(&request.headers);
            ctx.cookies = spec.write(&value, lifetime, chunks).unwrap_or_default();
        }
        Err(StoreError::Ended) => {}
        Err(error) => tracing::warn!(%error, "session could not be written"),
    }
}
