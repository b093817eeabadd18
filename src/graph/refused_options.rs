//! Query options that a service refuses, so that a refused call is not repeated. Some of Intune's
//! collections answer `$filter`, `$orderby` or `$count` with 400, 500 or 501.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::auth::Authorization;
use super::caller::Caller;
use super::odata::{ListOptions, OptionSet};
use super::single_flight::{SingleFlight, Turn};
use crate::telemetry::route::Route;

/// How long a refusal is remembered. Services change, and a refusal may have been a failure.
const RETENTION: Duration = Duration::from_secs(5 * 60);
/// Maximum number of tenants with entries; further ones are not remembered.
const MAX_TENANTS: usize = 1024;
/// Maximum number of entries of one tenant. The oldest is replaced. An entry takes 40 bytes.
const MAX_ENTRIES: usize = 64;

/// Requests that a service refused alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum RequestForm {
    /// Requests with any filter.
    AnyFilter,
    /// Requests with options of one form, independent of the filter's literals.
    Options(u64),
    /// Counts (`…/$count`) with any filter.
    FilteredCounts,
}

/// The options that were refused lately, by tenant. A tenant is that of the token, which is not
/// verified but was accepted by Graph; a token without one is a tenant of its own.
#[derive(Default)]
pub(super) struct RefusedOptions {
    /// Keyed, so that callers cannot choose colliding filters.
    hasher: RandomState,
    tenants: Mutex<HashMap<u64, Vec<Entry>>>,
    probes: SingleFlight,
    /// Saves the hash while there are no entries.
    is_used: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    route: Route,
    form: RequestForm,
    /// The options to leave out of such requests.
    refused: OptionSet,
    until: Instant,
}

impl RefusedOptions {
    /// The form of a request with these options.
    pub(super) fn form(&self, options: &ListOptions) -> RequestForm {
        let form = ListOptions { top: None, ..options.neutral() };
        RequestForm::Options(self.hasher.hash_one(form.to_query()))
    }

    /// The options that are to be left out of a request of this caller.
    pub(super) fn get(&self, caller: &Authorization, route: Route, options: &ListOptions) -> OptionSet {
        if !self.is_used.load(Ordering::Acquire) || options.used().is_empty() {
            return OptionSet::NONE;
        }
        let forms = self.forms(options);
        let (tenant, now) = (self.tenant(caller), Instant::now());
        let tenants = self.lock();
        let entries = tenants.get(&tenant).map(Vec::as_slice).unwrap_or_default();
        let known = entries.iter().filter(|entry| entry.route == route && entry.until > now);
        let known = known.filter(|entry| forms.contains(&entry.form));
        known.fold(OptionSet::NONE, |all, entry| all.union(entry.refused)).intersection(options.used())
    }

    /// Whether counts with filters are refused.
    pub(super) fn refuses_filtered_counts(&self, caller: &Authorization, route: Route) -> bool {
        if !self.is_used.load(Ordering::Acquire) {
            return false;
        }
        let (tenant, now) = (self.tenant(caller), Instant::now());
        let tenants = self.lock();
        let mut entries = tenants.get(&tenant).map(Vec::as_slice).unwrap_or_default().iter();
        entries.any(|entry| {
            entry.route == route && entry.form == RequestForm::FilteredCounts && entry.until > now
        })
    }

    /// The forms that decide about a request: of each of its options alone, and of all together.
    fn forms(&self, options: &ListOptions) -> Vec<RequestForm> {
        let used = options.used();
        let mut forms = vec![self.form(options)];
        if used.len() > 1 {
            forms.extend(single(options).map(|(_, single)| self.form(&single)));
        }
        if used.filter {
            forms.push(RequestForm::AnyFilter);
        }
        forms
    }

    /// Remembers that requests of this form are refused because of these options.
    pub(super) fn insert(&self, caller: &Authorization, route: Route, form: RequestForm, refused: OptionSet) {
        let (tenant, now) = (self.tenant(caller), Instant::now());
        let entry = Entry { route, form, refused, until: now + RETENTION };
        let mut tenants = self.lock();
        if !tenants.contains_key(&tenant) && tenants.len() >= MAX_TENANTS {
            tenants.retain(|_, entries| entries.iter().any(|entry| entry.until > now));
            if tenants.len() >= MAX_TENANTS {
                return;
            }
        }
        let entries = tenants.entry(tenant).or_default();
        entries.retain(|known| known.until > now && (known.route, known.form) != (entry.route, entry.form));
        if entries.len() >= MAX_ENTRIES {
            entries.remove(0);
        }
        entries.push(entry);
        self.is_used.store(true, Ordering::Release);
    }

    /// Waits while another call of the tenant finds out whether requests of this form are refused; `None` at the deadline.
    /// What it found is remembered then.
    pub(super) async fn turn(&self, caller: &Caller, route: Route, form: RequestForm) -> Option<Turn> {
        let key = self.hasher.hash_one((self.tenant(&caller.authorization), route, form));
        self.probes.turn(key, Instant::from_std(caller.deadline)).await
    }

    fn tenant(&self, caller: &Authorization) -> u64 {
        match caller.tenant_hint() {
            Some(tenant) => self.hasher.hash_one(("tenant", tenant)),
            None => self.hasher.hash_one(("token", caller.header().as_bytes())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Vec<Entry>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each option of a request as a request of its own.
pub(super) fn single(options: &ListOptions) -> impl Iterator<Item = (OptionSet, ListOptions)> {
    let used = options.used();
    let each = [
        OptionSet { filter: true, ..OptionSet::NONE },
        OptionSet { order_by: true, ..OptionSet::NONE },
        OptionSet { count: true, ..OptionSet::NONE },
    ];
    each.into_iter().filter(move |set| !set.intersection(used).is_empty()).map(|set| {
        let single = ListOptions {
            filter: options.filter.clone().filter(|_| set.filter),
            order_by: options.order_by.filter(|_| set.order_by),
            top: options.top,
            count: set.count,
        };
        (set, single)
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use tokio::time::advance;

    use super::super::odata::{Comparison, Direction, Filter, Literal, OrderBy};
    use super::*;

    fn caller(token: &str) -> Authorization {
        Authorization::parse(&HeaderValue::from_str(&format!("Bearer {token}")).unwrap()).unwrap()
    }

    fn platform(comparison: Comparison, number: i32) -> ListOptions {
        let filter = Filter::Compare("platform", comparison, Literal::Int(number));
        ListOptions { filter: Some(filter), ..ListOptions::default() }
    }

    const FILTER: OptionSet = OptionSet { filter: true, ..OptionSet::NONE };

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_of_one_tenant_route_and_form_and_ends() {
        let cache = RefusedOptions::default();
        let is_8 = platform(Comparison::Eq, 8);
        cache.insert(&caller("a"), Route::DeviceStatuses, cache.form(&is_8), FILTER);
        let get = |token, route, options: &ListOptions| cache.get(&caller(token), route, options);
        assert_eq!(get("a", Route::DeviceStatuses, &platform(Comparison::Eq, 3)), FILTER);
        let order_by = Some(OrderBy { property: "platform", direction: Direction::Ascending });
        let ordered = ListOptions { order_by, count: true, ..is_8.clone() };
        assert_eq!(get("a", Route::DeviceStatuses, &ordered), FILTER);
        assert!(get("a", Route::DeviceStatuses, &platform(Comparison::Gt, 8)).is_empty());
        assert!(get("a", Route::Configurations, &is_8).is_empty());
        assert!(get("b", Route::DeviceStatuses, &is_8).is_empty());
        assert!(get("a", Route::DeviceStatuses, &ListOptions::default()).is_empty());
        cache.insert(&caller("a"), Route::DeviceStatuses, RequestForm::AnyFilter, FILTER);
        assert_eq!(get("a", Route::DeviceStatuses, &platform(Comparison::Gt, 8)), FILTER);
        advance(RETENTION).await;
        assert!(get("a", Route::DeviceStatuses, &is_8).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_is_bounded_for_each_tenant_and_for_all() {
        let cache = RefusedOptions::default();
        for form in 0..MAX_ENTRIES as u64 + 10 {
            cache.insert(&caller("a"), Route::DeviceStatuses, RequestForm::Options(form), FILTER);
        }
        assert_eq!(cache.lock().values().map(Vec::len).collect::<Vec<_>>(), [MAX_ENTRIES]);
        for token in 0..MAX_TENANTS + 10 {
            let caller = caller(&format!("t{token}"));
            cache.insert(&caller, Route::DeviceStatuses, RequestForm::AnyFilter, FILTER);
        }
        assert_eq!(cache.lock().len(), MAX_TENANTS);
        advance(RETENTION).await;
        cache.insert(&caller("new"), Route::DeviceStatuses, RequestForm::AnyFilter, FILTER);
        assert_eq!(cache.lock().len(), 1);
    }
}
