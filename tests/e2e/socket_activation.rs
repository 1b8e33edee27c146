//! Sockets that the service manager passes: taken by name, kept over restarts, and what is said where they do not fit.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::support::manager::Manager;
use crate::support::metrics::eventually;
use crate::support::process::Program;
use crate::support::raw::{Connection, get};
use crate::support::upstream::Upstream;

const CLIENTS: usize = 4;

/// Everybody passes.
fn configuration(listen: &str, upstream: &Upstream) -> String {
    format!(
        "listen: {listen}\nadmin: none\nupstream: {}\nroutes: [{{ access: public }}]\n",
        upstream.url()
    )
}

fn loopback() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Ends the service, as systemd does before it starts it again.
async fn stop(mut service: Program) {
    service.signal("TERM").await;
    assert!(service.ended().await.success(), "{}", service.output());
}

/// What a service says that does not start, and its exit code.
async fn refused(manager: &Manager) -> (Option<i32>, String) {
    let mut service = manager.start();
    let code = service.ended().await.code();
    service.wait_for(|line| line.starts_with("sidegate:").then_some(())).await;
    (code, service.output())
}

#[tokio::test]
async fn requests_come_in_at_a_passed_socket() {
    let upstream = Upstream::start().await;
    let (socket, address) = loopback();
    let manager = Manager::new(socket, "web", &configuration("systemd:web", &upstream));
    let service = manager.start();
    assert_eq!(get("/").send(address).await.status, 200);
    let told = format!("\"address\":\"{address}\"");
    service
        .wait_for(|line| (line.contains("\"listening\"") && line.contains(&told)).then_some(()))
        .await;
    stop(service).await;
}

/// Its file is the service manager's, and stays.
#[tokio::test]
async fn a_passed_unix_socket_outlives_the_process() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let manager = Manager::new(socket, "web", &configuration("systemd:web", &upstream));
    for _ in 0..2 {
        let service = manager.start();
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        stop(service).await;
    }
}

/// Who connects while nobody runs waits, and is served by the next process.
#[tokio::test]
async fn connections_wait_in_the_queue_of_a_socket_whose_process_is_gone() {
    let upstream = Upstream::start().await;
    let (socket, address) = loopback();
    let manager = Manager::new(socket, "web", &configuration("systemd:web", &upstream));
    let service = manager.start();
    assert_eq!(get("/").send(address).await.status, 200);
    stop(service).await;
    let mut early = Connection::open(address).await;
    early.send(&get("/early").bytes()).await;
    let service = manager.start();
    assert_eq!(early.answer().await.unwrap().status, 200);
    stop(service).await;
}

/// Each request comes on a connection of its own, before, while and after the service is started again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_is_lost_over_a_restart() {
    let upstream = Upstream::start().await;
    let (socket, address) = loopback();
    let manager = Manager::new(socket, "web", &configuration("systemd:web", &upstream));
    let mut service = manager.start();
    let (done, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (done, answered) = (Arc::clone(&done), Arc::clone(&answered));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(get("/").send(address).await.status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for _ in 0..3 {
        let before = answered.load(Ordering::Relaxed);
        eventually(async || answered.load(Ordering::Relaxed) > before + CLIENTS).await;
        stop(service).await;
        service = manager.start();
    }
    let before = answered.load(Ordering::Relaxed);
    eventually(async || answered.load(Ordering::Relaxed) > before + CLIENTS).await;
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_is_told_how_it_goes() {
    let upstream = Upstream::start().await;
    let (socket, address) = loopback();
    let good = configuration("systemd:web", &upstream);
    let manager = Manager::new(socket, "web", &good);
    let notice = || tokio::task::block_in_place(|| manager.notice());
    let mut service = manager.start();
    assert_eq!(notice(), "READY=1");
    assert_eq!(get("/").send(address).await.status, 200);
    std::fs::write(manager.directory.path().join("config.yaml"), "listen: [").unwrap();
    assert_eq!((notice(), notice()), ("RELOADING=1".to_owned(), "READY=1".to_owned()));
    service.signal("TERM").await;
    loop {
        // A file that is written in two steps may be read twice.
        let told = notice();
        if told == "STOPPING=1" {
            break;
        }
        assert!(["RELOADING=1", "READY=1"].contains(&told.as_str()), "{told}");
    }
    assert!(service.ended().await.success());
}

#[tokio::test]
async fn a_socket_of_another_name_is_refused_by_name() {
    let upstream = Upstream::start().await;
    let manager = Manager::new(loopback().0, "web", &configuration("systemd:wed", &upstream));
    let (code, said) = refused(&manager).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("no socket called `wed`; write one of systemd:web"), "{said}");
}

#[tokio::test]
async fn a_socket_that_does_not_accept_is_refused() {
    let upstream = Upstream::start().await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let manager = Manager::new(socket, "web", &configuration("systemd:web", &upstream));
    let (code, said) = refused(&manager).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("not one that accepts streams"), "{said}");
}

#[tokio::test]
async fn a_socket_that_nobody_takes_is_told() {
    let upstream = Upstream::start().await;
    let (socket, address) = loopback();
    let manager = Manager::new(socket, "web:spare", &configuration("systemd:web", &upstream));
    let service = manager.start();
    assert_eq!(get("/").send(address).await.status, 200);
    let warned = |line: &str| {
        (line.contains("a socket that no listener takes") && line.contains("\"spare\""))
            .then_some(())
    };
    service.wait_for(warned).await;
    stop(service).await;
}
