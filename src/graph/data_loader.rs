//! The data loader of one request: a read is sent once, and reads that become ready together are sent in batches.
//!
//! The crate `dataloader` collects the keys while the resolvers of the request are polled. It runs
//! its batch function in one of the callers, which may be cancelled at any await point, so that
//! function must not wait: [`Dispatcher::dispatch`] spawns the batches and returns the receivers of
//! their results. `docs/decisions/data-loader.md` has the reasons.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataloader::BatchFn;
use dataloader::cached::Loader;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use indexmap::IndexMap;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::batch::MAX_ITEMS;
use super::error::Error;
use super::odata::Select;
use super::read_batch::{BatchReader, CANCELLED, PendingRead, ReadResult, Resource};
use super::transport::Transport;
use crate::telemetry::metrics;
use crate::telemetry::traces::{CallScope, SpanId, within};

/// Turns that a caller leaves to others before it dispatches the keys. The crate needs no timer.
const YIELDS: usize = 2;
/// Number of lookups of a key. Tokio can suspend the caller that dispatches after it has taken the
/// keys. If that caller is cancelled there, the other callers find no result and try again.
const MAX_LOOKUPS: usize = 3;

/// Maximum size in bytes of a page that is cached until the request ends. Resolvers of one list may
/// request it after its first response arrives, since tokio suspends busy tasks, and must get the
/// same page. Larger pages are seldom read twice and use memory.
const MAX_CACHED_PAGE: usize = 64 * 1024;

/// Maximum number of resolvers that one read is linked to.
const MAX_RESOLVERS: usize = 16;

/// Loads the reads of one request's resolvers. Dropping it cancels the reads in flight.
pub(super) struct DataLoader {
    transport: Arc<Transport>,
    loader: Loader<RequestKey, ResultReceiver, Dispatcher>,
    objects: Arc<Mutex<Objects>>,
    resolvers: Arc<Mutex<ResolverSpans>>,
    /// The number of reads that callers have requested.
    requested: AtomicU64,
}

/// The key of a read. The crate clones keys often.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RequestKey(Arc<RequestedRead>);

impl Deref for RequestKey {
    type Target = RequestedRead;

    fn deref(&self) -> &RequestedRead {
        &self.0
    }
}

/// The resource and the properties of a read. Reads that differ only in their number are equal.
#[derive(Debug)]
struct RequestedRead {
    resource: Resource,
    /// Selected properties; all if empty.
    select: Select,
    /// Reads are sent in the order of the requests. The crate passes the keys of a batch in no
    /// particular order.
    number: u64,
}

impl PartialEq for RequestedRead {
    fn eq(&self, other: &Self) -> bool {
        self.resource == other.resource && self.select == other.select
    }
}

impl Eq for RequestedRead {}

impl Hash for RequestedRead {
    /// Without the properties, which are many texts, and of which one resource is seldom asked for several.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.resource.hash(state);
    }
}

type ResultReceiver = watch::Receiver<Option<ReadResult>>;

/// Single objects that have been sent for, with the properties that were selected. They are not read again.
type Objects = HashMap<Resource, (Select, ResultReceiver)>;

/// The spans of the resolvers that requested a resource since it was last sent for; empty if the request is not sampled.
type ResolverSpans = HashMap<Resource, Vec<SpanId>>;

type SendBatch = Box<dyn Fn(Vec<PendingRead>) -> BoxFuture<'static, ()> + Send>;

impl DataLoader {
    /// A loader that has read nothing.
    pub(super) fn new(transport: Arc<Transport>) -> Self {
        let reader = BatchReader::new(Arc::clone(&transport));
        Self::with_sender(transport, Box::new(move |reads| reader.clone().read(reads).boxed()))
    }

    fn with_sender(transport: Arc<Transport>, send: SendBatch) -> Self {
        let (objects, resolvers) = (Arc::default(), Arc::default());
        let dispatcher = Dispatcher {
            transport: Arc::clone(&transport),
            send,
            objects: Arc::clone(&objects),
            resolvers: Arc::clone(&resolvers),
            tasks: JoinSet::new(),
        };
        // Batches are split by the dispatcher: the crate would wait for each before it starts the next.
        let loader = Loader::new(dispatcher).with_max_batch_size(usize::MAX).with_yield_count(YIELDS);
        Self { transport, loader, objects, resolvers, requested: AtomicU64::new(0) }
    }

    /// Reads `path`, percent-encoded and relative to the service root, with the options of `query`
    /// and at least the properties of `select`; all properties if that is empty.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if the result does not arrive before the deadline; [`Error::OverBudget`]; any error of the
    /// request that was sent.
    pub(super) async fn read(
        &self,
        path: String,
        query: String,
        select: &Select,
        resolver: Option<SpanId>,
    ) -> ReadResult {
        let deadline = self.transport.deadline()?;
        let number = self.requested.fetch_add(1, Ordering::Relaxed);
        let read = RequestedRead { resource: Resource { path, query }, select: select.clone(), number };
        if let Some(resolver) = resolver {
            let mut resolvers = lock(&self.resolvers);
            let resolvers = resolvers.entry(read.resource.clone()).or_default();
            if resolvers.len() < MAX_RESOLVERS {
                resolvers.push(resolver);
            }
        }
        let key = RequestKey(Arc::new(read));
        let mut receiver = self.load(&key).await?;
        let result = match tokio::time::timeout_at(deadline, receiver.wait_for(Option::is_some)).await {
            Ok(Ok(result)) => result.clone().unwrap_or(Err(CANCELLED)),
            Ok(Err(_dropped)) => Err(CANCELLED),
            Err(_elapsed) => Err(Error::Timeout),
        };
        let is_kept = match &result {
            Ok(response) => key.resource.is_object() || response.body().len() <= MAX_CACHED_PAGE,
            // A read that was not allowed may be later.
            Err(error) => !matches!(error, Error::OverBudget { .. }),
        };
        if !is_kept {
            self.loader.clear(key).await;
        }
        result
    }

    /// Clears the cache, because a write may have changed entities.
    pub(super) async fn invalidate(&self) {
        lock(&self.objects).clear();
        self.loader.clear_all().await;
    }

    async fn load(&self, key: &RequestKey) -> Result<ResultReceiver, Error> {
        for _ in 0..MAX_LOOKUPS {
            if let Ok(receiver) = self.loader.try_load(key.clone()).await {
                return Ok(receiver);
            }
        }
        Err(CANCELLED)
    }
}

/// Starts the batches of the keys that have been collected.
struct Dispatcher {
    transport: Arc<Transport>,
    send: SendBatch,
    objects: Arc<Mutex<Objects>>,
    resolvers: Arc<Mutex<ResolverSpans>>,
    tasks: JoinSet<()>,
}

impl BatchFn<RequestKey, ResultReceiver> for Dispatcher {
    async fn load(&mut self, keys: &[RequestKey]) -> HashMap<RequestKey, ResultReceiver> {
        self.dispatch(keys)
    }
}

impl Dispatcher {
    /// Sends one read for each resource, with all properties that its keys select, in batches.
    /// Returns the receivers of the results. Never waits.
    fn dispatch(&mut self, keys: &[RequestKey]) -> HashMap<RequestKey, ResultReceiver> {
        let mut receivers = HashMap::with_capacity(keys.len());
        let mut selects: IndexMap<&Resource, (Select, Vec<&RequestKey>)> = IndexMap::new();
        let mut keys: Vec<&RequestKey> = keys.iter().collect();
        keys.sort_unstable_by_key(|key| key.number);
        let mut objects = lock(&self.objects);
        for key in keys {
            match objects.get(&key.resource) {
                Some((select, receiver)) if includes(select, &key.select) => {
                    receivers.insert(key.clone(), receiver.clone());
                }
                _ => {
                    let (select, keys) =
                        selects.entry(&key.resource).or_insert_with(|| (key.select.clone(), Vec::new()));
                    unite(select, &key.select);
                    keys.push(key);
                }
            }
        }
        let mut resolvers = self.transport.caller.telemetry.trace().map(|_| lock(&self.resolvers));
        let mut reads = Vec::with_capacity(selects.len());
        for (resource, (select, keys)) in selects {
            let (result, receiver) = watch::channel(None);
            receivers.extend(keys.into_iter().map(|key| (key.clone(), receiver.clone())));
            if let Err(error) = self.transport.take_read() {
                result.send_replace(Some(Err(error)));
                continue;
            }
            if resource.is_object() {
                objects.insert(resource.clone(), (select.clone(), receiver));
            }
            let resolvers =
                resolvers.as_mut().and_then(|resolvers| resolvers.remove(resource)).unwrap_or_default();
            reads.push(PendingRead { resource: resource.clone(), select, resolvers, result });
        }
        drop((objects, resolvers));
        // Reads of several resolvers are part of the operation, or of the event.
        let trace = self.transport.caller.telemetry.trace();
        let parent = trace.map(|trace| CallScope::current().map_or(trace.operation(), |scope| scope.parent));
        while !reads.is_empty() {
            let rest = reads.split_off(reads.len().min(MAX_ITEMS));
            let batch = AssertUnwindSafe((self.send)(reads)).catch_unwind();
            let batch = within(parent.map(CallScope::of), batch);
            self.tasks.spawn(self.transport.caller.telemetry.scope(async move {
                // The results of its reads are dropped, and their callers see that they were cancelled.
                if batch.await.is_err() {
                    metrics::panicked();
                }
            }));
            reads = rest;
        }
        receivers
    }
}

/// Whether a read of `select` returns all of `other`. An empty one selects all properties.
fn includes(select: &Select, other: &Select) -> bool {
    select.is_empty() || (!other.is_empty() && other.is_subset(select))
}

fn unite(select: &mut Select, other: &Select) {
    if other.is_empty() {
        select.clear();
    } else if !select.is_empty() {
        select.extend(other);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
