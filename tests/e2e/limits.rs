//! Bounds on what clients may send, hold and delay: at the configured figure, not far from it, and never for others.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep};

use crate::support::process::PATIENCE;
use crate::support::raw::{Request, get, request};
use crate::support::stage::{Front, OK, OPEN, Stage, answering};
use crate::support::wire::{Broken, Head, Wire};

/// What a listener without a name is called.
const LISTENER: &str = "127.0.0.1:0";

/// How much later than configured something may happen on a busy machine. Where nothing is configured it would take longer still.
const TOLERANCE: Duration = Duration::from_secs(5);

/// Sidegate before an upstream that answers everything with `ok`, with `limits` and an admin listener.
async fn front(limits: &str) -> Front {
    let stage = Stage::open().await;
    let url = stage.url.clone();
    answering(stage, OK);
    Front::start(&url, &format!("\nadmin: {{ address: '127.0.0.1:0' }}\n{limits}{OPEN}")).await
}

async fn answered(wire: &mut Wire) -> Head {
    let head = wire.head().await;
    wire.body(&head).await.unwrap();
    head
}

async fn status(front: &Front, asked: &Request) -> Option<u16> {
    let mut wire = front.connect().await;
    // Who refuses a request need not take all of it.
    let _ = wire.try_send(asked.bytes()).await;
    answered(&mut wire).await.status()
}

async fn refused(front: &Front, why: &str) -> u64 {
    front.count("sidegate_connections_refused_total", &[("listener", LISTENER), ("why", why)]).await
}

/// Asserts that `found` is `deadline`, or somewhat later.
fn about(found: Duration, deadline: Duration) {
    // A connection is a little older for sidegate than for its client, or the other way round.
    let earliest = deadline.saturating_sub(Duration::from_millis(20));
    assert!(
        found >= earliest && found <= deadline + TOLERANCE,
        "{found:?} instead of {deadline:?}"
    );
}

fn posted(length: usize) -> Vec<u8> {
    let head = request("POST", "/x").header("Content-Length", &length.to_string()).bytes();
    [head, vec![b'x'; length]].concat()
}

#[tokio::test]
async fn a_body_that_is_announced_too_long_is_refused_at_once() {
    let stage = Stage::open().await;
    let front = Front::start(&stage.url, &format!("\nlimits: {{ body: 1KiB }}{OPEN}")).await;
    let mut client = front.connect().await;
    client.send(request("POST", "/x").header("Content-Length", "1025").bytes()).await;
    assert_eq!(answered(&mut client).await.status(), Some(413));
    stage.is_alone();
    let mut client = front.connect().await;
    client.send(posted(1024)).await;
    let (mut upstream, asked) = stage.request().await;
    assert_eq!(upstream.body(&asked).await.unwrap().len(), 1024);
    upstream.send(OK).await;
    assert_eq!(answered(&mut client).await.status(), Some(200));
}

#[tokio::test]
async fn a_body_that_grows_too_long_is_refused_when_it_does() {
    let stage = Stage::open().await;
    let front = Front::start(&stage.url, &format!("\nlimits: {{ body: 1KiB }}{OPEN}")).await;
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let head = request("POST", "/x").header("Transfer-Encoding", "chunked").bytes();
    for chunks in [2, 3] {
        let mut client = front.connect().await;
        client.send(&head).await;
        for _ in 0..chunks {
            client.send(&chunk).await;
        }
        client.send("0\r\n\r\n").await;
        let (mut upstream, asked) = stage.request().await;
        if chunks == 2 {
            assert_eq!(upstream.body(&asked).await.unwrap().len(), 1024);
            upstream.send(OK).await;
            assert_eq!(answered(&mut client).await.status(), Some(200));
        } else {
            let Broken(arrived) = upstream.body(&asked).await.expect_err("too long a body");
            assert!(arrived.len() <= 1024, "{}", arrived.len());
            assert_eq!(answered(&mut client).await.status(), Some(413));
        }
    }
}

#[tokio::test]
async fn headers_are_bounded_by_the_configured_figures() {
    let limits = "limits: { header_bytes: 2KiB, headers: 10, target_bytes: 1KiB, cookie_bytes: 1KiB, token_bytes: 1KiB }";
    let front = front(limits).await;
    // Each field counts with its name and four bytes; there is a Host of 16 bytes.
    let long = |bytes| get("/x").header("X-Long", &"a".repeat(bytes));
    let fields =
        |count| (0..count).fold(get("/x"), |asked, n| asked.header(&format!("X-{n}"), "1"));
    let cookies = |bytes| get("/x").header("Cookie", &"a".repeat(bytes));
    let target = |bytes: usize| get(&format!("/{}", "a".repeat(bytes - 1)));
    let pairs = [
        ("header_bytes", long(2048 - 16 - 10), long(2048 - 16 - 9)),
        ("headers", fields(9), fields(10)),
        ("cookie_bytes", cookies(1024), cookies(1025)),
        ("target_bytes", target(1024), target(1025)),
    ];
    for (limit, fits, exceeds) in pairs {
        assert_eq!(status(&front, &fits).await, Some(200), "{limit}");
        assert_eq!(status(&front, &exceeds).await, Some(431), "{limit}");
    }
}

/// Slowloris: each byte is in time, the whole header is not.
#[tokio::test]
async fn a_header_that_trickles_in_is_cut_at_its_deadline() {
    // Its thousand bytes take 25 s.
    let front = front("timeouts: { header: 400ms, idle: 60s }").await;
    for first in [true, false] {
        let mut client = front.connect().await;
        if !first {
            client.send(get("/x").bytes()).await;
            answered(&mut client).await;
        }
        let since = Instant::now();
        for byte in get("/x").header("X-Long", &"a".repeat(1_000)).bytes() {
            if client.try_send([byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(25)).await;
        }
        about(since.elapsed(), Duration::from_millis(400));
        client.ended().await;
        assert_eq!(refused(&front, "header_deadline").await, if first { 1 } else { 2 });
        assert_eq!(status(&front, &get("/x")).await, Some(200));
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_when_its_time_is_over() {
    let front = front("timeouts: { header: 200ms, idle: 500ms }").await;
    let since = Instant::now();
    let mut silent = front.connect().await;
    silent.ended().await;
    about(since.elapsed(), Duration::from_millis(500));
    assert_eq!(refused(&front, "first_byte_deadline").await, 1);
    let since = Instant::now();
    let mut client = front.send(&get("/x")).await;
    answered(&mut client).await;
    client.ended().await;
    about(since.elapsed(), Duration::from_millis(500));
    assert_eq!(
        refused(&front, "first_byte_deadline").await,
        1,
        "a rest between requests is no refusal"
    );
}

/// Deadlines are for clients that dawdle, not for apps that think.
#[tokio::test]
async fn no_deadline_of_a_client_cuts_an_exchange_in_progress() {
    let stage = Stage::open().await;
    let times = "\ntimeouts: { header: 200ms, idle: 200ms, body: 200ms }";
    let front = Front::start(&stage.url, &format!("{times}{OPEN}")).await;
    let mut client = front.send(&get("/x")).await;
    let (mut upstream, _) = stage.request().await;
    sleep(Duration::from_millis(700)).await;
    upstream.send(OK).await;
    assert_eq!(answered(&mut client).await.status(), Some(200));
}

#[tokio::test]
async fn a_body_that_stops_coming_ends_the_exchange() {
    let stage = Stage::open().await;
    let silence = Duration::from_secs(2);
    let front = Front::start(&stage.url, &format!("\ntimeouts: {{ body: 2s }}{OPEN}")).await;
    let mut client = front.send(&request("POST", "/x").header("Content-Length", "10")).await;
    let (mut upstream, asked) = stage.request().await;
    let mut since = Instant::now();
    // Slow is no harm as long as something comes: these take longer in all.
    for _ in 0..5 {
        sleep(Duration::from_millis(500)).await;
        since = Instant::now();
        client.send("x").await;
    }
    upstream.body(&asked).await.expect_err("an incomplete body");
    about(since.elapsed(), silence);
    let _ = client.rest().await;
    about(since.elapsed(), silence);
}

/// A client that asks for much and reads nothing holds an upstream's connection no longer than it may.
#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_given_up() {
    let stage = Stage::open().await;
    let front = Front::start(&stage.url, &format!("\ntimeouts: {{ body: 400ms }}{OPEN}")).await;
    let _client = front.send(&get("/x")).await;
    let (mut upstream, _) = stage.request().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
    let piece = vec![b'x'; 64 * 1024];
    let mut last = Instant::now();
    while upstream.try_send(&piece).await.is_ok() {
        last = Instant::now();
    }
    let waited = last.elapsed();
    assert!(waited <= Duration::from_millis(400) + TOLERANCE, "{waited:?}");
}

#[tokio::test]
async fn connections_beyond_the_cap_are_closed_and_a_place_is_free_again() {
    for limits in [
        "limits: { connections: 2 }",
        "listeners: [{ name: web, address: '127.0.0.1:0', max_connections: 2 }]",
    ] {
        let front = front(limits).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut client = front.send(&get("/x")).await;
            assert_eq!(answered(&mut client).await.status(), Some(200));
            held.push(client);
        }
        front.connect().await.ended().await;
        // Those that are in go on.
        held[0].send(get("/x").bytes()).await;
        assert_eq!(answered(&mut held[0]).await.status(), Some(200));
        held.pop();
        admitted(&front, "127.0.0.1").await;
    }
}

/// Waits until a new connection from `source` is served: that a place is free is noticed a moment after a client leaves.
async fn admitted(front: &Front, source: &str) {
    let since = Instant::now();
    while asks_from(front, source).await.is_none() {
        assert!(since.elapsed() < PATIENCE, "no place for {source}");
    }
}

/// The connection from `source` on which a request was answered; none if it was closed instead.
async fn asks_from(front: &Front, source: &str) -> Option<Wire> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
    let mut wire = Wire::over(socket.connect(front.address).await.unwrap());
    let _ = wire.try_send(get("/x").bytes()).await;
    let head = wire.next_head().await?;
    wire.body(&head).await.unwrap();
    Some(wire)
}

#[tokio::test]
async fn one_address_cannot_take_the_places_of_another() {
    let front = front("limits: { connections_per_ip: 2 }").await;
    let held = [asks_from(&front, "127.0.0.2").await, asks_from(&front, "127.0.0.2").await];
    assert!(held.iter().all(Option::is_some));
    assert!(asks_from(&front, "127.0.0.2").await.is_none());
    assert!(asks_from(&front, "127.0.0.3").await.is_some());
    assert_eq!(refused(&front, "cap").await, 1);
    drop(held);
    admitted(&front, "127.0.0.2").await;
}

#[tokio::test]
async fn a_connection_carries_as_many_requests_as_it_may() {
    let front = front("limits: { keepalive_requests: 3 }").await;
    let mut client = front.connect().await;
    for number in 1..=3 {
        client.send(get("/x").bytes()).await;
        let head = answered(&mut client).await;
        let closes =
            head.values("connection").iter().any(|value| value.eq_ignore_ascii_case("close"));
        assert_eq!((head.status(), closes), (Some(200), number == 3), "request {number}");
    }
    client.ended().await;
}

/// What a request needs shows only once it was read; where that is pingora's proxy, it reads it again. The first one finds no
/// connection to the app, the second and the last go on from hop to hop, the third one goes the short way.
#[tokio::test]
async fn a_request_that_is_read_twice_counts_once() {
    let front = front("limits: { keepalive_requests: 4 }").await;
    let mut client = front.connect().await;
    for number in 1..=4 {
        let asked = if number % 2 == 0 { get("/x").header("TE", "trailers") } else { get("/x") };
        client.send(asked.bytes()).await;
        let head = answered(&mut client).await;
        let closes =
            head.values("connection").iter().any(|value| value.eq_ignore_ascii_case("close"));
        assert_eq!((head.status(), closes), (Some(200), number == 4), "request {number}");
    }
    client.ended().await;
    let labels = [("door", "proxy"), ("outcome", "allow")];
    assert_eq!(front.count("sidegate_decisions_total", &labels).await, 4);
    assert_eq!(front.count("sidegate_request_duration_seconds_count", &labels).await, 4);
}

/// pingora answers these itself, before there is a request to judge or to log.
#[tokio::test]
async fn what_cannot_be_read_as_a_request_is_counted() {
    let front = front("").await;
    let unreadable = [
        "nonsense\r\n\r\n",
        "GET /x HTTP/1.1\r\nno field\r\n\r\n",
        "CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n",
    ];
    for (before, bytes) in (0..).zip(unreadable) {
        assert_eq!(refused(&front, "unreadable").await, before);
        let mut client = front.connect().await;
        client.send(bytes).await;
        assert!((400..500).contains(&answered(&mut client).await.status().unwrap()), "{bytes}");
        client.ended().await;
    }
    assert_eq!(status(&front, &get("/x")).await, Some(200));
    assert_eq!(status(&front, &request("TRACE", "/x")).await, Some(405));
    assert_eq!(
        refused(&front, "unreadable").await,
        3,
        "what is refused by us is logged and counted as a decision"
    );
}

/// Many who dawdle do not delay one who does not.
#[tokio::test]
async fn others_are_served_while_many_connections_dawdle() {
    let front = front("timeouts: { header: 20s }").await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut wire = front.connect().await;
        wire.send("GET /x HTTP/1.1\r\nHost: app.te").await;
        slow.push(wire);
    }
    for _ in 0..20 {
        assert_eq!(status(&front, &get("/x")).await, Some(200));
    }
    // And those are served, too, once they go on.
    for wire in &mut slow {
        wire.send("st\r\n\r\n").await;
        assert_eq!(answered(wire).await.status(), Some(200));
    }
}
