//! Records in memory: forgotten when the process ends.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::changes::Changes;
use super::record::{Record, RecordId};
use super::store::{Store, StoreError};

/// Most records that are forgotten for one that is new, so that no call waits for a long clean-up.
const MOST_FORGOTTEN: usize = 1000;

/// A store in memory, which holds records of so many writes at most.
#[derive(Debug)]
pub struct MemoryStore {
    hash_key: [u8; 32],
    capacity: usize,
    held: Mutex<Held>,
    changes: Changes,
}

#[derive(Debug, Default)]
struct Held {
    records: HashMap<RecordId, Record>,
    /// The records by the time after which they are forgotten.
    by_expiry: BTreeSet<(u64, RecordId)>,
    items: usize,
}

impl MemoryStore {
    /// An empty store. `capacity` counts writes: a bulk call counts each of its items.
    ///
    /// # Errors
    ///
    /// Where the machine gives no random numbers.
    pub fn new(capacity: usize) -> Result<Self, ring::error::Unspecified> {
        let mut hash_key = [0; 32];
        SystemRandom::new().fill(&mut hash_key)?;
        Ok(Self { hash_key, capacity, held: Mutex::default(), changes: Changes::default() })
    }
}

impl Held {
    fn put(&mut self, id: RecordId, record: Record) {
        self.items += record.items.len();
        self.by_expiry.insert((record.expires, id));
        self.records.insert(id, record);
    }

    fn take(&mut self, id: RecordId) {
        if let Some(record) = self.records.remove(&id) {
            self.items -= record.items.len();
            self.by_expiry.remove(&(record.expires, id));
        }
    }

    fn forget_expired(&mut self, now: u64) {
        let due = self.by_expiry.iter().take_while(|(expires, _)| *expires <= now).take(MOST_FORGOTTEN);
        let expired: Vec<_> = due.copied().collect();
        for (_, id) in expired {
            if self.records.get(&id).is_some_and(|record| record.has_expired(now)) {
                self.take(id);
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn hash_key(&self) -> [u8; 32] {
        self.hash_key
    }

    async fn get(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        Ok(self.held.lock().unwrap_or_else(PoisonError::into_inner).records.get(&id).cloned())
    }

    async fn replace(
        &self,
        id: RecordId,
        expected: Option<u64>,
        new: Option<Record>,
        now: u64,
    ) -> Result<bool, StoreError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.records.get(&id).map(|record| record.version) != expected {
            return Ok(false);
        }
        if let (None, Some(record)) = (expected, &new) {
            held.forget_expired(now);
            if held.items + record.items.len() > self.capacity {
                return Err(StoreError::Full);
            }
        }
        held.take(id);
        if let Some(record) = new {
            held.put(id, record);
        }
        drop(held);
        self.changes.tell(id);
        Ok(true)
    }

    async fn changed(&self, id: RecordId, version: u64) -> Result<(), StoreError> {
        let next = self.changes.next(id);
        if self.get(id).await?.is_some_and(|record| record.version == version) {
            next.come().await;
        }
        Ok(())
    }
}
