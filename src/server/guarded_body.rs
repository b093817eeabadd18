//! Responses that hold something until they have been sent: the memory that they take, and their connection's record of the
//! request.
//!
//! hyper drops a body when it has taken its last frame, which may be long before the client has read it. Here the last frame is
//! one byte, which hyper takes only when its buffers have room, that is, when the client has read most of the rest.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// Maximum size of a frame, in bytes, so that hyper buffers no more of a response whose client does not read.
const MAX_FRAME: usize = 64 * 1024;

/// A response body that holds a guard until it is fully sent or dropped.
pub(super) struct GuardedBody<T> {
    body: Body,
    /// The rest of the body's last frame.
    rest: Bytes,
    /// Whether that frame was larger than [`MAX_FRAME`].
    is_split: bool,
    _guard: T,
}

impl<T> GuardedBody<T> {
    pub(super) fn new(body: Body, guard: T) -> Self {
        Self { body, rest: Bytes::new(), is_split: false, _guard: guard }
    }
}

impl<T: Unpin> HttpBody for GuardedBody<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context))
                .map(|frame| frame.map(Frame::into_data))
            {
                Some(Ok(Ok(data))) if data.is_empty() => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Ok(Ok(data))) => {
                    self.is_split = data.len() > MAX_FRAME;
                    self.rest = data;
                }
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let frame = match self.rest.len() {
            // In HTTP/2 a frame is taken when the previous one has been sent, but need not be sent itself. So the last byte is
            // a frame of its own, and a copy, which keeps no larger buffer alive.
            1 => Bytes::copy_from_slice(&std::mem::take(&mut self.rest)),
            length => {
                let frame = self.rest.split_to(MAX_FRAME.min(length - 1));
                // Also a copy, because hyper keeps a frame that the client does not read.
                if self.is_split { Bytes::copy_from_slice(&frame) } else { frame }
            }
        };
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let mut size = self.body.size_hint();
        if let Some(upper) = size.upper() {
            size.set_upper(upper.saturating_add(rest));
        }
        size.set_lower(size.lower().saturating_add(rest));
        size
    }
}
