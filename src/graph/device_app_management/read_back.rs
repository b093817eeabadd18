//! Looking for what a create made, by the key that was wished for it.

use super::collection::Collection;
use crate::graph::key::Key;
use crate::graph::models::{Entity, NewEntity};

impl<T: Entity> Collection<T> {
    /// What an earlier create of `new` made, told by its key and by its properties; `None` where that cannot be told.
    pub async fn created_before<N: NewEntity<Entity = T>>(&self, new: &N) -> Option<T> {
        match read_back(self, new).await {
            ReadBack::Created(entity) => Some(entity),
            ReadBack::Absent | ReadBack::NotKnown => None,
        }
    }
}

/// Looks whether what was sent is there. The key alone does not tell: somebody else may have used it.
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

/// What became of looking for a create by its key.
pub(super) enum ReadBack<T> {
    /// It is there.
    Created(T),
    /// There is nothing of that key.
    Absent,
    /// There is something else, no key to look for, or no answer.
    NotKnown,
}
