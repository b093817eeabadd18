//! Event streams: responses without an end, each part of which has the time for sending a response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::Frame;

use super::tracker::InFlightRequest;

/// Marks a response as an event stream; an extension of the response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamingResponse;

/// The body of an event stream.
pub(super) struct StreamingBody {
    body: Body,
    request: InFlightRequest,
}

impl StreamingBody {
    pub(super) fn new(body: Body, request: InFlightRequest) -> Self {
        Self { body, request }
    }
}

impl HttpBody for StreamingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.request.record_progress();
        Poll::Ready(frame)
    }
}
