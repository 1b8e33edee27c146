//! How an exchange gets a connection of the pool, and how the pool gets it back.
//!
//! pingora asks [`Loan`] for a new connection and believes that it gets one. At the end of an exchange it tries whether
//! the connection can be used again, by a read that nobody waits for, but only if answer and request were complete and
//! both sides want to go on; whatever went wrong, it drops the connection untried. So that trial, which no other read
//! looks like, is the sign on which a connection goes back to the pool; pingora is told that it was closed.
//!
//! On its way out, the header of the request gets the lines that sidegate adds to it.

use std::fmt;
use std::future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::serve::field_lines::behind;
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
pub(crate) struct Loan {
    this: Weak<Self>,
    pool: Arc<Pool>,
    patience: Patience,
    reused: AtomicBool,
    lines: Mutex<Option<Vec<u8>>>,
    /// How many reads have still to come back with nothing.
    held: AtomicU8,
    /// Whether whoever borrowed the connection says that it can be used again.
    settled: AtomicBool,
}

/// How often the answer to an upgrade is not there yet. Once is enough for the other side of pingora to have its turn.
const HELD: u8 = 4;

/// What pingora gets: a socket that goes back to the pool.
struct Lent {
    /// None once it is back.
    connection: Option<Connection>,
    address: SocketAddr,
    loan: Arc<Loan>,
    head: Head,
    /// Whether pingora has found that it can be used again.
    clean: bool,
}

/// How far the header of the request is written.
enum Head {
    Waiting,
    /// With our lines; so many bytes of it are sent.
    Sending(Vec<u8>, usize),
    Sent,
}

type Connecting<'a> = Pin<Box<dyn Future<Output = pingora::Result<Stream>> + Send + 'a>>;

impl Loan {
    /// A connection of `pool`, which is made when pingora asks for it.
    pub(super) fn new(pool: Arc<Pool>, patience: Patience) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            pool,
            patience,
            reused: AtomicBool::new(false),
            lines: Mutex::new(None),
            held: AtomicU8::new(0),
            settled: AtomicBool::new(false),
        })
    }

    /// A connection to `address` that `pool` keeps, if there is one, for an exchange that goes without pingora's help.
    pub(super) fn kept(
        pool: Arc<Pool>,
        patience: Patience,
        address: &SocketAddr,
    ) -> Option<(Arc<Self>, Stream)> {
        let connection = pool.take(address)?;
        let loan = Self::new(pool, patience);
        loan.reused.store(true, Ordering::Relaxed);
        let stream = loan.lend(address, connection).ok()?;
        Some((loan, stream))
    }

    /// Lets the connection go back to the pool as soon as it is dropped: the exchange is over, and both sides want to go on.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// The header that goes out next gets `lines`, each with its line break, behind its own. Nothing goes out before this
    /// was called.
    pub(crate) fn announce(&self, lines: Vec<u8>) {
        *self.lines.lock() = Some(lines);
    }

    /// Lets the end of the request's empty body be passed on before the answer to its upgrade is read. pingora 0.9.1 takes the two
    /// the other way round for the end of the tunnel (<https://github.com/cloudflare/pingora/issues/946>).
    pub(crate) fn hold_answer(&self) {
        self.held.store(HELD, Ordering::Relaxed);
    }

    /// Whether a read has to come back with nothing, once more.
    fn holds(&self) -> bool {
        let held = self.held.load(Ordering::Relaxed);
        self.held.store(held.saturating_sub(1), Ordering::Relaxed);
        held > 0
    }

    /// Whether the connection was used before: then the upstream may have closed it before the request came.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused.load(Ordering::Relaxed)
    }

    fn lend(&self, address: &SocketAddr, connection: Connection) -> pingora::Result<Stream> {
        let loan = self
            .this
            .upgrade()
            .ok_or_else(|| Error::explain(ErrorType::InternalError, "a loan that nobody holds"))?;
        connection.watch.begin(ticks(self.patience.read), ticks(self.patience.write));
        let (connection, address) = (Some(connection), address.clone());
        let lent = Lent { connection, address, loan, head: Head::Waiting, clean: false };
        Ok(Stream::from(VirtualSocketStream::new(Box::new(lent))))
    }

    async fn make(&self, address: &SocketAddr) -> pingora::Result<Stream> {
        let made = tokio::time::timeout(self.patience.connect, Wire::connect(address)).await;
        let wire = made.map_err(|_| {
            Error::explain(ErrorType::ConnectTimedout, "the upstream accepts no connection")
        })??;
        self.lend(address, self.pool.adopt(wire))
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
                Box::pin(future::ready(self.lend(address, connection)))
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

impl Head {
    /// Sends `bytes`, a whole header, with the lines of `loan`; when all is sent, all of `bytes` counts as written.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire,
        loan: &Loan,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Self::Waiting = self {
            let lines = loan.lines.lock().take();
            match lines.as_deref().and_then(|lines| behind(bytes, lines)) {
                Some(parts) => *self = Self::Sending(parts.concat(), 0),
                None => return Poll::Ready(Err(io::ErrorKind::InvalidInput.into())),
            }
        }
        while let Self::Sending(head, sent) = self {
            match ready!(Pin::new(&mut *wire).poll_write(cx, &head[*sent..])) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(more) => *sent += more,
                Err(error) => return Poll::Ready(Err(error)),
            }
            if *sent == head.len() {
                *self = Self::Sent;
            }
        }
        Poll::Ready(Ok(bytes.len()))
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
        if this.loan.holds() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match Pin::new(wire).poll_read(cx, buffer) {
            Poll::Ready(read) => {
                watch.reading.end();
                Poll::Ready(read)
            }
            Poll::Pending => watch
                .reading
                .wait(this.loan.pool.now(), cx)
                .map_or_else(|_| late(), |()| Poll::Pending),
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
        let polled = match &mut this.head {
            Head::Sent => Pin::new(wire).poll_write(cx, bytes),
            head => head.poll_send(cx, wire, &this.loan, bytes),
        };
        match polled {
            Poll::Ready(written) => {
                watch.writing.end();
                // An upstream may wait for the whole of a request before it begins to answer.
                watch.reading.renew(this.loan.pool.now());
                Poll::Ready(written)
            }
            Poll::Pending => watch
                .writing
                .wait(this.loan.pool.now(), cx)
                .map_or_else(|_| late(), |()| Poll::Pending),
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
            && (self.clean || self.loan.settled.load(Ordering::Relaxed))
        {
            self.loan.pool.keep(self.address.clone(), connection);
        }
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Without the lines: they name people.
impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan").field("patience", &self.patience).finish_non_exhaustive()
    }
}
