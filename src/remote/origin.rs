//! A misbehaving HTTP server for tests: raw bytes over a real socket, a behaviour per path, every request on record.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use url::Url;

/// Far longer than anything under test may take: a hanging test ends, and says where.
const TEST_DEADLINE: Duration = Duration::from_secs(20);

/// How the server answers on one path.
#[derive(Clone)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
    then: Then,
    gate: Option<watch::Receiver<bool>>,
}

/// What follows the answer's bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Close,
    /// Keep the connection, say nothing more.
    Hang,
    /// Say the last 64 KiB of it again and again.
    Repeat,
}

impl Answer {
    /// These bytes as they are.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::Close, gate: None }
    }

    /// A well-formed answer with further headers (each ending in CRLF).
    pub(crate) fn with_headers(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::raw(format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ))
    }

    /// A well-formed answer without a body.
    pub(crate) fn status(status: &str) -> Self {
        Self::with_headers(status, "", "")
    }

    /// 200 with this body.
    pub(crate) fn json(body: &str) -> Self {
        Self::with_headers("200 OK", "Content-Type: application/json\r\n", body)
    }

    /// The connection stays open and silent after the bytes.
    pub(crate) fn then_hang(mut self) -> Self {
        self.then = Then::Hang;
        self
    }

    /// The bytes' end is repeated forever.
    pub(crate) fn then_repeat(mut self) -> Self {
        self.then = Then::Repeat;
        self
    }

    /// Nothing is said before the gate opens.
    pub(crate) fn behind(mut self, gate: &watch::Sender<bool>) -> Self {
        self.gate = Some(gate.subscribe());
        self
    }
}

/// The server.
pub(crate) struct Origin {
    url: Url,
    state: Arc<State>,
}

struct State {
    answers: Mutex<HashMap<String, Answer>>,
    requests: watch::Sender<Vec<String>>,
}

impl Origin {
    /// Listens on a free port of the loopback; answers 404 everywhere.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let state =
            Arc::new(State { answers: Mutex::default(), requests: watch::Sender::default() });
        let served = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Self { url, state }
    }

    /// From now on, this is the answer there.
    pub(crate) fn on(&self, path: &str, answer: Answer) {
        self.state.answers.lock().insert(path.to_owned(), answer);
    }

    /// The address of a path.
    pub(crate) fn at(&self, path: &str) -> Url {
        self.url.join(path).unwrap()
    }

    /// The server's origin without a slash, as issuers are written.
    pub(crate) fn issuer(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    /// The heads of all requests for the path so far, each with its body.
    pub(crate) fn requests(&self, path: &str) -> Vec<String> {
        self.state.requests.borrow().iter().filter(|head| is_for(head, path)).cloned().collect()
    }

    /// Waits for the path's request of that number.
    pub(crate) async fn requested(&self, path: &str, count: usize) {
        let mut requests = self.state.requests.subscribe();
        let enough =
            |heads: &Vec<String>| heads.iter().filter(|head| is_for(head, path)).count() >= count;
        within(requests.wait_for(enough)).await.unwrap();
    }
}

/// Waits for something that must happen.
pub(crate) async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(TEST_DEADLINE, wait).await.expect("did not happen within the test's deadline")
}

fn is_for(head: &str, path: &str) -> bool {
    head.split(' ').nth(1) == Some(path)
}

async fn serve(mut stream: TcpStream, state: Arc<State>) -> Option<()> {
    let mut head = read_head(&mut stream).await?;
    let path = head.split(' ').nth(1)?.to_owned();
    head.push_str(&read_body(&mut stream, &head).await?);
    state.requests.send_modify(|requests| requests.push(head));
    let answer =
        state.answers.lock().get(&path).cloned().unwrap_or_else(|| Answer::status("404 Not Found"));
    if let Some(mut gate) = answer.gate {
        gate.wait_for(|open| *open).await.ok()?;
    }
    stream.write_all(&answer.bytes).await.ok()?;
    match answer.then {
        Then::Close => stream.shutdown().await.ok(),
        Then::Hang => stream.read_u8().await.ok().map(|_| ()),
        Then::Repeat => loop {
            let tail = answer.bytes.len().saturating_sub(64 * 1024);
            stream.write_all(&answer.bytes[tail..]).await.ok()?;
        },
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// As long as its head says.
async fn read_body(stream: &mut TcpStream, head: &str) -> Option<String> {
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let mut body = vec![0; length.map_or(0, |digits| digits.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    String::from_utf8(body).ok()
}
