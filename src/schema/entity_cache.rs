//! The entities that one request has read, so that none is read twice.

use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::Hash;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use crate::graph::odata::Select;

/// Entities that have been read, each with the properties that were requested.
pub(super) struct EntityCache<K, T>(Mutex<Entities<K, T>>);

/// The parts of each entity that were read, none of which includes another; `None` if Graph does
/// not have the entity.
type Entities<K, T> = HashMap<K, Vec<(Properties, Option<Arc<T>>)>>;

/// The properties of an entity that were requested.
#[derive(Debug, Clone)]
pub(super) enum Properties {
    /// All of them.
    All,
    /// The selected ones.
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

impl<K, T> Default for EntityCache<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, T> EntityCache<K, T> {
    /// The entity, if it has been read with all properties in `select`; `Some(None)` if Graph does not have it.
    pub(super) fn get(&self, key: &K, select: &Select) -> Option<Option<Arc<T>>> {
        let entities = self.lock();
        let read = entities.get(key)?;
        let includes = |(properties, entity): &&(Properties, Option<Arc<T>>)| {
            entity.is_none() || properties.include(select)
        };
        read.iter().find(includes).map(|(_, entity)| entity.clone())
    }

    /// The entity, if it has been read with all properties in `select`; otherwise the result of `read`, which is inserted.
    /// Of many waiters for the same entity, only the first deserializes it; the others get the inserted one.
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
                self.insert(key.clone(), Properties::Some(select.clone()), entity.clone());
                entity
            })
        })
        .await
    }

    /// Inserts an entity, unless the cache has those properties. A complete entity replaces the
    /// cached one.
    pub(super) fn insert(&self, key: K, properties: Properties, entity: Option<Arc<T>>) {
        let mut entities = self.lock();
        let read = entities.entry(key).or_default();
        match &properties {
            Properties::Some(select) if read.iter().any(|(known, _)| known.include(select)) => {}
            _ => {
                read.retain(|(known, _)| !properties.include_all(known));
                read.push((properties, entity));
            }
        }
    }

    /// Removes all entities.
    pub(super) fn invalidate(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Entities<K, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
