//! A client that sends exact bytes and shows what comes back: for requests that no HTTP library would send.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::edge;
use super::process::PATIENCE;

/// The host of requests that say nothing else.
const HOST: &str = "app.test";

/// A request in the making. Its host is `app.test` unless told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    line: String,
    host: String,
    fields: Vec<(String, String)>,
    body: String,
}

/// `GET target`.
pub(crate) fn get(target: &str) -> Request {
    request("GET", target)
}

/// `method target`.
pub(crate) fn request(method: &str, target: &str) -> Request {
    let line = format!("{method} {target} HTTP/1.1");
    Request { line, host: HOST.to_owned(), fields: Vec::new(), body: String::new() }
}

impl Request {
    pub(crate) fn host(self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn cookie(self, token: &str) -> Self {
        self.header("Cookie", &format!("sso={token}"))
    }

    /// As browsers navigate.
    pub(crate) fn navigation(self) -> Self {
        self.header("Accept", "text/html,*/*;q=0.8").header("Sec-Fetch-Mode", "navigate")
    }

    /// With `body` and its length.
    pub(crate) fn body(self, body: &str) -> Self {
        let request = self.header("Content-Length", &body.len().to_string());
        Self { body: body.to_owned(), ..request }
    }

    /// With the header fields of a WebSocket handshake.
    pub(crate) fn websocket(self) -> Self {
        self.header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Method and target as they are written.
    pub(crate) fn line(&self) -> (&str, &str) {
        let (method, rest) = self.line.split_once(' ').unwrap();
        (method, rest.strip_suffix(" HTTP/1.1").unwrap())
    }

    /// The host that is asked for.
    pub(crate) fn asked_host(&self) -> &str {
        &self.host
    }

    /// The other fields, in their order.
    pub(crate) fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// The bytes on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let fields: String =
            self.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{}\r\nHost: {}\r\n{fields}\r\n{}", self.line, self.host, self.body).into_bytes()
    }

    /// The answer to it on a connection of its own.
    pub(crate) async fn send(&self, to: SocketAddr) -> Answer {
        ask(to, &self.bytes()).await
    }

    /// The same over TLS, at `name` unless it has a host of its own.
    pub(crate) async fn send_at_edge(self, to: SocketAddr, name: &str) -> Answer {
        let host = if self.host == HOST { format!("{name}:{}", to.port()) } else { self.host };
        let request = Self { host, ..self };
        let name = request.host.split(':').next().unwrap();
        Connection::open_at_edge(to, name).await.ask(&request.bytes()).await
    }
}

/// An answer as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The values of the field called `name`.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The only value of the field called `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        match self.values(name).as_slice() {
            [] => None,
            [value] => Some(value),
            several => panic!("expected one {name}, found {several:?}"),
        }
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The answer to `bytes` on a connection of their own.
pub(crate) async fn ask(to: SocketAddr, bytes: &[u8]) -> Answer {
    Connection::open(to).await.ask(bytes).await
}

/// A connection to sidegate.
pub(crate) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
}

/// Plain or encrypted.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).await.unwrap())
    }

    /// One from the local address `from`: another client of the same machine.
    pub(crate) async fn open_from(from: IpAddr, to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        Self::over(socket.connect(to).await.unwrap())
    }

    /// One over TLS, to the server called `name`.
    pub(crate) async fn open_at_edge(to: SocketAddr, name: &str) -> Self {
        Self::over(edge::open(to, name).await)
    }

    fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    /// The answer to `bytes`.
    async fn ask(mut self, bytes: &[u8]) -> Answer {
        self.send(bytes).await;
        let answer = self.answer().await;
        answer.unwrap_or_else(|| panic!("no answer to {}", String::from_utf8_lossy(bytes)))
    }

    /// Sends `bytes`, as far as the other side takes them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // Whoever refuses a request may close before all of it is sent.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// The next answer; none if the connection ends before.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read()).await.expect("an answer within the test's patience")
    }

    /// What is still sent until the other side closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = self.stream.read_to_end(&mut bytes);
        // A reset is an end, too.
        let _ = timeout(PATIENCE, read).await.expect("an end within the test's patience");
        bytes
    }

    async fn read(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not an answer: {head}"));
        let answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(Answer { body: String::from_utf8_lossy(&body).into_owned(), ..answer })
    }
}
