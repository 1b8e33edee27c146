//! An upstream that records every byte of every request, and is strict about framing.
//!
//! It reads HTTP/1.1 as [RFC 9112](https://www.rfc-editor.org/rfc/rfc9112) demands of the most suspicious server: whatever
//! two readers could read in two ways is noted as a violation and answered with 400.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The longest head and the longest chunk-size line that are read.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// The exact bytes of the request line and the header fields, with the empty line.
    pub(crate) head: Vec<u8>,
    /// The body, without its framing.
    pub(crate) body: Vec<u8>,
}

/// A listening upstream.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    journal: Arc<Journal>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Journal {
    requests: Mutex<Vec<Recorded>>,
    violations: Mutex<Vec<String>>,
}

type Answer = dyn Fn(&Recorded) -> Vec<u8> + Send + Sync;

impl Upstream {
    /// One that answers everything with `200` and `ok`.
    pub(crate) async fn start() -> Self {
        Self::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()).await
    }

    /// One that answers with the bytes that `answer` gives; a connection ends after bytes that begin otherwise than with
    /// `HTTP/1.1 2` or `HTTP/1.1 101`.
    pub(crate) async fn answering(
        answer: impl Fn(&Recorded) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let journal = Arc::new(Journal::default());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&journal), Arc::new(answer)));
        Self { address, journal, accepting }
    }

    /// `http://` and the address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, in order of arrival.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.journal.requests.lock().clone()
    }

    /// The only request so far.
    pub(crate) fn only_request(&self) -> Recorded {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "expected one request, found {requests:#?}");
        requests[0].clone()
    }

    /// What was wrong with the framing of requests so far: nothing, one hopes.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.journal.violations.lock().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Recorded {
    /// The method, the target and the version, as they arrived.
    pub(crate) fn request_line(&self) -> String {
        self.lines().remove(0)
    }

    /// The target, as it arrived.
    pub(crate) fn target(&self) -> String {
        self.request_line().split(' ').nth(1).unwrap_or("").to_owned()
    }

    /// Every value of the field called `name` in exactly that spelling but for case, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let fields = self.lines().into_iter().skip(1);
        let fields = fields.filter_map(|line| {
            line.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned()))
        });
        fields
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.head).trim_end().split("\r\n").map(str::to_owned).collect()
    }
}

async fn accept(listener: TcpListener, journal: Arc<Journal>, answer: Arc<Answer>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, Arc::clone(&journal), Arc::clone(&answer)));
    }
}

/// Answers request after request until the client leaves or breaks the rules.
async fn converse(stream: TcpStream, journal: Arc<Journal>, answer: Arc<Answer>) {
    let mut stream = BufReader::new(stream);
    loop {
        let request = match receive(&mut stream).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(violation) => {
                journal.violations.lock().push(violation);
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
                return;
            }
        };
        journal.requests.lock().push(request.clone());
        let bytes = answer(&request);
        let goes_on = bytes.starts_with(b"HTTP/1.1 2") || bytes.starts_with(b"HTTP/1.1 101");
        if stream.write_all(&bytes).await.is_err() || !goes_on {
            return;
        }
    }
}

/// The next request; nothing if the client has left; the rule that it broke.
async fn receive(stream: &mut BufReader<TcpStream>) -> Result<Option<Recorded>, String> {
    let Some(head) = read_until(stream, b"\r\n\r\n").await else {
        return Ok(None);
    };
    let request = Recorded { head, body: Vec::new() };
    let body = match framing(&request)? {
        Framing::Chunked => read_chunks(stream).await?,
        Framing::Length(length) => read_exactly(stream, length).await?,
    };
    Ok(Some(Recorded { body, ..request }))
}

enum Framing {
    Chunked,
    Length(usize),
}

/// How the body is framed ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)), without any leniency.
fn framing(request: &Recorded) -> Result<Framing, String> {
    check_lines(request)?;
    if request.values("host").len() != 1 {
        return Err(format!("expected one Host, found {:?}", request.values("host")));
    }
    match (
        request.values("transfer-encoding").as_slice(),
        request.values("content-length").as_slice(),
    ) {
        ([], []) => Ok(Framing::Length(0)),
        ([coding], []) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        ([], [length]) => decimal(length).map(Framing::Length),
        (codings, lengths) => Err(format!("ambiguous framing: {codings:?} and {lengths:?}")),
    }
}

fn check_lines(request: &Recorded) -> Result<(), String> {
    let bare = |(n, byte): (usize, &u8)| *byte == b'\n' && (n == 0 || request.head[n - 1] != b'\r');
    if request.head.iter().enumerate().any(bare) {
        return Err("a line ends without CR".to_owned());
    }
    let malformed = |line: &String| {
        line.split_once(':').is_none_or(|(name, _)| name.is_empty() || name.contains([' ', '\t']))
    };
    match request.lines().into_iter().skip(1).find(malformed) {
        Some(line) => Err(format!("not a header field: {line:?}")),
        None => Ok(()),
    }
}

fn decimal(text: &str) -> Result<usize, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let length = digits.then(|| text.parse().ok()).flatten();
    length.ok_or_else(|| format!("not a length: {text:?}"))
}

async fn read_chunks(stream: &mut BufReader<TcpStream>) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let line = read_until(stream, b"\r\n").await.ok_or("the connection ended in a chunk")?;
        let text = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
        let hexadecimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let length = hexadecimal.then(|| usize::from_str_radix(&text, 16).ok()).flatten();
        let length = length.ok_or_else(|| format!("not a chunk size: {text:?}"))?;
        body.extend(read_exactly(stream, length).await?);
        if read_exactly(stream, 2).await? != b"\r\n" {
            return Err("a chunk does not end with CRLF".to_owned());
        }
        if length == 0 {
            return Ok(body);
        }
    }
}

async fn read_exactly(stream: &mut BufReader<TcpStream>, length: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; length];
    stream
        .read_exact(&mut bytes)
        .await
        .map_err(|error| format!("the connection ended in a body: {error}"))?;
    Ok(bytes)
}

/// The bytes up to and with `end`; nothing if the connection ends before.
async fn read_until(stream: &mut BufReader<TcpStream>, end: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) && bytes.len() < MAX_LINE_BYTES {
        bytes.push(stream.read_u8().await.ok()?);
    }
    Some(bytes)
}
