//! The end: who is waited for, how long, and what cuts it short.

use std::net::SocketAddr;

use reqwest::{Response, StatusCode};
use tokio::net::TcpStream;

use crate::support::held::{HALVES, Held};
use crate::support::http::{client, json};
use crate::support::key_server::KeyServer;
use crate::support::metrics::eventually;
use crate::support::process::Sidegate;
use crate::support::raw::Connection;
use crate::support::upstream::Upstream;

/// Longer than any test waits for anything: what ends although this is configured does not wait for it.
const FOREVER: &str = "1h";

fn configuration(upstream: &str, drain: &str) -> String {
    format!(
        "listen: 127.0.0.1:0\nadmin: {{ address: 127.0.0.1:0 }}\nupstream: {upstream}\n\
         timeouts: {{ drain: {drain}, idle: 1h, header: 1h }}\nroutes: [{{ access: public }}]\n"
    )
}

async fn begin(app: SocketAddr) -> Response {
    let mut answer = client().get(format!("http://{app}/download")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.chunk().await.unwrap().unwrap(), HALVES[0]);
    answer
}

async fn stopping(sidegate: &Sidegate) {
    sidegate.program.wait_for(|line| line.contains("\"stopping: waiting").then_some(())).await;
}

#[tokio::test]
async fn running_downloads_are_waited_for_and_nothing_else() {
    let upstream = Held::start().await;
    let mut sidegate = Sidegate::run(&configuration(&upstream.url(), FOREVER));
    let (app, admin) = (sidegate.address().await, sidegate.listener("admin").await);
    let mut downloads = Vec::new();
    for _ in 0..4 {
        downloads.push(begin(app).await);
    }
    let mut idle = Connection::open(app).await;
    sidegate.program.signal("TERM").await;
    stopping(&sidegate).await;
    eventually(async || TcpStream::connect(app).await.is_err()).await;
    assert_eq!(idle.rest().await, b"", "an idle connection is let go");
    // Whoever looks on sees that it lives, and why it gets no more requests.
    let ready = client().get(format!("http://{admin}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(json(ready).await["missing"]["server"], "stopping");
    let live = client().get(format!("http://{admin}/livez")).send().await.unwrap();
    assert_eq!(live.status(), StatusCode::OK);
    // A reload is of no use any more, but does no harm.
    sidegate.program.signal("HUP").await;
    upstream.release(3);
    let last = downloads.pop().unwrap();
    for download in downloads {
        assert_eq!(download.bytes().await.unwrap(), HALVES[1]);
    }
    assert!(!sidegate.program.output().contains("\"stopped\""), "one is still running");
    upstream.release(1);
    assert_eq!(last.bytes().await.unwrap(), HALVES[1]);
    assert!(sidegate.program.ended().await.success());
    assert!(sidegate.program.output().contains("\"stopped\""));
}

#[tokio::test]
async fn without_requests_it_ends_at_once_whatever_connections_there_are() {
    for signal in ["TERM", "INT"] {
        let upstream = Upstream::start().await;
        let mut sidegate = Sidegate::run(&configuration(&upstream.url(), FOREVER));
        let (app, admin) = (sidegate.address().await, sidegate.listener("admin").await);
        let (silent, watching) = (Connection::open(app).await, Connection::open(admin).await);
        let kept = client();
        assert_eq!(kept.get(format!("http://{app}/")).send().await.unwrap().status(), 200);
        sidegate.program.signal(signal).await;
        assert!(sidegate.program.ended().await.success(), "{signal}");
        drop((silent, watching, kept));
    }
}

/// A client that sees its body cut must be able to tell.
#[tokio::test]
async fn the_deadline_cuts_what_still_runs() {
    let upstream = Held::start().await;
    let mut sidegate = Sidegate::run(&configuration(&upstream.url(), "1s"));
    let download = begin(sidegate.address().await).await;
    sidegate.program.signal("TERM").await;
    assert!(sidegate.program.ended().await.success());
    assert!(download.bytes().await.is_err(), "half a body must not pass for a whole one");
    let output = sidegate.program.output();
    assert!(output.contains("deadline passed with requests still running"), "{output}");
}

#[tokio::test]
async fn a_second_signal_cuts_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let upstream = Held::start().await;
        let mut sidegate = Sidegate::run(&configuration(&upstream.url(), FOREVER));
        let download = begin(sidegate.address().await).await;
        sidegate.program.signal(first).await;
        stopping(&sidegate).await;
        sidegate.program.signal(second).await;
        assert!(sidegate.program.ended().await.success(), "{first} {second}");
        assert!(download.bytes().await.is_err(), "{first} {second}");
        assert!(sidegate.program.output().contains("told to stop again"));
    }
}

/// Nobody waits for keys either.
#[tokio::test]
async fn it_ends_while_its_provider_hangs() {
    let server = KeyServer::start().await;
    server.answer("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{");
    let mut sidegate = Sidegate::run(&format!(
        "listen: 127.0.0.1:0\nadmin: none\nupstream: http://127.0.0.1:9\n{}  key_refresh: {{ timeout: 60s }}\ntimeouts: {{ drain: 1h }}\n",
        server.provider()
    ));
    sidegate.address().await;
    eventually(async || server.fetches() == 1).await;
    sidegate.program.signal("TERM").await;
    assert!(sidegate.program.ended().await.success());
}
