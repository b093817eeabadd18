//! Where records are kept.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::record::{Record, RecordId};

/// Keeps records. All rules are the ledger's; a store reads and replaces.
///
/// One that replicas share reads a record whose owner's lease has run out as [abandoned](Record::abandon), and
/// may answer [`Store::changed`] by asking again from time to time.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The key of the hashes by which records are found and inputs are compared, as old as the records are.
    fn hash_key(&self) -> [u8; 32];

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    async fn get(&self, id: RecordId) -> Result<Option<Record>, StoreError>;

    /// Puts `new` in the place of the record of version `expected` (`None`: where there is none), or takes it
    /// away. False where another stands there. What it did lasts as long as the store does, before it answers.
    ///
    /// `now`, in seconds since 1970, says which records may be forgotten to make room.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] for a record that takes more room than the one before it; and
    /// [`StoreError::Unavailable`], after which the replacement may have happened all the same. It may also
    /// happen later where this is dropped.
    async fn replace(
        &self,
        id: RecordId,
        expected: Option<u64>,
        new: Option<Record>,
        now: u64,
    ) -> Result<bool, StoreError>;

    /// Resolves when a record may be another than the one of `version`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    async fn changed(&self, id: RecordId, version: u64) -> Result<(), StoreError>;

    /// Whether the store can be used at present, without waiting for it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`], with the reason for those who operate the gateway.
    fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Why a store cannot do what it is asked to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It has no room for a new record, or the tenant has its share of the room; it forgets none before its time.
    #[error("the store of idempotency keys is full")]
    Full,
    /// It cannot be read or written.
    #[error("the store of idempotency keys cannot be used")]
    Unavailable(#[source] Arc<dyn std::error::Error + Send + Sync>),
}
