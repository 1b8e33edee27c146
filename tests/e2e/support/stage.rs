//! An upstream whose every connection the test plays itself, and sidegate before it.

use std::net::SocketAddr;
use std::path::Path;
use std::task::{Context, Poll, Waker};

use pingora::tls::TlsAcceptor;
use tokio::net::{TcpListener, UnixListener};

use super::process::Sidegate;
use super::raw::{Request, get};
use super::site::configuration;
use super::tokens::Issuer;
use super::wire::{Head, Wire, patiently};

/// A short answer.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Everything is public.
pub(crate) const OPEN: &str = "
routes: [{ name: all, match: { paths: '/*' }, access: public }]
";

/// An upstream. Nobody is answered but by the test.
pub(crate) struct Stage {
    listener: Listener,
    /// As the configuration has it.
    pub(crate) url: String,
}

enum Listener {
    Tcp(TcpListener),
    /// Resets its connections where they are dropped.
    Resetting(TcpListener),
    Tls(TcpListener, TlsAcceptor),
    Unix(UnixListener),
}

impl Stage {
    /// One on a port of its own.
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self { listener: Listener::Tcp(listener), url }
    }

    /// One whose connections end by a reset.
    pub(crate) async fn resetting() -> Self {
        match Self::open().await {
            Self { listener: Listener::Tcp(listener), url } => {
                Self { listener: Listener::Resetting(listener), url }
            }
            other => other,
        }
    }

    /// One that speaks TLS.
    pub(crate) async fn tls(acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        Self { listener: Listener::Tls(listener, acceptor), url }
    }

    /// One on a unix socket.
    pub(crate) fn unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        Self { listener: Listener::Unix(listener), url: format!("unix:{}", path.display()) }
    }

    /// The next connection, which comes.
    pub(crate) async fn accept(&self) -> Wire {
        patiently(self.try_accept()).await.unwrap()
    }

    /// The next connection; an error if its handshake fails.
    pub(crate) async fn try_accept(&self) -> std::io::Result<Wire> {
        match &self.listener {
            Listener::Tcp(listener) => Ok(Wire::over(listener.accept().await?.0)),
            Listener::Resetting(listener) => {
                let stream = listener.accept().await?.0;
                stream.set_zero_linger()?;
                Ok(Wire::over(stream))
            }
            Listener::Tls(listener, acceptor) => {
                Ok(Wire::over(acceptor.accept(listener.accept().await?.0).await?))
            }
            Listener::Unix(listener) => Ok(Wire::over(listener.accept().await?.0)),
        }
    }

    /// The next connection and the head of the request on it.
    pub(crate) async fn request(&self) -> (Wire, Head) {
        let mut wire = self.accept().await;
        let head = wire.head().await;
        (wire, head)
    }

    /// A client's connection and one to here by which its first request went. It is kept for the client's next one, which is not
    /// looked at before the first one is over, and goes the short way if it is plain.
    pub(crate) async fn kept(&self, front: &Front) -> (Wire, Wire) {
        let mut client = front.send(&get("/first")).await;
        let (mut upstream, _) = self.request().await;
        upstream.send(OK).await;
        assert_eq!(client.answer().await.1, "ok");
        (client, upstream)
    }

    /// Asserts that no connection waits to be accepted.
    pub(crate) fn is_alone(&self) {
        let mut context = Context::from_waker(Waker::noop());
        let waiting = match &self.listener {
            Listener::Unix(listener) => {
                matches!(listener.poll_accept(&mut context), Poll::Ready(_))
            }
            Listener::Tcp(listener)
            | Listener::Resetting(listener)
            | Listener::Tls(listener, _) => {
                matches!(listener.poll_accept(&mut context), Poll::Ready(_))
            }
        };
        assert!(!waiting, "a connection that nobody should have made");
    }
}

/// Sidegate before any upstream.
pub(crate) struct Front {
    pub(crate) sidegate: Sidegate,
    pub(crate) address: SocketAddr,
    pub(crate) issuer: Issuer,
}

impl Front {
    /// Before `upstream`, which is written as in the configuration, the rest of which is `rest`.
    pub(crate) async fn start(upstream: &str, rest: &str) -> Self {
        let issuer = Issuer::new();
        let sidegate = Sidegate::run(&configuration(upstream, &issuer, rest));
        let address = sidegate.address().await;
        Self { sidegate, address, issuer }
    }

    /// A client's connection to it.
    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// A client's connection on which `request` was sent.
    pub(crate) async fn send(&self, request: &Request) -> Wire {
        let mut wire = self.connect().await;
        wire.send(request.bytes()).await;
        wire
    }

    /// What the counter `name` says by now for just these labels. The configuration has an admin listener.
    pub(crate) async fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let address = self.sidegate.listener("admin").await;
        let mut wire = Wire::connect(address).await;
        wire.send("GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").await;
        let head = wire.head().await;
        let page = String::from_utf8(wire.body(&head).await.unwrap()).unwrap();
        let mut lines = page
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "));
        let wanted = |(found, _): &(&str, &str)| {
            labels.iter().all(|(label, value)| {
                found.split(',').any(|pair| pair == format!("{label}=\"{value}\""))
            })
        };
        let count = lines.find(wanted).map(|(_, count)| count.parse().unwrap());
        count.unwrap_or_else(|| panic!("no {name} with {labels:?} in:\n{page}"))
    }
}

/// Plays an upstream that answers each request on each connection with `answer`, until the test ends.
pub(crate) fn answering(stage: Stage, answer: &'static str) {
    tokio::spawn(async move {
        loop {
            // A handshake may fail, and the next one succeed.
            let Ok(mut wire) = stage.try_accept().await else { continue };
            tokio::spawn(async move {
                while let Some(head) = wire.next_head().await {
                    if wire.body(&head).await.is_err() || wire.try_send(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
}
