//! Work that its caller drives, and that goes on without the caller.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::telemetry::metrics;

/// The work panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panicked;

/// A future that is polled by its caller and finished all the same: if it is dropped before it has ended, it is moved to a
/// task of its own. Most callers wait to the end, and need no task, no wake-up of another thread and no second scheduling.
#[must_use = "work is done when this is polled or dropped"]
pub(super) struct InPlace<T: Send + 'static> {
    /// `None` when it has ended.
    work: Option<(Work<T>, WriteInFlight)>,
}

/// Work, and the panic that ended it.
type Work<T> = BoxFuture<'static, Result<T, Box<dyn Any + Send>>>;

/// The writes in flight, including those whose callers have left.
#[derive(Default)]
pub(super) struct Writes {
    tracker: TaskTracker,
    abandoned: CancellationToken,
}

/// A write that counts as in flight until this and its clones are dropped.
#[derive(Clone)]
pub(super) struct WriteInFlight(Arc<Counted>);

struct Counted {
    _token: TaskTrackerToken,
    abandoned: CancellationToken,
}

impl Writes {
    /// Counts a write.
    pub(super) fn begin(&self) -> WriteInFlight {
        let abandoned = self.abandoned.clone();
        WriteInFlight(Arc::new(Counted { _token: self.tracker.token(), abandoned }))
    }

    /// The number of writes in flight.
    pub(super) fn count(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until no write is in flight.
    pub(super) async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Ends the work of writes whose callers have left at its present await point.
    pub(super) fn abandon(&self) {
        self.abandoned.cancel();
    }
}

impl<T: Send + 'static> InPlace<T> {
    /// Work for `write`, which is in flight until all of its work has ended.
    pub(super) fn new(write: &WriteInFlight, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { work: Some((AssertUnwindSafe(work).catch_unwind().boxed(), write.clone())) }
    }

    /// Ends the work at its present await point.
    pub(super) fn cancel(mut self) {
        self.work = None;
    }
}

impl<T: Send + 'static> Future for InPlace<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((work, _)) = self.work.as_mut() else { return Poll::Pending };
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
        if let Some((work, write)) = self.work.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let detached = metrics::detached_write();
            runtime.spawn(async move {
                let _detached = detached;
                let abandoned = write.0.abandoned.cancelled();
                tokio::select! {
                    biased;
                    ended = work => {
                        if ended.is_err() {
                            metrics::panicked();
                        }
                    }
                    () = abandoned => {}
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

    use super::{InPlace, Panicked, Writes};

    #[tokio::test]
    async fn work_whose_caller_leaves_is_finished_in_a_task() {
        let writes = Writes::default();
        let (proceed, until_proceed) = oneshot::channel();
        let (done, until_done) = oneshot::channel();
        let mut work = InPlace::new(&writes.begin(), async move {
            until_proceed.await.unwrap();
            done.send(()).unwrap();
        });
        assert!(poll!(&mut work).is_pending());
        drop(work);
        assert_eq!(writes.count(), 1);
        proceed.send(()).unwrap();
        until_done.await.unwrap();
        writes.wait().await;
    }

    #[tokio::test]
    async fn work_that_ends_is_counted_until_then() {
        let writes = Writes::default();
        let work = InPlace::new(&writes.begin(), async { 7 });
        assert_eq!(writes.count(), 1);
        assert_eq!(work.await, Ok(7));
        assert_eq!(writes.count(), 0);
        InPlace::new(&writes.begin(), pending::<()>()).cancel();
        assert_eq!(writes.count(), 0);
    }

    #[tokio::test]
    async fn abandoned_work_of_a_caller_that_has_left_ends() {
        let writes = Writes::default();
        let write = writes.begin();
        drop(InPlace::new(&write, pending::<()>()));
        drop(InPlace::new(&write, pending::<()>()));
        drop(write);
        assert_eq!(writes.count(), 1, "one write");
        writes.abandon();
        writes.wait().await;
    }

    #[tokio::test]
    async fn a_panic_is_reported_to_the_caller() {
        let work = InPlace::new(&Writes::default().begin(), async { panic!("a test") });
        assert_eq!(work.await, Err::<(), _>(Panicked));
    }
}
