//! Addresses: where to listen, and where upstream servers are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::base::host::Authority;
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::serve::listener::ListenAddress;
use crate::serve::settings::Server;

/// The longest path of a unix socket that the system takes, in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// The longest name that systemd gives to a socket, in bytes.
const MAX_SOCKET_NAME: usize = 255;

/// Reads `HOST:PORT`, `[IPV6]:PORT`, `unix:/path` or `systemd:NAME`.
pub(super) fn listen(
    text: &str,
    inputs: &Inputs,
    path: &KeyPath,
    report: &mut Report,
) -> Option<ListenAddress> {
    if let Some(socket) = text.strip_prefix("unix:") {
        return socket_path(text, socket, inputs, path, report).map(ListenAddress::Unix);
    }
    if let Some(name) = text.strip_prefix("systemd:") {
        return socket_name(name, path, report).map(ListenAddress::Passed);
    }
    let found = text.parse::<SocketAddr>();
    if found.is_err() {
        report.refuse(
            path,
            format!("`{text}` is no address to listen on"),
            remedy_for_address(text),
        );
    }
    found.ok().map(ListenAddress::Tcp)
}

fn remedy_for_address(text: &str) -> String {
    if text.parse::<Ipv6Addr>().is_ok() {
        return format!("write [{text}]:8080");
    }
    if let Some(port) = text.strip_prefix(':') {
        return format!(
            "write 127.0.0.1:{port} for this machine alone, or 0.0.0.0:{port} for all networks"
        );
    }
    if text.parse::<u16>().is_ok() {
        return format!(
            "write 127.0.0.1:{text} for this machine alone, or 0.0.0.0:{text} for all networks"
        );
    }
    if let Some((_, rest)) = text.split_once("://") {
        return format!("write {}", rest.trim_end_matches('/'));
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        return format!("write 127.0.0.1:{port}");
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return format!("add a port: {text}:8080");
    }
    String::from("write an IP address and a port such as 127.0.0.1:8080, or unix:/path")
}

/// The name of a socket that systemd passes: what
/// [`FileDescriptorName=`](https://www.freedesktop.org/software/systemd/man/latest/systemd.socket.html#FileDescriptorName=) takes.
fn socket_name(name: &str, path: &KeyPath, report: &mut Report) -> Option<String> {
    let is_name = (1..=MAX_SOCKET_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if is_name {
        return Some(name.to_owned());
    }
    let message = format!("`{name}` is no name of a socket that systemd passes");
    report.refuse(
        path,
        message,
        "write systemd:web, and FileDescriptorName=web in the socket unit",
    );
    None
}

fn socket_path(
    text: &str,
    written: &str,
    inputs: &Inputs,
    path: &KeyPath,
    report: &mut Report,
) -> Option<PathBuf> {
    let plain = written.strip_prefix("//").unwrap_or(written);
    let socket = inputs.resolve(Path::new(plain));
    let length = socket.as_os_str().len();
    if plain.is_empty() || plain.ends_with('/') {
        report.refuse(path, format!("`{text}` names no file"), "write unix:/path/to/the.sock");
    } else if length > MAX_SOCKET_PATH {
        let message = format!(
            "the socket path has {length} bytes, more than the {MAX_SOCKET_PATH} that the system takes"
        );
        report.refuse(path, message, "use a shorter path, such as one under /run");
    } else {
        return Some(socket);
    }
    None
}

/// Whether a connection to one address could reach a listener on the other.
pub(super) fn overlap(a: &ListenAddress, b: &ListenAddress) -> bool {
    match (a, b) {
        (ListenAddress::Unix(a), ListenAddress::Unix(b)) => a == b,
        (ListenAddress::Passed(a), ListenAddress::Passed(b)) => a == b,
        (ListenAddress::Tcp(a), ListenAddress::Tcp(b)) => {
            let same_host = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
            a.port() == b.port() && a.port() != 0 && same_host
        }
        _ => false,
    }
}

/// Whether everybody on the network could reach it, as far as the configuration tells: where a passed socket listens is said
/// elsewhere.
pub(super) const fn is_remote(address: &ListenAddress) -> bool {
    match address {
        ListenAddress::Tcp(address) => !address.ip().is_loopback(),
        ListenAddress::Unix(_) | ListenAddress::Passed(_) => false,
    }
}

/// Whether requests to `server` would come back in at `address`.
pub(super) fn leads_back(server: &Server, address: &ListenAddress) -> bool {
    match (server, address) {
        (Server::Unix(socket), ListenAddress::Unix(own)) => socket == own,
        (Server::Tcp { host, port }, ListenAddress::Tcp(own)) => {
            *port == own.port() && own.port() != 0 && is_host_of(host, own.ip())
        }
        _ => false,
    }
}

fn is_host_of(host: &str, own: IpAddr) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip == own || (own.is_unspecified() && (ip.is_loopback() || ip.is_unspecified())),
        Err(_) => host == "localhost" && (own.is_unspecified() || own.is_loopback()),
    }
}

/// How a server of an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Plain,
    Tls,
}

/// Reads `http://HOST:PORT`, `https://HOST:PORT` or `unix:/path`.
pub(super) fn server(
    text: &str,
    inputs: &Inputs,
    path: &KeyPath,
    report: &mut Report,
) -> Option<(Server, Transport)> {
    if let Some(socket) = text.strip_prefix("unix:") {
        return Some((
            Server::Unix(socket_path(text, socket, inputs, path, report)?),
            Transport::Plain,
        ));
    }
    let (transport, default_port, rest) = match text.split_once("://") {
        Some(("http", rest)) => (Transport::Plain, 80, rest),
        Some(("https", rest)) => (Transport::Tls, 443, rest),
        _ => {
            report.refuse(path, format!("`{text}` is no upstream server"), remedy_for_server(text));
            return None;
        }
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let Some(parsed) = Authority::parse(authority).filter(|parsed| parsed.port() != Some(0)) else {
        let (message, remedy) = explain_server(text, authority);
        report.refuse(path, message, remedy);
        return None;
    };
    let host = parsed.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    Some((Server::Tcp { host, port: parsed.port().unwrap_or(default_port) }, transport))
}

fn remedy_for_server(text: &str) -> String {
    match text.split_once("://") {
        Some((_, rest)) => {
            format!("write http://{rest} or https://{rest}; other protocols are not spoken")
        }
        None => format!("write http://{text} or https://{text}"),
    }
}

fn explain_server(text: &str, authority: &str) -> (String, String) {
    if authority.contains('@') {
        let message = String::from("the URL of a server has a user name or password in it");
        return (message, String::from("remove it: sidegate sends none"));
    }
    if let Some(end) = authority.find(['/', '?', '#']) {
        let scheme = text.split("://").next().unwrap_or_default();
        let message = format!("`{text}` has a path; requests keep the path that they came with");
        return (message, format!("write {scheme}://{}", &authority[..end]));
    }
    (
        format!("`{text}` has no host"),
        String::from("write a host and a port, such as http://127.0.0.1:3000"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Lines;

    fn listen_remedy(text: &str) -> Option<String> {
        let mut report = Report::new(Lines::default());
        let inputs = Inputs::new(Path::new("/etc"), |_| None);
        listen(text, &inputs, &KeyPath::root(), &mut report);
        report.into_parts().0.first().map(|p| p.remedy().to_owned())
    }

    fn read_server(text: &str) -> Result<(Server, Transport), (String, String)> {
        let mut report = Report::new(Lines::default());
        let inputs = Inputs::new(Path::new("/etc"), |_| None);
        let read = server(text, &inputs, &KeyPath::root(), &mut report);
        read.ok_or_else(|| {
            let problem = &report.into_parts().0[0];
            (problem.message().to_owned(), problem.remedy().to_owned())
        })
    }

    fn tcp(host: &str, port: u16) -> Server {
        Server::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn addresses_to_listen_on() {
        for text in ["127.0.0.1:8080", "[::]:443", "0.0.0.0:0", "unix:/run/x.sock", "unix:x.sock"] {
            assert_eq!(listen_remedy(text), None, "{text}");
        }
        assert_eq!(listen_remedy("systemd:sidegate.socket"), None);
        for text in ["systemd:", "systemd:a:b", "systemd:a b", "systemd:\u{e4}"] {
            assert!(listen_remedy(text).unwrap().starts_with("write systemd:web"), "{text}");
        }
        assert!(listen_remedy(":8080").unwrap().starts_with("write 127.0.0.1:8080"));
        assert!(listen_remedy("8080").unwrap().starts_with("write 127.0.0.1:8080"));
        assert_eq!(listen_remedy("http://127.0.0.1:80/").unwrap(), "write 127.0.0.1:80");
        assert_eq!(listen_remedy("localhost:80").unwrap(), "write 127.0.0.1:80");
        assert_eq!(listen_remedy("::1").unwrap(), "write [::1]:8080");
        assert_eq!(listen_remedy("10.0.0.1").unwrap(), "add a port: 10.0.0.1:8080");
        assert!(
            listen_remedy("example.com:80").unwrap().starts_with("write an IP address and a port")
        );
        assert!(listen_remedy("unix:").is_some());
        assert!(listen_remedy(&format!("unix:/{}", "a".repeat(107))).is_some());
    }

    #[test]
    fn servers_of_upstreams() {
        assert_eq!(
            read_server("http://127.0.0.1:3000"),
            Ok((tcp("127.0.0.1", 3000), Transport::Plain))
        );
        assert_eq!(
            read_server("http://App.internal/"),
            Ok((tcp("app.internal", 80), Transport::Plain))
        );
        assert_eq!(read_server("https://[::1]"), Ok((tcp("::1", 443), Transport::Tls)));
        assert_eq!(
            read_server("unix:/run/app.sock"),
            Ok((Server::Unix("/run/app.sock".into()), Transport::Plain))
        );
    }

    #[test]
    fn mistaken_servers_have_remedies() {
        let remedy = |text: &str| read_server(text).unwrap_err().1;
        assert_eq!(
            remedy("127.0.0.1:3000"),
            "write http://127.0.0.1:3000 or https://127.0.0.1:3000"
        );
        assert_eq!(remedy("http://app:3000/base"), "write http://app:3000");
        assert_eq!(remedy("http://u:p@app"), "remove it: sidegate sends none");
        assert!(remedy("h2c://app:1").starts_with("write http://app:1"));
        assert!(remedy("http://").starts_with("write a host and a port"));
        assert!(remedy("http://app:0").starts_with("write a host and a port"));
        let (message, _) = read_server("http://user:hunter2@app").unwrap_err();
        assert!(!message.contains("hunter2"));
    }

    #[test]
    fn listeners_overlap_where_one_could_take_the_others_connections() {
        let at = |text: &str| ListenAddress::Tcp(text.parse().unwrap());
        assert!(overlap(&at("127.0.0.1:80"), &at("127.0.0.1:80")));
        assert!(overlap(&at("0.0.0.0:80"), &at("127.0.0.1:80")));
        assert!(!overlap(&at("127.0.0.1:80"), &at("127.0.0.2:80")));
        assert!(!overlap(&at("127.0.0.1:0"), &at("127.0.0.1:0")));
        let passed = |name: &str| ListenAddress::Passed(name.to_owned());
        assert!(overlap(&passed("web"), &passed("web")));
        assert!(!overlap(&passed("web"), &passed("admin")));
    }

    #[test]
    fn a_server_that_is_our_own_listener_leads_back() {
        let own = ListenAddress::Tcp("0.0.0.0:8080".parse().unwrap());
        assert!(leads_back(&tcp("127.0.0.1", 8080), &own));
        assert!(leads_back(&tcp("localhost", 8080), &own));
        assert!(!leads_back(&tcp("127.0.0.1", 8081), &own));
        assert!(!leads_back(&tcp("10.0.0.7", 8080), &own));
    }
}
