//! The entity store: entity sets in order of creation, with access by key and by position in constant time. Each entity
//! holds the sets of its navigation properties.

use indexmap::IndexMap;
use indexmap::map::Entry;

use crate::entity::StructuredValue;
use crate::model::{Cardinality, DEVICE_APP_MANAGEMENT};

/// The data of the sandbox.
#[derive(Debug)]
pub(crate) struct Store {
    /// By the index of the singleton's navigation property.
    sets: Vec<EntitySet>,
    /// Counts writes, so that a stale cached order is detected.
    revision: u64,
}

/// Entities of one collection, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct EntitySet {
    entries: IndexMap<String, StoredEntity>,
}

/// An entity and its contained sets.
#[derive(Debug)]
pub(crate) struct StoredEntity {
    pub(crate) entity: StructuredValue,
    /// By the index of the type's navigation property; computed ones stay empty.
    sets: Vec<EntitySet>,
}

/// The location of an entity set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum EntitySetPath {
    /// By the index of the singleton's navigation property.
    Root(usize),
    /// Contained in an entity of a root set.
    Contained { root: usize, key: String, navigation: usize },
}

/// An entity with this key already exists.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DuplicateKey;

impl Store {
    pub(crate) fn new() -> Self {
        let sets = DEVICE_APP_MANAGEMENT.navigations.iter().map(|_| EntitySet::default()).collect();
        Self { sets, revision: 0 }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// `None` if the parent does not exist.
    pub(crate) fn set(&self, address: &EntitySetPath) -> Option<&EntitySet> {
        match address {
            EntitySetPath::Root(root) => self.sets.get(*root),
            EntitySetPath::Contained { root, key, navigation } => {
                self.sets.get(*root)?.get(key)?.sets.get(*navigation)
            }
        }
    }

    /// As `set`, to be written to.
    pub(crate) fn set_mut(&mut self, address: &EntitySetPath) -> Option<&mut EntitySet> {
        self.revision += 1;
        match address {
            EntitySetPath::Root(root) => self.sets.get_mut(*root),
            EntitySetPath::Contained { root, key, navigation } => {
                self.sets.get_mut(*root)?.get_mut(key)?.sets.get_mut(*navigation)
            }
        }
    }

    /// The entity at the root that contains a set.
    pub(crate) fn root_entry(&self, root: usize, key: &str) -> Option<&StoredEntity> {
        self.sets.get(root)?.get(key)
    }
}

impl EntitySet {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&StoredEntity> {
        self.entries.get(&normalized(key))
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut StoredEntity> {
        self.entries.get_mut(&normalized(key))
    }

    /// By position in order of arrival.
    pub(crate) fn at(&self, position: usize) -> Option<&StoredEntity> {
        self.entries.get_index(position).map(|(_, entry)| entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &StoredEntity> {
        self.entries.values()
    }

    pub(crate) fn insert(&mut self, entity: StructuredValue) -> Result<&mut StoredEntity, DuplicateKey> {
        match self.entries.entry(normalized(entity.id())) {
            Entry::Occupied(_) => Err(DuplicateKey),
            Entry::Vacant(vacant) => Ok(vacant.insert(StoredEntity::new(entity))),
        }
    }

    /// Removes an entity with its content. Returns whether it existed.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        self.entries.shift_remove(&normalized(key)).is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

impl StoredEntity {
    fn new(entity: StructuredValue) -> Self {
        let sets = entity.kind.navigations.iter().map(|_| EntitySet::default()).collect();
        Self { entity, sets }
    }

    /// The content of a navigation property; `None` if it is computed or the type has no such
    /// property.
    pub(crate) fn contained(&self, navigation: usize) -> Option<&EntitySet> {
        self.entity
            .kind
            .navigations
            .get(navigation)
            .filter(|property| property.cardinality == Cardinality::Many)?;
        self.sets.get(navigation)
    }

    pub(crate) fn contained_mut(&mut self, navigation: usize) -> Option<&mut EntitySet> {
        self.sets.get_mut(navigation)
    }
}

/// Keys compare without case: they hold GUIDs, which the live service takes in either.
fn normalized(key: &str) -> String {
    key.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{DuplicateKey, EntitySet, EntitySetPath, Store};
    use crate::entity::StructuredValue;
    use crate::model::{DEVICE_STATUS, DEVICE_STATUSES, IOS_LOB_APP_PROVISIONING_CONFIGURATION};

    #[test]
    fn keys_compare_without_case_and_are_unique() {
        let mut set = EntitySet::default();
        set.insert(StructuredValue::new(&DEVICE_STATUS).with("id", "AbC")).unwrap();
        assert_eq!(set.get("aBc").unwrap().entity.id(), "AbC");
        let again = set.insert(StructuredValue::new(&DEVICE_STATUS).with("id", "abc"));
        assert_eq!(again.err(), Some(DuplicateKey));
    }

    #[test]
    fn removing_an_entity_removes_what_it_contains() {
        let mut store = Store::new();
        let statuses = EntitySetPath::Contained { root: 0, key: "c".to_owned(), navigation: DEVICE_STATUSES };
        let configuration = StructuredValue::new(&IOS_LOB_APP_PROVISIONING_CONFIGURATION).with("id", "c");
        store.set_mut(&EntitySetPath::Root(0)).unwrap().insert(configuration.clone()).unwrap();
        store
            .set_mut(&statuses)
            .unwrap()
            .insert(StructuredValue::new(&DEVICE_STATUS).with("id", "s"))
            .unwrap();
        assert!(store.set_mut(&EntitySetPath::Root(0)).unwrap().remove("C"));
        assert!(store.set(&statuses).is_none());
        store.set_mut(&EntitySetPath::Root(0)).unwrap().insert(configuration).unwrap();
        assert_eq!(store.set(&statuses).unwrap().len(), 0);
    }
}
