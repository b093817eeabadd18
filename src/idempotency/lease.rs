//! Leases: the exclusive right of one call to change a record.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_util::task::TaskTracker;
use tracing::{debug, error};

use super::record::{ItemState, Record, RecordId};
use super::store::{Store, StoreError};
use crate::telemetry::request;

/// Returns the current time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// First delay before the store is asked again to release a lease. It doubles after each failure.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(50);
/// Maximum delay.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);
/// Attempts at one replacement while the result of an earlier one is unknown.
const MAX_ATTEMPTS: usize = 8;

/// Why a key cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IdempotencyError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not respond in time.
    #[error("the store of idempotency keys did not respond in time")]
    Timeout,
    /// No earlier call wrote anything with the key, and its lease could not be acquired.
    #[error("a new key could not be stored")]
    NotAcquired(#[source] Arc<Self>),
    /// The input cannot be hashed, or has too many writes.
    #[error("the input cannot be written")]
    InvalidInput,
    /// Another call owns the record.
    #[error("another call took the record over")]
    LeaseLost,
}

/// The store and its shared state.
#[derive(Clone)]
pub(super) struct StoreContext {
    pub(super) store: Arc<dyn Store>,
    pub(super) retention: Duration,
    pub(super) clock: Clock,
    /// Releases of leases that are still to be stored.
    pub(super) releases: TaskTracker,
}

impl StoreContext {
    /// Seconds since 1970.
    pub(super) fn now(&self) -> u64 {
        (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    pub(super) fn expiry(&self, now: u64) -> u64 {
        now.saturating_add(self.retention.as_secs())
    }
}

impl fmt::Debug for StoreContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreContext").field("store", &self.store).finish_non_exhaustive()
    }
}

/// The lease of a record. If it is dropped before it is released, the outcomes of writes in progress are unknown, and a
/// task releases it as soon as the store accepts that.
#[derive(Debug)]
pub struct Lease(Option<LeasedRecord>);

impl Lease {
    /// A lease whose record is about to replace the one of `version`. Whether it has is unknown until the lease is
    /// [confirmed](Self::confirm).
    pub(super) fn pending(context: StoreContext, id: RecordId, record: Record, version: Option<u64>) -> Self {
        let is_stored_in_progress = false;
        Self(Some(LeasedRecord {
            context,
            id,
            record,
            version,
            is_stored_in_progress,
            is_version_uncertain: true,
        }))
    }

    /// Like [`Lease::pending`], for a new record of one write that is stored as in progress. This saves a round trip before
    /// the write is sent.
    pub(super) fn pending_in_progress(context: StoreContext, id: RecordId, record: Record) -> Self {
        let mut lease = Self::pending(context, id, record, None);
        if let Some(leased) = &mut lease.0 {
            leased.is_stored_in_progress = true;
        }
        lease
    }

    /// The store has accepted the record.
    pub(super) fn confirm(&mut self) {
        if let Some(leased) = &mut self.0 {
            leased.version = Some(leased.record.version);
            leased.is_version_uncertain = false;
        }
    }

    /// Drops a lease that the store has rejected, without releasing it.
    pub(super) fn discard(mut self) {
        self.0 = None;
    }

    /// The state of each write.
    #[must_use]
    pub fn items(&self) -> &[ItemState] {
        self.0.as_ref().map_or(&[], |leased| &leased.record.items)
    }

    /// Records that these writes are about to be sent. The record is durable when this returns.
    ///
    /// # Errors
    ///
    /// The record could not be stored: the writes must not be sent.
    pub async fn mark_in_progress(&mut self, items: &[usize]) -> Result<(), IdempotencyError> {
        let leased = self.0.as_mut().ok_or(IdempotencyError::LeaseLost)?;
        let in_progress = items.iter().map(|item| (*item, ItemState::InProgress));
        if std::mem::take(&mut leased.is_stored_in_progress) {
            change(&mut leased.record, in_progress);
            return Ok(());
        }
        let mut record = leased.record.clone();
        change(&mut record, in_progress);
        leased.replace(Some(&record)).await?;
        leased.record = record;
        Ok(())
    }

    /// Takes the outcomes of these writes, which [`Lease::release`] stores.
    pub fn note_outcomes(&mut self, changes: &[(usize, ItemState)]) {
        if let Some(leased) = &mut self.0 {
            change(&mut leased.record, changes.iter().cloned());
        }
    }

    /// Records the outcomes of these writes.
    ///
    /// # Errors
    ///
    /// The record could not be stored yet. It is stored with the next change, or when the lease is released.
    pub async fn record_outcomes(&mut self, changes: &[(usize, ItemState)]) -> Result<(), IdempotencyError> {
        let leased = self.0.as_mut().ok_or(IdempotencyError::LeaseLost)?;
        change(&mut leased.record, changes.iter().cloned());
        let record = leased.record.clone();
        leased.replace(Some(&record)).await
    }

    /// Releases the record. If nothing was written, the record is removed, and the key can be used with any input.
    ///
    /// # Errors
    ///
    /// The release could not be stored yet. A task tries again.
    pub async fn release(mut self) -> Result<(), IdempotencyError> {
        let Some(leased) = &mut self.0 else { return Ok(()) };
        let released = leased.release().await;
        if !matches!(released, Err(IdempotencyError::Store(_))) {
            self.0 = None;
        }
        released
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and the store reads the record as abandoned when it is
        // opened again.
        if let (Some(leased), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            let releases = leased.context.releases.clone();
            releases.spawn_on(request::inherit(leased.release_when_possible()), &runtime);
        }
    }
}

fn change(record: &mut Record, changes: impl Iterator<Item = (usize, ItemState)>) {
    for (index, state) in changes {
        if let Some(item) = record.items.get_mut(index) {
            *item = state;
        }
    }
}

#[derive(Debug)]
struct LeasedRecord {
    context: StoreContext,
    id: RecordId,
    /// The record to store: it may be ahead of the store's.
    record: Record,
    /// Whether the store's record has its only write in progress, although it was not sent.
    is_stored_in_progress: bool,
    /// The version in the store; `None` if it has no record.
    version: Option<u64>,
    /// Whether the store may have another version, because the result of the last replacement is unknown.
    is_version_uncertain: bool,
}

impl LeasedRecord {
    /// Replaces the record. May be cancelled at any time: the next call reads the version first.
    ///
    /// A record that the store has lost, for example in a failover, is inserted again: the owner still knows what was
    /// written. No other call can have written meanwhile without a record of its own.
    async fn replace(&mut self, new: Option<&Record>) -> Result<(), IdempotencyError> {
        for _ in 0..MAX_ATTEMPTS {
            if self.is_version_uncertain {
                let found = self.context.store.get(self.id).await?;
                let is_ours = |found: &Record| {
                    [found.owner, found.lapsed_owner.as_deref().copied()].contains(&self.record.owner)
                };
                if found.as_ref().is_some_and(|found| !is_ours(found)) {
                    return Err(IdempotencyError::LeaseLost);
                }
                self.version = found.map(|found| found.version);
                if self.version.is_none() && new.is_none() {
                    self.is_version_uncertain = false;
                    return Ok(());
                }
            }
            let store = &self.context.store;
            let version = self.version.unwrap_or_else(|| store.version_before_first()).wrapping_add(1);
            let stored = new.map(|_| version);
            let new = new.map(|record| Record { version, ..record.clone() });
            self.is_version_uncertain = true;
            if store.replace(self.id, self.version, new, self.context.now()).await? {
                self.version = stored;
                self.is_version_uncertain = false;
                return Ok(());
            }
            // An earlier replacement, whose result was not awaited, was applied first.
        }
        Err(IdempotencyError::LeaseLost)
    }

    async fn release(&mut self) -> Result<(), IdempotencyError> {
        let was_version_uncertain = self.is_version_uncertain;
        let mut record = self.record.clone();
        record.abandon();
        record.expires = self.context.expiry(self.context.now());
        let kept = Some(&record).filter(|record| !record.is_unwritten());
        match self.replace(kept).await {
            // The lease was never stored, or an earlier attempt has released it.
            Err(IdempotencyError::LeaseLost) if was_version_uncertain => Ok(()),
            result => result,
        }
    }

    /// Releases the record as soon as the store accepts that.
    async fn release_when_possible(mut self) {
        let mut delay = MIN_RETRY_DELAY;
        loop {
            match self.release().await {
                Ok(()) => return,
                Err(error @ IdempotencyError::Store(_)) => {
                    debug!(%error, record = ?self.id, "the outcome of a write cannot be stored yet");
                    tokio::time::sleep(delay).await;
                    delay = (delay * 2).min(MAX_RETRY_DELAY);
                }
                Err(error) => {
                    error!(%error, record = ?self.id, "the outcome of a write could not be stored");
                    return;
                }
            }
        }
    }
}
