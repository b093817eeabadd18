//! The routes: which methods a resource has, who may call them, and the read or write that responds.

use std::sync::PoisonError;

use http::header::ACCEPT;
use http::{Method, StatusCode};

use crate::answer::Answer;
use crate::auth::{self, Access, Caller};
use crate::call::{Call, service_path};
use crate::error::{GraphError, Result};
use crate::faults::ReadFault;
use crate::model::{Action, DEVICE_STATUSES, PROVISIONING_CONFIGURATIONS, USER_STATUSES, Version};
use crate::path::{Address, Resource};
use crate::reads::ReadOperation;
use crate::service::Service;
use crate::settings::RefMode;
use crate::store::EntitySetPath;
use crate::writes::WriteOperation;

/// The answer to a caller's request for anything but a batch.
pub(crate) fn answer(service: &Service, call: &Call<'_>, caller: &Caller, faults: &[ReadFault]) -> Answer {
    try_answer(service, call, caller, faults).unwrap_or_else(|error| error.answer(&call.trace))
}

fn try_answer(service: &Service, call: &Call<'_>, caller: &Caller, faults: &[ReadFault]) -> Result<Answer> {
    let (version, address) = call.target.as_ref().map_err(Clone::clone)?;
    let method = &call.message.method;
    check_route(service, method, address)?;
    auth::check_scopes(caller, access(method, &address.resource))?;
    check_accept(call, &address.resource)?;
    if *method == Method::GET {
        read(service, call, address, *version, faults)
    } else {
        write(service, call, address, *version)
    }
}

fn read(
    service: &Service,
    call: &Call<'_>,
    address: &Address,
    version: Version,
    faults: &[ReadFault],
) -> Result<Answer> {
    let store = service.store.read().unwrap_or_else(PoisonError::into_inner);
    let read = ReadOperation { service, call, address, version, store: &store, faults };
    match &address.resource {
        Resource::Collection(set) => read.list(set),
        Resource::Count(set) => read.count(set),
        Resource::Entity(set, key) => read.get(set, key),
        Resource::Computed { root, key } => read.computed(*root, key),
        // `check_route` lets no other resource through with GET.
        _ => Err(GraphError::method_not_allowed()),
    }
}

fn write(service: &Service, call: &Call<'_>, address: &Address, version: Version) -> Result<Answer> {
    let mut store = service.store.write().unwrap_or_else(PoisonError::into_inner);
    let write = WriteOperation { service, call, address, version, store: &mut store };
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
fn check_route(service: &Service, method: &Method, address: &Address) -> Result<()> {
    let missing =
        || GraphError::missing_route(&address.template, method.as_str(), &service_path(&address.canonical));
    let method_is = |methods: &[Method]| methods.contains(method);
    match &address.resource {
        Resource::Collection(set) => {
            if method_is(&[Method::GET]) {
                Ok(())
            } else if method_is(&[Method::POST]) {
                if refuses_create(service, set) { Err(missing()) } else { Ok(()) }
            } else if method_is(&[Method::PATCH, Method::DELETE]) {
                Err(missing())
            } else {
                Err(GraphError::method_not_allowed())
            }
        }
        Resource::Entity(set, _) => {
            if !method_is(&[Method::GET, Method::PATCH, Method::DELETE]) {
                Err(GraphError::method_not_allowed())
            } else if service.is_live_like() && holds_computed_rows(set) {
                Err(missing())
            } else {
                Ok(())
            }
        }
        Resource::Ref(set) => {
            let stub = service.settings.ref_mode == RefMode::Stub && is_provisioning_statuses(set);
            if stub && method_is(&[Method::POST]) && !service.is_live_like() {
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

fn refuses_create(service: &Service, set: &EntitySetPath) -> bool {
    let contained = matches!(set, EntitySetPath::Contained { .. });
    (service.is_live_like() && contained)
        || (service.settings.ref_mode == RefMode::Stub && is_provisioning_statuses(set))
}

/// Rows that Intune computes from reports, which the live service neither takes nor finds by key.
fn holds_computed_rows(set: &EntitySetPath) -> bool {
    matches!(set, EntitySetPath::Contained { navigation: DEVICE_STATUSES | USER_STATUSES, .. })
}

fn is_provisioning_statuses(set: &EntitySetPath) -> bool {
    matches!(
        set,
        EntitySetPath::Contained { root: PROVISIONING_CONFIGURATIONS, navigation: DEVICE_STATUSES, .. }
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
