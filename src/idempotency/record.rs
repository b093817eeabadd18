//! Records: the states of the writes of one idempotency key.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Maximum number of writes of a record.
pub const MAX_ITEMS: usize = 100_000;

/// The id of a record: a keyed hash of the key's scope.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub [u8; 32]);

/// Some of its digits, for the log.
impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "RecordId({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// A keyed hash of a tenant hint. Capacity is shared out by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TenantId(pub [u8; 16]);

/// The call that has the lease of a record, unique for each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner(pub u128);

impl Owner {
    /// A new owner.
    #[must_use]
    pub fn unique() -> Self {
        Self(Uuid::new_v4().as_u128())
    }
}

/// The state of one write. The order of the variants is part of the state file's format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemState {
    /// Not sent, or rejected by Graph: it may be sent.
    Unwritten,
    /// Sent, or about to be sent, with no recorded outcome.
    InProgress,
    /// The object with this key was created.
    Created(String),
    /// Graph created an object without returning its key.
    Applied,
    /// Sent; the outcome is unknown and will not be recorded.
    Unknown,
    /// Graph asked for an approval. It may have left an object, so it is sent again only with an approval.
    ApprovalRequired,
    /// Graph did not write it, and holds it until it is approved. It is sent again only with an approval.
    ApprovalPending,
}

impl ItemState {
    /// Whether a call that repeats the write, with an approval or without one, may send it.
    #[must_use]
    pub fn may_be_sent(&self, has_approval: bool) -> bool {
        match self {
            Self::Unwritten => true,
            Self::ApprovalRequired | Self::ApprovalPending => has_approval,
            Self::InProgress | Self::Created(_) | Self::Applied | Self::Unknown => false,
        }
    }
}

/// The states of the writes of one key. Serialized as a [`PackedRecord`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "PackedRecord", try_from = "PackedRecord")]
pub struct Record {
    /// Changes with each replacement.
    pub version: u64,
    /// Keyed hash of the call's input.
    pub input: [u8; 32],
    /// The tenant whose share of the store it takes.
    pub tenant: TenantId,
    /// The call that has the lease.
    pub owner: Option<Owner>,
    /// The call whose lease has ended without a release. It may still replace the record. Not stored.
    pub lapsed_owner: Option<Box<Owner>>,
    /// When it expires unless it is leased, in seconds since 1970.
    pub expires: u64,
    /// The state of each write of the call.
    pub items: Vec<ItemState>,
}

impl Record {
    /// Whether a call has the lease.
    #[must_use]
    pub fn is_owned(&self) -> bool {
        self.owner.is_some()
    }

    /// Whether it has no lease and no write, so that its key is free.
    #[must_use]
    pub fn is_abandoned_unwritten(&self) -> bool {
        !self.is_owned() && self.is_unwritten()
    }

    /// Whether it has expired.
    #[must_use]
    pub fn has_expired(&self, now: u64) -> bool {
        !self.is_owned() && self.expires <= now
    }

    /// Whether none of its writes did anything or waits for an approval.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.items.iter().all(|item| *item == ItemState::Unwritten)
    }

    /// Ends the lease of an owner that cannot release it: the outcomes of its writes in progress become unknown.
    pub fn abandon(&mut self) {
        self.lapsed_owner = self.owner.take().map(Box::new);
        for item in &mut self.items {
            if *item == ItemState::InProgress {
                *item = ItemState::Unknown;
            }
        }
    }

    /// The capacity that it uses, in writes: all of its writes while it is leased, afterwards those
    /// that are not unwritten, but at least one.
    #[must_use]
    pub fn weight(&self) -> usize {
        let kept = match self.owner {
            Some(_) => self.items.len(),
            None => self.items.iter().filter(|item| **item != ItemState::Unwritten).count(),
        };
        kept.max(1)
    }
}

/// A record as it is stored. Unwritten items need no space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedRecord {
    version: u64,
    input: [u8; 32],
    tenant: TenantId,
    owner: Option<Owner>,
    expires: u64,
    count: u32,
    /// The items that are not unwritten, by index.
    items: Vec<(u32, ItemState)>,
}

impl From<Record> for PackedRecord {
    fn from(record: Record) -> Self {
        let Record { version, input, tenant, owner, lapsed_owner: _, expires, items } = record;
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let items = (0..count).zip(items).filter(|(_, item)| *item != ItemState::Unwritten);
        // The vector is stored for long: it takes no more memory than it needs.
        let mut items: Vec<_> = items.collect();
        items.shrink_to_fit();
        Self { version, input, tenant, owner, expires, count, items }
    }
}

/// The error of a stored record with too many writes, or with a write beyond its count.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a record's writes are out of range")]
pub struct InvalidRecord;

impl TryFrom<PackedRecord> for Record {
    type Error = InvalidRecord;

    fn try_from(packed: PackedRecord) -> Result<Self, InvalidRecord> {
        let PackedRecord { version, input, tenant, owner, expires, count, items: stored } = packed;
        let count = usize::try_from(count).ok().filter(|count| *count <= MAX_ITEMS).ok_or(InvalidRecord)?;
        let mut items = vec![ItemState::Unwritten; count];
        for (index, state) in stored {
            let index = usize::try_from(index).map_err(|_| InvalidRecord)?;
            *items.get_mut(index).ok_or(InvalidRecord)? = state;
        }
        Ok(Self { version, input, tenant, owner, lapsed_owner: None, expires, items })
    }
}
