//! A forward proxy for programs that would ask the system for names below `.test`, which it does not know: it leads them to this machine
//! and nowhere else ([RFC 9110 §9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)). What goes through is TLS, and not looked at.
//!
//! One for the whole run, on threads of its own: it outlives the runtime of any single test.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::thread;

/// Longer than any head that our programs send.
const MAX_HEAD_BYTES: usize = 4096;

static TUNNEL: LazyLock<SocketAddr> = LazyLock::new(|| {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever breaks off has no need of an answer.
            thread::spawn(move || serve(stream).ok());
        }
    });
    address
});

/// Where it listens.
pub(crate) fn address() -> SocketAddr {
    *TUNNEL
}

/// What has a program go by it, whatever its own environment says.
pub(crate) fn environment() -> [(String, String); 3] {
    let proxy = format!("http://{}", address());
    [("HTTPS_PROXY", proxy), ("NO_PROXY", String::new()), ("no_proxy", String::new())]
        .map(|(name, value)| (name.to_owned(), value))
}

fn serve(mut client: TcpStream) -> io::Result<()> {
    let head = head(&mut client)?;
    let Some(port) = wanted(&head) else {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    };
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    };
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let copied = io::copy(&mut from_server, &mut to_client);
        to_client.shutdown(Shutdown::Write).and(copied)
    });
    io::copy(&mut client, &mut server)?;
    server.shutdown(Shutdown::Write)
}

fn head(client: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") && bytes.len() < MAX_HEAD_BYTES {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The port that a head asks for, if the name is one of ours.
fn wanted(head: &str) -> Option<u16> {
    let authority = head.strip_prefix("CONNECT ")?.split(' ').next()?;
    let (host, port) = authority.rsplit_once(':')?;
    host.ends_with(".test").then(|| port.parse().ok()).flatten()
}
