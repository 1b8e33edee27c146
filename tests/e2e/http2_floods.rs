//! Clients that keep a server of HTTP/2 busy with what costs them nothing: their connection ends or stands still, memory stays where
//! it was, and others are served.

use std::time::Duration;

use pingora::tls::ClientTlsStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, split};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http2::{HEADERS, RST_STREAM, SETTINGS, Tls, WHOLE, block, frame, get};

const DATA: u8 = 0;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// A stream may have as many header fields behind its first frame as it likes, until this says that it is over.
const END_HEADERS: u8 = 0x04;
const END_STREAM: u8 = 0x01;

/// How many frames a client tries to send.
const FRAMES: u32 = 20_000;
/// How much memory, in KiB, one connection may cost, whatever is sent on it.
const HELD_KIB: u64 = 32 << 10;
/// A server that takes nothing for so long has stopped reading.
const STALL: Duration = Duration::from_secs(2);

/// Sends all of `frames` on one connection, or as many as are taken; then sees that nothing came of it.
async fn flood(tls: &Tls, reads: Reads, frames: impl Fn(u32) -> Vec<u8>) {
    assert!(serves(tls, "/public/before").await);
    let program = &tls.site.sidegate.program;
    let before = program.peak_memory();
    let (reading, mut writing) = split(tls.connect().await);
    let reading = tokio::spawn(reads.all(reading));
    for number in 0..FRAMES {
        match timeout(STALL, writing.write_all(&frames(number))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => break,
        }
    }
    assert!(serves(tls, "/public/after").await, "others are not served");
    let grown = program.peak_memory() - before;
    assert!(grown < HELD_KIB, "{grown} KiB");
    reading.abort();
    assert!(!program.output().contains("panicked"), "{}", program.output());
}

/// Whether the app is asked for `path` when somebody else asks. What else it hears meanwhile is the flood's: requests that were begun,
/// and bodies that end with their connection.
async fn serves(tls: &Tls, path: &str) -> bool {
    let line = format!("GET {path} HTTP/1.1\r\n");
    let asked = || {
        let requests = tls.site.upstream.requests();
        requests.iter().filter(|request| request.head.starts_with(line.as_bytes())).count()
    };
    let before = asked();
    tls.ask(&get(path, &[])).await;
    asked() == before + 1
}

/// Whether a client takes what it is told meanwhile.
#[derive(Clone, Copy)]
enum Reads {
    Everything,
    Nothing,
}

impl Reads {
    async fn all(self, mut stream: ReadHalf<ClientTlsStream<TcpStream>>) {
        let mut bytes = vec![0; 16 << 10];
        match self {
            Self::Everything => while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {},
            Self::Nothing => std::future::pending().await,
        }
    }
}

/// The streams of a client are odd.
const fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// CVE-2023-39325, RUSTSEC-2026-0258: rapid reset. A stream that was reset is no longer counted, but its request goes on.
#[tokio::test]
async fn cve_2023_39325_requests_that_are_taken_back_at_once() {
    let tls = Tls::start_with("").await;
    let asked = block(&get("/public/x", &[]));
    flood(&tls, Reads::Everything, |number| {
        let cancel = 8_u32.to_be_bytes();
        let open = frame(HEADERS, WHOLE, stream(number), &asked);
        [open, frame(RST_STREAM, 0, stream(number), &cancel)].concat()
    })
    .await;
}

/// CVE-2025-8671, MadeYouReset: the server is made to reset each stream itself.
#[tokio::test]
async fn cve_2025_8671_requests_that_the_server_must_reset() {
    let tls = Tls::start_with("").await;
    let asked = block(&get("/public/x", &[]));
    flood(&tls, Reads::Everything, |number| {
        let open = frame(HEADERS, END_HEADERS, stream(number), &asked);
        // A window that grows by nothing is an error of the stream (RFC 9113 §6.9).
        [open, frame(WINDOW_UPDATE, 0, stream(number), &[0; 4])].concat()
    })
    .await;
}

/// CVE-2024-27919, CVE-2023-45288: a header that goes on and on, frame by frame.
#[tokio::test]
async fn cve_2023_45288_a_header_that_never_ends() {
    let tls = Tls::start_with("").await;
    let asked = block(&get("/public/x", &[]));
    let more = block(&[("x-more", &"a".repeat(8_000))]);
    let begin = frame(HEADERS, END_STREAM, 1, &asked);
    flood(&tls, Reads::Everything, |number| match number {
        0 => begin.clone(),
        _ => frame(CONTINUATION, 0, 1, &more),
    })
    .await;
}

/// CVE-2026-73550: frames without a byte, which no window counts; and what must be confirmed to a client that takes no confirmation.
#[tokio::test]
async fn cve_2026_73550_frames_that_say_nothing() {
    let tls = Tls::start_with("").await;
    let mut post = get("/public/x", &[]);
    post[0].1 = "POST";
    let open = frame(HEADERS, END_HEADERS, 1, &block(&post));
    flood(&tls, Reads::Everything, |number| match number {
        0 => open.clone(),
        _ => frame(DATA, 0, 1, &[]),
    })
    .await;
    for empty in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[])] {
        flood(&tls, Reads::Nothing, |_| empty.clone()).await;
    }
}

/// CVE-2026-47774: pieces of a cookie count together.
#[tokio::test]
async fn cve_2026_47774_crumbs_of_a_cookie_count_together() {
    let tls = Tls::start_with("limits: { cookie_bytes: 1KiB }\n").await;
    let crumb = format!("a={}", "x".repeat(98));
    let crumbs = |count| vec![("cookie", crumb.as_str()); count];
    assert_eq!(tls.send(&get("/public/x", &crumbs(9))).await.len(), 1);
    assert_eq!(tls.send(&get("/public/x", &crumbs(12))).await.len(), 0);
}
