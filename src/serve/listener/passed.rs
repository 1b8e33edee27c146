//! Sockets that the service manager opened and passes to the program, each under a name
//! ([sd_listen_fds(3)](https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html)).
//!
//! They outlive the program: what connects while it restarts waits in their queue.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use socket2::{SockAddr, Socket, Type};

use super::{BoundListener, BoundSocket, ListenAddress, Owner};

/// What to do where a socket was not passed.
const NONE_PASSED: &str =
    "sidegate was started without any: start the socket unit, or write an address and a port";

/// The sockets that nobody has taken yet.
#[derive(Debug, Default)]
pub struct PassedSockets {
    sockets: Vec<(String, Socket)>,
}

/// A socket is not there as the configuration wants it.
#[derive(Debug, thiserror::Error)]
pub enum NotPassed {
    /// None has the name.
    #[error("systemd passes no socket called `{name}`; {}", others(found))]
    Missing {
        /// What was asked for.
        name: String,
        /// What there is.
        found: Vec<String>,
    },
    /// More than one has the name.
    #[error(
        "systemd passes {count} sockets called `{name}`, expected one; write a socket unit with one ListenStream= for each listener, and give each its own FileDescriptorName="
    )]
    Several {
        /// What was asked for.
        name: String,
        /// How many there are.
        count: usize,
    },
    /// It is of another kind.
    #[error(
        "the socket `{name}` that systemd passes is not one that accepts streams; write ListenStream= and no Accept=yes in its unit"
    )]
    NoListener {
        /// What was asked for.
        name: String,
    },
    /// The system says no.
    #[error("cannot use the socket `{name}` that systemd passes")]
    Unusable {
        /// What was asked for.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// The variables by which sockets are passed are not what they should be.
    #[error(
        "LISTEN_PID and LISTEN_FDS are not numbers; unset them, or start sidegate by its socket unit"
    )]
    Garbled,
}

/// The sockets there are, for who asked for another.
fn others(found: &[String]) -> String {
    if found.is_empty() {
        return NONE_PASSED.to_owned();
    }
    let names = found.iter().map(|name| format!("systemd:{name}")).collect::<Vec<_>>().join(", ");
    format!("write one of {names}, or set FileDescriptorName= in the socket unit")
}

impl PassedSockets {
    /// Takes over the sockets that were passed to this process: none, where it was started without.
    ///
    /// To be called once, before anything else is opened: their numbers are all that is known of them.
    ///
    /// # Errors
    /// [`NotPassed::Garbled`].
    pub fn inherit() -> Result<Self, NotPassed> {
        let sockets = sd_listen_fds::get().map_err(|_| NotPassed::Garbled)?;
        let named = |(name, socket): (Option<String>, sd_listen_fds::OwnedFd)| {
            (name.unwrap_or_default(), Socket::from(socket.into_std()))
        };
        Ok(Self { sockets: sockets.into_iter().map(named).collect() })
    }

    /// The names of those that are left, in the order in which they were passed.
    pub fn names(&self) -> Vec<String> {
        self.sockets.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The one called `name`, ready to accept.
    pub(super) fn take(&mut self, name: &str) -> Result<BoundListener, NotPassed> {
        let is_it = |(found, _): &(String, Socket)| found == name;
        let count = self.sockets.iter().filter(|socket| is_it(socket)).count();
        if count > 1 {
            return Err(NotPassed::Several { name: name.to_owned(), count });
        }
        let Some(at) = self.sockets.iter().position(is_it) else {
            return Err(NotPassed::Missing { name: name.to_owned(), found: self.names() });
        };
        let (name, socket) = self.sockets.remove(at);
        match listener(socket) {
            Ok(Some(listener)) => Ok(listener),
            Ok(None) => Err(NotPassed::NoListener { name }),
            Err(source) => Err(NotPassed::Unusable { name, source }),
        }
    }
}

/// `socket`, if it is one that accepts streams over a network or in the file system.
fn listener(socket: Socket) -> io::Result<Option<BoundListener>> {
    if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
        return Ok(None);
    }
    socket.set_nonblocking(true)?;
    socket.set_cloexec(true)?;
    let bound = socket.local_addr()?;
    let (address, socket) = if let Some(address) = bound.as_socket() {
        let listener = TcpListener::from(OwnedFd::from(socket));
        (ListenAddress::Tcp(address), BoundSocket::Tcp(listener))
    } else if let Some(path) = unix_path(&bound) {
        let listener = UnixListener::from(OwnedFd::from(socket));
        (ListenAddress::Unix(path), BoundSocket::Unix(listener))
    } else {
        return Ok(None);
    };
    Ok(Some(BoundListener { address, socket, owner: Owner::ServiceManager }))
}

/// Where a unix socket is: a path, or `@` and a name that is in no file system.
fn unix_path(bound: &SockAddr) -> Option<PathBuf> {
    let named = || bound.as_abstract_namespace().map(|name| [b"@", name].concat());
    let path = bound.as_pathname().map(PathBuf::from);
    path.or_else(|| named().map(|name| PathBuf::from(OsString::from_vec(name))))
}

#[cfg(test)]
mod tests;
