//! The rules of idempotency keys (the contract's "Writing" section): who may write, who waits, and who is told
//! what was written before.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ring::hmac;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use super::claim::{Claim, Clock, Keeper, StateError};
use super::record::{ItemState, MAX_ITEMS, Owner, Record, RecordId, TenantId};
use super::store::{Store, StoreError};

/// Most writes whose keys are being looked up and claimed at a time, those included whose callers have gone:
/// while a store does not answer, more wait for their turn, until their deadlines.
const MOST_ENTERING: usize = 64 * 1024;
/// How often at most it is logged that keys cannot be used.
const LOGGED_EVERY: Duration = Duration::from_secs(10);

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
    /// Something is left to write, which the store has no room to note.
    NoRoom(Vec<ItemState>),
}

/// The keys that have been used, and what became of their writes.
#[derive(Clone)]
pub struct Ledger {
    keeper: Keeper,
    hash_key: Arc<hmac::Key>,
    entering: Arc<Semaphore>,
    failures: Arc<Mutex<Failures>>,
}

/// Failures to use keys, which come in floods.
#[derive(Debug, Default)]
struct Failures {
    logged: Option<Instant>,
    /// How many there were since.
    unlogged: u64,
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
        let keeper = Keeper { store, retention, clock };
        let entering = Arc::new(Semaphore::new(MOST_ENTERING));
        Self { keeper, hash_key, entering, failures: Arc::default() }
    }

    /// Where a key leads a call that is to write `items` writes, told by `input`. It waits until `deadline` at most.
    ///
    /// It may be dropped at any time: a key that it would have claimed is free again as soon as the store can
    /// note it.
    ///
    /// # Errors
    ///
    /// Where the store is full, cannot be used, or does not answer in time: [`StateError::NotClaimed`] where it
    /// had said that no earlier call has written anything with the key.
    pub async fn enter(
        &self,
        scope: Scope<'_>,
        input: &impl Serialize,
        items: usize,
        deadline: Instant,
    ) -> Result<Entry, StateError> {
        let input = serde_json::to_vec(input).map_err(|_| StateError::Input)?;
        if items > MAX_ITEMS {
            return Err(StateError::Input);
        }
        let entering = Entering {
            keeper: self.keeper.clone(),
            id: self.id(scope),
            tenant: self.tenant(scope.tenant),
            input: self.hash(&[&input]),
            items,
            is_unwritten: Arc::default(),
        };
        let is_unwritten = Arc::clone(&entering.is_unwritten);
        let entry = match timeout_at(deadline, self.apart(entering)).await {
            Ok(entry) => entry,
            Err(_elapsed) => Err(StateError::Late),
        };
        entry.map_err(|error| {
            self.log(&error);
            match error {
                // A full store has said that itself.
                StateError::Store(StoreError::Full) => error,
                error if is_unwritten.load(Ordering::Acquire) => StateError::NotClaimed(Arc::new(error)),
                error => error,
            }
        })
    }

    /// Enters in a task of its own, which hands the claim over or ends it: a caller who leaves while the store
    /// notes the claim does not leave a record behind that nobody owns.
    async fn apart(&self, entering: Entering) -> Result<Entry, StateError> {
        let writes = u32::try_from(entering.items.clamp(1, MOST_ENTERING)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.entering).acquire_many_owned(writes).await;
        let permit = permit.map_err(|error| StoreError::Unavailable(Arc::new(error)))?;
        let task = tokio::spawn(async move {
            let _permit = permit;
            entering.enter().await
        });
        match task.await {
            Ok(entry) => entry,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => Err(StoreError::Unavailable(Arc::new(cancelled)).into()),
            },
        }
    }

    /// Whether the store can be used at present.
    ///
    /// # Errors
    ///
    /// The reason, for those who operate the gateway.
    pub fn health(&self) -> Result<(), StoreError> {
        self.keeper.store.health()
    }

    fn log(&self, error: &StateError) {
        let cause = std::error::Error::source(error).map(tracing::field::display);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.logged.is_some_and(|logged| logged.elapsed() < LOGGED_EVERY) {
            failures.unlogged += 1;
            debug!(%error, cause, "an idempotency key could not be used");
            return;
        }
        let unlogged = std::mem::take(&mut failures.unlogged);
        failures.logged = Some(Instant::now());
        warn!(%error, cause, others = unlogged, "an idempotency key could not be used");
    }

    fn id(&self, scope: Scope<'_>) -> RecordId {
        let Scope { tenant, mutation, configuration, key } = scope;
        let (tenant, configuration) = (marked(tenant), marked(configuration));
        let parts = [tenant.as_bytes(), mutation.as_bytes(), configuration.as_bytes(), key.as_bytes()];
        RecordId(self.hash(&parts))
    }

    fn tenant(&self, tenant: Option<&str>) -> TenantId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.hash(&[b"tenant", marked(tenant).as_bytes()])[..16]);
        TenantId(id)
    }

    /// The keyed hash of several parts, of which each goes with its length, so that none can pass for part of
    /// another.
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
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("keeper", &self.keeper).finish_non_exhaustive()
    }
}

/// What is absent is not the same as what is empty.
fn marked(part: Option<&str>) -> String {
    part.map_or_else(String::new, |part| format!("={part}"))
}

/// A call on its way to its record.
struct Entering {
    keeper: Keeper,
    id: RecordId,
    tenant: TenantId,
    input: [u8; 32],
    items: usize,
    /// Whether the store has said that no earlier call has written anything with the key.
    is_unwritten: Arc<AtomicBool>,
}

impl Entering {
    async fn enter(self) -> Result<Entry, StateError> {
        let Self { keeper, id, tenant, input, items, is_unwritten } = self;
        let store = &keeper.store;
        let owner = Some(Owner::unique());
        loop {
            is_unwritten.store(false, Ordering::Release);
            let now = keeper.now();
            let found = store.get(id).await?;
            let version = found.as_ref().map(|record| record.version);
            let next_version = version.unwrap_or_default().wrapping_add(1);
            let is_known = found.as_ref().is_some_and(|record| !record.has_expired(now));
            let claimed = match found {
                Some(record) if is_known => {
                    if record.input != input || record.items.len() != items {
                        return Ok(Entry::Reused);
                    }
                    if record.is_owned() {
                        let store = Arc::clone(store);
                        return Ok(Entry::UnderWay(Waiting { store, id, version: record.version }));
                    }
                    if !record.items.contains(&ItemState::Free) {
                        return Ok(Entry::Known(record.items));
                    }
                    Record { version: next_version, owner, ..record }
                }
                _ => {
                    let expires = keeper.expiry(now);
                    let items = vec![ItemState::Free; items];
                    Record { version: next_version, input, tenant, owner, expires, items }
                }
            };
            is_unwritten.store(claimed.is_free(), Ordering::Release);
            let mut claim = Claim::of(keeper.clone(), id, claimed.clone(), version);
            match store.replace(id, version, Some(claimed), now).await {
                Ok(true) => {
                    claim.stands();
                    return Ok(Entry::Ours(claim));
                }
                Ok(false) => claim.never_was(),
                Err(StoreError::Full) => {
                    let items = claim.items().to_vec();
                    claim.never_was();
                    return if is_known { Ok(Entry::NoRoom(items)) } else { Err(StoreError::Full.into()) };
                }
                // The claim may have been noted: as it is dropped, it is ended.
                Err(error) => return Err(error.into()),
            }
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
