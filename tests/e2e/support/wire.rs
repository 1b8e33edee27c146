//! One end of a connection, played byte by byte: a client that dawdles, an upstream that breaks off.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::process::PATIENCE;

/// Whatever carries bytes both ways.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// See the module's text.
pub(crate) struct Wire {
    stream: BufReader<Box<dyn Transport>>,
}

/// A start line and its header fields, as they arrived.
#[derive(Clone, Debug)]
pub(crate) struct Head(String);

/// A body that ended before it was complete, with what there was of it.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) Vec<u8>);

impl Wire {
    /// An end of `stream`.
    pub(crate) fn over(stream: impl Transport + 'static) -> Self {
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    /// A new connection to `address`.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// Sends `bytes`, which the other side takes.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    /// Sends `bytes`, as far as the other side takes them.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        patiently(async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        })
        .await
    }

    /// The next head, which comes.
    pub(crate) async fn head(&mut self) -> Head {
        self.next_head().await.expect("a head before the connection ends")
    }

    /// The next head; none if the connection ends before.
    pub(crate) async fn next_head(&mut self) -> Option<Head> {
        let mut bytes = Vec::new();
        let read = async {
            while !bytes.ends_with(b"\r\n\r\n") {
                bytes.push(self.stream.read_u8().await.ok()?);
            }
            Some(())
        };
        patiently(read).await?;
        Some(Head(String::from_utf8(bytes).unwrap()))
    }

    /// The next bytes, exactly `count`, which come.
    pub(crate) async fn exactly(&mut self, count: usize) -> Vec<u8> {
        self.try_exactly(count).await.expect("as many bytes before the connection ends")
    }

    async fn try_exactly(&mut self, count: usize) -> Result<Vec<u8>, Broken> {
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            match patiently(self.stream.read(&mut bytes[filled..])).await {
                Ok(0) | Err(_) => return Err(Broken(bytes[..filled].to_vec())),
                Ok(read) => filled += read,
            }
        }
        Ok(bytes)
    }

    /// The next piece of a chunked body; an empty one at its end, behind which trailers are read over.
    pub(crate) async fn chunk(&mut self) -> Result<Vec<u8>, Broken> {
        let line = self.line().await?;
        let length = line.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(length, 16)
            .unwrap_or_else(|error| panic!("not a chunk size: {line:?}: {error}"));
        if length == 0 {
            while !self.line().await?.is_empty() {}
            return Ok(Vec::new());
        }
        let bytes = self.try_exactly(length).await?;
        assert_eq!(self.line().await?, "", "a chunk ends with CRLF");
        Ok(bytes)
    }

    async fn line(&mut self) -> Result<String, Broken> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n") {
            bytes.extend(self.try_exactly(1).await?);
        }
        bytes.truncate(bytes.len() - 2);
        Ok(String::from_utf8(bytes).unwrap())
    }

    /// The body behind `head`, framed as that says ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)).
    pub(crate) async fn body(&mut self, head: &Head) -> Result<Vec<u8>, Broken> {
        if head.value("transfer-encoding").is_some() {
            return self.chunks().await;
        }
        match head.value("content-length") {
            Some(length) => self.try_exactly(length.parse().unwrap()).await,
            None if head.status().is_none() => Ok(Vec::new()),
            None => self.rest().await,
        }
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, Broken> {
        let mut body = Vec::new();
        loop {
            match self.chunk().await {
                Ok(chunk) if chunk.is_empty() => return Ok(body),
                Ok(chunk) => body.extend(chunk),
                Err(Broken(rest)) => return Err(Broken([body, rest].concat())),
            }
        }
    }

    /// The next answer, which comes and has a whole body of text.
    pub(crate) async fn answer(&mut self) -> (Head, String) {
        let head = self.head().await;
        let body = self.body(&head).await.unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    /// All that comes until the connection ends; broken if it ends by a reset.
    pub(crate) async fn rest(&mut self) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::new();
        match patiently(self.stream.read_to_end(&mut bytes)).await {
            Ok(_) => Ok(bytes),
            Err(_) => Err(Broken(bytes)),
        }
    }

    /// Asserts that the connection ends without another byte, and waits until it has.
    pub(crate) async fn ended(&mut self) {
        let rest = match self.rest().await {
            Ok(bytes) | Err(Broken(bytes)) => bytes,
        };
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }

    /// The stream itself, with what has been read ahead.
    pub(crate) fn into_stream(self) -> BufReader<Box<dyn Transport>> {
        self.stream
    }
}

impl Head {
    /// The status of an answer.
    pub(crate) fn status(&self) -> Option<u16> {
        let (version, rest) = self.0.split_once(' ')?;
        version.starts_with("HTTP/").then(|| rest[..3].parse().unwrap())
    }

    /// The start line.
    pub(crate) fn line(&self) -> &str {
        self.0.lines().next().unwrap_or_default()
    }

    /// The values of the field called `name`.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.0.lines().skip(1).filter_map(|line| line.split_once(':'));
        let named = fields.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim()).collect()
    }

    /// The only value of the field called `name`.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        match self.values(name).as_slice() {
            [] => None,
            [value] => Some(value),
            several => panic!("expected one {name}, found {several:?}"),
        }
    }
}

/// What `work` comes to, within the test's patience.
pub(crate) async fn patiently<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("an end within the test's patience")
}
