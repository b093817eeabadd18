//! What one request's resolvers share: Graph as the caller may use it, what has been read of it, and what has been
//! logged. It goes with the request.

use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::Hash;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_graphql::{Context, ContextBase};
use tokio::sync::Semaphore;

use super::announcements::Announcements;
use super::cursor::CursorKey;
use super::error::FieldError;
use super::response_budget::ResponseBudget;
use crate::graph::odata::Select;
use crate::graph::{Key, ReadBudget, Session, models};
use crate::idempotency::IdempotencyService;

/// What the whole process' resolvers share.
#[derive(Debug)]
pub(super) struct Services {
    /// What cursors are sealed with.
    pub(super) cursor_key: CursorKey,
    /// How many objects a page has where the caller does not say.
    pub(super) default_page_size: usize,
    /// Largest payload of a configuration, in bytes before base64.
    pub(super) max_payload: usize,
    /// Which idempotency keys have been used.
    pub(super) idempotency: IdempotencyService,
    /// Who is told of statuses that are added.
    pub(super) announcements: Announcements,
    /// How long Graph's word is taken that a subscriber may read a configuration.
    pub(super) subscriber_recheck: Duration,
    /// What events of live updates may read.
    pub(super) read_budget: ReadBudget,
    /// Checks at a time of what subscribers may read.
    pub(super) checks: Semaphore,
}

/// What one request's resolvers share.
#[derive(Default)]
pub(super) struct RequestData {
    session: Option<Session>,
    response: Option<Arc<ResponseBudget>>,
    /// Configurations that have been read, by key.
    pub(super) configurations: Known<Key, models::IosLobAppProvisioningConfiguration>,
    /// Device statuses that have been read one by one, by their configuration's key and their own.
    pub(super) device_statuses: Known<(Key, Key), models::DeviceStatus>,
    ignored_filter: AtomicBool,
    ignored_order: AtomicBool,
}

impl RequestData {
    /// The data of a request whose response is counted in `response`.
    pub(super) fn new(session: Option<Session>, response: Arc<ResponseBudget>) -> Self {
        Self { session, response: Some(response), ..Self::default() }
    }

    /// Discards every entity that has been read: a write is about to change some of them.
    pub(super) fn invalidate(&self) {
        self.configurations.clear();
        self.device_statuses.clear();
    }

    /// Whether this is the first filter of the request that Graph ignored.
    pub(super) fn first_ignored_filter(&self) -> bool {
        !self.ignored_filter.swap(true, Ordering::Relaxed)
    }

    /// Whether this is the first order of the request that Graph ignored.
    pub(super) fn first_ignored_order(&self) -> bool {
        !self.ignored_order.swap(true, Ordering::Relaxed)
    }
}

/// Graph on behalf of the caller.
///
/// # Errors
///
/// `UNAUTHENTICATED` where no usable token came.
pub(super) fn session<'a>(ctx: &Context<'a>) -> Result<&'a Session, FieldError> {
    request(ctx)?.session.as_ref().ok_or_else(FieldError::unauthenticated)
}

/// What the request's resolvers share.
pub(super) fn request<'a>(ctx: &Context<'a>) -> Result<&'a RequestData, FieldError> {
    ctx.data_opt().ok_or_else(|| FieldError::internal("a request was executed without its data"))
}

/// The budget of the response that is being built; `None` where what is executed is no request.
pub(super) fn budget<'a, I>(ctx: &ContextBase<'a, I>) -> Option<&'a ResponseBudget> {
    ctx.data_opt::<RequestData>()?.response.as_deref()
}

/// What the whole process' resolvers share.
pub(super) fn services<'a>(ctx: &Context<'a>) -> Result<&'a Services, FieldError> {
    shared_services_of(ctx).map(|services| &**services)
}

/// The same, to be kept beyond the field.
pub(super) fn shared_services(ctx: &Context<'_>) -> Result<Arc<Services>, FieldError> {
    shared_services_of(ctx).cloned()
}

fn shared_services_of<'a>(ctx: &Context<'a>) -> Result<&'a Arc<Services>, FieldError> {
    ctx.data_opt().ok_or_else(|| FieldError::internal("the schema was built without its services"))
}

/// Entities that have been read, each with the properties that were asked for.
pub(super) struct Known<K, T>(Mutex<Entities<K, T>>);

/// What has been read of each entity, where no part includes another; `None` for one that Graph does not have.
type Entities<K, T> = HashMap<K, Vec<(Properties, Option<Arc<T>>)>>;

/// Which properties of an entity were asked for.
#[derive(Debug, Clone)]
pub(super) enum Properties {
    /// All of them: the entity came whole.
    All,
    /// These.
    Some(Select),
}

impl Properties {
    fn include(&self, select: &Select) -> bool {
        match self {
            Self::All => true,
            Self::Some(properties) => select.is_subset(properties),
        }
    }

    fn include_all(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Some(_), Self::All) => false,
            (Self::Some(properties), Self::Some(other)) => other.is_subset(properties),
        }
    }
}

impl<K, T> Default for Known<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, T> Known<K, T> {
    /// The entity, where it has been read with all that `select` names; `Some(None)` where Graph has none.
    pub(super) fn get(&self, key: &K, select: &Select) -> Option<Option<Arc<T>>> {
        let known = self.lock();
        let read = known.get(key)?;
        let includes = |(properties, entity): &&(Properties, Option<Arc<T>>)| {
            entity.is_none() || properties.include(select)
        };
        read.iter().find(includes).map(|(_, entity)| entity.clone())
    }

    /// The entity, where it has been read with all that `select` names, else what `read` gives, which is kept. Where many wait
    /// for the same entity, it is made of Graph's answer once: the others take the one that is kept.
    pub(super) async fn get_or_read<E>(
        &self,
        key: &K,
        select: &Select,
        read: impl Future<Output = Result<Option<T>, E>>,
    ) -> Result<Option<Arc<T>>, E>
    where
        K: Clone,
    {
        let mut read = pin!(read);
        poll_fn(|context| {
            if let Some(entity) = self.get(key, select) {
                return Poll::Ready(Ok(entity));
            }
            read.as_mut().poll(context).map_ok(|entity| {
                let entity = entity.map(Arc::new);
                self.keep(key.clone(), Properties::Some(select.clone()), entity.clone());
                entity
            })
        })
        .await
    }

    /// Keeps what was read, unless as much of it is there; an entity that came whole is the newest there is.
    pub(super) fn keep(&self, key: K, properties: Properties, entity: Option<Arc<T>>) {
        let mut known = self.lock();
        let read = known.entry(key).or_default();
        match &properties {
            Properties::Some(select) if read.iter().any(|(known, _)| known.include(select)) => {}
            _ => {
                read.retain(|(known, _)| !properties.include_all(known));
                read.push((properties, entity));
            }
        }
    }

    fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Entities<K, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
