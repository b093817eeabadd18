//! The rules of idempotency keys: which call may write, which waits, and which gets the results of an earlier call.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ring::hmac;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::lease::{Clock, IdempotencyError, Lease, StoreContext};
use super::record::{ItemState, MAX_ITEMS, Owner, Record, RecordId, TenantId};
use super::store::{Store, StoreError};
use crate::telemetry::metrics::{self, LookupResult};
use crate::telemetry::request;
use crate::tls_error::causes;

/// Maximum number of writes whose keys are being looked up, disconnected callers included. While a
/// store does not respond, further calls wait for a permit until their deadlines.
const MAX_PENDING_WRITES: usize = 64 * 1024;
/// Shortest time between two warnings that keys cannot be used.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The scope of an idempotency key.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The tenant hint of the caller's token.
    pub tenant: Option<&'a str>,
    /// The mutation's field.
    pub mutation: &'static str,
    /// The configuration of the write.
    pub configuration: Option<&'a str>,
    /// The key.
    pub key: &'a str,
}

/// The result of looking up a key.
#[derive(Debug)]
pub enum Lookup {
    /// This call may write the items that [may be sent](ItemState::may_be_sent). No other call may until the lease is
    /// released.
    Acquired(Lease),
    /// Another call has the lease.
    InProgress(RecordWatch),
    /// The key was used with other input.
    Conflict,
    /// Nothing is left to write.
    Completed(Vec<ItemState>),
    /// Something is left to write, and the store has no capacity for it.
    StoreFull(Vec<ItemState>),
}

/// Looks up idempotency keys and leases their records. Clones share their state.
#[derive(Clone)]
pub struct IdempotencyService {
    context: StoreContext,
    pending_writes: Arc<Semaphore>,
    failures: Arc<Mutex<FailureLog>>,
}

/// Limits how often failures are logged.
#[derive(Debug, Default)]
struct FailureLog {
    logged_at: Option<Instant>,
    /// Failures since then.
    unlogged: u64,
}

impl IdempotencyService {
    /// A service that keeps records in `store` for `retention` after their last write.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, retention: Duration) -> Self {
        Self::with_clock(store, retention, Arc::new(SystemTime::now))
    }

    /// Like [`IdempotencyService::new`], with another clock.
    #[must_use]
    pub fn with_clock(store: Arc<dyn Store>, retention: Duration, clock: Clock) -> Self {
        let context = StoreContext { store, retention, clock, releases: TaskTracker::new() };
        let pending_writes = Arc::new(Semaphore::new(MAX_PENDING_WRITES));
        Self { context, pending_writes, failures: Arc::default() }
    }

    /// Looks up the key of a call that has `items` writes and the input `input`, and acquires the lease if something is
    /// left to write. Waits until `deadline` at most. `has_approval` says for which of the writes the caller sends an
    /// approval; the rest have none.
    ///
    /// May be cancelled at any time. A lease that is acquired nevertheless is released as soon as
    /// the store accepts that.
    ///
    /// # Errors
    ///
    /// The store is full, cannot be used, or does not respond in time;
    /// [`IdempotencyError::NotAcquired`] if the store had already reported that no earlier call
    /// wrote anything with the key.
    pub async fn look_up(
        &self,
        scope: Scope<'_>,
        input: &impl Serialize,
        items: usize,
        has_approval: &[bool],
        deadline: Instant,
    ) -> Result<Lookup, IdempotencyError> {
        let input = serde_json::to_vec(input).map_err(|_| IdempotencyError::InvalidInput)?;
        if items > MAX_ITEMS {
            return Err(IdempotencyError::InvalidInput);
        }
        let is_unwritten = Arc::<AtomicBool>::default();
        let entry = match self.hasher() {
            Ok(hasher) => {
                let lookup = PendingLookup {
                    context: self.context.clone(),
                    id: hasher.id(scope),
                    tenant: hasher.tenant(scope.tenant),
                    input: hasher.hash(&[&input]),
                    items,
                    has_approval: has_approval.to_vec(),
                    is_unwritten: Arc::clone(&is_unwritten),
                };
                match timeout_at(deadline, self.look_up_in_task(lookup)).await {
                    Ok(entry) => entry,
                    // An earlier call may have written, as always while the shared store cannot be used.
                    Err(_elapsed) if self.context.store.inserts_first() => {
                        Err(StoreError::Unreachable(Arc::new(IdempotencyError::Timeout)).into())
                    }
                    Err(_elapsed) => Err(IdempotencyError::Timeout),
                }
            }
            Err(error) => Err(error.into()),
        };
        metrics::idempotency_lookup(match &entry {
            Ok(Lookup::Acquired(_)) => LookupResult::Acquired,
            Ok(Lookup::InProgress(_)) => LookupResult::InProgress,
            Ok(Lookup::Conflict) => LookupResult::Conflict,
            Ok(Lookup::Completed(_)) => LookupResult::Completed,
            Ok(Lookup::StoreFull(_)) | Err(IdempotencyError::Store(StoreError::Full)) => LookupResult::Full,
            Err(_) => LookupResult::Failed,
        });
        entry.map_err(|error| {
            self.log(&error);
            match error {
                // A full store reports only new keys as an error.
                IdempotencyError::Store(StoreError::Full) => error,
                error if is_unwritten.load(Ordering::Acquire) => {
                    IdempotencyError::NotAcquired(Arc::new(error))
                }
                error => error,
            }
        })
    }

    /// Looks up in a task, which returns or releases the lease: a caller that disconnects while the store writes the lease
    /// leaves no record without an owner.
    async fn look_up_in_task(&self, lookup: PendingLookup) -> Result<Lookup, IdempotencyError> {
        let writes = u32::try_from(lookup.items.clamp(1, MAX_PENDING_WRITES)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.pending_writes).acquire_many_owned(writes).await;
        let permit = permit.map_err(|error| StoreError::Unavailable(Arc::new(error)))?;
        let task = tokio::spawn(request::inherit(async move {
            let _permit = permit;
            lookup.run().await
        }));
        match task.await {
            Ok(entry) => entry,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => Err(StoreError::Unavailable(Arc::new(cancelled)).into()),
            },
        }
    }

    /// Waits until the releases of all leases are stored, after the last call has ended.
    pub async fn wait_for_releases(&self) {
        self.context.releases.close();
        self.context.releases.wait().await;
    }

    /// The number of leases whose release is still to be stored.
    #[must_use]
    pub fn pending_releases(&self) -> usize {
        self.context.releases.len()
    }

    /// Whether the store can be used at present.
    ///
    /// # Errors
    ///
    /// The reason, for operators.
    pub fn health(&self) -> Result<(), StoreError> {
        self.context.store.health()
    }

    fn log(&self, error: &IdempotencyError) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.logged_at.is_some_and(|logged| logged.elapsed() < LOG_INTERVAL) {
            failures.unlogged += 1;
            debug!(%error, cause = causes(error), "an idempotency key could not be used");
            return;
        }
        let unlogged = std::mem::take(&mut failures.unlogged);
        failures.logged_at = Some(Instant::now());
        warn!(%error, cause = causes(error), others = unlogged, "an idempotency key could not be used");
    }

    fn hasher(&self) -> Result<Hasher, StoreError> {
        Ok(Hasher(hmac::Key::new(hmac::HMAC_SHA256, &self.context.store.hash_key()?)))
    }
}

impl fmt::Debug for IdempotencyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyService").field("context", &self.context).finish_non_exhaustive()
    }
}

/// Hashes scopes and inputs with the store's key.
struct Hasher(hmac::Key);

impl Hasher {
    fn id(&self, scope: Scope<'_>) -> RecordId {
        let Scope { tenant, mutation, configuration, key } = scope;
        let (tenant, configuration) = (encode_optional(tenant), encode_optional(configuration));
        let parts = [tenant.as_bytes(), mutation.as_bytes(), configuration.as_bytes(), key.as_bytes()];
        RecordId(self.hash(&parts))
    }

    fn tenant(&self, tenant: Option<&str>) -> TenantId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.hash(&[b"tenant", encode_optional(tenant).as_bytes()])[..16]);
        TenantId(id)
    }

    /// The keyed hash of several parts, each prefixed with its length, so that different parts never hash alike.
    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }
}

/// Encodes an absent part differently from an empty one.
fn encode_optional(part: Option<&str>) -> String {
    part.map_or_else(String::new, |part| format!("={part}"))
}

/// A lookup of one call's key.
struct PendingLookup {
    context: StoreContext,
    id: RecordId,
    tenant: TenantId,
    input: [u8; 32],
    items: usize,
    /// For which of them the caller sends an approval.
    has_approval: Vec<bool>,
    /// Whether the store has reported that no earlier call wrote anything with the key.
    is_unwritten: Arc<AtomicBool>,
}

impl PendingLookup {
    async fn run(self) -> Result<Lookup, IdempotencyError> {
        let Self { context, id, tenant, input, items, has_approval, is_unwritten } = self;
        let store = &context.store;
        let owner = Some(Owner::unique());
        if store.inserts_first() {
            let now = context.now();
            let version = store.version_before_first().wrapping_add(1);
            let expires = context.expiry(now);
            let record = Record {
                version,
                input,
                tenant,
                owner,
                lapsed_owner: None,
                expires,
                items: vec![ItemState::Unwritten; items],
            };
            let (mut lease, stored) = if items == 1 {
                let stored = Record { items: vec![ItemState::InProgress], ..record.clone() };
                (Lease::pending_in_progress(context.clone(), id, record), stored)
            } else {
                (Lease::pending(context.clone(), id, record.clone(), None), record)
            };
            match store.replace(id, None, Some(stored), now).await {
                Ok(true) => {
                    lease.confirm();
                    return Ok(Lookup::Acquired(lease));
                }
                Ok(false) => lease.discard(),
                Err(StoreError::Full) => {
                    lease.discard();
                    return Err(StoreError::Full.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        loop {
            is_unwritten.store(false, Ordering::Release);
            let now = context.now();
            let found = store.get(id).await?;
            let version = found.as_ref().map(|record| record.version);
            let next_version = version.unwrap_or_else(|| store.version_before_first()).wrapping_add(1);
            // A lease that lapsed before anything was sent leaves a record without any write: its key is free.
            let is_known = found
                .as_ref()
                .is_some_and(|record| !record.has_expired(now) && !record.is_abandoned_unwritten());
            let acquired = match found {
                Some(record) if is_known => {
                    if record.input != input || record.items.len() != items {
                        return Ok(Lookup::Conflict);
                    }
                    if record.is_owned() {
                        let store = Arc::clone(store);
                        return Ok(Lookup::InProgress(RecordWatch { store, id, version: record.version }));
                    }
                    let mut left = record.items.iter().enumerate();
                    if !left.any(|(index, item)| item.may_be_sent(has_approval.get(index) == Some(&true))) {
                        return Ok(Lookup::Completed(record.items));
                    }
                    Record { version: next_version, owner, lapsed_owner: None, ..record }
                }
                _ => {
                    let expires = context.expiry(now);
                    let items = vec![ItemState::Unwritten; items];
                    Record { version: next_version, input, tenant, owner, lapsed_owner: None, expires, items }
                }
            };
            is_unwritten.store(acquired.is_unwritten(), Ordering::Release);
            let mut lease = Lease::pending(context.clone(), id, acquired.clone(), version);
            match store.replace(id, version, Some(acquired), now).await {
                Ok(true) => {
                    lease.confirm();
                    return Ok(Lookup::Acquired(lease));
                }
                Ok(false) => lease.discard(),
                Err(StoreError::Full) => {
                    let items = lease.items().to_vec();
                    lease.discard();
                    return if is_known {
                        Ok(Lookup::StoreFull(items))
                    } else {
                        Err(StoreError::Full.into())
                    };
                }
                // The lease may have been stored: dropping it releases it.
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Waits for a record that another call has the lease of.
#[derive(Debug)]
pub struct RecordWatch {
    store: Arc<dyn Store>,
    id: RecordId,
    version: u64,
}

impl RecordWatch {
    /// Resolves when the record may have changed.
    ///
    /// # Errors
    ///
    /// The store cannot be used.
    pub async fn changed(self) -> Result<(), IdempotencyError> {
        Ok(self.store.changed(self.id, self.version).await?)
    }
}
