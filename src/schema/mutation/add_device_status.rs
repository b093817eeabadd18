//! `addDeviceStatus`.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object};

use crate::graph::{Created, Key, NoJournal, Outcome};
use crate::schema::connection::Edge;
use crate::schema::error::FieldError;
use crate::schema::node::{self, GlobalId};
use crate::schema::request::{Properties, request, session};
use crate::schema::selection::Selected;
use crate::schema::types::{DeviceStatus, DeviceStatusInput};

/// What `addDeviceStatus` takes.
#[derive(Debug, InputObject)]
pub(super) struct AddDeviceStatusInput {
    /// The configuration's global id, or Graph's own key.
    configuration_id: ID,
    /// The device status to add.
    device_status: DeviceStatusInput,
    /// Returned in the payload as it came.
    client_mutation_id: Option<String>,
}

/// What `addDeviceStatus` gives.
pub(super) struct AddDeviceStatusPayload {
    configuration: Key,
    key: Key,
    client_mutation_id: Option<String>,
}

/// Creates the status in Graph: one POST.
pub(super) async fn resolve(
    ctx: &Context<'_>,
    input: AddDeviceStatusInput,
) -> Result<AddDeviceStatusPayload, FieldError> {
    let not_sent = |error: FieldError| error.with_outcome(Outcome::NotSent);
    let configuration =
        node::configuration_key(&input.configuration_id, "input.configurationId").map_err(not_sent)?;
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();

    let statuses = vec![input.device_status.into()];
    let created =
        configurations.device_statuses(&configuration).create(statuses, Arc::new(NoJournal)).await.remove(0);
    let key = match created? {
        Created::Entity(entity) => {
            let entity = Arc::new(entity);
            let status = DeviceStatus::new(configuration.clone(), Arc::clone(&entity))?;
            let place = (configuration.clone(), status.key().clone());
            request(ctx)?.device_statuses.keep(place, Properties::All, Some(entity));
            status.key().clone()
        }
        Created::Key(key) => key,
    };
    Ok(AddDeviceStatusPayload { configuration, key, client_mutation_id: input.client_mutation_id })
}

impl AddDeviceStatusPayload {
    /// What Graph answered with; read back where it answered with the key alone.
    async fn status(&self, ctx: &Context<'_>, selected: Selected<'_>) -> Result<DeviceStatus, FieldError> {
        let found = DeviceStatus::load(ctx, selected, &self.configuration, &self.key).await;
        let status =
            found.and_then(|found| found.ok_or_else(|| FieldError::not_shown("created the device status")));
        status.map_err(|error| error.with_outcome(Outcome::Applied))
    }
}

/// What `addDeviceStatus` gives.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl AddDeviceStatusPayload {
    /// The created object's global id, known even where the object could not be read.
    async fn device_status_id(&self) -> ID {
        let id = GlobalId::DeviceStatus { configuration: self.configuration.clone(), key: self.key.clone() };
        ID(id.encode())
    }

    /// The created object.
    async fn device_status(&self, ctx: &Context<'_>) -> Option<Result<DeviceStatus, FieldError>> {
        Some(self.status(ctx, Selected::of(ctx, "DeviceStatus")).await)
    }

    /// The created object as an edge, to be appended to a list that the caller holds.
    async fn device_status_edge(&self, ctx: &Context<'_>) -> Option<Result<Edge<DeviceStatus>, FieldError>> {
        let node = Selected::of(ctx, "DeviceStatusEdge").within("node", "DeviceStatus").next();
        let selected = node.unwrap_or_else(|| Selected::of(ctx, "DeviceStatus"));
        Some(self.status(ctx, selected).await.map(DeviceStatus::into_edge))
    }

    /// As it came in the input.
    async fn client_mutation_id(&self) -> Option<&str> {
        self.client_mutation_id.as_deref()
    }
}
