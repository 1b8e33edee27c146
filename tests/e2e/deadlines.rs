//! How long an upstream may take: to be connected to, to answer, to go on, and in all. At the configured figure, not later.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::support::raw::get;
use crate::support::stage::{Front, OPEN, Stage};

/// How much later than configured something may happen: for a busy machine.
const TOLERANCE: Duration = Duration::from_millis(500);

/// How often a figure is measured before it counts as wrong: others keep the machine busy, too.
const MEASUREMENTS: usize = 3;

/// An upstream of one server with `more` keys.
fn upstream(server: &str, more: &str) -> String {
    format!("{{ servers: '{server}', {more} }}")
}

/// A connection that did not come about for so long finds no place in the queue.
const FULL: Duration = Duration::from_secs(2);

/// An address that takes no connection and refuses none: its queue is full.
struct Deaf {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Deaf {
    async fn open() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = tokio::time::timeout(FULL, TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
        }
        Self { address, _listener: listener, _waiting: waiting }
    }
}

/// Asserts that a 504 comes when `deadline` is over, neither earlier nor much later. A process that the machine kept waiting meanwhile
/// may have no time left to say it.
async fn times_out(front: &Front, deadline: Duration) {
    let mut fastest = Duration::MAX;
    for _ in 0..MEASUREMENTS {
        let mut wire = front.connect().await;
        let since = Instant::now();
        wire.send(get("/x").bytes()).await;
        let Some(head) = wire.next_head().await else { continue };
        assert_eq!(head.status(), Some(504));
        fastest = fastest.min(since.elapsed());
        assert!(fastest >= deadline, "{fastest:?} instead of {deadline:?}");
        if fastest <= deadline + TOLERANCE {
            return;
        }
    }
    panic!("{fastest:?} instead of {deadline:?}");
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_is_given_up_in_time() {
    let deaf = Deaf::open().await;
    let url = format!("http://{}", deaf.address);
    let front =
        Front::start(&upstream(&url, "retries: 0, timeouts: { connect: 300ms }"), OPEN).await;
    times_out(&front, Duration::from_millis(300)).await;
}

#[tokio::test]
async fn a_silent_upstream_is_given_up_in_time() {
    let stage = Stage::open().await;
    let front = Front::start(&upstream(&stage.url, "timeouts: { read: 400ms }"), OPEN).await;
    times_out(&front, Duration::from_millis(400)).await;
}

fn whole(deadline: &str) -> String {
    format!(
        "\nroutes: [{{ name: all, match: {{ paths: '/*' }}, access: public, timeouts: {{ request: {deadline} }} }}]\n"
    )
}

#[tokio::test]
async fn a_whole_exchange_is_given_up_in_time_whatever_it_waits_for() {
    let (deadline, written) = (Duration::from_millis(600), whole("600ms"));
    let stage = Stage::open().await;
    let front = Front::start(&stage.url, &written).await;
    times_out(&front, deadline).await;
    let deaf = Deaf::open().await;
    let front = Front::start(&format!("http://{}", deaf.address), &written).await;
    times_out(&front, deadline).await;
}

/// The answer has begun, so all that can be done is to break it off.
#[tokio::test]
async fn an_answer_that_takes_too_long_in_all_is_broken_off() {
    let deadline = Duration::from_secs(1);
    for pause in [50, 850] {
        let mut fastest = Duration::MAX;
        for _ in 0..MEASUREMENTS {
            fastest = fastest.min(broken_off(&whole("1s"), Duration::from_millis(pause)).await);
            assert!(fastest >= deadline, "{fastest:?} at {pause} ms");
            if fastest <= deadline + TOLERANCE {
                break;
            }
        }
        assert!(fastest <= deadline + TOLERANCE, "{fastest:?} at {pause} ms");
    }
}

/// How long until an answer is broken off whose bytes come one by one, each after `pause`.
async fn broken_off(written: &str, pause: Duration) -> Duration {
    let stage = Stage::open().await;
    let front = Front::start(&stage.url, written).await;
    let mut client = front.connect().await;
    let since = Instant::now();
    client.send(get("/x").bytes()).await;
    let (mut upstream, _) = stage.request().await;
    let dripping = tokio::spawn(async move {
        let mut next = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
        while upstream.try_send(next).await.is_ok() {
            tokio::time::sleep(pause).await;
            next = "x";
        }
    });
    let head = client.head().await;
    client.body(&head).await.expect_err("an answer that is not complete");
    dripping.abort();
    since.elapsed()
}

#[tokio::test]
async fn an_answer_that_takes_long_but_never_pauses_long_is_complete() {
    let stage = Stage::open().await;
    let front = Front::start(&upstream(&stage.url, "timeouts: { read: 2s }"), OPEN).await;
    let mut client = front.send(&get("/x")).await;
    let (mut upstream, _) = stage.request().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n").await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        upstream.send("x").await;
    }
    assert_eq!(client.answer().await.1, "xxxxxxxx");
}
