//! Persisted documents that replicas share: each that one has registered can be found by the others.
//!
//! The server's copy is a cache, bounded in bytes, from which documents expire. What it returns is checked by hash.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use redis::Script;
use ring::digest::{SHA256, digest};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::hex;
use super::shared_connection::{PREFIX, SharedState, Unavailable};
use crate::telemetry::metrics::{self, SharedDocumentResult};
use crate::telemetry::rate_limit::LineLimit;
use crate::tls_error::with_causes;

/// Maximum size of all documents in the server, in bytes.
const MAX_STORED_BYTES: &[u8] = b"16777216";
/// How long a document stays in the server after it was last registered or found, in milliseconds: 24 h.
const MAX_AGE: &[u8] = b"86400000";
/// Maximum time of a look-up, for which the request waits.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(250);
/// Maximum number of concurrent look-ups. Further documents count as unknown.
const MAX_LOOKUPS: usize = 32;
/// Maximum number of documents that wait to be stored.
const MAX_QUEUED: usize = 256;
/// Maximum size of all of them, in bytes.
const MAX_QUEUED_BYTES: usize = 1024 * 1024;
/// How long a document is not stored again.
const STORE_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Number of documents whose last store is known.
const MAX_RECENT: usize = 4096;

static INVALID_LINES: LineLimit = LineLimit::new(1);
static REJECTED_LINES: LineLimit = LineLimit::new(1);

/// The documents of a shared state. Clones share the queue.
#[derive(Clone)]
pub struct SharedDocuments(Arc<Inner>);

struct Inner {
    state: SharedState,
    /// Maximum length of a document in bytes.
    max_length: usize,
    find: Script,
    store: Script,
    lookups: Semaphore,
    queue: Mutex<Queue>,
    /// Notified when a document was queued.
    queued: Notify,
    /// When documents were last stored.
    recent: Cache<[u8; 32], Instant>,
}

#[derive(Default)]
struct Queue {
    documents: VecDeque<([u8; 32], Arc<str>)>,
    bytes: usize,
}

impl SharedDocuments {
    /// The documents of a shared state, none of which is longer than `max_length` bytes.
    #[must_use]
    pub fn new(state: SharedState, max_length: usize) -> Self {
        Self(Arc::new(Inner {
            state,
            max_length,
            find: Script::new(include_str!("scripts/find_document.lua")),
            store: Script::new(include_str!("scripts/store_document.lua")),
            lookups: Semaphore::new(MAX_LOOKUPS),
            queue: Mutex::default(),
            queued: Notify::new(),
            recent: Cache::new(MAX_RECENT),
        }))
    }

    /// The document with a SHA-256 hash; `None` if the server has none, or does not return it in time.
    pub async fn find(&self, hash: &[u8; 32]) -> Option<Arc<str>> {
        let (text, result) = self.0.look_up(hash).await;
        metrics::shared_documents(result);
        text
    }

    /// Stores a document in the background. It is dropped if the server cannot be reached or too many documents wait.
    pub fn store(&self, hash: [u8; 32], text: &Arc<str>) {
        let inner = &*self.0;
        if inner.recent.get(&hash).is_some_and(|at| at.elapsed() < STORE_INTERVAL) {
            return;
        }
        if inner.state.health().is_ok() && inner.lock().push(hash, text) {
            inner.recent.insert(hash, Instant::now());
            inner.queued.notify_one();
        } else {
            metrics::shared_documents(SharedDocumentResult::NotStored);
        }
    }

    /// Stores documents until the future is dropped.
    pub async fn run(self) {
        let inner = &*self.0;
        loop {
            let next = inner.lock().pop();
            let Some((hash, text)) = next else {
                inner.queued.notified().await;
                continue;
            };
            let result = match inner.send(&hash, &text).await {
                Ok(true) => SharedDocumentResult::Stored,
                result => {
                    if let Err(error) = result {
                        log_rejection(&error);
                    }
                    inner.recent.remove(&hash);
                    SharedDocumentResult::NotStored
                }
            };
            metrics::shared_documents(result);
        }
    }
}

impl Inner {
    async fn look_up(&self, hash: &[u8; 32]) -> (Option<Arc<str>>, SharedDocumentResult) {
        let Ok(_permit) = self.lookups.try_acquire() else { return (None, SharedDocumentResult::Failed) };
        let (id, max_length) = (hex::encode(hash), self.max_length.to_string());
        let arguments = [id.as_bytes(), MAX_AGE, max_length.as_bytes()];
        let keys = keys();
        let finding = self.state.invoke::<Option<Vec<u8>>>(&self.find, &keys, &arguments);
        match timeout(LOOKUP_TIMEOUT, finding).await {
            Ok(Ok(Some(bytes))) => match self.checked(hash, bytes) {
                Some(text) => (Some(text.into()), SharedDocumentResult::Found),
                None => {
                    if let Some(suppressed) = INVALID_LINES.allow() {
                        warn!(suppressed, "a document of the shared state does not have its hash");
                    }
                    (None, SharedDocumentResult::Invalid)
                }
            },
            Ok(Ok(None)) => (None, SharedDocumentResult::NotFound),
            Ok(Err(error)) => {
                log_rejection(&error);
                (None, SharedDocumentResult::Failed)
            }
            Err(_elapsed) => (None, SharedDocumentResult::Failed),
        }
    }

    /// The text, if it has the hash.
    fn checked(&self, hash: &[u8; 32], bytes: Vec<u8>) -> Option<String> {
        let is_valid = bytes.len() <= self.max_length && digest(&SHA256, &bytes).as_ref() == hash;
        String::from_utf8(bytes).ok().filter(|_| is_valid)
    }

    /// Stores a document, and returns whether there was space for it.
    async fn send(&self, hash: &[u8; 32], text: &str) -> Result<bool, Unavailable> {
        let id = hex::encode(hash);
        let arguments = [id.as_bytes(), text.as_bytes(), MAX_AGE, MAX_STORED_BYTES];
        self.state.invoke(&self.store, &keys(), &arguments).await
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Appends a document, unless there is no space.
    fn push(&mut self, hash: [u8; 32], text: &Arc<str>) -> bool {
        let fits = self.documents.len() < MAX_QUEUED && self.bytes + text.len() <= MAX_QUEUED_BYTES;
        if fits {
            self.bytes += text.len();
            self.documents.push_back((hash, Arc::clone(text)));
        }
        fits
    }

    fn pop(&mut self) -> Option<([u8; 32], Arc<str>)> {
        let (hash, text) = self.documents.pop_front()?;
        self.bytes -= text.len();
        Some((hash, text))
    }
}

impl fmt::Debug for SharedDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedDocuments").finish_non_exhaustive()
    }
}

/// A connection that is lost is logged elsewhere.
fn log_rejection(error: &Unavailable) {
    if let Unavailable::Rejected(_) = error
        && let Some(suppressed) = REJECTED_LINES.allow()
    {
        warn!(reason = with_causes(error), suppressed, "persisted documents cannot be shared");
    }
}

/// The keys of the texts, of the times when they were last used, and of their size.
fn keys() -> [String; 3] {
    ["documents", "documents:used", "documents:bytes"].map(|key| format!("{PREFIX}{key}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{MAX_QUEUED, MAX_QUEUED_BYTES, Queue};

    #[test]
    fn the_queue_is_bounded_in_documents_and_bytes() {
        let mut queue = Queue::default();
        let [small, large]: [Arc<str>; 2] = ["x".into(), "x".repeat(MAX_QUEUED_BYTES / 4).into()];
        assert!((0..4).all(|_| queue.push([0; 32], &large)));
        assert!(!queue.push([0; 32], &small));
        while queue.pop().is_some() {}
        assert!((0..MAX_QUEUED).all(|_| queue.push([0; 32], &small)));
        assert!(!queue.push([0; 32], &small));
        assert!(queue.pop().is_some() && queue.push([0; 32], &small));
    }
}
