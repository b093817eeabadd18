//! Whether the result of a write reaches its caller. A write that was sent is finished without its caller if need be; its
//! outcome is then recorded when it ends.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;

use super::error::Error;
use super::in_place::Panicked;

/// Why a write has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// Its work panicked.
    Panicked,
    /// The process ended before its work did.
    CutOff,
}

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

    /// Runs the work of the write. If the caller has left when it ends, by a panic too, or is dropped before, its result is
    /// passed to `undelivered`.
    pub(super) async fn run<T>(
        self,
        work: impl Future<Output = T>,
        undelivered: impl FnOnce(Result<&T, Unfinished>),
    ) -> T {
        let mut report = Report { delivery: self, undelivered: Some(undelivered), result: PhantomData };
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        report.send(ended.as_ref().map_err(|_panic| Unfinished::Panicked));
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// The report of the result of a write whose caller has left, made once.
struct Report<T, U: FnOnce(Result<&T, Unfinished>)> {
    delivery: Delivery,
    undelivered: Option<U>,
    result: PhantomData<fn(&T)>,
}

impl<T, U: FnOnce(Result<&T, Unfinished>)> Report<T, U> {
    fn send(&mut self, result: Result<&T, Unfinished>) {
        if let Some(undelivered) = self.undelivered.take()
            && self.delivery.has_failed.load(Ordering::Acquire)
        {
            undelivered(result);
        }
    }
}

impl<T, U: FnOnce(Result<&T, Unfinished>)> Drop for Report<T, U> {
    fn drop(&mut self) {
        self.send(Err(Unfinished::CutOff));
    }
}

impl From<Panicked> for Unfinished {
    fn from(_: Panicked) -> Self {
        Self::Panicked
    }
}

impl From<Unfinished> for Error {
    fn from(unfinished: Unfinished) -> Self {
        match unfinished {
            Unfinished::Panicked => Self::Internal("a write panicked"),
            Unfinished::CutOff => Self::Internal("the gateway stopped before Graph's response"),
        }
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
