//! The short way of most requests: one that has no body and may be repeated goes out on a connection that the pool keeps, and
//! its answer comes back, one thing after the other.
//!
//! pingora's way is for everything: bodies and upgrades that flow in both directions at once, new connections, other versions
//! of HTTP, second attempts. It takes two tasks with channels between them and a copy of the request. Here nothing is tried
//! twice: a request that got no answer because its connection was dead goes pingora's way afterwards. The protocol
//! itself, and with it where a message ends, is pingora's on both.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use http::header::{self, HeaderValue};
use http::{Method, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::{Error, ErrorType, Result};

use crate::serve::context::Context;
use crate::serve::failure::is_late;
use crate::serve::proxy::outgoing::{plain, time_left, upstream};
use crate::serve::proxy::returning::{brings_session, finish, take_session};

/// How many pieces of an answer are written at once.
const PIECES: usize = 4;

/// Takes a plain request upstream and brings its answer, if there is a connection for it that is not dead.
///
/// # Errors
/// What cut the exchange off after its answer had begun, or for another reason than a connection that was dead already.
pub(super) async fn take(session: &mut ServerSession, ctx: &mut Context) -> Result<bool> {
    let Some(mut exchange) = begin(session, ctx)? else { return Ok(false) };
    let asked = exchange.write_request_header(request_line(session)?).await;
    let first = match asked {
        Ok(_) => next_piece(session, &mut exchange).await,
        Err(error) => Err(error.into_up()),
    };
    let first = match first {
        Ok(first) => first,
        Err(mut error) => {
            error.retry.decide_reuse(true);
            let again = error.retry() && !is_late(&error);
            return if again { Ok(false) } else { Err(error) };
        }
    };
    relay(session, ctx, &mut exchange, first).await?;
    exchange.respect_keepalive();
    if let (Some(connection), Some(loan)) = (exchange.reuse().await, ctx.loan.take()) {
        loan.settle();
        drop(connection);
    }
    Ok(true)
}

/// The exchange with the upstream, if there is a connection for it.
fn begin(session: &ServerSession, ctx: &mut Context) -> Result<Option<HttpSession>> {
    let (upstream, timeout) = upstream(ctx)?;
    if !upstream.lends() {
        return Ok(None);
    }
    let lines = plain(session, ctx)?;
    let turn = upstream.take_turn();
    let kept = upstream.kept(turn);
    ctx.turn = Some(turn);
    let Some((loan, connection)) = kept else { return Ok(None) };
    loan.announce(lines);
    let mut exchange = HttpSession::new(Box::new(connection));
    exchange.read_timeout = time_left(ctx, timeout);
    exchange.write_timeout = exchange.read_timeout;
    ctx.loan = Some(loan);
    Ok(Some(exchange))
}

/// The request without its header fields, which the loan writes.
fn request_line(session: &ServerSession) -> Result<Box<RequestHeader>> {
    let received = session.req_header();
    RequestHeader::build_no_case(received.method.clone(), received.raw_path(), Some(0))
        .map(Box::new)
}

/// The next piece of the answer, unless the client goes away before it is there.
async fn next_piece(session: &mut ServerSession, exchange: &mut HttpSession) -> Result<HttpTask> {
    tokio::select! {
        biased;
        piece = exchange.read_response_task() => piece.map_err(Error::into_up),
        gone = gone(session) => Err(gone),
    }
}

/// Why the client is not there any more, once it is not.
async fn gone(session: &mut ServerSession) -> Box<Error> {
    loop {
        if let Err(error) = session.read_body_or_idle(true).await {
            return error.into_down();
        }
    }
}

/// Passes the answer on as it comes.
async fn relay(
    session: &mut ServerSession,
    ctx: &mut Context,
    exchange: &mut HttpSession,
    first: HttpTask,
) -> Result<()> {
    let mut next = Some(first);
    loop {
        let piece = match next.take() {
            Some(piece) => piece,
            None => next_piece(session, exchange).await?,
        };
        let mut pieces = Vec::with_capacity(PIECES);
        pieces.push(pass(session, ctx, piece).await?);
        while pieces.len() < PIECES && !pieces.last().is_some_and(HttpTask::is_end) {
            let Some(piece) = piece_at_hand(exchange).await else { break };
            match piece {
                Ok(piece) => pieces.push(pass(session, ctx, piece).await?),
                // What came before it is passed on.
                Err(error) => pieces.push(HttpTask::Failed(error.into_up())),
            }
        }
        if session.response_duplex_vec(pieces).await? {
            session.finish_body().await.map_err(Error::into_down)?;
            return Ok(());
        }
    }
}

/// The next piece of the answer, if it is there already.
async fn piece_at_hand(exchange: &mut HttpSession) -> Option<Result<HttpTask>> {
    let mut reading = pin!(exchange.read_response_task());
    poll_fn(|cx| match reading.as_mut().poll(cx) {
        Poll::Ready(piece) => Poll::Ready(Some(piece)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Makes one piece of the answer what the client gets.
async fn pass(
    session: &mut ServerSession,
    ctx: &mut Context,
    mut piece: HttpTask,
) -> Result<HttpTask> {
    match &mut piece {
        HttpTask::Header(answer, end) => {
            if let Ok((upstream, _)) = upstream(ctx) {
                upstream.metrics.answered(answer.status.as_u16());
            }
            if answer.status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(Error::explain(
                    ErrorType::InvalidHTTPHeader,
                    "an upgrade that nobody asked for",
                )
                .into_up());
            }
            frame(answer, &session.req_header().method, *end)?;
            if brings_session(answer) {
                take_session(session, answer, ctx).await;
            }
            finish(session, answer, ctx)?;
        }
        HttpTask::Body(..) => {
            ctx.check_deadline()?;
            ctx.check_session()?;
        }
        _ => {}
    }
    Ok(piece)
}

/// Marks a body whose end only the connection's end tells, so that the client's connection can go on: it is sent in chunks
/// ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)).
fn frame(answer: &mut ResponseHeader, method: &Method, end: bool) -> Result<()> {
    let bodiless = end
        || *method == Method::HEAD
        || answer.status.is_informational()
        || matches!(answer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let framed = [header::TRANSFER_ENCODING, header::CONTENT_LENGTH];
    if bodiless || framed.iter().any(|name| answer.headers.contains_key(name)) {
        return Ok(());
    }
    answer.set_version(Version::HTTP_11);
    answer.insert_header(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))
}
