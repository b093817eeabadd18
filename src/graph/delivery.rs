//! Whether the result of a write reaches its caller. A write that was sent is finished without its caller if need be; its
//! outcome is then recorded when it ends.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;

use super::in_place::Panicked;

/// The delivery of one write's result. Cheap to clone; clones are the same delivery.
#[derive(Debug, Clone, Default)]
pub(super) struct Delivery {
    /// The caller has left without a result.
    has_failed: Arc<AtomicBool>,
}

/// The caller of a write, while it waits for the result. If it is dropped before [`Recipient::received`], the caller has left.
/// It must be dropped before the write moves to a task of its own.
pub(super) struct Recipient(Option<Delivery>);

impl Delivery {
    /// The caller that waits for the result.
    pub(super) fn recipient(&self) -> Recipient {
        Recipient(Some(self.clone()))
    }

    /// Runs the work of the write. If the caller has left when it ends, by a panic too, its result is passed to `undelivered`.
    pub(super) async fn run<T>(
        self,
        work: impl Future<Output = T>,
        undelivered: impl FnOnce(Result<&T, Panicked>),
    ) -> T {
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        if self.has_failed.load(Ordering::Acquire) {
            undelivered(ended.as_ref().map_err(|_panic| Panicked));
        }
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Recipient {
    /// The caller has a result.
    pub(super) fn received(mut self) {
        self.0 = None;
    }
}

impl Drop for Recipient {
    fn drop(&mut self) {
        if let Some(delivery) = &self.0 {
            delivery.has_failed.store(true, Ordering::Release);
        }
    }
}
