//! Idempotency keys and the outcomes of their writes, the only state that outlives a request.
//!
//! The [`IdempotencyService`] applies the rules; a [`Store`] keeps the records. A store only reads a record and replaces
//! it with compare-and-swap. There are two here, in [memory](MemoryStore) and in a [file](FileStore); `shared_state` has the
//! one that replicas share. Records contain hashes, keys of created objects, and times: no tokens and no input.

mod change_notifier;
mod file_store;
mod lease;
mod memory_store;
mod record;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod usage;

pub use self::file_store::{FileStore, OpenError};
pub use self::lease::{Clock, IdempotencyError, Lease};
pub use self::memory_store::MemoryStore;
pub use self::record::{
    InvalidRecord, ItemState, MAX_ITEMS, Owner, PackedRecord, Record, RecordId, TenantId,
};
pub use self::service::{IdempotencyService, Lookup, RecordWatch, Scope};
pub use self::store::{Store, StoreError};
pub use self::usage::TENANT_SHARE;
