//! A store in memory, lost when the process ends.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::change_notifier::ChangeNotifier;
use super::record::{PackedRecord, Record, RecordId};
use super::store::{Store, StoreError};
use super::usage::{TenantWeight, Usage};

/// Maximum number of expired records that are removed for one write, because a call must not wait
/// for a long clean-up.
const MAX_EXPIRED_PER_WRITE: usize = 1000;

/// A store in memory, with a bounded number of writes.
#[derive(Debug)]
pub struct MemoryStore {
    hash_key: [u8; 32],
    records: Mutex<MemoryRecords>,
    changes: ChangeNotifier,
}

#[derive(Debug)]
struct MemoryRecords {
    by_id: HashMap<RecordId, PackedRecord>,
    /// The records that are not leased, by their expiry.
    by_expiry: BTreeSet<(u64, RecordId)>,
    usage: Usage,
}

impl MemoryStore {
    /// An empty store. `capacity` counts writes: a bulk call counts each of its items until it
    /// ends, and afterwards the items that may have written. One tenant may use a
    /// [quarter](super::TENANT_SHARE) of it.
    ///
    /// # Errors
    ///
    /// The system provides no random numbers.
    pub fn new(capacity: usize) -> Result<Self, ring::error::Unspecified> {
        let mut hash_key = [0; 32];
        SystemRandom::new().fill(&mut hash_key)?;
        let usage = Usage::new(capacity);
        let records = MemoryRecords { by_id: HashMap::new(), by_expiry: BTreeSet::new(), usage };
        Ok(Self { hash_key, records: Mutex::new(records), changes: ChangeNotifier::default() })
    }

    fn lock(&self) -> MutexGuard<'_, MemoryRecords> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryRecords {
    fn get(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        let unpack = |packed: &PackedRecord| Record::try_from(packed.clone());
        let record = self.by_id.get(&id).map(unpack).transpose();
        record.map_err(|error| StoreError::Unavailable(Arc::new(error)))
    }

    fn put(&mut self, id: RecordId, record: Record) {
        self.usage.add(TenantWeight::from(&record));
        if !record.is_owned() {
            self.by_expiry.insert((record.expires, id));
        }
        self.by_id.insert(id, record.into());
    }

    fn remove(&mut self, id: RecordId, record: &Record) {
        self.usage.remove(TenantWeight::from(record));
        self.by_expiry.remove(&(record.expires, id));
        self.by_id.remove(&id);
    }

    /// Removes expired records, except `kept`.
    fn remove_expired(&mut self, now: u64, kept: RecordId) -> Result<(), StoreError> {
        let due =
            self.by_expiry.iter().take_while(|(expires, _)| *expires <= now).take(MAX_EXPIRED_PER_WRITE);
        let expired: Vec<_> = due.filter(|(_, id)| *id != kept).copied().collect();
        for (_, id) in expired {
            if let Some(record) = self.get(id)? {
                self.remove(id, &record);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn hash_key(&self) -> Result<[u8; 32], StoreError> {
        Ok(self.hash_key)
    }

    async fn get(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        self.lock().get(id)
    }

    async fn replace(
        &self,
        id: RecordId,
        expected: Option<u64>,
        new: Option<Record>,
        now: u64,
    ) -> Result<bool, StoreError> {
        let mut records = self.lock();
        let old = records.get(id)?;
        if old.as_ref().map(|record| record.version) != expected {
            return Ok(false);
        }
        if let Some(new) = &new {
            let (old, new) = (old.as_ref().map(TenantWeight::from), TenantWeight::from(new));
            if old.is_none() || !records.usage.fits(old, new) {
                records.remove_expired(now, id)?;
            }
            if !records.usage.fits(old, new) {
                return Err(StoreError::Full);
            }
        }
        if let Some(old) = old {
            records.remove(id, &old);
        }
        if let Some(record) = new {
            records.put(id, record);
        }
        drop(records);
        self.changes.notify(id);
        Ok(true)
    }

    async fn changed(&self, id: RecordId, version: u64) -> Result<(), StoreError> {
        let next = self.changes.subscribe(id);
        if self.get(id).await?.is_some_and(|record| record.version == version) {
            next.changed().await;
        }
        Ok(())
    }
}
