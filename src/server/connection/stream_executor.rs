//! Runs the streams of HTTP/2 connections as tasks, each of which can be ended alone. hyper itself resets a stream only once its
//! client has read what was sent.

use std::sync::{Arc, OnceLock};

use hyper::rt::Executor;
use tokio::task::AbortHandle;

/// Spawns each stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamExecutor;

/// The stream that executes a request. Cheap to clone; clones are the same stream.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestStream(Arc<OnceLock<AbortHandle>>);

tokio::task_local! {
    static CURRENT: RequestStream;
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        let handle = RequestStream::default();
        let task = tokio::spawn(CURRENT.scope(handle.clone(), stream));
        let _ = handle.0.set(task.abort_handle());
    }
}

impl RequestStream {
    /// The stream that is polled; `None` in HTTP/1.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Ends the stream: what has not been sent is dropped, and the client receives `RST_STREAM`.
    pub(super) fn reset(&self) {
        if let Some(task) = self.0.get() {
            task.abort();
        }
    }
}
