//! Requests to endpoints of our own, and sessions on their way back to browsers: between the doors and [`crate::serve::own`].

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::HeaderValue;
use pingora::protocols::http::ServerSession;

use crate::base::time::Timestamp;
use crate::gate::{Permit, Reason, RequestView, SessionUpdate};
use crate::remote::sessions::{Place, StoreError};
use crate::serve::answer::asker;
use crate::serve::forwarded::Origin;
use crate::serve::own::{self, Endpoint, MAX_FORM_BYTES, Visit};
use crate::serve::reply::{Asker, Reply};
use crate::serve::request_id::RequestId;
use crate::serve::runtime::Runtime;
use crate::serve::view::{self, Parts};

/// What endpoints of our own answer with, beside the request itself.
#[derive(Clone, Copy)]
pub(crate) struct Reception<'a> {
    pub(crate) runtime: &'a Arc<Runtime>,
    pub(crate) now: Timestamp,
    pub(crate) asker: Asker<'a>,
}

impl<'a> Reception<'a> {
    /// Answers where nobody has to be known.
    ///
    /// # Errors
    /// The endpoint that must be visited.
    pub(crate) fn plain<'p>(&self, request: &RequestView<'p>) -> Result<Reply, Endpoint<'p>> {
        let path = request.target.path().as_bytes();
        let links = &self.runtime.app_links;
        if let Some(reply) = links.answer(request.method, request.target.path(), self.asker) {
            return Ok(reply);
        }
        match self.runtime.policy.own_path(path) {
            Some(rest) => own::plain(self.runtime, request.method, rest, self.asker),
            None => own::elsewhere(self.runtime, request.method, path, self.asker),
        }
    }

    /// Answers a visit to an endpoint that must know its browser.
    pub(crate) async fn visit(
        &self,
        endpoint: Endpoint<'_>,
        request: RequestView<'a>,
        body: &'a [u8],
    ) -> Reply {
        let Self { runtime, now, asker } = *self;
        let (Some(desk), Some(sessions)) = (&runtime.desk, &runtime.policy.sessions) else {
            return Reply::not_found(asker);
        };
        let visit = Visit { runtime, desk, sessions, request, now, asker, body };
        own::visited(endpoint, &visit).await
    }
}

/// Answers at an endpoint of our own; `None` for the origin where the request could not be read.
pub(crate) async fn receive(
    session: &mut ServerSession,
    runtime: &Arc<Runtime>,
    origin: Option<&Origin>,
    (id, now): (&RequestId, Timestamp),
) -> Reply {
    let form = {
        let asker = asker(&runtime.pages, session.req_header(), id);
        let Some(origin) = origin else { return Reply::not_found(asker) };
        let Ok(parts) = Parts::of(session.req_header()) else { return Reply::not_found(asker) };
        let request = parts.view(session.req_header(), origin, view::client_certificate(session));
        let reception = Reception { runtime, now, asker };
        match reception.plain(&request) {
            Ok(reply) => return reply,
            Err(endpoint) => endpoint.reads_form(request.method),
        }
    };
    let body = if form { read_form(session).await } else { Ok(Bytes::new()) };
    let asker = asker(&runtime.pages, session.req_header(), id);
    let body = match body {
        Ok(body) => body,
        Err(reason) => return Reply::refusal(reason, asker),
    };
    let (Some(origin), Ok(parts)) = (origin, Parts::of(session.req_header())) else {
        return Reply::not_found(asker);
    };
    let request = parts.view(session.req_header(), origin, view::client_certificate(session));
    let reception = Reception { runtime, now, asker };
    match reception.plain(&request) {
        Ok(reply) => reply,
        Err(endpoint) => reception.visit(endpoint, request, &body).await,
    }
}

/// The form of the request.
async fn read_form(session: &mut ServerSession) -> Result<Bytes, Reason> {
    let mut body = BytesMut::new();
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

/// Writes a session that went on to its store, and gives the `Set-Cookie` fields for the answer. Should that fail, the next request
/// tries again: the browser still has what it had.
pub(crate) async fn bring_session(
    runtime: &Runtime,
    permit: &Permit,
    request: &RequestView<'_>,
    now: Timestamp,
) -> Vec<HeaderValue> {
    let (Some(SessionUpdate { session: current, ticket }), Some(desk), Some(policy)) =
        (permit.session(), &runtime.desk, &runtime.policy.sessions)
    else {
        return Vec::new();
    };
    let host = request.authority.host();
    let spec = policy.cookie(request.scheme, host);
    let place = Place { spec, host };
    match desk.sessions.save(current, ticket.as_deref(), place, now).await {
        Ok(value) => {
            let lifetime = current.persistent.then(|| now.until(current.ends));
            let chunks = spec.chunks_present(request.headers);
            spec.write(&value, lifetime, chunks).unwrap_or_default()
        }
        Err(StoreError::Ended) => Vec::new(),
        Err(error) => {
            tracing::warn!(%error, "session could not be written");
            Vec::new()
        }
    }
}
