//! A connection's stream, which records when bytes are received.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client_stream::ClientStream;
use super::tracker::{ConnectionTracker, lock};
use crate::telemetry::metrics::{self, Overloaded};

pub(super) struct TrackedIo {
    stream: Arc<Mutex<ClientStream>>,
    tracker: Arc<ConnectionTracker>,
}

impl TrackedIo {
    pub(super) fn new(stream: Arc<Mutex<ClientStream>>, tracker: Arc<ConnectionTracker>) -> Self {
        Self { stream, tracker }
    }
}

impl AsyncRead for TrackedIo {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        // If hyper reads on, the head that has been received is incomplete. It is not counted when it is received, because the
        // end of a head may come with a part of the body.
        if self.tracker.count_head().is_err() {
            // No response is possible before the request, and more memory must not be used.
            metrics::refused(Overloaded::Memory);
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        let read = Pin::new(&mut *lock(&self.stream)).poll_read(context, buffer);
        let received = buffer.filled().len() - before;
        if received > 0 {
            self.tracker.bytes_received(received);
        }
        read
    }
}

impl AsyncWrite for TrackedIo {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *lock(&self.stream)).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *lock(&self.stream)).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        lock(&self.stream).is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *lock(&self.stream)).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *lock(&self.stream)).poll_shutdown(context)
    }
}
