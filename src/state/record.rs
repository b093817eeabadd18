//! A record: what is known of the writes that came with one idempotency key.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Most writes that a record can be of.
pub const MAX_ITEMS: usize = 100_000;

/// By what a record is found: a keyed hash of the key's scope.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub [u8; 32]);

/// Some of its digits, for the log.
impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "RecordId({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// A keyed hash of a tenant hint, by which one tenant's records are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TenantId(pub [u8; 16]);

/// The one call that may change a record; no two calls have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner(pub u128);

impl Owner {
    /// An owner that never was before.
    #[must_use]
    pub fn unique() -> Self {
        Self(Uuid::new_v4().as_u128())
    }
}

/// What is known of one write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemState {
    /// It was not sent, or Graph refused it: it may be sent.
    Free,
    /// It was sent, or is about to be, and its owner has not said what came of it.
    UnderWay,
    /// The object of this key is there.
    Created(String),
    /// Graph did it without saying which object it made.
    Applied,
    /// It was sent, and nobody knows what came of it.
    Unknown,
}

/// What is known of the writes that came with one key. Serialized as a [`PackedRecord`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "PackedRecord", try_from = "PackedRecord")]
pub struct Record {
    /// Changes with each replacement.
    pub version: u64,
    /// Keyed hash of what was to be written.
    pub input: [u8; 32],
    /// Whose share of the store it takes.
    pub tenant: TenantId,
    /// The call that is at work on it.
    pub owner: Option<Owner>,
    /// Seconds since 1970 after which it is forgotten, unless it is owned.
    pub expires: u64,
    /// One for each write of the call.
    pub items: Vec<ItemState>,
}

impl Record {
    /// Whether a call is at work on it.
    #[must_use]
    pub fn is_owned(&self) -> bool {
        self.owner.is_some()
    }

    /// Whether it is to be forgotten.
    #[must_use]
    pub fn has_expired(&self, now: u64) -> bool {
        !self.is_owned() && self.expires <= now
    }

    /// Whether all of it is known to have done nothing.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.items.iter().all(|item| *item == ItemState::Free)
    }

    /// Ends ownership where the owner has gone without a word: of what it had under way nobody knows what came.
    pub fn abandon(&mut self) {
        self.owner = None;
        for item in &mut self.items {
            if *item == ItemState::UnderWay {
                *item = ItemState::Unknown;
            }
        }
    }

    /// The room that it takes, in writes: all of its writes while a call is at work, since each may have to be
    /// kept; then those that did something, and one at least for the record itself.
    #[must_use]
    pub fn weight(&self) -> usize {
        let kept = match self.owner {
            Some(_) => self.items.len(),
            None => self.items.iter().filter(|item| **item != ItemState::Free).count(),
        };
        kept.max(1)
    }
}

/// A record as it is kept: writes that are free take no room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedRecord {
    version: u64,
    input: [u8; 32],
    tenant: TenantId,
    owner: Option<Owner>,
    expires: u64,
    count: u32,
    /// Those that are not free, by index.
    items: Vec<(u32, ItemState)>,
}

impl From<Record> for PackedRecord {
    fn from(record: Record) -> Self {
        let Record { version, input, tenant, owner, expires, items } = record;
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let items = (0..count).zip(items).filter(|(_, item)| *item != ItemState::Free);
        // The vector is kept, and is to take no more memory than it needs.
        let mut items: Vec<_> = items.collect();
        items.shrink_to_fit();
        Self { version, input, tenant, owner, expires, count, items }
    }
}

/// A record that is no record: it has more writes than one can have, or one beyond its last.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a record's writes are out of range")]
pub struct InvalidRecord;

impl TryFrom<PackedRecord> for Record {
    type Error = InvalidRecord;

    fn try_from(packed: PackedRecord) -> Result<Self, InvalidRecord> {
        let PackedRecord { version, input, tenant, owner, expires, count, items: kept } = packed;
        let count = usize::try_from(count).ok().filter(|count| *count <= MAX_ITEMS).ok_or(InvalidRecord)?;
        let mut items = vec![ItemState::Free; count];
        for (index, state) in kept {
            let index = usize::try_from(index).map_err(|_| InvalidRecord)?;
            *items.get_mut(index).ok_or(InvalidRecord)? = state;
        }
        Ok(Self { version, input, tenant, owner, expires, items })
    }
}
