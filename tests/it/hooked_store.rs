//! A memory store that calls a hook before each read and write, in which a test can stall, fail or panic.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use intune_graphql::idempotency::{IdempotencyService, MemoryStore, Record, RecordId, Store, StoreError};

const CAPACITY: usize = 10_000;
const RETENTION: Duration = Duration::from_secs(3600);

/// A call to the store. Each kind is numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreCall {
    Get(usize),
    Replace(usize),
}

type Hook = dyn Fn(StoreCall) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync;

struct HookedStore {
    inner: MemoryStore,
    hook: Box<Hook>,
    gets: AtomicUsize,
    replaces: AtomicUsize,
}

/// An idempotency service whose store awaits `hook` before each call.
pub(crate) fn hooked_service(
    hook: impl Fn(StoreCall) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync + 'static,
) -> IdempotencyService {
    let store = HookedStore {
        inner: MemoryStore::new(CAPACITY).unwrap(),
        hook: Box::new(hook),
        gets: AtomicUsize::new(0),
        replaces: AtomicUsize::new(0),
    };
    IdempotencyService::new(Arc::new(store), RETENTION)
}

/// The result of a hook that does not wait.
pub(crate) fn immediate(result: Result<(), StoreError>) -> BoxFuture<'static, Result<(), StoreError>> {
    ready(result).boxed()
}

impl fmt::Debug for HookedStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HookedStore").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Store for HookedStore {
    fn hash_key(&self) -> Result<[u8; 32], StoreError> {
        self.inner.hash_key()
    }

    async fn get(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        let number = self.gets.fetch_add(1, Ordering::SeqCst) + 1;
        (self.hook)(StoreCall::Get(number)).await?;
        self.inner.get(id).await
    }

    async fn replace(
        &self,
        id: RecordId,
        expected: Option<u64>,
        new: Option<Record>,
        now: u64,
    ) -> Result<bool, StoreError> {
        let number = self.replaces.fetch_add(1, Ordering::SeqCst) + 1;
        (self.hook)(StoreCall::Replace(number)).await?;
        self.inner.replace(id, expected, new, now).await
    }

    async fn changed(&self, id: RecordId, version: u64) -> Result<(), StoreError> {
        self.inner.changed(id, version).await
    }
}
