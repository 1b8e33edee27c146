use super::*;

fn loopback() -> ListenAddress {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn port_zero_becomes_a_real_port() {
    let bound = loopback().bind().unwrap();
    let ListenAddress::Tcp(address) = bound.address() else { panic!("not tcp") };
    assert_ne!(address.port(), 0);
    assert!(std::net::TcpStream::connect(address).is_ok());
}

#[test]
fn an_address_in_use_is_named() {
    let bound = loopback().bind().unwrap();
    let error = bound.address().bind().unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with(&format!("{} is already in use", bound.address())), "{said}");
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let error = "192.0.2.1:0".parse::<ListenAddress>().unwrap().bind().unwrap_err();
    assert!(matches!(error, BindError::NotOurs { .. }), "{error}");
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gate.sock");
    let address = ListenAddress::Unix(path.clone());
    drop(UnixListener::bind(&path).unwrap());
    let bound = address.bind().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
    assert!(matches!(address.bind().unwrap_err(), BindError::InUse { .. }));
    drop(bound);
}

#[test]
fn a_file_in_the_way_of_a_socket_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gate.sock");
    fs::write(&path, "precious").unwrap();
    let error = ListenAddress::Unix(path.clone()).bind().unwrap_err();
    assert!(matches!(error, BindError::NotASocket { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn addresses_are_read_as_they_are_written() {
    for text in ["127.0.0.1:8080", "[::]:443", "unix:/run/sidegate/authz.sock", "systemd:web"] {
        assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
    }
    for text in ["8080", "localhost:80", "unix:relative", "unix:", "systemd:", ""] {
        assert!(text.parse::<ListenAddress>().is_err(), "{text}");
    }
}
