//! `updateDeviceStatus`.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, SimpleObject};

use crate::graph::Outcome;
use crate::schema::bounded::Bounded;
use crate::schema::connection::Listed as _;
use crate::schema::context::{request_context, session};
use crate::schema::entity_cache::Properties;
use crate::schema::error::FieldError;
use crate::schema::global_id;
use crate::schema::mutation::write_approval::{self, WriteApprovalInput};
use crate::schema::selection::Selected;
use crate::schema::types::{DeviceStatus, DeviceStatusPatch};

/// The input of `updateDeviceStatus`.
#[derive(Debug, InputObject)]
pub(super) struct UpdateDeviceStatusInput {
    /// The global id of the device status. An id of Graph is not enough, since it does not name the
    /// configuration.
    id: ID,
    /// The properties to change.
    device_status: DeviceStatusPatch,
    /// The approval of a second administrator, in a tenant that requires one: a justification to
    /// ask for it, or the code of the approved request.
    approval: Option<WriteApprovalInput>,
    /// Any text of the client's choice. The payload returns it unchanged.
    client_mutation_id: Option<String>,
}

/// The result of `updateDeviceStatus`.
#[derive(Debug, SimpleObject)]
pub(super) struct UpdateDeviceStatusPayload {
    /// The device status after the change.
    device_status: Bounded<DeviceStatus>,
    /// The `clientMutationId` of the input. Null if the input has none.
    client_mutation_id: Option<String>,
}

/// Changes the status in Graph: one PATCH.
pub(super) async fn resolve(
    ctx: &Context<'_>,
    input: UpdateDeviceStatusInput,
) -> Result<UpdateDeviceStatusPayload, FieldError> {
    let not_sent = |error: FieldError| error.with_outcome(Outcome::NotSent);
    let (configuration, key) = global_id::device_status_keys(&input.id, "input.id").map_err(not_sent)?;
    let approval = write_approval::approval(input.approval.as_ref()).map_err(not_sent)?;
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();

    let statuses = configurations.device_statuses(&configuration);
    let updated = statuses.update(&key, &input.device_status.into(), approval.as_ref()).await?.map(Arc::new);
    let device_status = match updated {
        Some(entity) => {
            let place = (configuration.clone(), key);
            request_context(ctx)?.device_statuses.insert(place, Properties::All, Some(Arc::clone(&entity)));
            DeviceStatus::new(configuration, entity)
        }
        None => {
            let selected =
                Selected::of(ctx, "UpdateDeviceStatusPayload").within("deviceStatus", DeviceStatus::NAME);
            let selected = selected.last().unwrap_or_else(|| Selected::of(ctx, DeviceStatus::NAME));
            let found = DeviceStatus::load(ctx, selected, &configuration, &key).await;
            found.and_then(|found| found.ok_or_else(|| FieldError::not_shown("updated the device status")))
        }
    };
    let device_status = device_status.map_err(|error| error.with_outcome(Outcome::Applied))?;
    Ok(UpdateDeviceStatusPayload {
        device_status: Bounded::guaranteed(device_status),
        client_mutation_id: input.client_mutation_id,
    })
}
