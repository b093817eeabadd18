//! An HTTP/1.1 connection that sends one request, encoded in advance, repeatedly.

use anyhow::Context as _;
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Size of one read from the socket. A response with a page of 1000 takes a few.
const READ_SIZE: usize = 64 * 1024;

/// What is replaced in each request, by as many digits of a number that no other request has.
const MARKER: &[u8] = b"@@@@@@@@@@@@@@@@";

/// A connection. It opens on first use, and again after a failure.
pub(crate) struct Connection {
    address: String,
    request: Vec<u8>,
    /// Where the request has the marker.
    marker: Option<usize>,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// A connection to `url`, whose scheme is http, that sends `body`.
    pub(crate) fn new(url: &str, token: &str, body: &[u8]) -> anyhow::Result<Self> {
        let rest = url.strip_prefix("http://").context("the URL is not http; https needs --ca")?;
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut request = format!(
            "POST /{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\naccept: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let marker = memmem::find(&request, MARKER);
        Ok(Self { address: address.to_owned(), request, marker, stream: None, buffer: Vec::new() })
    }

    /// Sends the request once. Returns the size of the response body; `None` if the response is an error.
    ///
    /// # Errors
    ///
    /// If there is no complete response.
    pub(crate) async fn send(&mut self) -> anyhow::Result<Option<usize>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&self.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        if let Some(start) = self.marker {
            // Of 16 hexadecimal digits.
            let number = format!("{:016x}", fastrand::u64(..));
            self.request[start..start + MARKER.len()].copy_from_slice(number.as_bytes());
        }
        stream.write_all(&self.request).await?;
        let (head, length) = self.read_head(&mut stream).await?;
        let end = head + length;
        while self.buffer.len() < end {
            read(&mut stream, &mut self.buffer).await?;
        }
        let is_success = self.buffer.starts_with(b"HTTP/1.1 20")
            && memmem::find(&self.buffer[head..end], b"\"errors\"").is_none();
        self.buffer.drain(..end);
        self.stream = Some(stream);
        Ok(is_success.then_some(length))
    }

    /// Reads until the head is complete. Returns its size and that of the body.
    async fn read_head(&mut self, stream: &mut TcpStream) -> anyhow::Result<(usize, usize)> {
        self.buffer.clear();
        loop {
            read(stream, &mut self.buffer).await?;
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.buffer[..end])?;
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
                });
                return Ok((end + 4, length.context("an answer without content-length")?));
            }
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    buffer.reserve(READ_SIZE.min(buffer.len().max(4096)));
    anyhow::ensure!(stream.read_buf(buffer).await? > 0, "the connection has closed");
    Ok(())
}
