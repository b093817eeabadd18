//! The owner's side of a record: what it notes of its writes, and how it ends.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::{debug, error};

use super::record::{ItemState, Record, RecordId};
use super::store::{Store, StoreError};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// First wait of an owner that is at its end and cannot say so, doubled after each further failure.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// Longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often a replacement is tried in the place of one whose answer did not come.
const MOST_TRIES: usize = 8;

/// Why a key cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not answer in time.
    #[error("the store of idempotency keys did not answer in time")]
    Late,
    /// No earlier call has written anything with the key, and this one could not have it.
    #[error("a new key could not be noted")]
    NotClaimed(#[source] Arc<Self>),
    /// The input cannot be hashed, or has too many writes.
    #[error("the input cannot be written")]
    Input,
    /// The record was taken from its owner.
    #[error("another call took the record over")]
    Lost,
}

/// What records are kept by.
#[derive(Clone)]
pub(super) struct Keeper {
    pub(super) store: Arc<dyn Store>,
    pub(super) retention: Duration,
    pub(super) clock: Clock,
}

impl Keeper {
    /// Seconds since 1970.
    pub(super) fn now(&self) -> u64 {
        (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    pub(super) fn expiry(&self, now: u64) -> u64 {
        now.saturating_add(self.retention.as_secs())
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("store", &self.store).finish_non_exhaustive()
    }
}

/// A record that this call owns. Where it is dropped before it has finished, nobody knows what came of the
/// writes that were under way; a task ends its ownership then, however long the store takes.
#[derive(Debug)]
pub struct Claim(Option<Owned>);

impl Claim {
    /// A claim whose record the store is about to be given, in the place of the one of `version`. Until that has
    /// [happened](Self::stands), whether it has is not known.
    pub(super) fn of(keeper: Keeper, id: RecordId, record: Record, version: Option<u64>) -> Self {
        let version = version.unwrap_or_default();
        Self(Some(Owned { keeper, id, record, version, is_unclear: true }))
    }

    /// The store has the record.
    pub(super) fn stands(&mut self) {
        if let Some(owned) = &mut self.0 {
            owned.version = owned.record.version;
            owned.is_unclear = false;
        }
    }

    /// The store has another record, and was never given this one.
    pub(super) fn never_was(mut self) {
        self.0 = None;
    }

    /// What is known of each write.
    #[must_use]
    pub fn items(&self) -> &[ItemState] {
        self.0.as_ref().map_or(&[], |owned| &owned.record.items)
    }

    /// Notes that these writes are about to be sent, which lasts before it returns.
    ///
    /// # Errors
    ///
    /// Where it could not be noted: then they must not be sent.
    pub async fn intend(&mut self, items: &[usize]) -> Result<(), StateError> {
        let owned = self.0.as_mut().ok_or(StateError::Lost)?;
        let mut record = owned.record.clone();
        change(&mut record, items.iter().map(|item| (*item, ItemState::UnderWay)));
        owned.replace(Some(&record)).await?;
        owned.record = record;
        Ok(())
    }

    /// Notes what came of these writes.
    ///
    /// # Errors
    ///
    /// Where it could not be noted yet: it is when something else is noted, or when the claim ends.
    pub async fn note(&mut self, changes: &[(usize, ItemState)]) -> Result<(), StateError> {
        let owned = self.0.as_mut().ok_or(StateError::Lost)?;
        change(&mut owned.record, changes.iter().cloned());
        let record = owned.record.clone();
        owned.replace(Some(&record)).await
    }

    /// Ends ownership. Where nothing was written, the key is as if it had never come.
    ///
    /// # Errors
    ///
    /// Where that could not be noted yet: a task goes on trying.
    pub async fn finish(mut self) -> Result<(), StateError> {
        let Some(owned) = &mut self.0 else { return Ok(()) };
        let ended = owned.end().await;
        if !matches!(ended, Err(StateError::Store(_))) {
            self.0 = None;
        }
        ended
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and the store reads the record as abandoned when it is
        // opened again.
        if let (Some(owned), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(owned.settle());
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
struct Owned {
    keeper: Keeper,
    id: RecordId,
    /// As it is to be: it may be ahead of the store.
    record: Record,
    /// The version that the store has.
    version: u64,
    /// Whether the store may have another version, since it did not say what came of the last replacement.
    is_unclear: bool,
}

impl Owned {
    /// It may be dropped at any time: what came of it is then asked first the next time.
    async fn replace(&mut self, new: Option<&Record>) -> Result<(), StateError> {
        for _ in 0..MOST_TRIES {
            if self.is_unclear {
                let found = self.keeper.store.get(self.id).await?;
                let ours = found.filter(|found| found.owner == self.record.owner).ok_or(StateError::Lost)?;
                self.version = ours.version;
            }
            let version = self.version.wrapping_add(1);
            let new = new.map(|record| Record { version, ..record.clone() });
            self.is_unclear = true;
            let store = &self.keeper.store;
            if store.replace(self.id, Some(self.version), new, self.keeper.now()).await? {
                self.version = version;
                self.is_unclear = false;
                return Ok(());
            }
            // One whose answer nobody waited for came first.
        }
        Err(StateError::Lost)
    }

    async fn end(&mut self) -> Result<(), StateError> {
        let was_unclear = self.is_unclear;
        let mut record = self.record.clone();
        record.abandon();
        record.expires = self.keeper.expiry(self.keeper.now());
        let kept = Some(&record).filter(|record| !record.is_free());
        match self.replace(kept).await {
            // The record never came to be this call's, or it is no longer so since an earlier attempt at this.
            Err(StateError::Lost) if was_unclear => Ok(()),
            ended => ended,
        }
    }

    /// Ends ownership as soon as the store takes it.
    async fn settle(mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            match self.end().await {
                Ok(()) => return,
                Err(error @ StateError::Store(_)) => {
                    debug!(%error, record = ?self.id, "what became of a write cannot be noted yet");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                Err(error) => {
                    error!(%error, record = ?self.id, "what became of a write could not be noted");
                    return;
                }
            }
        }
    }
}
