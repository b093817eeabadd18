//! State that readers of the file share with the thread that writes to it.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase as _};

use super::tables;
use crate::idempotency::change_notifier::ChangeNotifier;
use crate::idempotency::record::{Record, RecordId};
use crate::idempotency::store::StoreError;

/// Maximum time of a commit, after which the file counts as unusable.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The open file and its state.
#[derive(Debug)]
pub(super) struct SharedFile {
    /// `None` while it is closed, to be opened again.
    database: RwLock<Option<Database>>,
    /// The records that may be there: no other is, whether the file can be read or not.
    known: Mutex<HashSet<RecordId>>,
    /// The records of failed replacements as they were before. They count instead of the file's until they have been
    /// restored there.
    rolled_back: Mutex<HashMap<RecordId, Option<Record>>>,
    status: Mutex<Status>,
    /// Whether a read has failed since the file was last tried.
    is_suspect: AtomicBool,
    pub(super) changes: ChangeNotifier,
}

#[derive(Debug, Default)]
struct Status {
    /// Why it cannot be written to.
    failure: Option<Arc<redb::Error>>,
    /// Start of the commit in progress.
    writing_since: Option<Instant>,
}

impl SharedFile {
    pub(super) fn new(database: Database, known: HashSet<RecordId>) -> Self {
        Self {
            database: RwLock::new(Some(database)),
            known: Mutex::new(known),
            rolled_back: Mutex::default(),
            status: Mutex::default(),
            is_suspect: AtomicBool::new(false),
            changes: ChangeNotifier::default(),
        }
    }

    /// Uses the file if it is open.
    pub(super) fn with<T>(
        &self,
        using: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        match &*self.database.read().unwrap_or_else(PoisonError::into_inner) {
            Some(database) => using(database),
            None => Err(redb::Error::DatabaseClosed),
        }
    }

    /// Closes the file, which releases it, or puts another in its place.
    pub(super) fn set(&self, database: Option<Database>) {
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = database;
    }

    pub(super) fn known(&self) -> MutexGuard<'_, HashSet<RecordId>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn rolled_back(&self) -> MutexGuard<'_, HashMap<RecordId, Option<Record>>> {
        self.rolled_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a record as known without reading the file.
    pub(super) fn get_known(&self, id: RecordId) -> Option<Option<Record>> {
        if let Some(before) = self.rolled_back().get(&id) {
            return Some(before.clone());
        }
        (!self.known().contains(&id)).then_some(None)
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores why the file cannot be written to, or that it can. Returns whether this is a change.
    pub(super) fn set_failure(&self, failure: Option<redb::Error>) -> bool {
        let mut status = self.status();
        let is_news = status.failure.is_some() != failure.is_some();
        status.failure = failure.map(Arc::new);
        is_news
    }

    pub(super) fn set_writing(&self, is_writing: bool) {
        self.status().writing_since = is_writing.then(Instant::now);
    }

    /// Whether the file can be written to.
    pub(super) fn health(&self) -> Result<(), StoreError> {
        let status = self.status();
        if let Some(failure) = &status.failure {
            return Err(StoreError::Unavailable(Arc::clone(failure) as _));
        }
        match status.writing_since.map(|since| since.elapsed()) {
            Some(taken) if taken > STALL_TIMEOUT => {
                let error = format!("a write to the file has taken {} s so far", taken.as_secs());
                Err(StoreError::Unavailable(Arc::new(io::Error::new(io::ErrorKind::TimedOut, error))))
            }
            _ => Ok(()),
        }
    }

    /// Why the file cannot be used, as far as is known.
    pub(super) fn unavailable(&self) -> StoreError {
        match &self.status().failure {
            Some(failure) => StoreError::Unavailable(Arc::clone(failure) as _),
            None => StoreError::Unavailable(Arc::new(redb::Error::DatabaseClosed)),
        }
    }

    /// Reads a record. If that fails, `suspect` is called once until the file has been checked.
    pub(super) fn get(&self, id: RecordId, suspect: impl FnOnce()) -> Result<Option<Record>, StoreError> {
        match self.with(|database| tables::get(&database.begin_read()?, id)) {
            Ok(record) => Ok(record),
            Err(redb::Error::DatabaseClosed) => Err(self.unavailable()),
            Err(error) => {
                if !matches!(error, redb::Error::Corrupted(_))
                    && !self.is_suspect.swap(true, Ordering::Relaxed)
                {
                    suspect();
                }
                Err(StoreError::Unavailable(Arc::new(error)))
            }
        }
    }

    /// Begins to try the file: reads that fail from now on are news again.
    pub(super) fn trying(&self) {
        self.is_suspect.store(false, Ordering::Relaxed);
    }
}
