//! Capacity accounting of a store, in total and per tenant.

use std::collections::HashMap;

use super::record::{Record, TenantId};
use crate::telemetry::metrics;

/// The divisor of a store's capacity that gives one tenant's share. Callers without a tenant hint count as one tenant.
pub const TENANT_SHARE: usize = 4;

/// The capacity that one record takes, and whose.
#[derive(Debug, Clone, Copy)]
pub(super) struct TenantWeight {
    tenant: TenantId,
    weight: usize,
}

impl From<&Record> for TenantWeight {
    fn from(record: &Record) -> Self {
        Self { tenant: record.tenant, weight: record.weight() }
    }
}

/// Used capacity, in writes.
#[derive(Debug)]
pub(super) struct Usage {
    capacity: usize,
    used: usize,
    /// Tenants that use any.
    by_tenant: HashMap<TenantId, usize>,
}

impl Usage {
    pub(super) fn new(capacity: usize) -> Self {
        metrics::set_idempotency_usage(0, capacity);
        Self { capacity, used: 0, by_tenant: HashMap::new() }
    }

    /// The same capacity, unused.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.capacity)
    }

    /// Whether `new` may replace `old`.
    pub(super) fn fits(&self, old: Option<TenantWeight>, new: TenantWeight) -> bool {
        let freed = old.map_or(0, |old| old.weight);
        let share = self.capacity.div_ceil(TENANT_SHARE);
        let of_tenant = self.by_tenant.get(&new.tenant).copied().unwrap_or(0);
        let is_within =
            |used: usize, max: usize| used.saturating_sub(freed).saturating_add(new.weight) <= max;
        new.weight <= freed || (is_within(self.used, self.capacity) && is_within(of_tenant, share))
    }

    /// Adds a record.
    pub(super) fn add(&mut self, record: TenantWeight) {
        self.used = self.used.saturating_add(record.weight);
        let of_tenant = self.by_tenant.entry(record.tenant).or_default();
        *of_tenant = of_tenant.saturating_add(record.weight);
        metrics::set_idempotency_usage(self.used, self.capacity);
    }

    /// Removes a record.
    pub(super) fn remove(&mut self, record: TenantWeight) {
        self.used = self.used.saturating_sub(record.weight);
        metrics::set_idempotency_usage(self.used, self.capacity);
        if let Some(of_tenant) = self.by_tenant.get_mut(&record.tenant) {
            *of_tenant = of_tenant.saturating_sub(record.weight);
            if *of_tenant == 0 {
                self.by_tenant.remove(&record.tenant);
            }
        }
    }
}
