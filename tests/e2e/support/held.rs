//! An upstream whose answers begin at once and end when the test says so: downloads that are still running.
//!
//! In chunks, which are passed on as they come; of a body whose length is known, pingora fills a buffer first.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// The first and the second half of every body.
pub(crate) const HALVES: [&str; 2] = ["the first half, ", "the second half"];

/// The listening upstream.
pub(crate) struct Held {
    address: SocketAddr,
    ends: Arc<Semaphore>,
    accepting: JoinHandle<()>,
}

impl Held {
    /// One that holds the second half of every answer back.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ends = Arc::new(Semaphore::new(0));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&ends)));
        Self { address, ends, accepting }
    }

    /// `http://` and the address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets `count` answers end.
    pub(crate) fn release(&self, count: usize) {
        self.ends.add_permits(count);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, ends: Arc<Semaphore>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, Arc::clone(&ends)));
    }
}

async fn answer(mut stream: TcpStream, ends: Arc<Semaphore>) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let [first, second] = HALVES;
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}{}", chunk(first)).as_bytes()).await?;
        let Ok(end) = ends.acquire().await else { return Ok(()) };
        end.forget();
        stream.write_all(format!("{}{}", chunk(second), chunk("")).as_bytes()).await?;
    }
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}
