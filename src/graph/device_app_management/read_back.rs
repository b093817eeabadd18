//! Looks up a created object by its client-supplied key.

use super::collection::Collection;
use crate::graph::key::Key;
use crate::graph::models::{Entity, NewEntity};

impl<T: Entity> Collection<T> {
    /// The object that an earlier create of `new` created, identified by its key and its
    /// properties; `None` if that is not certain.
    pub async fn created_before<N: NewEntity<Entity = T>>(&self, new: &N) -> Option<T> {
        match read_back(self, new).await {
            ReadBack::Created(entity) => Some(entity),
            ReadBack::Absent | ReadBack::NotKnown => None,
        }
    }
}

/// Looks up the sent object. The key alone is not sufficient, because another caller may have used
/// it.
pub(super) async fn read_back<N: NewEntity>(
    collection: &Collection<N::Entity>,
    new: &N,
) -> ReadBack<N::Entity> {
    let Some(key) = new.key().and_then(|key| Key::new(key).ok()) else { return ReadBack::NotKnown };
    match collection.get_or_find(&key, &N::properties()).await {
        Ok(Some(entity)) if new.is_what(&entity) => ReadBack::Created(entity),
        Ok(Some(_)) | Err(_) => ReadBack::NotKnown,
        Ok(None) => ReadBack::Absent,
    }
}

/// The result of looking up a create by its key.
pub(super) enum ReadBack<T> {
    /// It is there.
    Created(T),
    /// There is nothing of that key.
    Absent,
    /// Another object, no key, or no response.
    NotKnown,
}
