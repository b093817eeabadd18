//! The tables of the state file.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition,
    WriteTransaction,
};

use crate::idempotency::record::{Record, RecordId};
use crate::idempotency::store::StoreError;
use crate::idempotency::usage::{TenantWeight, Usage};

const RECORDS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("records");
/// The records that are not leased, by their expiry.
const BY_EXPIRY: TableDefinition<'_, (u64, &[u8; 32]), ()> = TableDefinition::new("by_expiry");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

const FORMAT: &str = "format";
/// The format of the tables. Any other is of another program or version.
const THIS_FORMAT: &[u8] = b"intune-graphql state 2";
const HASH_KEY: &str = "hash_key";
const PROBE: &str = "probe";

/// Bytes that a probe writes: as many as a bulk call may need.
const PROBE_BYTES: usize = 128 * 1024;
/// Maximum number of expired records that are removed for one write, because a call must not wait
/// for a long clean-up.
const MAX_EXPIRED_PER_WRITE: usize = 1000;

/// The ids and the used capacity of all records.
pub(super) struct FileContents {
    pub(super) usage: Usage,
    pub(super) known: HashSet<RecordId>,
}

/// Creates the tables of a new file, and ends the leases of the process before: records without any write are removed,
/// the others are abandoned. Returns the hash key; `None` if the tables are another program's.
pub(super) fn prepare(database: &Database, fresh_key: [u8; 32]) -> Result<Option<[u8; 32]>, redb::Error> {
    let transaction = database.begin_write()?;
    let hash_key = {
        let mut meta = transaction.open_table(META)?;
        let format = meta.get(FORMAT)?.map(|format| format.value().to_vec());
        match format {
            None => {
                meta.insert(FORMAT, THIS_FORMAT)?;
                meta.insert(HASH_KEY, &fresh_key[..])?;
            }
            Some(format) if format == THIS_FORMAT => {}
            Some(_) => return Ok(None),
        }
        let key = meta.get(HASH_KEY)?.map(|key| <[u8; 32]>::try_from(key.value()));
        let Some(Ok(key)) = key else { return Ok(None) };
        key
    };
    {
        let mut tables = Tables::open(&transaction)?;
        let mut owned = Vec::new();
        for entry in tables.records.iter()? {
            let (id, bytes) = entry?;
            let Ok(record) = read(bytes.value()) else { return Ok(None) };
            if record.is_owned() {
                owned.push((RecordId(*id.value()), record));
            }
        }
        for (id, mut record) in owned {
            tables.remove(id, &record)?;
            record.abandon();
            record.version = record.version.wrapping_add(1);
            if !record.is_unwritten() {
                tables.insert(id, &record)?;
            }
        }
    }
    transaction.commit()?;
    Ok(Some(hash_key))
}

/// The hash key of an initialized file; `None` before initialization.
pub(super) fn hash_key(database: &Database) -> Result<Option<[u8; 32]>, redb::Error> {
    let meta = match database.begin_read()?.open_table(META) {
        Ok(meta) => meta,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let is_ours = meta.get(FORMAT)?.is_some_and(|format| format.value() == THIS_FORMAT);
    let key = meta.get(HASH_KEY)?.and_then(|key| <[u8; 32]>::try_from(key.value()).ok());
    Ok(key.filter(|_| is_ours))
}

/// Counts the records.
pub(super) fn contents(database: &Database, mut usage: Usage) -> Result<FileContents, redb::Error> {
    let mut known = HashSet::new();
    for entry in database.begin_read()?.open_table(RECORDS)?.iter()? {
        let (id, bytes) = entry?;
        known.insert(RecordId(*id.value()));
        usage.add(TenantWeight::from(&read(bytes.value())?));
    }
    Ok(FileContents { usage, known })
}

/// Checks whether the file can be written to.
pub(super) fn probe(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.insert(PROBE, &[0xa5; PROBE_BYTES][..])?;
    transaction.commit()?;
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.remove(PROBE)?;
    transaction.commit()?;
    Ok(())
}

pub(super) fn get(transaction: &ReadTransaction, id: RecordId) -> Result<Option<Record>, redb::Error> {
    let bytes = transaction.open_table(RECORDS)?.get(&id.0)?;
    bytes.map(|bytes| read(bytes.value())).transpose()
}

/// Puts records back as they were.
pub(super) fn restore(
    database: &Database,
    before: &HashMap<RecordId, Option<Record>>,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut tables = Tables::open(&transaction)?;
        for (id, before) in before {
            if let Some(now) = tables.get(*id)? {
                tables.remove(*id, &now)?;
            }
            if let Some(before) = before {
                tables.insert(*id, before)?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

pub(super) fn read(bytes: &[u8]) -> Result<Record, redb::Error> {
    postcard::from_bytes(bytes).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

/// The records within a transaction that writes.
pub(super) struct Tables<'t> {
    records: Table<'t, &'static [u8; 32], &'static [u8]>,
    by_expiry: Table<'t, (u64, &'static [u8; 32]), ()>,
    touched: HashMap<RecordId, Touched>,
}

/// A record that a transaction has written to.
pub(super) struct Touched {
    /// The previous value.
    pub(super) before: Option<Vec<u8>>,
    /// Whether the record exists now.
    pub(super) is_there: bool,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        let records = transaction.open_table(RECORDS)?;
        Ok(Self { records, by_expiry: transaction.open_table(BY_EXPIRY)?, touched: HashMap::new() })
    }

    /// Replaces one record. The outer error ends the transaction, the inner one this replacement alone.
    pub(super) fn replace(
        &mut self,
        usage: &mut Usage,
        id: RecordId,
        expected: Option<u64>,
        new: Option<&Record>,
        now: u64,
    ) -> Result<Result<bool, StoreError>, redb::Error> {
        let old = match self.get(id) {
            Ok(old) => old,
            // A record that cannot be read does not affect other replacements.
            Err(error @ redb::Error::Corrupted(_)) => {
                return Ok(Err(StoreError::Unavailable(Arc::new(error))));
            }
            Err(error) => return Err(error),
        };
        if old.as_ref().map(|old| old.version) != expected {
            return Ok(Ok(false));
        }
        if let Some(new) = new {
            let (old, new) = (old.as_ref().map(TenantWeight::from), TenantWeight::from(new));
            if old.is_none() || !usage.fits(old, new) {
                self.remove_expired(usage, now, id)?;
            }
            if !usage.fits(old, new) {
                return Ok(Err(StoreError::Full));
            }
        }
        if let Some(old) = old {
            usage.remove(TenantWeight::from(&old));
            self.remove(id, &old)?;
        }
        if let Some(new) = new {
            usage.add(TenantWeight::from(new));
            self.insert(id, new)?;
        }
        Ok(Ok(true))
    }

    /// The records that were written to.
    pub(super) fn touched(self) -> HashMap<RecordId, Touched> {
        self.touched
    }

    /// To be called before a record is written to.
    fn touch(&mut self, id: RecordId, is_there: bool) -> Result<(), redb::Error> {
        if let Some(touched) = self.touched.get_mut(&id) {
            touched.is_there = is_there;
            return Ok(());
        }
        let before = self.records.get(&id.0)?.map(|bytes| bytes.value().to_vec());
        self.touched.insert(id, Touched { before, is_there });
        Ok(())
    }

    fn get(&self, id: RecordId) -> Result<Option<Record>, redb::Error> {
        self.records.get(&id.0)?.map(|bytes| read(bytes.value())).transpose()
    }

    fn insert(&mut self, id: RecordId, record: &Record) -> Result<(), redb::Error> {
        let bytes = postcard::to_stdvec(record).map_err(|error| redb::Error::Corrupted(error.to_string()))?;
        self.touch(id, true)?;
        self.records.insert(&id.0, &bytes[..])?;
        if !record.is_owned() {
            self.by_expiry.insert((record.expires, &id.0), ())?;
        }
        Ok(())
    }

    fn remove(&mut self, id: RecordId, record: &Record) -> Result<(), redb::Error> {
        self.touch(id, false)?;
        self.records.remove(&id.0)?;
        self.by_expiry.remove((record.expires, &id.0))?;
        Ok(())
    }

    /// Removes expired records, except `kept`.
    fn remove_expired(&mut self, usage: &mut Usage, now: u64, kept: RecordId) -> Result<(), redb::Error> {
        let due = self.by_expiry.range(..=(now, &[0xff; 32]))?.take(MAX_EXPIRED_PER_WRITE);
        let due = due.map(|entry| entry.map(|(place, _)| RecordId(*place.value().1)));
        let due = due.collect::<Result<Vec<_>, _>>()?;
        for id in due.into_iter().filter(|id| *id != kept) {
            let Ok(Some(record)) = self.get(id) else { continue };
            if record.has_expired(now) {
                usage.remove(TenantWeight::from(&record));
                self.remove(id, &record)?;
            }
        }
        Ok(())
    }
}
