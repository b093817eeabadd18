//! Looks up a created object by its client-supplied key.

use super::collection::Collection;
use crate::graph::key::Key;
use crate::graph::models::{Entity, NewEntity};

impl<T: Entity> Collection<T> {
    /// Looks up the object that an earlier create of `new` may have created. The key alone is not sufficient, because another
    /// caller may have used it.
    pub async fn read_back<N: NewEntity<Entity = T>>(&self, new: &N) -> ReadBack<T> {
        let Some(key) = new.key().and_then(|key| Key::new(key).ok()) else { return ReadBack::NotKnown };
        match self.get_or_find(&key, &N::properties()).await {
            Ok(Some(entity)) if new.is_what(&entity) => ReadBack::Created(entity),
            Ok(Some(_)) => ReadBack::Other,
            Ok(None) => ReadBack::Absent,
            Err(_) => ReadBack::NotKnown,
        }
    }
}

/// The result of looking up a create by its key.
#[derive(Debug)]
pub enum ReadBack<T> {
    /// It is there.
    Created(T),
    /// The key is that of another object.
    Other,
    /// There is nothing of that key.
    Absent,
    /// No key, or no response.
    NotKnown,
}
