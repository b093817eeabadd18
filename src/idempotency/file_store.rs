//! A store in a file, which survives the end of the process.

mod shared;
mod tables;
mod writer;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Arc, mpsc};

use async_trait::async_trait;
use redb::StorageBackend;
use redb::backends::FileBackend;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::oneshot;

use self::shared::SharedFile;
use self::writer::{Replacement, Task, Writer};
use super::record::{Record, RecordId};
use super::store::{Store, StoreError};
use super::usage::Usage;

/// A store in a file that this process uses exclusively. After a disk error, for example a full
/// disk, it reopens the file and can be used as soon as the file can be written to.
#[derive(Debug)]
pub struct FileStore {
    hash_key: [u8; 32],
    shared: Arc<SharedFile>,
    writer: mpsc::Sender<Task>,
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
    #[error("{path} is in use by another process; each gateway needs its own file")]
    InUse {
        /// The file.
        path: String,
    },
    /// The file has another content, or is damaged.
    #[error(
        "{path} is not a state file of this version, or is corrupt; set another file, or move this one away"
    )]
    Unrecognized {
        /// The file.
        path: String,
        /// The error of the file.
        source: Box<redb::Error>,
    },
    /// The system's random number generator failed.
    #[error("the system provides no random numbers")]
    NoRandomness,
}

impl FileStore {
    /// Opens the file, or creates it. Records that were leased when the last process ended are abandoned.
    /// `capacity` counts writes, as in [`MemoryStore`](super::MemoryStore).
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(path: &Path, capacity: usize) -> Result<Self, OpenError> {
        let owned = path.to_owned();
        // Created once: a file that has disappeared since is not an empty one.
        let mut create = true;
        let open = move || {
            let file = open(&owned, create)?;
            create = false;
            FileBackend::new(file).map_err(io::Error::other)
        };
        Self::open_with(&path.display().to_string(), capacity, open)
    }

    /// Like [`FileStore::open`], for a backend. `open` returns it initially and again after each
    /// failure; `name` is used in errors.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open_with<B: StorageBackend>(
        name: &str,
        capacity: usize,
        mut open: impl FnMut() -> io::Result<B> + Send + 'static,
    ) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: name.to_owned(), source };
        // An error of the system is not an error of the content: a full disk does not mean that the
        // file is damaged.
        let foreign = |source: redb::Error| match source {
            redb::Error::Io(source) if source.raw_os_error().is_some() => io(source),
            source => OpenError::Unrecognized { path: name.to_owned(), source: Box::new(source) },
        };
        let database = match writer::open_database(open().map_err(io)?) {
            Ok(database) => database,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => {
                return Err(OpenError::InUse { path: name.to_owned() });
            }
            Err(error) => return Err(foreign(error.into())),
        };
        let mut fresh_key = [0; 32];
        SystemRandom::new().fill(&mut fresh_key).map_err(|_| OpenError::NoRandomness)?;
        let hash_key = tables::prepare(&database, fresh_key)
            .map_err(foreign)?
            .ok_or_else(|| foreign(redb::Error::Corrupted("another program's tables".to_owned())))?;
        let contents = tables::contents(&database, Usage::new(capacity)).map_err(foreign)?;

        let shared = Arc::new(SharedFile::new(database, contents.known));
        let (writer, tasks) = mpsc::channel();
        let writing = Writer { shared: Arc::clone(&shared), reopen: open, hash_key, usage: contents.usage };
        std::thread::Builder::new()
            .name("state-file".to_owned())
            .spawn(move || writing.run(&tasks))
            .map_err(io)?;
        Ok(Self { hash_key, shared, writer })
    }
}

/// Opens the file with read access for its owner only: it contains keys of objects.
fn open(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

fn ended() -> StoreError {
    StoreError::Unavailable(Arc::new(io::Error::other("the thread that writes has ended")))
}

#[async_trait]
impl Store for FileStore {
    fn hash_key(&self) -> Result<[u8; 32], StoreError> {
        Ok(self.hash_key)
    }

    async fn get(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        if let Some(known) = self.shared.get_known(id) {
            return Ok(known);
        }
        let (shared, writer) = (Arc::clone(&self.shared), self.writer.clone());
        let suspect = move || drop(writer.send(Task::Probe));
        tokio::task::spawn_blocking(move || shared.get(id, suspect)).await.map_err(|_| ended())?
    }

    async fn replace(
        &self,
        id: RecordId,
        expected: Option<u64>,
        new: Option<Record>,
        now: u64,
    ) -> Result<bool, StoreError> {
        let (done, answer) = oneshot::channel();
        let replacement = Replacement { id, expected, new, now, done };
        self.writer.send(Task::Replace(replacement)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    async fn changed(&self, id: RecordId, version: u64) -> Result<(), StoreError> {
        let next = self.shared.changes.subscribe(id);
        if self.get(id).await?.is_some_and(|record| record.version == version) {
            next.changed().await;
        }
        Ok(())
    }

    fn health(&self) -> Result<(), StoreError> {
        self.shared.health()
    }
}
