//! A stream that waits for its next request without holding memory for it.
//!
//! pingora waits inside the app, with a buffer for the header and all the app's state allocated:
//! some 20 KiB for every idle connection. Here the wait comes first, into a buffer that all
//! connections of a thread share. Writes gather in a buffer of one segment, so that the header
//! and a short body leave together.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf as _, Bytes, BytesMut};
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};

use crate::serve::field_lines::behind;
use crate::serve::guard::connection::Connection;

/// As many headers as come in one piece, those with large cookies among them.
const READ_BYTES: usize = 16 * 1024;

/// One segment.
const WRITE_BYTES: usize = 1460;

thread_local! {
    static SCRATCH: RefCell<[u8; READ_BYTES]> = const { RefCell::new([0; READ_BYTES]) };
}

/// See the module's text.
pub(super) struct Patient {
    stream: BufWriter<Stream>,
    connection: Arc<Connection>,
    arrived: BytesMut,
    /// What is still to be written in place of other bytes, and how many these are.
    instead: Option<(Bytes, usize)>,
}

/// How a wait for bytes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// There are some, to be taken.
    Bytes,
    /// There will be none.
    End,
}

impl Patient {
    pub(super) fn new(stream: Stream, connection: Arc<Connection>) -> Self {
        let stream = BufWriter::with_capacity(WRITE_BYTES, stream);
        Self { stream, connection, arrived: BytesMut::new(), instead: None }
    }

    /// Writes what stands in for `length` bytes; then these count as written.
    fn poll_instead(
        &mut self,
        cx: &mut Context<'_>,
        mut answer: Bytes,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        while !answer.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &answer) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => answer.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.instead = Some((answer, length));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(length))
    }

    /// Writes `head`, the whole of a header, with `lines` behind its own; then it counts as written.
    fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        head: &[u8],
        lines: &[u8],
    ) -> Poll<io::Result<usize>> {
        let parts = behind(head, lines).ok_or(io::ErrorKind::InvalidData)?;
        let whole = parts.iter().map(|part| part.len()).sum::<usize>();
        if self.stream.buffer().len() + whole > WRITE_BYTES {
            return self.poll_instead(cx, Bytes::from(parts.concat()), head.len());
        }
        // It all fits into the buffer, which takes it at once.
        for part in parts {
            let taken = ready!(Pin::new(&mut self.stream).poll_write(cx, part))?;
            if taken < part.len() {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(head.len()))
    }

    /// Sends what has gathered, for there is time: pingora flushes a body of known length only at its end, and what the
    /// upstream sends late should not hold up what it sent early. An error shows with the next write.
    fn send_on(&mut self, cx: &mut Context<'_>) {
        if !self.stream.buffer().is_empty() {
            let _ = Pin::new(&mut self.stream).poll_flush(cx);
        }
    }

    /// Waits for the next bytes.
    pub(super) async fn arrival(&mut self) -> Arrival {
        poll_fn(|cx| self.poll_arrival(cx)).await
    }

    /// The bytes that arrived, which no read will get.
    pub(super) fn take_arrived(&mut self) -> BytesMut {
        std::mem::take(&mut self.arrived)
    }

    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Arrival> {
        let stream = Pin::new(self.stream.get_mut());
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            let read = ready!(stream.poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Arrival::End);
            }
            self.arrived = BytesMut::from(buffer.filled());
            Poll::Ready(Arrival::Bytes)
        })
    }
}

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.get_ref().fmt(f)
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(self.stream.get_mut()).poll_read(cx, buffer);
        if read.is_pending() {
            self.send_on(cx);
        }
        read
    }
}

/// `answer` without the line in which pingora names itself, if it has that line: pingora answers what it cannot read by
/// itself, before any of our phases.
fn nameless(answer: &[u8]) -> Option<Bytes> {
    const NAME: &[u8] = b"\r\nServer: Pingora\r\n";
    let start = answer.windows(NAME.len()).position(|window| window == NAME)?;
    Some(Bytes::from([&answer[..start], &answer[start + NAME.len() - 2..]].concat()))
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some((answer, length)) = self.instead.take() {
            return self.poll_instead(cx, answer, length);
        }
        if self.connection.awaits_header()
            && let Some(answer) = nameless(bytes)
        {
            self.connection.note_unreadable();
            return self.poll_instead(cx, answer, bytes.len());
        }
        if let Some(lines) = self.connection.take_lines() {
            return self.poll_with(cx, bytes, &lines);
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.connection.awaits_header() || self.connection.has_lines() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.poll_write(cx, first.map_or(&[], |slice| slice));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for Patient {
    async fn shutdown(&mut self) {
        self.stream.get_mut().shutdown().await;
    }
}

/// Not supported: only clear-text HTTP/2 would need it, and that is off.
impl Peek for Patient {}

impl UniqueID for Patient {
    fn id(&self) -> UniqueIDType {
        self.stream.get_ref().id()
    }
}

impl Ssl for Patient {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.stream.get_ref().get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ref().get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.get_ref().selected_alpn_proto()
    }
}

impl GetTimingDigest for Patient {
    /// Nobody looks at it, and it would be allocated for each request.
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.stream.get_ref().get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.stream.get_ref().get_write_pending_time()
    }
}

impl GetProxyDigest for Patient {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_ref().get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.stream.get_mut().set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Patient {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_ref().get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.stream.get_mut().set_socket_digest(digest);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::serve::guard::ConnectionContext;

    #[tokio::test]
    async fn what_arrived_during_the_wait_is_taken_and_not_read_again() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut stream =
            Patient::new(Box::new(near), Arc::new(Connection::new(tokio::time::Instant::now())));
        far.write_all(b"first").await.unwrap();
        assert_eq!(stream.arrival().await, Arrival::Bytes);
        far.write_all(b" second").await.unwrap();
        assert_eq!(&stream.take_arrived()[..], b"first");
        drop(far);
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, " second");
        assert_eq!(stream.arrival().await, Arrival::End);
    }

    #[tokio::test]
    async fn announced_lines_go_behind_the_header_and_nowhere_else() {
        const HEADER: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
        // The far side takes a few bytes at a time.
        let (near, mut far) = tokio::io::duplex(7);
        let connection = Arc::new(Connection::new(tokio::time::Instant::now()));
        let mut stream = Patient::new(Box::new(near), Arc::clone(&connection));
        connection.busy();
        let context = ConnectionContext::new(connection, b"");
        let value = "x".repeat(2 * WRITE_BYTES);
        let line = format!("x-long: {value}\r\n");
        let announced = context.announce(line.clone().into_bytes());
        let writing = async {
            stream.write_all(HEADER).await.unwrap();
            drop(announced);
            stream.write_all(b"body").await.unwrap();
            stream.flush().await.unwrap();
            drop(stream);
        };
        let mut sent = String::new();
        let (_, read) = tokio::join!(writing, far.read_to_string(&mut sent));
        read.unwrap();
        assert_eq!(sent, format!("HTTP/1.1 200 OK\r\n{line}\r\nbody"));
    }

    #[tokio::test]
    async fn announced_lines_are_written_behind_a_whole_header_or_not_at_all() {
        let (near, _far) = tokio::io::duplex(64);
        let connection = Arc::new(Connection::new(tokio::time::Instant::now()));
        let mut stream = Patient::new(Box::new(near), Arc::clone(&connection));
        connection.busy();
        let context = ConnectionContext::new(connection, b"");
        let _announced = context.announce(b"x-user: jane\r\n".to_vec());
        assert!(stream.write_all(b"HTTP/1.1 200 OK\r\n").await.is_err());
    }
}
