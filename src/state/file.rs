//! Records in a file: kept when the process ends, however it ends.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::{Arc, mpsc};

use async_trait::async_trait;
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::oneshot;

use super::changes::Changes;
use super::record::{Record, RecordId};
use super::store::{Store, StoreError};

const RECORDS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("records");
/// The records by the time after which they are forgotten.
const BY_EXPIRY: TableDefinition<'_, (u64, &[u8; 32]), ()> = TableDefinition::new("by_expiry");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

const FORMAT: &str = "format";
/// The form of what the tables hold; another is another program's.
const THIS_FORMAT: &[u8] = b"intune-graphql state 1";
const HASH_KEY: &str = "hash_key";

/// Most replacements that go to disk together.
const MOST_TOGETHER: usize = 512;
/// Most records that are forgotten for one that is new, so that no call waits for a long clean-up.
const MOST_FORGOTTEN: usize = 1000;
/// Memory for pages of the file, in bytes.
const CACHE: usize = 4 * 1024 * 1024;

/// A store in a file that this process has to itself.
#[derive(Debug)]
pub struct FileStore {
    hash_key: [u8; 32],
    database: Arc<Database>,
    writer: mpsc::Sender<Replacement>,
    changes: Changes,
}

/// Why a file cannot be used as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be opened or made.
    #[error("cannot open {path}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("{path} is in use by another process; each gateway needs a file of its own")]
    InUse {
        /// The file.
        path: String,
    },
    /// It holds something else, or is damaged.
    #[error("{path} is no state file of this version, or is damaged; name another, or move it away")]
    Foreign {
        /// The file.
        path: String,
        /// What was wrong with it.
        source: Box<redb::Error>,
    },
    /// The machine gives no random numbers.
    #[error("no random numbers can be had")]
    NoRandomness,
}

struct Replacement {
    id: RecordId,
    expected: Option<u64>,
    new: Option<Record>,
    now: u64,
    done: oneshot::Sender<Result<bool, StoreError>>,
}

impl FileStore {
    /// Opens the file, or makes it. Records that were owned when the last process ended are abandoned. `capacity` counts
    /// writes, as in [`MemoryStore`](super::MemoryStore).
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(path: &Path, capacity: usize) -> Result<Self, OpenError> {
        let name = path.display().to_string();
        let file = open(path).map_err(|source| OpenError::Io { path: name.clone(), source })?;
        let foreign =
            |source: redb::Error| OpenError::Foreign { path: name.clone(), source: Box::new(source) };
        let backend = FileBackend::new(file);
        let database = backend
            .and_then(|backend| Database::builder().set_cache_size(CACHE).create_with_backend(backend));
        let database = match database {
            Ok(database) => database,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => return Err(OpenError::InUse { path: name }),
            Err(error) => return Err(foreign(error.into())),
        };
        let mut fresh_key = [0; 32];
        SystemRandom::new().fill(&mut fresh_key).map_err(|_| OpenError::NoRandomness)?;
        let (hash_key, items) = prepare(&database, fresh_key)
            .map_err(foreign)?
            .ok_or_else(|| foreign(redb::Error::Corrupted("another program's tables".to_owned())))?;

        let database = Arc::new(database);
        let (writer, replacements) = mpsc::channel();
        let writing = Writer { database: Arc::clone(&database), capacity, items };
        std::thread::Builder::new()
            .name("state-file".to_owned())
            .spawn(move || writing.run(&replacements))
            .map_err(|source| OpenError::Io { path: name, source })?;
        Ok(Self { hash_key, database, writer, changes: Changes::default() })
    }
}

/// Only its owner may read the file: keys of objects are no secret, and still nobody else's business.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    if file.metadata()?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

/// Makes the tables of a new file, and abandons what a process that has ended owned. Gives the hash key and the number
/// of writes; `None` where the tables are another program's.
fn prepare(database: &Database, fresh_key: [u8; 32]) -> Result<Option<([u8; 32], usize)>, redb::Error> {
    let transaction = database.begin_write()?;
    let (hash_key, mut items) = {
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
        (key, 0)
    };
    {
        let mut records = transaction.open_table(RECORDS)?;
        transaction.open_table(BY_EXPIRY)?;
        let mut abandoned = Vec::new();
        for entry in records.iter()? {
            let (id, bytes) = entry?;
            let Ok(mut record) = postcard::from_bytes::<Record>(bytes.value()) else { return Ok(None) };
            items += record.items.len();
            if record.is_owned {
                record.abandon();
                record.version += 1;
                abandoned.push((*id.value(), record));
            }
        }
        for (id, record) in abandoned {
            records.insert(&id, &bytes(&record)?[..])?;
        }
    }
    transaction.commit()?;
    Ok(Some((hash_key, items)))
}

fn bytes(record: &Record) -> Result<Vec<u8>, redb::Error> {
    postcard::to_stdvec(record).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

/// The one thread that writes: what waits goes to disk together.
struct Writer {
    database: Arc<Database>,
    capacity: usize,
    /// Writes that the records are of.
    items: usize,
}

impl Writer {
    fn run(mut self, replacements: &mpsc::Receiver<Replacement>) {
        while let Ok(first) = replacements.recv() {
            let mut together = vec![first];
            together.extend(replacements.try_iter().take(MOST_TOGETHER - 1));
            let items = self.items;
            let written = self.write(&together);
            if written.is_err() {
                self.items = items;
            }
            let answers = written.unwrap_or_else(|error| {
                let error = StoreError::Unavailable(Arc::new(error));
                together.iter().map(|_| Err(error.clone())).collect()
            });
            for (replacement, answer) in together.into_iter().zip(answers) {
                // Whoever has gone need not know.
                let _ = replacement.done.send(answer);
            }
        }
    }

    fn write(&mut self, together: &[Replacement]) -> Result<Vec<Result<bool, StoreError>>, redb::Error> {
        let transaction = self.database.begin_write()?;
        let answers = together.iter().map(|replacement| self.replace(&transaction, replacement));
        let answers = answers.collect::<Result<_, _>>()?;
        // On disk before anyone is answered: the default durability of the crate.
        transaction.commit()?;
        Ok(answers)
    }

    fn replace(
        &mut self,
        transaction: &WriteTransaction,
        replacement: &Replacement,
    ) -> Result<Result<bool, StoreError>, redb::Error> {
        let Replacement { id: RecordId(id), expected, new, now, .. } = replacement;
        let mut records = transaction.open_table(RECORDS)?;
        let mut by_expiry = transaction.open_table(BY_EXPIRY)?;
        let old = records.get(id)?.map(|bytes| read(bytes.value())).transpose()?;
        if old.as_ref().map(|old| old.version) != *expected {
            return Ok(Ok(false));
        }
        if let (None, Some(new)) = (&old, new) {
            let due: Vec<(u64, [u8; 32])> = by_expiry
                .range(..=(*now, &[0xff; 32]))?
                .take(MOST_FORGOTTEN)
                .map(|entry| entry.map(|(place, _)| (place.value().0, *place.value().1)))
                .collect::<Result<_, _>>()?;
            for (expires, due) in due {
                let Some(record) = records.get(&due)?.map(|bytes| read(bytes.value())).transpose()? else {
                    continue;
                };
                if record.has_expired(*now) {
                    self.items -= record.items.len();
                    records.remove(&due)?;
                    by_expiry.remove((expires, &due))?;
                }
            }
            if self.items + new.items.len() > self.capacity {
                return Ok(Err(StoreError::Full));
            }
        }
        if let Some(old) = old {
            self.items -= old.items.len();
            records.remove(id)?;
            by_expiry.remove((old.expires, id))?;
        }
        if let Some(new) = new {
            self.items += new.items.len();
            records.insert(id, &bytes(new)?[..])?;
            by_expiry.insert((new.expires, id), ())?;
        }
        Ok(Ok(true))
    }
}

fn read(bytes: &[u8]) -> Result<Record, redb::Error> {
    postcard::from_bytes(bytes).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

fn unavailable(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Unavailable(Arc::new(error.into()))
}

fn ended() -> StoreError {
    StoreError::Unavailable(Arc::new(std::io::Error::other("the thread that writes has ended")))
}

#[async_trait]
impl Store for FileStore {
    fn hash_key(&self) -> [u8; 32] {
        self.hash_key
    }

    async fn get(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        let database = Arc::clone(&self.database);
        let get = move || {
            let records = database.begin_read().map_err(unavailable)?;
            let records = records.open_table(RECORDS).map_err(unavailable)?;
            let bytes = records.get(&id.0).map_err(unavailable)?;
            bytes.map(|bytes| read(bytes.value()).map_err(unavailable)).transpose()
        };
        tokio::task::spawn_blocking(get).await.map_err(|_| ended())?
    }

    async fn replace(
        &self,
        id: RecordId,
        expected: Option<u64>,
        new: Option<Record>,
        now: u64,
    ) -> Result<bool, StoreError> {
        let (done, answer) = oneshot::channel();
        self.writer.send(Replacement { id, expected, new, now, done }).map_err(|_| ended())?;
        let replaced = answer.await.map_err(|_| ended())??;
        if replaced {
            self.changes.tell(id);
        }
        Ok(replaced)
    }

    async fn changed(&self, id: RecordId, version: u64) -> Result<(), StoreError> {
        let next = self.changes.next(id);
        if self.get(id).await?.is_some_and(|record| record.version == version) {
            next.come().await;
        }
        Ok(())
    }
}
