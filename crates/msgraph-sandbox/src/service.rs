//! Graph behind the wire: which operation a request asks for, who may do it, and its answer.

use std::sync::{Mutex, PoisonError, RwLock};

use http::header::ACCEPT;
use http::{Method, StatusCode};

use crate::answer::Answer;
use crate::auth::{self, Access, Caller};
use crate::call::{Call, service_path};
use crate::error::{GraphError, Result};
use crate::faults::ReadFault;
use crate::model::{Action, DEVICE_STATUSES, PROVISIONING_CONFIGURATIONS, USER_STATUSES, Version};
use crate::paging::Orders;
use crate::path::{Address, Resource};
use crate::random::Random;
use crate::reads::Read;
use crate::seed;
use crate::settings::{Profile, RefMode, Settings};
use crate::store::{SetAddress, Store};
use crate::writes::Write;

/// The service: its data and how it behaves.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) store: RwLock<Store>,
    pub(crate) orders: Orders,
    ids: Mutex<Random>,
}

impl Service {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            store: RwLock::new(seed::store(&settings)),
            orders: Orders::default(),
            // Another sequence than the data's, so that new ids differ from seeded ones.
            ids: Mutex::new(Random::new(!settings.seed)),
            settings,
        }
    }

    /// Puts the data back to what it was at start.
    pub(crate) fn reset(&self) {
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        *store = seed::store(&self.settings);
        *self.ids.lock().unwrap_or_else(PoisonError::into_inner) = Random::new(!self.settings.seed);
    }

    pub(crate) fn guid(&self) -> String {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).guid()
    }

    /// Puts items into another order.
    pub(crate) fn shuffle<T>(&self, items: &mut [T]) {
        let mut random = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        for last in (1..items.len()).rev() {
            let chosen = random.below(u64::try_from(last).unwrap_or(0) + 1);
            items.swap(last, usize::try_from(chosen).unwrap_or(last));
        }
    }

    /// Who calls; the default caller where authentication is off.
    pub(crate) fn caller(&self, call: &Call<'_>) -> std::result::Result<Caller, auth::Unauthorized> {
        if self.settings.auth.is_on() { auth::caller(&call.message.headers) } else { Ok(Caller::DEFAULT) }
    }

    /// The answer to a caller's request for anything but a batch.
    pub(crate) fn answer(&self, call: &Call<'_>, caller: &Caller, faults: &[ReadFault]) -> Answer {
        self.try_answer(call, caller, faults).unwrap_or_else(|error| error.answer(&call.trace))
    }

    fn try_answer(&self, call: &Call<'_>, caller: &Caller, faults: &[ReadFault]) -> Result<Answer> {
        let (version, address) = call.target.as_ref().map_err(Clone::clone)?;
        let method = &call.message.method;
        self.check_route(method, address)?;
        auth::check_scopes(caller, access(method, &address.resource))?;
        check_accept(call, &address.resource)?;
        if *method == Method::GET {
            self.read(call, address, *version, faults)
        } else {
            self.write(call, address, *version)
        }
    }

    fn read(
        &self,
        call: &Call<'_>,
        address: &Address,
        version: Version,
        faults: &[ReadFault],
    ) -> Result<Answer> {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        let read = Read { service: self, call, address, version, store: &store, faults };
        match &address.resource {
            Resource::Collection(set) => read.list(set),
            Resource::Count(set) => read.count(set),
            Resource::Entity(set, key) => read.get(set, key),
            Resource::Computed { root, key } => read.computed(*root, key),
            // `check_route` lets no other resource through with GET.
            _ => Err(GraphError::method_not_allowed()),
        }
    }

    fn write(&self, call: &Call<'_>, address: &Address, version: Version) -> Result<Answer> {
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let write = Write { service: self, call, address, version, store: &mut store };
        match (&call.message.method, &address.resource) {
            (&Method::POST, Resource::Collection(set) | Resource::Ref(set)) => write.create(set),
            (&Method::PATCH, Resource::Entity(set, key)) => write.update(set, key),
            (&Method::DELETE, Resource::Entity(set, key)) => write.delete(set, key),
            (&Method::POST, Resource::Action { action, root, key }) => {
                write.action(*action, *root, key.as_deref())
            }
            // `check_route` lets no other pair through.
            _ => Err(GraphError::method_not_allowed()),
        }
    }

    /// Whether the resource has the method, in this profile and mode.
    fn check_route(&self, method: &Method, address: &Address) -> Result<()> {
        let missing = || {
            GraphError::missing_route(&address.template, method.as_str(), &service_path(&address.canonical))
        };
        let method_is = |methods: &[Method]| methods.contains(method);
        match &address.resource {
            Resource::Collection(set) => {
                if method_is(&[Method::GET]) {
                    Ok(())
                } else if method_is(&[Method::POST]) {
                    if self.refuses_create(set) { Err(missing()) } else { Ok(()) }
                } else if method_is(&[Method::PATCH, Method::DELETE]) {
                    Err(missing())
                } else {
                    Err(GraphError::method_not_allowed())
                }
            }
            Resource::Entity(set, _) => {
                if !method_is(&[Method::GET, Method::PATCH, Method::DELETE]) {
                    Err(GraphError::method_not_allowed())
                } else if self.is_live_like() && holds_computed_rows(set) {
                    Err(missing())
                } else {
                    Ok(())
                }
            }
            Resource::Ref(set) => {
                let stub = self.settings.ref_mode == RefMode::Stub && is_provisioning_statuses(set);
                if stub && method_is(&[Method::POST]) && !self.is_live_like() {
                    Ok(())
                } else {
                    Err(missing())
                }
            }
            Resource::Count(_) if method_is(&[Method::GET]) => Ok(()),
            Resource::Action { .. } if method_is(&[Method::POST]) => Ok(()),
            Resource::Computed { .. } if method_is(&[Method::GET]) => Ok(()),
            // Documented for summaries, but what a change to computed counts would mean is not.
            Resource::Computed { .. } if method_is(&[Method::PATCH]) => Err(missing()),
            Resource::Singleton | Resource::Property if method_is(&[Method::GET]) => Err(missing()),
            _ => Err(GraphError::method_not_allowed()),
        }
    }

    fn refuses_create(&self, set: &SetAddress) -> bool {
        let contained = matches!(set, SetAddress::Contained { .. });
        (self.is_live_like() && contained)
            || (self.settings.ref_mode == RefMode::Stub && is_provisioning_statuses(set))
    }

    /// Entities per page at most; without any, paging would never end.
    pub(crate) fn page_size(&self) -> usize {
        self.settings.page_size.max(1)
    }

    /// Whether dates come back in the text in which they were given.
    pub(crate) fn echoes_dates(&self) -> bool {
        self.settings.profile == Profile::Documented
    }

    fn is_live_like(&self) -> bool {
        self.settings.profile == Profile::LiveLike
    }
}

/// Rows that Intune computes from reports, which the live service neither takes nor finds by key.
fn holds_computed_rows(set: &SetAddress) -> bool {
    matches!(set, SetAddress::Contained { navigation: DEVICE_STATUSES | USER_STATUSES, .. })
}

fn is_provisioning_statuses(set: &SetAddress) -> bool {
    matches!(
        set,
        SetAddress::Contained { root: PROVISIONING_CONFIGURATIONS, navigation: DEVICE_STATUSES, .. }
    )
}

fn access(method: &Method, resource: &Resource) -> Access {
    match resource {
        Resource::Action { action: Action::HasPayloadLinks, .. } => Access::PayloadLinks,
        _ if *method == Method::GET => Access::Read,
        _ => Access::Write,
    }
}

/// 406 where the caller takes nothing that the service gives. `$count` is plain text, but JSON is asked for by
/// clients that send one `Accept` with everything.
fn check_accept(call: &Call<'_>, resource: &Resource) -> Result<()> {
    let mut accepted = call
        .message
        .headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .map(|range| range.trim().to_ascii_lowercase())
        .peekable();
    let text = matches!(resource, Resource::Count(_));
    let good = |range: String| {
        matches!(range.as_str(), "*/*" | "application/*" | "application/json")
            || (text && matches!(range.as_str(), "text/*" | "text/plain"))
    };
    if accepted.peek().is_none() || accepted.any(good) {
        return Ok(());
    }
    Err(GraphError::new(
        StatusCode::NOT_ACCEPTABLE,
        "NotAcceptable",
        "None of the media types in the Accept header is supported.",
    ))
}
