//! Response bodies that can be abandoned: a client that does not read one in time then holds no memory for it, even if its
//! connection goes on for other requests.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

/// Bytes of which no progress is recorded: most responses are shorter, and are sent at once.
const SHORT: u64 = 16 * 1024;

/// The part of a response that has not been sent. Cheap to clone; clones are the same response.
#[derive(Debug, Clone)]
pub(super) struct UnreadBody(Arc<Mutex<Content>>);

#[derive(Debug)]
struct Content {
    /// `None` if it is abandoned.
    body: Option<Body>,
    /// Bytes that were taken to be sent.
    taken: u64,
    /// When the last of several parts was taken. The client has read most of the earlier ones.
    progress: Option<Instant>,
}

/// The client has not read the response in time.
#[derive(Debug, thiserror::Error)]
#[error("the client has not read the response in time")]
struct Abandoned;

impl UnreadBody {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Content { body: Some(body), taken: 0, progress: None })))
    }

    /// The number of bytes that the client has read, and when it last did; `None` if the first part was not followed by another.
    pub(super) fn progress(&self) -> Option<(u64, Instant)> {
        let content = self.content();
        content.progress.map(|progress| (content.taken, progress))
    }

    /// Drops what has not been sent. The response ends with an error when the client reads on.
    pub(super) fn abandon(&self) {
        let body = self.content().body.take();
        drop(body);
    }

    fn content(&self) -> MutexGuard<'_, Content> {
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
        let content = &mut *self.content();
        let Some(body) = &mut content.body else {
            return Poll::Ready(Some(Err(axum::Error::new(Abandoned))));
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            if content.taken > SHORT {
                content.progress = Some(Instant::now());
            }
            let length = frame.data_ref().map_or(0, Bytes::len);
            content.taken = content.taken.saturating_add(u64::try_from(length).unwrap_or_default());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.content().body.as_ref().is_some_and(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.content().body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}
