//! Writes answers of our own to a pingora session. Never pingora's own error answers: they close the connection and name
//! the server.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;

use crate::base::field_line;
use crate::serve::context::Context;
use crate::serve::pages::Pages;
use crate::serve::reply::{Asker, Audience, Reply};
use crate::serve::request_id::{RequestId, X_REQUEST_ID};

/// Room for the fields that pingora writes itself, and for the length.
const USUAL_FIELDS: usize = 4;
/// Room for the lines of most answers.
const USUAL_BYTES: usize = 1024;

/// Who sent `request`: a person if pages are accepted first of all, else a program.
pub(crate) fn asker<'a>(
    pages: &'a Pages,
    request: &RequestHeader,
    request_id: &'a RequestId,
) -> Asker<'a> {
    asker_of(pages, &request.headers, request_id.as_str())
}

/// Who sent a request with `headers`, as [`asker`] says it.
pub(crate) fn asker_of<'a>(
    pages: &'a Pages,
    headers: &HeaderMap,
    request_id: &'a str,
) -> Asker<'a> {
    let person = prefers_pages(headers);
    let audience = if person { Audience::Person } else { Audience::Program };
    let language = pages.texts().language(headers);
    Asker { audience, language, pages, request_id }
}

fn prefers_pages(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).map(HeaderValue::as_bytes).unwrap_or_default();
    let first = accept.split(|b| matches!(b, b',' | b';')).next().unwrap_or_default();
    first.trim_ascii().eq_ignore_ascii_case(b"text/html")
}

/// Sends `reply`. The body stays home for HEAD, its length does not
/// ([RFC 9110 §9.3.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2)).
pub(crate) async fn send(
    session: &mut ServerSession,
    reply: Reply,
    ctx: &Context,
) -> pingora::Result<()> {
    let mut head = ResponseHeader::build_no_case(reply.status, Some(USUAL_FIELDS))?;
    if reply.status != StatusCode::NO_CONTENT {
        head.insert_header(header::CONTENT_LENGTH, length(&reply.body))?;
    }
    match &ctx.connection {
        Some(connection) => {
            let _beside = connection.announce(lines(&reply, &ctx.id));
            session.write_response_header(Box::new(head)).await?;
        }
        None => {
            for (name, value) in reply.fields() {
                head.append_header(name.clone(), value.clone())?;
            }
            head.append_header(X_REQUEST_ID, ctx.id.header())?;
            session.write_response_header(Box::new(head)).await?;
        }
    }
    if reply.body.is_empty() || session.req_header().method == Method::HEAD {
        return Ok(());
    }
    session.write_response_body(reply.body, true).await
}

/// The fields of `reply` in HTTP/1.
fn lines(reply: &Reply, id: &RequestId) -> Vec<u8> {
    let mut lines = Vec::with_capacity(USUAL_BYTES);
    for (name, value) in &reply.headers {
        field_line::append(&mut lines, name, value);
    }
    if let Some(identity) = &reply.identity {
        identity.write(&mut lines);
    }
    field_line::append_checked(&mut lines, X_REQUEST_ID.as_str().as_bytes(), id.as_bytes());
    lines
}

/// Most answers to front proxies have no body: a value that is not allocated.
fn length(body: &Bytes) -> HeaderValue {
    if body.is_empty() { HeaderValue::from_static("0") } else { HeaderValue::from(body.len()) }
}
