//! Bodies pass as they come: piece by piece in both directions, in bounded memory, and a broken one stays broken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};

use crate::support::raw::{get, request};
use crate::support::stage::{Front, OK, OPEN, Stage};
use crate::support::wire::{Broken, Head, Wire, patiently};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const EVENTS: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
/// Large enough to fill every buffer on the way several times.
const LARGE: usize = 50 * 1024 * 1024;

/// What sidegate may hold of large bodies: far less than one of them.
const HELD_KIB: u64 = 16 * 1024;

/// A client, sidegate, and an upstream that the request has reached.
struct Line {
    front: Front,
    stage: Stage,
    client: Wire,
    upstream: Wire,
    asked: Head,
}

impl Line {
    async fn open(stage: Stage, request: &[u8]) -> Self {
        let front = Front::start(&stage.url, OPEN).await;
        let mut client = front.connect().await;
        client.send(request).await;
        let (upstream, asked) = stage.request().await;
        Self { front, stage, client, upstream, asked }
    }

    async fn get() -> Self {
        Self::open(Stage::open().await, &get("/x").bytes()).await
    }

    async fn post(framing: (&str, &str)) -> Self {
        let posted = request("POST", "/x").header(framing.0, framing.1);
        Self::open(Stage::open().await, &posted.bytes()).await
    }
}

fn chunk(bytes: &str) -> String {
    format!("{:x}\r\n{bytes}\r\n", bytes.len())
}

#[tokio::test]
async fn the_first_piece_of_an_upload_arrives_before_the_last_is_sent() {
    let mut line = Line::post(("Content-Length", "10")).await;
    line.client.send("first").await;
    assert_eq!(line.upstream.exactly(5).await, b"first");
    line.client.send(" last").await;
    assert_eq!(line.upstream.exactly(5).await, b" last");
    line.upstream.send(OK).await;
    assert_eq!(line.client.head().await.status(), Some(200));
    let mut line = Line::post(("Transfer-Encoding", "chunked")).await;
    for piece in ["first", "second"] {
        line.client.send(chunk(piece)).await;
        assert_eq!(line.upstream.chunk().await.unwrap(), piece.as_bytes());
    }
    line.client.send("0\r\n\r\n").await;
    assert_eq!(line.upstream.chunk().await.unwrap(), b"");
    line.upstream.send(OK).await;
    assert_eq!(line.client.head().await.status(), Some(200));
}

#[tokio::test]
async fn the_first_piece_of_an_answer_arrives_before_the_last_is_sent() {
    let mut line = Line::get().await;
    line.upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").await;
    let head = line.client.head().await;
    assert_eq!(head.value("content-length"), Some("10"));
    for piece in ["first", " last"] {
        line.upstream.send(piece).await;
        assert_eq!(line.client.exactly(5).await, piece.as_bytes());
    }
    // An answer without a length ends where the upstream's connection does.
    let mut line = Line::get().await;
    line.upstream.send("HTTP/1.1 200 OK\r\n\r\nfirst").await;
    let head = line.client.head().await;
    assert_eq!(head.values("content-length"), [""; 0]);
    assert_eq!(line.client.chunk().await.unwrap(), b"first");
    line.upstream.send(" last").await;
    drop(line.upstream);
    assert_eq!(line.client.body(&head).await.unwrap(), b" last");
}

#[tokio::test]
async fn events_arrive_one_by_one_as_they_happen() {
    let mut line = Line::get().await;
    line.upstream.send(EVENTS).await;
    let head = line.client.head().await;
    assert_eq!(head.value("content-type"), Some("text/event-stream"));
    for number in 0..20 {
        let event = format!("id: {number}\ndata: {{}}\n\n");
        line.upstream.send(chunk(&event)).await;
        assert_eq!(line.client.chunk().await.unwrap(), event.as_bytes());
    }
}

/// An app that is never told would write events into the void for ever.
#[tokio::test]
async fn an_upstream_learns_that_the_client_has_gone() {
    let mut line = Line::get().await;
    line.upstream.send(EVENTS).await;
    line.client.head().await;
    drop(line.client);
    line.upstream.ended().await;
}

#[tokio::test]
async fn an_answer_may_begin_before_the_request_has_ended() {
    let mut line = Line::post(("Transfer-Encoding", "chunked")).await;
    line.upstream.send(CHUNKED).await;
    let head = line.client.head().await;
    assert_eq!(head.status(), Some(200));
    for piece in ["one", "two"] {
        line.client.send(chunk(piece)).await;
        assert_eq!(line.upstream.chunk().await.unwrap(), piece.as_bytes());
        line.upstream.send(chunk(piece)).await;
        assert_eq!(line.client.chunk().await.unwrap(), piece.as_bytes());
    }
}

/// Bytes that no two positions of a body have in common, as long as it is shorter than 4 GiB.
fn pattern(from: usize, count: usize) -> Vec<u8> {
    let words = (from / 4..(from + count) / 4).map(|word| u32::try_from(word).unwrap());
    words.flat_map(u32::to_be_bytes).collect()
}

const PIECE: usize = 64 * 1024;

async fn send_pattern(mut to: impl tokio::io::AsyncWrite + Unpin) -> Vec<u8> {
    let mut digest = Context::new(&SHA256);
    for from in (0..LARGE).step_by(PIECE) {
        let piece = pattern(from, PIECE);
        digest.update(&piece);
        patiently(to.write_all(&piece)).await.unwrap();
    }
    to.flush().await.unwrap();
    digest.finish().as_ref().to_vec()
}

async fn receive_pattern(mut from: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let (mut digest, mut piece, mut left) = (Context::new(&SHA256), vec![0; PIECE], LARGE);
    while left > 0 {
        let count = patiently(from.read(&mut piece[..PIECE.min(left)])).await.unwrap();
        assert_ne!(count, 0, "{left} bytes are missing");
        digest.update(&piece[..count]);
        left -= count;
    }
    digest.finish().as_ref().to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_pass_whole_both_ways_in_little_memory() {
    let line = Line::post(("Content-Length", &LARGE.to_string())).await;
    assert_eq!(line.asked.value("content-length"), Some(LARGE.to_string().as_str()));
    let before = line.front.sidegate.program.peak_memory();
    let sending = tokio::spawn(async move {
        let mut stream = line.client.into_stream();
        let digest = send_pattern(&mut stream).await;
        (digest, stream)
    });
    let mut upstream = line.upstream.into_stream();
    let received = receive_pattern(&mut upstream).await;
    let (sent, client) = sending.await.unwrap();
    assert_eq!(received, sent);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
    upstream.write_all(head.as_bytes()).await.unwrap();
    let sending = tokio::spawn(async move { (send_pattern(&mut upstream).await, upstream) });
    let mut client = Wire::over(client);
    assert_eq!(client.head().await.value("content-length"), Some(LARGE.to_string().as_str()));
    assert_eq!(receive_pattern(client.into_stream()).await, sending.await.unwrap().0);
    let grown = line.front.sidegate.program.peak_memory() - before;
    assert!(grown < HELD_KIB, "{grown} KiB");
}

/// Whoever sends faster than the other side takes is made to wait, by either side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_side_that_takes_nothing_makes_the_other_one_wait() {
    for towards_client in [false, true] {
        let length = LARGE.to_string();
        let line = Line::post(("Content-Length", &length)).await;
        let before = line.front.sidegate.program.peak_memory();
        let (mut sender, mut receiver) = (line.client, line.upstream);
        if towards_client {
            receiver.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")).await;
            sender.head().await;
            std::mem::swap(&mut sender, &mut receiver);
        }
        let (_reading, writing) = split(sender.into_stream());
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let sending = tokio::spawn(async move {
            let mut writing = writing;
            let piece = vec![b'x'; PIECE];
            for _ in 0..LARGE / PIECE {
                writing.write_all(&piece).await.unwrap();
                counted.fetch_add(PIECE, Ordering::Relaxed);
            }
            writing
        });
        // It stands still once the buffers of two sockets are full: so it goes on only as bytes are taken.
        let mut last = usize::MAX;
        while last != sent.load(Ordering::Relaxed) {
            last = sent.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert!(last < LARGE / 2, "{last} bytes were taken, towards the client: {towards_client}");
        assert!(!sending.is_finished());
        let body = receiver.exactly(LARGE).await;
        assert!(body.iter().all(|byte| *byte == b'x'));
        sending.await.unwrap();
        let grown = line.front.sidegate.program.peak_memory() - before;
        assert!(grown < HELD_KIB, "{grown} KiB");
    }
}

/// What was cut off must not look complete: a client, or a cache, would keep half of it for the whole.
#[tokio::test]
async fn an_answer_that_breaks_off_is_never_complete() {
    let beginnings = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst".to_owned(), "first"),
        (format!("{CHUNKED}{}", chunk("first")), "first"),
        (format!("{CHUNKED}a\r\nfirst"), "first"),
        (CHUNKED.to_owned(), ""),
    ];
    for resets in [false, true] {
        let without_length = ("HTTP/1.1 200 OK\r\n\r\nfirst".to_owned(), "first");
        let more = resets.then_some(without_length);
        for (beginning, arrives) in beginnings.clone().into_iter().chain(more) {
            let stage = if resets { Stage::resetting().await } else { Stage::open().await };
            let mut line = Line::open(stage, &get("/x").bytes()).await;
            line.upstream.send(&beginning).await;
            let head = line.client.head().await;
            assert_eq!(head.status(), Some(200));
            let first = if head.value("transfer-encoding").is_some() && !arrives.is_empty() {
                line.client.chunk().await.unwrap()
            } else {
                line.client.exactly(arrives.len()).await
            };
            assert_eq!(first, arrives.as_bytes());
            drop(line.upstream);
            let rest = match head.value("content-length") {
                Some(_) => line.client.rest().await.unwrap_or_else(|Broken(rest)| rest),
                None => line.client.body(&head).await.expect_err(&beginning).0,
            };
            assert_eq!(rest, b"", "{beginning}");
            line.stage.is_alone();
        }
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_never_complete() {
    for (framing, beginning) in [
        (("Content-Length", "10"), "first".to_owned()),
        (("Transfer-Encoding", "chunked"), chunk("first")),
        (("Transfer-Encoding", "chunked"), "a\r\nfirst".to_owned()),
    ] {
        let mut line = Line::post(framing).await;
        line.client.send(&beginning).await;
        drop(line.client);
        let Broken(arrived) = line.upstream.body(&line.asked).await.expect_err(&beginning);
        assert!(b"first".starts_with(&arrived[..]), "{beginning}: {arrived:?}");
        line.stage.is_alone();
    }
}

/// A connection whose exchange went wrong is not used for another.
#[tokio::test]
async fn after_an_answer_that_breaks_off_the_next_request_has_a_connection_of_its_own() {
    let mut line = Line::get().await;
    line.upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await;
    line.client.head().await;
    drop(line.client);
    let mut next = line.front.send(&get("/next")).await;
    let (mut upstream, asked) = line.stage.request().await;
    assert!(asked.line().starts_with("GET /next "), "{asked:?}");
    upstream.send(OK).await;
    let head = next.head().await;
    assert_eq!((head.status(), next.body(&head).await.unwrap()), (Some(200), b"ok".to_vec()));
    line.upstream.ended().await;
}
