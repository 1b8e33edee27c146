//! A client for when wrk is too much: one request, one answer, keep-alive. It reads what our upstream and sidegate write, not all of HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A connection that is kept between requests.
pub(crate) struct Client {
    stream: TcpStream,
    server: SocketAddr,
    answer: Vec<u8>,
}

impl Client {
    /// Connects to `server`.
    pub(crate) fn connect(server: SocketAddr) -> Result<Self> {
        let stream =
            TcpStream::connect(server).with_context(|| format!("{server} takes no connection"))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, server, answer: Vec::new() })
    }

    /// Asks for `path` with `token` and returns the body; an error if the answer is not 200.
    pub(crate) fn ask(&mut self, path: &str, token: &str) -> Result<String> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n",
            self.server
        );
        self.stream.write_all(request.as_bytes())?;
        self.answer.clear();
        let head = self.read_head()?;
        let text = String::from_utf8_lossy(&self.answer[..head]).into_owned();
        if !text.starts_with("HTTP/1.1 200 ") {
            bail!("{}{path} answers {:?}", self.server, text.lines().next().unwrap_or_default());
        }
        let length =
            content_length(&text).with_context(|| format!("no Content-Length in {text:?}"))?;
        while self.answer.len() < head + length {
            self.read_more()?;
        }
        Ok(String::from_utf8_lossy(&self.answer[head..]).into_owned())
    }

    /// Reads until the header is there and says where it ends.
    fn read_head(&mut self) -> Result<usize> {
        loop {
            if let Some(end) = self.answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                return Ok(end + 4);
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> Result<()> {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes)? {
            0 => bail!("{} closed the connection", self.server),
            count => self.answer.extend_from_slice(&bytes[..count]),
        }
        Ok(())
    }
}

fn content_length(head: &str) -> Option<usize> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next()?.1.trim().parse().ok()
}
