//! What a request has sent to Graph so far.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Counts the calls of one request.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    count: AtomicU32,
    nanoseconds: AtomicU64,
    under_way: Mutex<UnderWay>,
    batch_items: AtomicU32,
    retries: AtomicU32,
    request_id: Mutex<Option<String>>,
    /// Whether a line of the access log will have the id of a call that succeeded.
    keeps_ids: AtomicBool,
}

/// The calls that have not ended, and the time during which there was one.
#[derive(Debug, Default)]
struct UnderWay {
    calls: u32,
    since: Option<Instant>,
    waited: Duration,
}

impl Calls {
    /// A call begins.
    pub(crate) fn begin(&self, started: Instant) {
        let mut under_way = self.under_way();
        under_way.calls += 1;
        under_way.since.get_or_insert(started);
    }

    /// A call ends, with or without a response.
    pub(crate) fn end(&self) {
        let mut under_way = self.under_way();
        under_way.calls = under_way.calls.saturating_sub(1);
        if under_way.calls == 0
            && let Some(since) = under_way.since.take()
        {
            under_way.waited += since.elapsed();
        }
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time during which at least one call was under way.
    pub(crate) fn waited(&self) -> Duration {
        let under_way = self.under_way();
        under_way.waited + under_way.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Counts a call that has ended.
    pub(crate) fn add(&self, duration: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Counts the items of a batch.
    pub(crate) fn add_batch_items(&self, items: usize) {
        self.batch_items.fetch_add(u32::try_from(items).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Counts a call that is sent again.
    pub(crate) fn add_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps Graph's `request-id` of a failed call.
    pub(crate) fn set_request_id(&self, id: &str) {
        *self.lock() = Some(id.to_owned());
    }

    /// Keeps Graph's `request-id` of a call that succeeded, unless one is kept, or none will be logged.
    pub(crate) fn suggest_request_id(&self, id: Option<&str>) {
        if self.keeps_ids.load(Ordering::Relaxed)
            && let Some(id) = id
        {
            self.lock().get_or_insert_with(|| id.to_owned());
        }
    }

    /// The ids of calls that succeed will be logged too.
    pub(crate) fn keep_ids(&self) {
        self.keeps_ids.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.request_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of calls, those under way included: a write of unknown outcome may have no response yet.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed).saturating_add(self.under_way().calls)
    }

    /// The sum of the calls' durations. Calls may overlap. Of those under way, the longest counts.
    pub(crate) fn duration(&self) -> Duration {
        let ended = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed));
        ended + self.under_way().since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub(crate) fn batch_items(&self) -> u32 {
        self.batch_items.load(Ordering::Relaxed)
    }

    pub(crate) fn retries(&self) -> u32 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Graph's `request-id` of the last call that failed, else of the first.
    pub(crate) fn request_id(&self) -> Option<String> {
        self.lock().clone()
    }
}
