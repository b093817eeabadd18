//! The interface of the stores of records.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::record::{Record, RecordId};

/// A store of records. The service applies all rules; a store only reads and replaces records.
///
/// A store that replicas share reads a record whose lease has expired as [abandoned](Record::abandon), ignores the times
/// that it is given, and implements [`Store::changed`] by polling.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The key of the hashes of scopes and inputs. It lives as long as the records.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreachable`] if the store has not been reached yet.
    fn hash_key(&self) -> Result<[u8; 32], StoreError>;

    /// The version that the first version of a new record follows. It is random where leases lapse, so that a call whose
    /// lease has lapsed never takes a later record with the same key for its own.
    fn version_before_first(&self) -> u64 {
        0
    }

    /// Whether each operation is a round trip, so that a record is inserted before an earlier one is looked for.
    fn inserts_first(&self) -> bool {
        false
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    async fn get(&self, id: RecordId) -> Result<Option<Record>, StoreError>;

    /// Replaces the record of version `expected` (`None`: no record) with `new`, or removes it. Returns false if the store
    /// has another version. The change is durable when this returns.
    ///
    /// `now`, in seconds since 1970, determines which records have expired and may be removed to make space.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] for a record that takes more space than the one before it. [`StoreError::Unavailable`], after
    /// which the change may have happened; it may also happen later if this is cancelled.
    async fn replace(
        &self,
        id: RecordId,
        expected: Option<u64>,
        new: Option<Record>,
        now: u64,
    ) -> Result<bool, StoreError>;

    /// Resolves when the record may have another version than `version`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    async fn changed(&self, id: RecordId, version: u64) -> Result<(), StoreError>;

    /// Whether the store can be used at present, without waiting for it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`], with the reason for operators.
    fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Errors of a store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No space for a new record, or the tenant's share is used up. No record is removed before it expires.
    #[error("the store of idempotency keys is full")]
    Full,
    /// The store that replicas share cannot be reached, or rejects the operation. Other requests do not need it.
    #[error("the shared store of idempotency keys cannot be used")]
    Unreachable(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// What the store has of this key is of another version, or damaged. Other keys can be used.
    #[error("the record of an idempotency key cannot be read")]
    Unreadable(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The store cannot be read or written.
    #[error("the store of idempotency keys cannot be used")]
    Unavailable(#[source] Arc<dyn std::error::Error + Send + Sync>),
}
