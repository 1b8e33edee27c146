//! Listening sockets: bound before anything else starts, so that errors are real and early.
//!
//! A bound socket is handed to a pingora `Service` with a [`Guard`] before its app. TLS is the
//! guard's, not the service's: pingora would wait 60 s for a handshake and count nobody meanwhile.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use parking_lot::Mutex;
use pingora::apps::HttpServerApp;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::server::Fds;
use pingora::services::Service as _;
use pingora::services::listening::Service;

use crate::serve::drain::Drain;
use crate::serve::guard::Guard;

/// Bytes of read buffer per connection; pingora's own 64 KiB would be most of an idle connection.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// Bytes of write buffer per connection: pingora's default, one segment.
const WRITE_BUFFER_BYTES: usize = 1460;

/// Owner and group may connect to a unix socket.
const SOCKET_MODE: u32 = 0o660;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An address and port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A unix socket at this path.
    Unix(PathBuf),
}

/// Neither an address with a port nor `unix:` and a path.
#[derive(Debug, thiserror::Error)]
#[error(
    "{found:?} is not an address to listen on; expected 127.0.0.1:8080, [::]:8080 or unix:/path"
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
    socket: OwnedFd,
}

impl ListenAddress {
    /// Starts to listen here. A unix socket that nobody answers on any more is replaced.
    ///
    /// # Errors
    /// [`BindError`], which names the address and the remedy.
    pub fn bind(&self) -> Result<BoundListener, BindError> {
        let bound = match self {
            Self::Tcp(address) => bind_tcp(*address),
            Self::Unix(path) => {
                clear_stale(path)?;
                bind_unix(path)
            }
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
        }
    }
}

impl FromStr for ListenAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(path.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| NotAnAddress { found: text.into() })
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<BoundListener> {
    // The standard library sets SO_REUSEADDR; pingora sets the backlog when it takes over.
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = ListenAddress::Tcp(listener.local_addr()?);
    Ok(BoundListener { address, socket: listener.into() })
}

fn bind_unix(path: &Path) -> io::Result<BoundListener> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    listener.set_nonblocking(true)?;
    Ok(BoundListener { address: ListenAddress::Unix(path.into()), socket: listener.into() })
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

    /// Serves `guard`'s app here until `drain` begins and its idle connections had time to go.
    /// Requests in progress are not awaited: that is [`Drain::wait`].
    ///
    /// Must run inside the runtime that shall serve the connections.
    pub async fn serve<A>(self, guard: Guard<A>, drain: &Drain)
    where
        A: HttpServerApp + Send + Sync + 'static,
    {
        let key = self.key();
        let mut service = Service::new(key.clone(), guard);
        service.add_listener(self.endpoint(&key));
        let path = self.path();
        let mut fds = Fds::new();
        fds.add(key, self.socket.into_raw_fd());
        service.start_service(Some(Arc::new(Mutex::new(fds))), drain.watch(), 1).await;
        if let Some(path) = path {
            // Whoever comes next may have replaced or removed it already.
            let _ = fs::remove_file(path);
        }
    }

    /// The key of the socket in pingora's table; for a unix socket, its path.
    fn key(&self) -> String {
        match &self.address {
            ListenAddress::Tcp(address) => address.to_string(),
            ListenAddress::Unix(path) => path.to_string_lossy().into_owned(),
        }
    }

    fn path(&self) -> Option<PathBuf> {
        match &self.address {
            ListenAddress::Tcp(_) => None,
            ListenAddress::Unix(path) => Some(path.clone()),
        }
    }

    fn endpoint(&self, key: &str) -> ListenerConfig {
        let endpoint = match &self.address {
            ListenAddress::Tcp(_) => ListenerConfig::tcp(key),
            ListenAddress::Unix(_) => {
                ListenerConfig::uds(key).permissions(Permissions::from_mode(SOCKET_MODE))
            }
        };
        endpoint.l4_buffer(L4BufferSettings::new(READ_BUFFER_BYTES, WRITE_BUFFER_BYTES))
    }
}

#[cfg(test)]
mod tests;
