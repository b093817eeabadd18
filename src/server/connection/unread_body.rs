//! Response bodies that can be abandoned: a client that does not read one in time then holds no memory for it, even if its
//! connection goes on for other requests.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// The part of a response that has not been sent. Cheap to clone; clones are the same response.
#[derive(Debug, Clone)]
pub(super) struct UnreadBody(Arc<Mutex<Option<Body>>>);

/// The client has not read the response in time.
#[derive(Debug, thiserror::Error)]
#[error("the client has not read the response in time")]
struct Abandoned;

impl UnreadBody {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    /// Drops what has not been sent. The response ends with an error when the client reads on.
    pub(super) fn abandon(&self) {
        let body = self.content().take();
        drop(body);
    }

    fn content(&self) -> MutexGuard<'_, Option<Body>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for UnreadBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut *self.content() {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(Some(Err(axum::Error::new(Abandoned)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.content().as_ref().is_some_and(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.content().as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}
