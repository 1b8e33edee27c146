//! Tells the service manager how the program is doing, where one asks
//! ([sd_notify(3)](https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html)).
//!
//! Nobody waits for it, and nothing depends on whether it is heard.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Requests are accepted, by the configuration that was read last.
    Ready,
    /// A new configuration was refused; requests are accepted by the old one.
    ReadyByOld,
    /// The configuration is read again.
    Reloading,
    /// Running requests are waited for.
    Stopping,
}

impl State {
    const fn message(self) -> &'static str {
        match self {
            Self::Ready => "READY=1\nSTATUS=serving",
            Self::ReadyByOld => {
                "READY=1\nSTATUS=serving by an old configuration: the new one was refused, see the log"
            }
            Self::Reloading => "RELOADING=1\nSTATUS=reading the configuration",
            Self::Stopping => "STOPPING=1\nSTATUS=waiting for running requests",
        }
    }
}

/// Whom to tell, if anybody.
#[derive(Debug, Default)]
pub(crate) struct Notifier(Option<OsString>);

impl Notifier {
    /// As the variable `NOTIFY_SOCKET` says.
    pub(crate) fn from_environment() -> Self {
        Self(env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()))
    }

    /// Tells that the program is in `state`.
    pub(crate) fn tell(&self, state: State) {
        let Some(address) = &self.0 else { return };
        if let Err(error) = send(address, state.message().as_bytes()) {
            tracing::warn!(%error, "the service manager cannot be told");
        }
    }
}

/// `address` is a path, or `@` and the name of an abstract socket.
fn send(address: &OsStr, message: &[u8]) -> io::Result<()> {
    let address = match address.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that is busy is not waited for.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message, &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_at_a_path_hears_every_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier(Some(path.into()));
        for (state, word) in [
            (State::Ready, "READY=1"),
            (State::ReadyByOld, "READY=1"),
            (State::Reloading, "RELOADING=1"),
            (State::Stopping, "STOPPING=1"),
        ] {
            notifier.tell(state);
            let said = heard(&socket);
            assert_eq!(said.lines().next(), Some(word));
            assert!(said.lines().nth(1).unwrap().starts_with("STATUS="), "{said}");
        }
    }

    #[test]
    fn a_manager_at_an_abstract_name_hears() {
        let name = format!("sidegate-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Notifier(Some(format!("@{name}").into())).tell(State::Ready);
        assert!(heard(&socket).starts_with("READY=1"));
    }

    #[test]
    fn nobody_is_told_where_nobody_asks_or_listens() {
        Notifier::default().tell(State::Ready);
        Notifier(Some("/nowhere/at/all".into())).tell(State::Ready);
    }
}
