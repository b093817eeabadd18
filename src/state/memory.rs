//! Records in memory: forgotten when the process ends.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::changes::Changes;
use super::record::{PackedRecord, Record, RecordId};
use super::store::{Store, StoreError};
use super::usage::{Place, Usage};

/// Most records that are forgotten for one that is new, so that no call waits for a long clean-up.
const MOST_FORGOTTEN: usize = 1000;

/// A store in memory, which holds records of so many writes at most.
#[derive(Debug)]
pub struct MemoryStore {
    hash_key: [u8; 32],
    held: Mutex<Held>,
    changes: Changes,
}

#[derive(Debug)]
struct Held {
    records: HashMap<RecordId, PackedRecord>,
    /// The records that nobody owns, by the time after which they are forgotten.
    by_expiry: BTreeSet<(u64, RecordId)>,
    usage: Usage,
}

impl MemoryStore {
    /// An empty store. `capacity` counts writes: a bulk call counts each of its items until it has ended, and
    /// then those that did something. One tenant may take a [quarter](super::TENANT_SHARE) of it.
    ///
    /// # Errors
    ///
    /// Where the machine gives no random numbers.
    pub fn new(capacity: usize) -> Result<Self, ring::error::Unspecified> {
        let mut hash_key = [0; 32];
        SystemRandom::new().fill(&mut hash_key)?;
        let usage = Usage::new(capacity);
        let held = Held { records: HashMap::new(), by_expiry: BTreeSet::new(), usage };
        Ok(Self { hash_key, held: Mutex::new(held), changes: Changes::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn get(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        let unpack = |packed: &PackedRecord| Record::try_from(packed.clone());
        let record = self.records.get(&id).map(unpack).transpose();
        record.map_err(|error| StoreError::Unavailable(Arc::new(error)))
    }

    fn put(&mut self, id: RecordId, record: Record) {
        self.usage.add(Place::from(&record));
        if !record.is_owned() {
            self.by_expiry.insert((record.expires, id));
        }
        self.records.insert(id, record.into());
    }

    fn remove(&mut self, id: RecordId, record: &Record) {
        self.usage.remove(Place::from(record));
        self.by_expiry.remove(&(record.expires, id));
        self.records.remove(&id);
    }

    /// Makes room, all but the place of `kept`.
    fn forget_expired(&mut self, now: u64, kept: RecordId) -> Result<(), StoreError> {
        let due = self.by_expiry.iter().take_while(|(expires, _)| *expires <= now).take(MOST_FORGOTTEN);
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
    fn hash_key(&self) -> [u8; 32] {
        self.hash_key
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
        let mut held = self.lock();
        let old = held.get(id)?;
        if old.as_ref().map(|record| record.version) != expected {
            return Ok(false);
        }
        if let Some(new) = &new {
            let (old, new) = (old.as_ref().map(Place::from), Place::from(new));
            if old.is_none() || !held.usage.has_room(old, new) {
                held.forget_expired(now, id)?;
            }
            if !held.usage.has_room(old, new) {
                return Err(StoreError::Full);
            }
        }
        if let Some(old) = old {
            held.remove(id, &old);
        }
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
