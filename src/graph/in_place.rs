//! Work that its caller drives, and that goes on without the caller.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio_util::task::TaskTracker;

use crate::telemetry::metrics;

/// The work panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panicked;

/// A future that is polled by its caller and finished all the same: if it is dropped before it has ended, it is moved to a
/// task of its own. Most callers wait to the end, and need no task, no wake-up of another thread and no second scheduling.
#[must_use = "work is done when this is polled or dropped"]
pub(super) struct InPlace<T: Send + 'static> {
    /// `None` when it has ended.
    work: Option<BoxFuture<'static, Result<T, Box<dyn Any + Send>>>>,
}

impl<T: Send + 'static> InPlace<T> {
    /// Work that is counted in `tracker` until it has ended.
    pub(super) fn new(tracker: &TaskTracker, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { work: Some(tracker.track_future(AssertUnwindSafe(work).catch_unwind()).boxed()) }
    }

    /// Ends the work at its present await point.
    pub(super) fn cancel(mut self) {
        self.work = None;
    }
}

impl<T: Send + 'static> Future for InPlace<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = self.work.as_mut() else { return Poll::Pending };
        let ended = ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(ended.map_err(|_panic| {
            metrics::panicked();
            Panicked
        }))
    }
}

impl<T: Send + 'static> Drop for InPlace<T> {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and so does the work.
        if let Some(work) = self.work.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let detached = metrics::detached_write();
            runtime.spawn(async move {
                let _detached = detached;
                if work.await.is_err() {
                    metrics::panicked();
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::poll;
    use tokio::sync::oneshot;
    use tokio_util::task::TaskTracker;

    use super::{InPlace, Panicked};

    #[tokio::test]
    async fn work_whose_caller_leaves_is_finished_in_a_task() {
        let tracker = TaskTracker::new();
        let (proceed, until_proceed) = oneshot::channel();
        let (done, until_done) = oneshot::channel();
        let mut work = InPlace::new(&tracker, async move {
            until_proceed.await.unwrap();
            done.send(()).unwrap();
        });
        assert!(poll!(&mut work).is_pending());
        drop(work);
        assert_eq!(tracker.len(), 1);
        proceed.send(()).unwrap();
        until_done.await.unwrap();
        tracker.close();
        tracker.wait().await;
    }

    #[tokio::test]
    async fn work_that_ends_is_counted_until_then() {
        let tracker = TaskTracker::new();
        let work = InPlace::new(&tracker, async { 7 });
        assert_eq!(tracker.len(), 1);
        assert_eq!(work.await, Ok(7));
        assert!(tracker.is_empty());
        InPlace::new(&tracker, pending::<()>()).cancel();
        assert!(tracker.is_empty());
    }

    #[tokio::test]
    async fn a_panic_is_reported_to_the_caller() {
        let work = InPlace::new(&TaskTracker::new(), async { panic!("a test") });
        assert_eq!(work.await, Err::<(), _>(Panicked));
    }
}
