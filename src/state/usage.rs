//! How much room a store has, and how much of it each tenant has taken.

use std::collections::HashMap;

use super::record::{Record, TenantId};

/// Part of a store's capacity that one tenant may take, as its divisor; callers without a tenant hint count as
/// one tenant.
pub const TENANT_SHARE: usize = 4;

/// The room that one record takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    tenant: TenantId,
    weight: usize,
}

impl From<&Record> for Place {
    fn from(record: &Record) -> Self {
        Self { tenant: record.tenant, weight: record.weight() }
    }
}

/// How much room there is, in writes, and who has taken it.
#[derive(Debug)]
pub(super) struct Usage {
    capacity: usize,
    taken: usize,
    /// Only tenants that have taken any.
    by_tenant: HashMap<TenantId, usize>,
}

impl Usage {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, taken: 0, by_tenant: HashMap::new() }
    }

    /// Nothing taken, of the same capacity.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.capacity)
    }

    /// Whether `new` may stand where `old` is, for which no more room is needed than there is.
    pub(super) fn has_room(&self, old: Option<Place>, new: Place) -> bool {
        let freed = old.map_or(0, |old| old.weight);
        let share = self.capacity.div_ceil(TENANT_SHARE);
        let of_tenant = self.by_tenant.get(&new.tenant).copied().unwrap_or(0);
        let fits = |taken: usize, most: usize| taken.saturating_sub(freed).saturating_add(new.weight) <= most;
        new.weight <= freed || (fits(self.taken, self.capacity) && fits(of_tenant, share))
    }

    /// Counts a record that is there now.
    pub(super) fn add(&mut self, place: Place) {
        self.taken = self.taken.saturating_add(place.weight);
        let of_tenant = self.by_tenant.entry(place.tenant).or_default();
        *of_tenant = of_tenant.saturating_add(place.weight);
    }

    /// Counts a record no longer.
    pub(super) fn remove(&mut self, place: Place) {
        self.taken = self.taken.saturating_sub(place.weight);
        if let Some(of_tenant) = self.by_tenant.get_mut(&place.tenant) {
            *of_tenant = of_tenant.saturating_sub(place.weight);
            if *of_tenant == 0 {
                self.by_tenant.remove(&place.tenant);
            }
        }
    }
}
