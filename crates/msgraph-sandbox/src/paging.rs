//! Paging: which entities of a collection a request selects, in which order, and the opaque `$skiptoken`.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::entity::{StructuredValue, Value};
use crate::filter::Filter;
use crate::instant::Instant;
use crate::query::OrderKey;
use crate::store::{EntitySet, EntitySetPath};

/// Maximum number of cached orders, over all collections and options.
const MAX_CACHED_ORDERS: usize = 32;

/// The start of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SkipToken {
    /// Number of the page, the first being 1.
    pub(crate) page: u64,
    /// Entities before it.
    pub(crate) offset: usize,
}

impl SkipToken {
    pub(crate) fn encode(self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}:{}", self.page, self.offset))
    }

    pub(crate) fn decode(text: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (page, offset) = text.split_once(':')?;
        Some(Self { page: page.parse().ok()?, offset: offset.parse().ok()? })
    }
}

/// The positions in a collection that a request selects, in its order.
#[derive(Debug, Clone)]
pub(crate) enum RowSelection {
    /// All of so many, in order of arrival.
    All(usize),
    Some(Arc<[usize]>),
}

impl RowSelection {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::All(count) => *count,
            Self::Some(positions) => positions.len(),
        }
    }

    /// The position in the collection of the entity at this place.
    pub(crate) fn position(&self, place: usize) -> Option<usize> {
        match self {
            Self::All(count) => (place < *count).then_some(place),
            Self::Some(positions) => positions.get(place).copied(),
        }
    }
}

/// A cache of computed orders, so that each page of a filtered or sorted collection costs the same.
#[derive(Debug, Default)]
pub(crate) struct OrderCache(Mutex<Vec<CachedOrder>>);

#[derive(Debug)]
struct CachedOrder {
    set: EntitySetPath,
    filter: Option<Filter>,
    order: Vec<OrderKey>,
    /// The store's revision that the positions belong to.
    revision: u64,
    positions: Arc<[usize]>,
}

impl OrderCache {
    /// The entities that pass a filter, sorted.
    pub(crate) fn select(
        &self,
        (address, set): (&EntitySetPath, &EntitySet),
        revision: u64,
        filter: Option<&Filter>,
        order: &[OrderKey],
    ) -> RowSelection {
        if filter.is_none() && order.is_empty() {
            return RowSelection::All(set.len());
        }
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cached.iter().find(|known| {
            known.revision == revision
                && known.set == *address
                && known.filter.as_ref() == filter
                && known.order == order
        });
        if let Some(known) = known {
            return RowSelection::Some(Arc::clone(&known.positions));
        }
        let positions = positions(set, filter, order);
        cached.retain(|known| known.revision == revision);
        if cached.len() == MAX_CACHED_ORDERS {
            cached.remove(0);
        }
        cached.push(CachedOrder {
            set: address.clone(),
            filter: filter.cloned(),
            order: order.to_vec(),
            revision,
            positions: Arc::clone(&positions),
        });
        RowSelection::Some(positions)
    }
}

fn positions(set: &EntitySet, filter: Option<&Filter>, order: &[OrderKey]) -> Arc<[usize]> {
    let mut keyed: Vec<(Vec<SortKey>, usize)> = set
        .iter()
        .enumerate()
        .filter(|(_, entry)| filter.is_none_or(|filter| filter.matches(&entry.entity)))
        .map(|(position, entry)| (order.iter().map(|key| sort_key(&entry.entity, *key)).collect(), position))
        .collect();
    if !order.is_empty() {
        // Positions break ties, so that no entity is on two pages.
        keyed.sort_unstable();
    }
    keyed.into_iter().map(|(_, position)| position).collect()
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SortKey {
    Ascending(Sortable),
    Descending(Reverse<Sortable>),
}

/// Null is ordered first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sortable {
    Null,
    Number(i64),
    Date(Instant),
    /// In lower case.
    Text(String),
}

fn sort_key(entity: &StructuredValue, key: OrderKey) -> SortKey {
    let sortable = match &entity.values[key.property] {
        Value::Int32(number) => Sortable::Number(i64::from(*number)),
        Value::Member(_, number) => Sortable::Number(i64::try_from(*number).unwrap_or(i64::MAX)),
        Value::Date(date) => Sortable::Date(date.instant),
        Value::String(text) | Value::Binary(text) => Sortable::Text(text.to_lowercase()),
        // Collections and complex values have no order.
        Value::Null | Value::Strings(_) | Value::Complex(_) | Value::Complexes(_) => Sortable::Null,
    };
    if key.descending { SortKey::Descending(Reverse(sortable)) } else { SortKey::Ascending(sortable) }
}

#[cfg(test)]
mod tests {
    use super::{OrderCache, RowSelection, SkipToken};
    use crate::entity::{StructuredValue, Value};
    use crate::filter::Filter;
    use crate::model::{DEVICE_STATUS, Version};
    use crate::query::OrderKey;
    use crate::store::{EntitySet, EntitySetPath};

    fn set(platforms: &[i32]) -> EntitySet {
        let mut set = EntitySet::default();
        for (row, platform) in platforms.iter().enumerate() {
            let status = StructuredValue::new(&DEVICE_STATUS)
                .with("id", format!("row{row}").as_str())
                .with("platform", Value::Int32(*platform));
            set.insert(status).unwrap();
        }
        set
    }

    fn by_platform(descending: bool) -> Vec<OrderKey> {
        let (property, _) = DEVICE_STATUS.property("platform", Version::Beta).unwrap();
        vec![OrderKey { property, descending }]
    }

    fn places(selection: &RowSelection) -> Vec<usize> {
        (0..selection.len()).map(|place| selection.position(place).unwrap()).collect()
    }

    #[test]
    fn sorting_is_stable_in_both_directions() {
        let set = set(&[2, 1, 2, 1]);
        let address = EntitySetPath::Root(0);
        let orders = OrderCache::default();
        let select = |order: &[OrderKey]| places(&orders.select((&address, &set), 1, None, order));
        assert_eq!(select(&by_platform(false)), [1, 3, 0, 2]);
        assert_eq!(select(&by_platform(true)), [0, 2, 1, 3]);
        assert_eq!(select(&[]), [0, 1, 2, 3]);
    }

    #[test]
    fn a_write_invalidates_cached_orders() {
        let address = EntitySetPath::Root(0);
        let orders = OrderCache::default();
        let filter = Filter::parse("platform eq 1", &DEVICE_STATUS, Version::Beta).unwrap();
        let count =
            |set: &EntitySet, revision| orders.select((&address, set), revision, Some(&filter), &[]).len();
        assert_eq!(count(&set(&[1, 2]), 1), 1);
        assert_eq!(count(&set(&[1, 1]), 1), 1);
        assert_eq!(count(&set(&[1, 1]), 2), 2);
    }

    #[test]
    fn a_skip_token_decodes_to_its_position() {
        let token = SkipToken { page: 3, offset: 2000 };
        assert_eq!(SkipToken::decode(&token.encode()), Some(token));
        assert_eq!(SkipToken::decode("nope"), None);
    }
}
