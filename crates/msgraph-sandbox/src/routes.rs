//! The routes: the methods of each resource, the access that they need, and the read or write that responds.

use std::sync::PoisonError;

use http::header::ACCEPT;
use http::{Method, StatusCode};

use crate::approvals::{self, Rejection};
use crate::auth::{self, Access, Caller};
use crate::call::{Call, service_path};
use crate::error::{GraphError, Result};
use crate::faults::ReadFault;
use crate::model::{Action, DEVICE_STATUSES, PROVISIONING_CONFIGURATIONS, USER_STATUSES, Version};
use crate::path::{Address, Resource};
use crate::reads::ReadOperation;
use crate::response::GraphResponse;
use crate::service::Service;
use crate::settings::{ApprovalPolicy, RefMode};
use crate::store::EntitySetPath;
use crate::writes::WriteOperation;

/// Responds to a request other than a batch.
pub(crate) fn respond(
    service: &Service,
    call: &Call<'_>,
    caller: &Caller,
    faults: &[ReadFault],
) -> GraphResponse {
    try_respond(service, call, caller, faults).unwrap_or_else(|Rejection { error, code }| {
        let response = error.response(&call.trace);
        match code {
            Some(code) => response.with_text(approvals::CODE, &code),
            None => response,
        }
    })
}

fn try_respond(
    service: &Service,
    call: &Call<'_>,
    caller: &Caller,
    faults: &[ReadFault],
) -> std::result::Result<GraphResponse, Rejection> {
    let (version, address) = call.target.as_ref().map_err(Clone::clone)?;
    let method = &call.message.method;
    check_route(service, method, address)?;
    let access = access(method, &address.resource);
    auth::check_scopes(caller, access)?;
    check_accept(call, &address.resource)?;
    if *method == Method::GET {
        return Ok(read(service, call, address, *version, faults)?);
    }
    let is_guarded = access == Access::Write && service.settings.approval == ApprovalPolicy::Apps;
    let code = is_guarded.then(|| service.approvals.admit(call.message, caller)).transpose()?;
    let response = write(service, call, address, *version);
    if let (Err(_), Some(code)) = (&response, &code) {
        service.approvals.reopen(code);
    }
    Ok(response?)
}

fn read(
    service: &Service,
    call: &Call<'_>,
    address: &Address,
    version: Version,
    faults: &[ReadFault],
) -> Result<GraphResponse> {
    let store = service.store.read().unwrap_or_else(PoisonError::into_inner);
    let read = ReadOperation { service, call, address, version, store: &store, faults };
    match &address.resource {
        Resource::Collection(set) => read.list(set),
        Resource::Count(set) => read.count(set),
        Resource::Entity(set, key) => read.get(set, key),
        Resource::Computed { root, key } => read.computed(*root, key),
        // `check_route` rejects GET for all other resources.
        _ => Err(GraphError::method_not_allowed()),
    }
}

fn write(service: &Service, call: &Call<'_>, address: &Address, version: Version) -> Result<GraphResponse> {
    let mut store = service.store.write().unwrap_or_else(PoisonError::into_inner);
    let write = WriteOperation { service, call, address, version, store: &mut store };
    match (&call.message.method, &address.resource) {
        (&Method::POST, Resource::Collection(set) | Resource::Ref(set)) => write.create(set),
        (&Method::PATCH, Resource::Entity(set, key)) => write.update(set, key),
        (&Method::DELETE, Resource::Entity(set, key)) => write.delete(set, key),
        (&Method::POST, Resource::Action { action, root, key }) => {
            write.action(*action, *root, key.as_deref())
        }
        // `check_route` rejects all other combinations.
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
        // Documented for summaries, although changing computed counts has no meaning.
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

/// Whether Intune computes the rows from reports. The live service neither creates them nor finds them by key.
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

/// Fails with 406 if no media type in `Accept` is supported. `$count` is plain text, but accepts JSON as well, because
/// some clients send the same `Accept` with every request.
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
