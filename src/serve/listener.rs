//! Listening sockets: bound before anything else starts, so that errors are real and early.
//!
//! Accepts connections and hands each to a [`Guard`] or whoever else does the rest. pingora's own accept
//! loop is not used: it keeps 20 KiB per connection, waits 60 s for a handshake while counting
//! nobody, and resets the connections that wait in the queue when it ends.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use pingora::apps::HttpServerApp;
use pingora::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora::protocols::l4::stream::Stream as Socket;
use pingora::protocols::{GetSocketDigest as _, SocketDigest};
use tokio::time;

use crate::serve::drain::Drain;
use crate::serve::guard::Guard;

mod passed;

pub use passed::{NotPassed, PassedSockets};

/// How long to look for connections in a queue that may be empty.
const QUEUE_CHECK: Duration = Duration::from_millis(1);

/// How long to wait for the process to get what it is short of.
const SHORTAGE: Duration = Duration::from_secs(1);

/// Owner and group may connect to a unix socket.
const SOCKET_MODE: u32 = 0o660;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An address and port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A unix socket at this path.
    Unix(PathBuf),
    /// The socket of this name among those that the service manager passes.
    Passed(String),
}

/// Neither an address with a port, nor `unix:` and a path, nor `systemd:` and a name.
#[derive(Debug, thiserror::Error)]
#[error(
    "{found:?} is not an address to listen on; expected 127.0.0.1:8080, [::]:8080, unix:/path or systemd:NAME"
)]
pub struct NotAnAddress {
    found: String,
}

/// A socket could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The file in the way of a unix socket is something else.
    #[error("{} exists and is not a socket; remove it or choose another path", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Another process listens there.
    #[error(
        "{address} is already in use; stop the process that listens there or choose another address"
    )]
    InUse {
        /// What was asked for.
        address: ListenAddress,
    },
    /// This machine does not have the address.
    #[error("{address} is not an address of this machine; listen on one that is, or on 0.0.0.0")]
    NotOurs {
        /// What was asked for.
        address: ListenAddress,
    },
    /// The process may not.
    #[error(
        "no permission to listen on {address}; ports below 1024 need the capability CAP_NET_BIND_SERVICE, sockets a writable directory"
    )]
    NotPermitted {
        /// What was asked for.
        address: ListenAddress,
    },
    /// The service manager does not pass what was asked for.
    #[error(transparent)]
    NotPassed(#[from] NotPassed),
    /// Anything else.
    #[error("cannot listen on {address}")]
    Other {
        /// What was asked for.
        address: ListenAddress,
        /// What the system says.
        source: io::Error,
    },
}

/// A socket that listens already, though nobody accepts yet.
#[derive(Debug)]
pub struct BoundListener {
    address: ListenAddress,
    socket: BoundSocket,
    owner: Owner,
}

#[derive(Debug)]
enum BoundSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Who made a socket, and so whose it is to close for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// This process: the socket ends with it.
    Ourselves,
    /// The service manager: the socket stays, with all that waits in its queue, for whoever comes next.
    ServiceManager,
}

impl ListenAddress {
    /// Starts to listen here. A unix socket that nobody answers on any more is replaced.
    ///
    /// # Errors
    /// [`BindError`], which names the address and the remedy.
    pub fn bind(&self) -> Result<BoundListener, BindError> {
        self.bind_or_take(&mut PassedSockets::default())
    }

    /// As [`bind`](Self::bind), where `passed` has the sockets that need not be bound any more.
    ///
    /// # Errors
    /// [`BindError`], which names the address and the remedy.
    pub fn bind_or_take(&self, passed: &mut PassedSockets) -> Result<BoundListener, BindError> {
        let bound = match self {
            Self::Tcp(address) => bind_tcp(*address),
            Self::Unix(path) => {
                clear_stale(path)?;
                bind_unix(path)
            }
            Self::Passed(name) => return Ok(passed.take(name)?),
        };
        bound.map_err(|error| self.explain(error))
    }

    fn explain(&self, source: io::Error) -> BindError {
        let address = self.clone();
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            io::ErrorKind::AddrNotAvailable => BindError::NotOurs { address },
            io::ErrorKind::PermissionDenied => BindError::NotPermitted { address },
            _ => BindError::Other { address, source },
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Passed(name) => write!(f, "systemd:{name}"),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(path.into()));
        }
        if let Some(name) = text.strip_prefix("systemd:").filter(|name| !name.is_empty()) {
            return Ok(Self::Passed(name.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| NotAnAddress { found: text.into() })
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<BoundListener> {
    // The standard library sets SO_REUSEADDR, and the longest queue that the system allows.
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = ListenAddress::Tcp(listener.local_addr()?);
    Ok(BoundListener { address, socket: BoundSocket::Tcp(listener), owner: Owner::Ourselves })
}

fn bind_unix(path: &Path) -> io::Result<BoundListener> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    listener.set_nonblocking(true)?;
    Ok(BoundListener {
        address: ListenAddress::Unix(path.into()),
        socket: BoundSocket::Unix(listener),
        owner: Owner::Ourselves,
    })
}

/// Removes a socket file that a dead process left behind. One that answers stays: binding will
/// then say that the address is in use.
fn clear_stale(path: &Path) -> Result<(), BindError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket { path: path.into() });
    }
    let refused = UnixStream::connect(path)
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if refused {
        // If it cannot be removed, binding reports why.
        let _ = fs::remove_file(path);
    }
    Ok(())
}

impl BoundListener {
    /// Where it really listens: with the port that the system chose.
    pub const fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Whether it is a unix socket: who connects is on this machine, and may open a file.
    pub const fn is_local(&self) -> bool {
        matches!(self.socket, BoundSocket::Unix(_))
    }

    /// Serves `guard`'s app here until `drain` begins and its idle connections had time to go.
    /// Requests in progress are not awaited: that is [`Drain::wait`].
    ///
    /// Must run inside the runtime that shall serve the connections.
    pub async fn serve<A>(self, guard: Guard<A>, drain: &Drain)
    where
        A: HttpServerApp + Send + Sync + 'static,
    {
        self.accept_with(drain, |socket| guard.serve(socket)).await;
        guard.linger().await;
    }

    /// Hands each connection to `serve`, which must not wait, until `drain` begins.
    pub(crate) async fn accept_with(self, drain: &Drain, serve: impl Fn(Socket)) {
        let address = self.address;
        match Acceptor::new(self.socket) {
            Ok(acceptor) => acceptor.run(&serve, drain, self.owner).await,
            Err(error) => tracing::error!(%address, %error, "cannot accept connections"),
        }
        if let (ListenAddress::Unix(path), Owner::Ourselves) = (&address, self.owner) {
            // Whoever comes next may have replaced or removed it already.
            let _ = fs::remove_file(path);
        }
    }
}

/// A listening socket inside a runtime.
enum Acceptor {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Acceptor {
    fn new(socket: BoundSocket) -> io::Result<Self> {
        match socket {
            BoundSocket::Tcp(listener) => {
                tokio::net::TcpListener::from_std(listener).map(Self::Tcp)
            }
            BoundSocket::Unix(listener) => {
                tokio::net::UnixListener::from_std(listener).map(Self::Unix)
            }
        }
    }

    /// Accepts until the drain begins, and then those that wait in the queue: they connected
    /// while we still listened. The queue of a socket that stays is for the next process.
    async fn run(self, serve: &impl Fn(Socket), drain: &Drain, owner: Owner) {
        let mut drain = drain.watch();
        loop {
            tokio::select! {
                biased;
                _ = drain.wait_for(|begun| *begun) => break,
                socket = self.next() => serve(socket),
            }
        }
        if owner == Owner::ServiceManager {
            return;
        }
        while let Ok(Ok(socket)) = time::timeout(QUEUE_CHECK, self.accept()).await {
            serve(socket);
        }
    }

    async fn next(&self) -> Socket {
        loop {
            match self.accept().await {
                Ok(socket) => return socket,
                Err(error) => pause(&error).await,
            }
        }
    }

    async fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(with_peer(stream.into(), Some(peer.into())))
            }
            // Clients of a unix socket rarely have a name.
            Self::Unix(listener) => Ok(with_peer(listener.accept().await?.0.into(), None)),
        }
    }
}

/// `socket`, with the address of its `peer` known: nobody has to ask the system again.
fn with_peer(mut socket: Socket, peer: Option<PeerAddress>) -> Socket {
    let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
    // It is new, so there is no other address yet.
    let _ = digest.peer_addr.set(peer);
    socket.set_socket_digest(digest);
    socket
}

/// After an `accept` that failed. If the process is short of something, as file descriptors, the
/// next one would fail at once; if it was the client's fault, the next one need not wait.
async fn pause(error: &io::Error) {
    let short = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    if error.raw_os_error().is_some_and(|code| short.contains(&code)) {
        tracing::error!(%error, "cannot accept connections for a second");
        time::sleep(SHORTAGE).await;
    }
}

#[cfg(test)]
mod tests;
