//! The rules of idempotency keys (the contract's "Writing" section): who may write, who waits, and who is told what was
//! written before.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::hmac;
use serde::Serialize;
use tracing::error;

use super::record::{ItemState, Record, RecordId};
use super::store::{Store, StoreError};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What makes one idempotency key another than the next.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The caller's tenant, where the token tells.
    pub tenant: Option<&'a str>,
    /// The mutation's field.
    pub mutation: &'static str,
    /// The configuration that is written to.
    pub configuration: Option<&'a str>,
    /// The key.
    pub key: &'a str,
}

/// Where a key leads a call.
#[derive(Debug)]
pub enum Entry {
    /// It may write what is [`ItemState::Free`]; nobody else does until it has finished.
    Ours(Claim),
    /// Another call is at work.
    UnderWay(Waiting),
    /// The key came with other input before.
    Reused,
    /// All is known of each write, and nothing is left to write.
    Known(Vec<ItemState>),
}

/// Why a key cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The input cannot be hashed.
    #[error("the input cannot be written")]
    Input,
    /// The record was taken from its owner.
    #[error("another call took the record over")]
    Lost,
}

/// The keys that have been used, and what became of their writes.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
    hash_key: Arc<hmac::Key>,
    retention: Duration,
    clock: Clock,
}

impl Ledger {
    /// A ledger in `store`, which knows a key for `retention` after its last write.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, retention: Duration) -> Self {
        Self::with_clock(store, retention, Arc::new(SystemTime::now))
    }

    /// As [`Ledger::new`], by another clock.
    #[must_use]
    pub fn with_clock(store: Arc<dyn Store>, retention: Duration, clock: Clock) -> Self {
        let hash_key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &store.hash_key()));
        Self { store, hash_key, retention, clock }
    }

    /// Where a key leads a call that is to write `items` writes, told by `input`.
    ///
    /// # Errors
    ///
    /// Where the store is full or cannot be used.
    pub async fn enter(
        &self,
        scope: Scope<'_>,
        input: &impl Serialize,
        items: usize,
    ) -> Result<Entry, StateError> {
        let id = self.id(scope);
        let input = serde_json::to_vec(input).map_err(|_| StateError::Input)?;
        let input = self.hash(&[&input]);
        loop {
            let now = self.now();
            let found = self.store.get(id).await?;
            let version = found.as_ref().map(|record| record.version);
            let claimed = match found {
                Some(record) if !record.has_expired(now) => {
                    if record.input != input || record.items.len() != items {
                        return Ok(Entry::Reused);
                    }
                    if record.is_owned {
                        let store = Arc::clone(&self.store);
                        return Ok(Entry::UnderWay(Waiting { store, id, version: record.version }));
                    }
                    if !record.items.contains(&ItemState::Free) {
                        return Ok(Entry::Known(record.items));
                    }
                    Record { version: record.version + 1, is_owned: true, ..record }
                }
                _ => Record {
                    version: version.map_or(1, |version| version + 1),
                    input,
                    is_owned: true,
                    expires: self.expiry(now),
                    items: vec![ItemState::Free; items],
                },
            };
            if self.store.replace(id, version, Some(claimed.clone()), now).await? {
                return Ok(Entry::Ours(Claim(Some(Owned { ledger: self.clone(), id, record: claimed }))));
            }
        }
    }

    fn id(&self, scope: Scope<'_>) -> RecordId {
        let Scope { tenant, mutation, configuration, key } = scope;
        // What is absent is not the same as what is empty.
        let marked = |part: Option<&str>| part.map_or_else(String::new, |part| format!("={part}"));
        let (tenant, configuration) = (marked(tenant), marked(configuration));
        let parts = [tenant.as_bytes(), mutation.as_bytes(), configuration.as_bytes(), key.as_bytes()];
        RecordId(self.hash(&parts))
    }

    /// The keyed hash of several parts, of which each goes with its length, so that none can pass for part of another.
    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.hash_key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }

    /// Seconds since 1970.
    fn now(&self) -> u64 {
        (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    fn expiry(&self, now: u64) -> u64 {
        now.saturating_add(self.retention.as_secs())
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("store", &self.store).finish_non_exhaustive()
    }
}

/// A record that this call owns. Where it is dropped before it has finished, nobody knows what came of the writes that
/// were under way.
#[derive(Debug)]
pub struct Claim(Option<Owned>);

#[derive(Debug)]
struct Owned {
    ledger: Ledger,
    id: RecordId,
    /// As the store has it.
    record: Record,
}

impl Claim {
    /// What is known of each write.
    #[must_use]
    pub fn items(&self) -> &[ItemState] {
        self.0.as_ref().map_or(&[], |owned| &owned.record.items)
    }

    /// Notes that these writes are about to be sent, which lasts before it returns.
    ///
    /// # Errors
    ///
    /// Where it could not be noted: then they must not be sent.
    pub async fn intend(&mut self, items: &[usize]) -> Result<(), StateError> {
        let changes: Vec<_> = items.iter().map(|item| (*item, ItemState::UnderWay)).collect();
        self.note(&changes).await
    }

    /// Notes what came of these writes.
    ///
    /// # Errors
    ///
    /// Where it could not be noted: the record then says that they are under way.
    pub async fn note(&mut self, changes: &[(usize, ItemState)]) -> Result<(), StateError> {
        let owned = self.0.as_mut().ok_or(StateError::Lost)?;
        let mut record = owned.record.clone();
        for (index, state) in changes {
            if let Some(item) = record.items.get_mut(*index) {
                item.clone_from(state);
            }
        }
        owned.replace(record).await
    }

    /// Ends ownership. Where nothing was written, the key is as if it had never come.
    ///
    /// # Errors
    ///
    /// Where that could not be noted: the record then stays as its owner left it.
    pub async fn finish(mut self) -> Result<(), StateError> {
        match self.0.take() {
            Some(owned) => owned.end().await,
            None => Ok(()),
        }
    }
}

impl Owned {
    async fn replace(&mut self, mut record: Record) -> Result<(), StateError> {
        record.version += 1;
        let (store, now) = (&self.ledger.store, self.ledger.now());
        if !store.replace(self.id, Some(self.record.version), Some(record.clone()), now).await? {
            return Err(StateError::Lost);
        }
        self.record = record;
        Ok(())
    }

    async fn end(mut self) -> Result<(), StateError> {
        let now = self.ledger.now();
        if self.record.is_free() {
            let gone = self.ledger.store.replace(self.id, Some(self.record.version), None, now).await?;
            return if gone { Ok(()) } else { Err(StateError::Lost) };
        }
        let mut record = self.record.clone();
        record.abandon();
        record.expires = self.ledger.expiry(now);
        self.replace(record).await
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and the store reads the record as abandoned when it is opened again.
        if let (Some(owned), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                let id = owned.id;
                if let Err(error) = owned.end().await {
                    error!(%error, record = ?id, "what became of a write could not be noted");
                }
            });
        }
    }
}

/// A record that another call owns.
#[derive(Debug)]
pub struct Waiting {
    store: Arc<dyn Store>,
    id: RecordId,
    version: u64,
}

impl Waiting {
    /// Resolves when it is worth entering again.
    ///
    /// # Errors
    ///
    /// Where the store cannot be used.
    pub async fn changed(self) -> Result<(), StateError> {
        Ok(self.store.changed(self.id, self.version).await?)
    }
}
