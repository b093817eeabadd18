//! A connection's outgoing HTTP/2 frames, among which a GOAWAY of our own can be put: the library names the last stream
//! that it received, and never one below that.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a frame's header (RFC 9113, section 4.1).
const HEADER: usize = 9;
/// The type of a GOAWAY frame.
const GOAWAY: u8 = 7;
/// Bytes of its payload: last stream id and error code.
const GOAWAY_PAYLOAD: u8 = 8;

/// A frame that is to be sent next.
#[derive(Debug, Clone, Default)]
pub(super) struct Insertion(Arc<Mutex<Option<Vec<u8>>>>);

impl Insertion {
    /// Puts in a GOAWAY without error. The connection has to be polled for it to leave.
    pub(super) fn go_away(&self, last_stream: u32) {
        let mut frame = vec![0, 0, GOAWAY_PAYLOAD, GOAWAY, 0, 0, 0, 0, 0];
        frame.extend_from_slice(&last_stream.to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(frame);
    }

    fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_due(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// A stream that knows where in its outgoing frames it is.
#[derive(Debug)]
pub(super) struct Frames<S> {
    stream: S,
    insertion: Insertion,
    /// What is left of a frame that was put in.
    inserted: Vec<u8>,
    position: Position,
}

/// A place in a sequence of frames.
#[derive(Debug, Default)]
struct Position {
    /// The part of a frame's header that was seen.
    header: Vec<u8>,
    /// Bytes that the frame has left after its header.
    payload: usize,
}

impl Position {
    fn is_between_frames(&self) -> bool {
        self.header.is_empty() && self.payload == 0
    }

    /// How many bytes certainly lie before the next frame; 0 between two.
    fn certain(&self) -> usize {
        match (self.header.len(), self.payload) {
            (0, payload) => payload,
            (seen, _) => HEADER - seen,
        }
    }

    fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let step = self.payload.min(bytes.len());
                self.payload -= step;
                bytes = &bytes[step..];
                continue;
            }
            let step = (HEADER - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..step]);
            bytes = &bytes[step..];
            if let [high, middle, low, _, _, _, _, _, _] = self.header[..] {
                self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                self.header.clear();
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Frames<S> {
    pub(super) fn new(stream: S, insertion: Insertion) -> Self {
        Self { stream, insertion, inserted: Vec::new(), position: Position::default() }
    }

    /// Writes what was put in, where a frame can be.
    fn poll_insert(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.inserted.is_empty() && self.position.is_between_frames() {
            self.inserted = self.insertion.take().unwrap_or_default();
        }
        while !self.inserted.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.inserted))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.inserted.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Frames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_insert(cx))?;
        let most = match self.position.certain() {
            // Up to the next place between frames where something waits to be put in.
            certain if certain > 0 && self.insertion.is_due() => certain.min(bytes.len()),
            _ => bytes.len(),
        };
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..most]))?;
        self.position.advance(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_insert(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{Frames, Insertion};

    #[tokio::test]
    async fn a_frame_is_put_in_between_two_others() {
        // PING and an empty SETTINGS, in which no GOAWAY may be torn.
        let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let settings = [0, 0, 0, 4, 1, 0, 0, 0, 0];
        for split in 1..ping.len() {
            let (mut near, far) = tokio::io::duplex(1024);
            let insertion = Insertion::default();
            let mut frames = Frames::new(far, insertion.clone());
            frames.write_all(&ping[..split]).await.unwrap();
            insertion.go_away(7);
            frames.flush().await.unwrap();
            frames.write_all(&[&ping[split..], &settings].concat()).await.unwrap();
            frames.shutdown().await.unwrap();
            drop(frames);
            let mut seen = Vec::new();
            near.read_to_end(&mut seen).await.unwrap();
            let go_away = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0];
            assert_eq!(seen, [&ping[..], &go_away, &settings].concat(), "{split}");
        }
    }
}
