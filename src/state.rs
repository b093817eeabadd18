//! What the gateway keeps from one request to the next: which idempotency keys have been used, and what became of the
//! writes that came with them.
//!
//! The [`Ledger`] holds the rules, a [`Store`] the records. A store needs no more than to read a record and to replace it
//! where nobody else has done so; two are here, in [memory](MemoryStore) and in a [file](FileStore), and one that
//! replicas share fits the same trait. Records hold hashes, the keys of created objects and times: no token, and nothing
//! that a caller sent.

mod changes;
mod claim;
mod file;
mod ledger;
mod memory;
mod record;
mod store;
#[cfg(test)]
mod tests;
mod usage;

pub use self::claim::{Claim, Clock, StateError};
pub use self::file::{FileStore, OpenError};
pub use self::ledger::{Entry, Ledger, Scope, Waiting};
pub use self::memory::MemoryStore;
pub use self::record::{
    InvalidRecord, ItemState, MAX_ITEMS, Owner, PackedRecord, Record, RecordId, TenantId,
};
pub use self::store::{Store, StoreError};
pub use self::usage::TENANT_SHARE;
