//! The thread that writes to the file, with group commit. After a failure it closes the file, and reopens it periodically
//! until it can be written to.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use redb::{Database, StorageBackend};
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::shared::SharedFile;
use super::tables::{self, Tables, Touched};
use crate::idempotency::record::{Record, RecordId};
use crate::idempotency::store::StoreError;
use crate::idempotency::usage::Usage;

/// Maximum number of replacements in one commit.
const MAX_BATCH: usize = 512;
/// Memory for pages of the file, in bytes.
const CACHE_BYTES: usize = 4 * 1024 * 1024;
/// Delay before the file is reopened after a failure. It doubles after each further failure.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Maximum delay.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);

/// A task of the thread.
pub(super) enum Task {
    Replace(Replacement),
    /// A read has failed: check whether the file can be used.
    Probe,
}

/// One record to replace, and where to send the result.
pub(super) struct Replacement {
    pub(super) id: RecordId,
    pub(super) expected: Option<u64>,
    pub(super) new: Option<Record>,
    pub(super) now: u64,
    pub(super) done: oneshot::Sender<Result<bool, StoreError>>,
}

type Answers = Vec<Result<bool, StoreError>>;

pub(super) struct Writer<F> {
    pub(super) shared: Arc<SharedFile>,
    /// Reopens the backend of the file.
    pub(super) reopen: F,
    /// The identity of the file.
    pub(super) hash_key: [u8; 32],
    pub(super) usage: Usage,
}

/// A time during which the file cannot be written to.
struct Outage {
    until: Instant,
    length: Duration,
}

/// Opens a database in a backend, or makes one in an empty backend.
pub(super) fn open_database(backend: impl StorageBackend) -> Result<Database, redb::DatabaseError> {
    Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend)
}

impl<B: StorageBackend, F: FnMut() -> io::Result<B>> Writer<F> {
    /// Runs until all senders of tasks are gone.
    pub(super) fn run(mut self, tasks: &mpsc::Receiver<Task>) {
        let mut outage: Option<Outage> = None;
        loop {
            let task = match &outage {
                None => tasks.recv().ok(),
                Some(Outage { until, .. }) => {
                    match tasks.recv_timeout(until.saturating_duration_since(Instant::now())) {
                        Ok(task) => Some(task),
                        Err(mpsc::RecvTimeoutError::Disconnected) => None,
                        Err(mpsc::RecvTimeoutError::Timeout) => {
                            outage = self.recover(outage);
                            continue;
                        }
                    }
                }
            };
            let Some(first) = task else { return };
            let tasks = std::iter::once(first).chain(tasks.try_iter()).take(MAX_BATCH);
            let (mut batch, mut probe_requested) = (Vec::new(), false);
            for task in tasks {
                match task {
                    Task::Replace(replacement) => batch.push(replacement),
                    Task::Probe => probe_requested = true,
                }
            }
            if outage.as_ref().is_some_and(|outage| outage.until <= Instant::now()) {
                outage = self.recover(outage);
            }
            if outage.is_some() {
                let error = self.shared.unavailable();
                answer(batch, |_| Err(error.clone()));
                continue;
            }
            if probe_requested && let Err(error) = self.guarded(|writer| writer.shared.with(tables::probe)) {
                outage = Some(self.failed(error, None));
            }
            self.shared.trying();
            if batch.is_empty() {
                continue;
            }
            self.shared.set_writing(true);
            let written = self.guarded(|writer| writer.write(&batch));
            self.shared.set_writing(false);
            match written {
                Ok(answers) => {
                    let mut answers = answers.into_iter();
                    let shared = Arc::clone(&self.shared);
                    answer(batch, |id| {
                        let answer = answers.next().unwrap_or(Ok(false));
                        if matches!(answer, Ok(true)) {
                            shared.changes.notify(id);
                        }
                        answer
                    });
                }
                Err(error) => {
                    outage = Some(self.failed(error, None));
                    let error = self.shared.unavailable();
                    answer(batch, |_| Err(error.clone()));
                }
            }
        }
    }

    /// A panic is a failure like others: the file is opened again after it.
    fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_panic| {
            Err(redb::Error::Io(io::Error::other("the writing of the file panicked")))
        })
    }

    fn write(&mut self, batch: &[Replacement]) -> Result<Answers, redb::Error> {
        let Self { shared, usage, .. } = self;
        shared.with(|database| {
            let transaction = database.begin_write()?;
            let mut tables = Tables::open(&transaction)?;
            let answers = batch.iter().map(|Replacement { id, expected, new, now, .. }| {
                tables.replace(usage, *id, *expected, new.as_ref(), *now)
            });
            let answers = answers.collect::<Result<_, _>>()?;
            let touched = tables.touched();
            // Whatever the result of the commit, an id that may be in the file is known before, and
            // one that is not is removed only after it.
            shared.known().extend(touched.iter().filter(|(_, touched)| touched.is_there).map(|(id, _)| *id));
            // Commits are durable before a caller receives a response, which is the default of the
            // crate.
            if let Err(error) = transaction.commit() {
                let before = |touched: Touched| touched.before.and_then(|bytes| tables::read(&bytes).ok());
                shared.rolled_back().extend(touched.into_iter().map(|(id, touched)| (id, before(touched))));
                return Err(error.into());
            }
            let mut known = shared.known();
            for (id, _) in touched.iter().filter(|(_, touched)| !touched.is_there) {
                known.remove(id);
            }
            Ok(answers)
        })
    }

    /// Notes that the file cannot be written to.
    fn failed(&mut self, error: redb::Error, before: Option<Outage>) -> Outage {
        let reason = error.to_string();
        if self.shared.set_failure(Some(error)) {
            warn!(reason, "the state file cannot be written; retrying");
        } else {
            debug!(reason, "the state file still cannot be written");
        }
        let length = before.map_or(MIN_RETRY_DELAY, |before| (before.length * 2).min(MAX_RETRY_DELAY));
        Outage { until: Instant::now() + length, length }
    }

    /// Reopens and checks the file. `None` if it can be written to.
    fn recover(&mut self, outage: Option<Outage>) -> Option<Outage> {
        match self.guarded(Self::open_again) {
            Ok(()) => {
                self.shared.set_failure(None);
                // Waiting calls read again, because the file was not readable before.
                self.shared.changes.notify_all();
                info!("the state file can be written again");
                None
            }
            Err(error) => Some(self.failed(error, outage)),
        }
    }

    /// A call in progress keeps its record: no lease is abandoned.
    fn open_again(&mut self) -> Result<(), redb::Error> {
        self.shared.set(None);
        let database = self.reopened()?;
        let rolled_back = self.shared.rolled_back().clone();
        match tables::probe(&database).and_then(|()| tables::restore(&database, &rolled_back)) {
            Ok(()) => {
                let contents = tables::contents(&database, self.usage.emptied())?;
                self.usage = contents.usage;
                *self.shared.known() = contents.known;
                self.shared.rolled_back().clear();
                self.shared.set(Some(database));
                Ok(())
            }
            Err(error) => {
                drop(database);
                // The file may still be readable.
                let database = self.reopened().ok();
                self.shared.set(database);
                Err(error)
            }
        }
    }

    /// Reopens only the same file. Another file in its place has other keys.
    fn reopened(&mut self) -> Result<Database, redb::Error> {
        let backend = (self.reopen)()?;
        if backend.len()? == 0 {
            return Err(redb::Error::Corrupted("the file is empty".to_owned()));
        }
        let database = open_database(backend)?;
        match tables::hash_key(&database)? {
            Some(hash_key) if hash_key == self.hash_key => Ok(database),
            _ => Err(redb::Error::Corrupted("another file is in the place of this one".to_owned())),
        }
    }
}

fn answer(batch: Vec<Replacement>, mut answer: impl FnMut(RecordId) -> Result<bool, StoreError>) {
    for replacement in batch {
        // The caller may have disconnected.
        let _ = replacement.done.send(answer(replacement.id));
    }
}
