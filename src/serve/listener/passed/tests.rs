use super::*;
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};

fn passed(sockets: impl IntoIterator<Item = (&'static str, OwnedFd)>) -> PassedSockets {
    let named = |(name, socket): (&str, OwnedFd)| (name.to_owned(), Socket::from(socket));
    PassedSockets { sockets: sockets.into_iter().map(named).collect() }
}

fn tcp() -> OwnedFd {
    TcpListener::bind("127.0.0.1:0").unwrap().into()
}

fn refusal(mut passed: PassedSockets, name: &str) -> String {
    passed.take(name).unwrap_err().to_string()
}

#[test]
fn sockets_are_taken_by_name_and_keep_their_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.sock");
    let unix = OwnedFd::from(UnixListener::bind(&path).unwrap());
    let mut passed = passed([("web", tcp()), ("local", unix), ("spare", tcp())]);
    let web = passed.take("web").unwrap();
    let ListenAddress::Tcp(address) = *web.address() else { panic!("not tcp") };
    assert!(TcpStream::connect(address).is_ok());
    let local = passed.take("local").unwrap();
    assert_eq!(*local.address(), ListenAddress::Unix(path.clone()));
    assert!(UnixStream::connect(path).is_ok());
    assert_eq!(passed.names(), ["spare"]);
}

#[test]
fn a_socket_outside_the_file_system_keeps_its_name() {
    let name = format!("sidegate-passed-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = OwnedFd::from(UnixListener::bind_addr(&address).unwrap());
    let taken = passed([("web", socket)]).take("web").unwrap();
    assert_eq!(taken.address().to_string(), format!("unix:@{name}"));
}

#[test]
fn a_name_that_is_not_there_is_told_with_those_that_are() {
    let message = refusal(passed([("web", tcp()), ("admin", tcp())]), "wed");
    assert_eq!(
        message,
        "systemd passes no socket called `wed`; write one of systemd:web, systemd:admin, or set FileDescriptorName= in the socket unit"
    );
    let message = refusal(passed([]), "web");
    assert!(message.contains("started without any"), "{message}");
}

#[test]
fn two_of_a_name_are_none() {
    let message = refusal(passed([("web", tcp()), ("web", tcp())]), "web");
    assert!(message.starts_with("systemd passes 2 sockets called `web`"), "{message}");
}

#[test]
fn what_does_not_accept_streams_is_refused() {
    let datagrams = OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = OwnedFd::from(TcpStream::connect(listening.local_addr().unwrap()).unwrap());
    for socket in [datagrams, connected] {
        let message = refusal(passed([("web", socket)]), "web");
        assert!(message.contains("not one that accepts streams"), "{message}");
    }
    let file = OwnedFd::from(tempfile::tempfile().unwrap());
    let message = refusal(passed([("web", file)]), "web");
    assert!(message.contains("cannot use the socket `web`"), "{message}");
}

/// Without a service manager nothing is inherited, and an address of this kind says so.
#[test]
fn nothing_is_passed_to_a_test() {
    assert_eq!(PassedSockets::inherit().unwrap().names(), Vec::<String>::new());
    let error = ListenAddress::Passed("web".to_owned()).bind().unwrap_err();
    assert!(error.to_string().contains("no socket called `web`"), "{error}");
}
