//! A small HTTP server for the demo's two sites: reads a whole request, writes a whole answer or a stream of ticks.
//!
//! What to answer is the sites' business, and they know nothing of sockets. Requests are small here, so their bodies are
//! held in memory within a bound.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::IntoRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::{Fds, ShutdownWatch};
use pingora::services::Service as _;
use pingora::services::listening::Service;

/// The longest request body that is read.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// How long an idle connection is kept, in seconds.
const KEEPALIVE_SECONDS: u64 = 60;

/// The time between two ticks.
const TICK: Duration = Duration::from_secs(1);

/// The name of the one listener, which pingora knows its socket by.
const LISTENER: &str = "demo";

/// A request with all of its body.
pub type Request = http::Request<Vec<u8>>;

/// Something to do before an answer goes out.
pub struct Errand(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Errand {
    /// It should come to its end by itself within some seconds.
    pub fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(work))
    }
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Errand(…)")
    }
}

/// What a site answers.
#[derive(Debug)]
pub enum Answer {
    /// All of it at once, when the errand is done.
    After(Errand, Response<Vec<u8>>),
    /// Server-sent events, one a second, until the client has gone
    /// ([HTML §9.2](https://html.spec.whatwg.org/multipage/server-sent-events.html)).
    Ticks,
    /// All of it at once.
    Whole(Response<Vec<u8>>),
}

/// Something that answers requests without waiting for anything.
pub trait Site: Send + Sync + 'static {
    /// The answer to `request`.
    fn answer(&self, request: &Request) -> Answer;
}

/// Serves `site` on a bound `listener` until `stop` says true. Must run inside a tokio runtime.
///
/// # Errors
///
/// If the listener cannot be made non-blocking.
pub async fn serve(site: impl Site, listener: TcpListener, stop: ShutdownWatch) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut sockets = Fds::new();
    sockets.add(LISTENER.to_owned(), listener.into_raw_fd());
    let mut service = Service::new(LISTENER.to_owned(), Server(site));
    service.add_tcp(LISTENER);
    service.start_service(Some(Arc::new(parking_lot::Mutex::new(sockets))), stop, 1).await;
    Ok(())
}

/// A site as pingora calls it.
struct Server<S>(S);

#[async_trait]
impl<S: Site> HttpServerApp for Server<S> {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        stop: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !session.read_request().await.ok()? {
            return None;
        }
        session.set_keepalive((!*stop.borrow()).then_some(KEEPALIVE_SECONDS));
        match self.answer(&mut session).await? {
            Answer::After(errand, response) => {
                errand.0.await;
                write(session, response).await
            }
            Answer::Ticks => tick(session, stop.clone()).await,
            Answer::Whole(response) => write(session, response).await,
        }
    }
}

impl<S: Site> Server<S> {
    /// Nothing if the connection breaks before the request is complete.
    async fn answer(&self, session: &mut ServerSession) -> Option<Answer> {
        let body = match read_body(session).await {
            Ok(body) => body,
            Err(Unread::Broken) => return None,
            Err(Unread::TooLarge) => return Some(Answer::Whole(too_large())),
        };
        let head = session.req_header();
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.headers_mut() = head.headers.clone();
        Some(self.0.answer(&request))
    }
}

/// Why a body was not read.
enum Unread {
    Broken,
    TooLarge,
}

async fn read_body(session: &mut ServerSession) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = session.read_request_body().await.map_err(|_| Unread::Broken)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(Unread::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn too_large() -> Response<Vec<u8>> {
    let mut response = Response::new(b"the request body is longer than 16 KiB\n".to_vec());
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response
}

async fn write(
    mut session: ServerSession,
    response: Response<Vec<u8>>,
) -> Option<ReusedHttpStream> {
    let (mut head, body) = response.into_parts();
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let bodyless = session.req_header().method == Method::HEAD || body.is_empty();
    session.write_response_header(Box::new(ResponseHeader::from(head))).await.ok()?;
    if !bodyless {
        session.write_response_body(Bytes::from(body), true).await.ok()?;
    }
    let settings = HttpPersistentSettings::for_session(&session);
    let stream = session.finish().await.ok()??;
    Some(ReusedHttpStream::from_reusable_stream(stream, settings))
}

async fn tick(mut session: ServerSession, mut stop: ShutdownWatch) -> Option<ReusedHttpStream> {
    session.set_keepalive(None);
    session.write_response_header(Box::new(event_stream_head()?)).await.ok()?;
    let mut ticks = tokio::time::interval(TICK);
    for n in 1_u64.. {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.changed() => break,
        }
        session
            .write_response_body(Bytes::from(format!("id: {n}\ndata: tick {n}\n\n")), false)
            .await
            .ok()?;
    }
    session.finish().await.ok()?;
    None
}

fn event_stream_head() -> Option<ResponseHeader> {
    let mut head = ResponseHeader::build(StatusCode::OK, Some(2)).ok()?;
    head.insert_header(header::CONTENT_TYPE, "text/event-stream").ok()?;
    head.insert_header(header::CACHE_CONTROL, "no-store").ok()?;
    Some(head)
}

#[cfg(test)]
mod tests;
