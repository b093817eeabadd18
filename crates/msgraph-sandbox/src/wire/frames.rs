//! Injects a GOAWAY among a connection's outgoing HTTP/2 frames. The `h2` crate always names the last stream that it
//! received, and a fault needs a lower id.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a frame's header (RFC 9113, section 4.1).
const HEADER: usize = 9;
/// The type of a GOAWAY frame.
const GOAWAY: u8 = 7;
/// Bytes of a GOAWAY's payload: last stream id and error code.
const GOAWAY_PAYLOAD: u8 = 8;

/// Queues a frame to inject next.
#[derive(Debug, Clone, Default)]
pub(super) struct FrameInjector(Arc<Mutex<Option<Vec<u8>>>>);

impl FrameInjector {
    /// Queues a GOAWAY without error. It is sent when the connection is polled next.
    pub(super) fn go_away(&self, last_stream: u32) {
        let mut frame = vec![0, 0, GOAWAY_PAYLOAD, GOAWAY, 0, 0, 0, 0, 0];
        frame.extend_from_slice(&last_stream.to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(frame);
    }

    fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_pending(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// A stream that tracks its position in the outgoing frames and injects a frame between two others.
#[derive(Debug)]
pub(super) struct InjectingStream<S> {
    stream: S,
    injector: FrameInjector,
    /// The rest of the frame being injected.
    pending_frame: Vec<u8>,
    position: FramePosition,
}

/// A position in a sequence of frames.
#[derive(Debug, Default)]
struct FramePosition {
    /// The part of a frame's header that was written.
    header: Vec<u8>,
    /// Remaining bytes of the frame's payload.
    payload: usize,
}

impl FramePosition {
    fn is_between_frames(&self) -> bool {
        self.header.is_empty() && self.payload == 0
    }

    /// Known minimum of bytes before the next frame; 0 between two frames.
    fn bytes_to_boundary(&self) -> usize {
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

impl<S: AsyncWrite + Unpin> InjectingStream<S> {
    pub(super) fn new(stream: S, injector: FrameInjector) -> Self {
        Self { stream, injector, pending_frame: Vec::new(), position: FramePosition::default() }
    }

    /// Writes the queued frame, if the position is between two frames.
    fn poll_inject(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.pending_frame.is_empty() && self.position.is_between_frames() {
            self.pending_frame = self.injector.take().unwrap_or_default();
        }
        while !self.pending_frame.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.pending_frame))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending_frame.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for InjectingStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for InjectingStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_inject(cx))?;
        let length = match self.position.bytes_to_boundary() {
            // Write up to the next frame boundary if a frame is queued.
            distance if distance > 0 && self.injector.is_pending() => distance.min(bytes.len()),
            _ => bytes.len(),
        };
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..length]))?;
        self.position.advance(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_inject(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{FrameInjector, InjectingStream};

    #[tokio::test]
    async fn a_frame_is_injected_between_two_others() {
        // PING and an empty SETTINGS, which the GOAWAY must not split.
        let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let settings = [0, 0, 0, 4, 1, 0, 0, 0, 0];
        for split in 1..ping.len() {
            let (mut near, far) = tokio::io::duplex(1024);
            let injector = FrameInjector::default();
            let mut frames = InjectingStream::new(far, injector.clone());
            frames.write_all(&ping[..split]).await.unwrap();
            injector.go_away(7);
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
