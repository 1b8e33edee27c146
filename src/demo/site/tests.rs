//! The server over real sockets.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::*;

/// Answers with the method and the size of the body; `/ticks` streams.
struct Sample;

impl Site for Sample {
    fn answer(&self, request: &Request) -> Answer {
        if request.uri().path() == "/ticks" {
            return Answer::Ticks;
        }
        let text = format!("{} {}", request.method(), request.body().len());
        Answer::Whole(Response::new(text.into_bytes()))
    }
}

fn start() -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(serve(Sample, listener, stopped));
    (address, stop)
}

/// Sends `request` and reads until `end` has come, or the connection is closed.
async fn ask(stream: &mut TcpStream, request: &str, end: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut answer, mut chunk) = (String::new(), [0; 1024]);
    while !answer.contains(end) {
        let read = stream.read(&mut chunk).await.unwrap();
        if read == 0 {
            break;
        }
        answer.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
    }
    answer
}

#[tokio::test]
async fn one_connection_carries_several_requests() {
    let (address, _stop) = start();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let posted =
        ask(&mut stream, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "POST 3")
            .await;
    assert!(posted.starts_with("HTTP/1.1 200 OK\r\n"), "{posted}");
    let head = ask(&mut stream, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n").await;
    assert!(
        head.ends_with("\r\n\r\n") && head.to_lowercase().contains("content-length: 6"),
        "{head}"
    );
    assert!(
        ask(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET 0").await.ends_with("GET 0")
    );
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused() {
    let (address, _stop) = start();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", MAX_BODY_BYTES + 1);
    let answer = ask(&mut stream, &(head + &"a".repeat(MAX_BODY_BYTES + 1)), "16 KiB").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn ticks_come_at_once_and_end_with_the_service() {
    let (address, stop) = start();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = ask(&mut stream, "GET /ticks HTTP/1.1\r\nHost: x\r\n\r\n", "data: tick 1").await;
    assert!(answer.contains("text/event-stream"), "{answer}");
    stop.send(true).unwrap();
    assert!(!ask(&mut stream, "", "never").await.contains("tick 9"));
}
