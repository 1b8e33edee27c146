//! How an exchange gets a connection of the pool, and how the pool gets it back.
//!
//! pingora asks [`Loan`] for a new connection and believes that it gets one. At the end of an exchange it tries whether
//! the connection can be used again, by a read that nobody waits for, but only if answer and request were complete and
//! both sides want to go on; whatever went wrong, it drops the connection untried. So that trial, which no other read
//! looks like, is the sign on which a connection goes back to the pool; pingora is told that it was closed.

use std::future::ready;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::serve::upstream::pool::{Connection, Pool, ticks};
use crate::serve::upstream::wire::Wire;

/// How long an upstream may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// To accept a connection.
    pub(super) connect: Duration,
    /// To send the next bytes.
    pub(super) read: Duration,
    /// To take the next bytes.
    pub(super) write: Duration,
}

/// The connection of one exchange.
#[derive(Debug)]
pub(crate) struct Loan {
    pool: Arc<Pool>,
    patience: Patience,
    reused: AtomicBool,
}

/// What pingora gets: a socket that goes back to the pool.
struct Lent {
    /// None once it is back.
    connection: Option<Connection>,
    address: SocketAddr,
    pool: Arc<Pool>,
    /// Whether pingora has found that it can be used again.
    clean: bool,
}

type Connecting<'a> = Pin<Box<dyn Future<Output = pingora::Result<Stream>> + Send + 'a>>;

impl Loan {
    /// A connection of `pool`, which is made when pingora asks for it.
    pub(super) const fn new(pool: Arc<Pool>, patience: Patience) -> Self {
        Self { pool, patience, reused: AtomicBool::new(false) }
    }

    /// Whether the connection was used before: then the upstream may have closed it before the request came.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused.load(Ordering::Relaxed)
    }

    fn lend(&self, address: &SocketAddr, connection: Connection) -> Stream {
        connection.watch.begin(ticks(self.patience.read), ticks(self.patience.write));
        let lent = Lent {
            connection: Some(connection),
            address: address.clone(),
            pool: Arc::clone(&self.pool),
            clean: false,
        };
        Stream::from(VirtualSocketStream::new(Box::new(lent)))
    }

    async fn make(&self, address: &SocketAddr) -> pingora::Result<Stream> {
        let made = tokio::time::timeout(self.patience.connect, Wire::connect(address)).await;
        let wire = made.map_err(|_| {
            Error::explain(ErrorType::ConnectTimedout, "the upstream accepts no connection")
        })??;
        Ok(self.lend(address, self.pool.adopt(wire)))
    }
}

impl L4Connect for Loan {
    fn connect<'life0, 'life1, 'async_trait>(
        &'life0 self,
        address: &'life1 SocketAddr,
    ) -> Connecting<'async_trait>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        match self.pool.take(address) {
            Some(connection) => {
                self.reused.store(true, Ordering::Relaxed);
                Box::pin(ready(Ok(self.lend(address, connection))))
            }
            None => Box::pin(self.make(address)),
        }
    }
}

impl Lent {
    /// Whether a read by `context` into `buffer` is pingora's trial: into a single byte, with a waker that does nothing.
    fn is_trial(context: &Context<'_>, buffer: &ReadBuf<'_>) -> bool {
        buffer.remaining() == 1 && context.waker().data().is_null()
    }
}

/// The error of a wait that took too long, as pingora's own timeouts have it.
fn late<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Lent {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(Connection { wire, watch }) = this.connection.as_mut().filter(|_| !this.clean)
        else {
            return gone();
        };
        if Self::is_trial(cx, buffer) {
            this.clean = wire.is_quiet();
            return Poll::Ready(Ok(()));
        }
        match Pin::new(wire).poll_read(cx, buffer) {
            Poll::Ready(read) => {
                watch.reading.end();
                Poll::Ready(read)
            }
            Poll::Pending => {
                watch.reading.wait(this.pool.now(), cx).map_or_else(|_| late(), |()| Poll::Pending)
            }
        }
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(Connection { wire, watch }) = this.connection.as_mut().filter(|_| !this.clean)
        else {
            return gone();
        };
        match Pin::new(wire).poll_write(cx, bytes) {
            Poll::Ready(written) => {
                watch.writing.end();
                // An upstream may wait for the whole of a request before it begins to answer.
                watch.reading.renew(this.pool.now());
                Poll::Ready(written)
            }
            Poll::Pending => {
                watch.writing.wait(this.pool.now(), cx).map_or_else(|_| late(), |()| Poll::Pending)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().connection {
            Some(connection) => Pin::new(&mut connection.wire).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().connection {
            Some(connection) => Pin::new(&mut connection.wire).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl VirtualSocket for Lent {
    fn set_socket_option(&self, _option: VirtualSockOpt) -> io::Result<()> {
        // What it needs is set when it is made.
        Ok(())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.clean
        {
            self.pool.keep(self.address.clone(), connection);
        }
    }
}

impl std::fmt::Debug for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lent").field("address", &self.address).finish_non_exhaustive()
    }
}
