//! Answers on their way: what is kept for as long as one has not been sent.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// Most bytes that are handed on at a time, so that a client which takes no more leaves the rest here.
const MOST: usize = 64 * 1024;

/// A body, and something that goes when all of it has been sent or nobody takes it any more.
pub(super) struct Kept<T> {
    body: Body,
    /// What has come out of the body and has not been handed on.
    rest: Bytes,
    _until_sent: T,
}

impl<T> Kept<T> {
    pub(super) fn new(body: Body, until_sent: T) -> Self {
        Self { body, rest: Bytes::new(), _until_sent: until_sent }
    }
}

impl<T: Unpin> HttpBody for Kept<T> {
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
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let piece = match self.rest.len() {
            // By HTTP/2 a piece is taken when the one before it has gone, but need not go itself. So the last byte goes alone,
            // and as a copy: it keeps nothing else, and nothing else is left when it is taken.
            1 => Bytes::copy_from_slice(&std::mem::take(&mut self.rest)),
            length => self.rest.split_to(MOST.min(length - 1)),
        };
        Poll::Ready(Some(Ok(Frame::data(piece))))
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
