//! `addDeviceStatus`.

use async_graphql::{Context, ID, InputObject, Object};

use crate::graph::{Outcome, models};
use crate::schema::bounded::Bounded;
use crate::schema::connection::Edge;
use crate::schema::context::session;
use crate::schema::error::FieldError;
use crate::schema::global_id;
use crate::schema::mutation::created_device_status::CreatedDeviceStatus;
use crate::schema::mutation::idempotency::{self, IdempotentCall};
use crate::schema::selection::Selected;
use crate::schema::types::{DeviceStatus, DeviceStatusInput};

/// What `addDeviceStatus` takes.
#[derive(Debug, InputObject)]
pub(super) struct AddDeviceStatusInput {
    /// The configuration's global id, or Graph's own key.
    configuration_id: ID,
    /// The device status to add.
    device_status: DeviceStatusInput,
    /// Repeating a call with the same key and the same input returns the first call's object and creates nothing. Holds
    /// 24 h, while the gateway's state store lasts (the default one forgets on restart). Use a UUID.
    idempotency_key: Option<String>,
    /// Returned in the payload as it came.
    client_mutation_id: Option<String>,
}

/// What `addDeviceStatus` gives.
pub(super) struct AddDeviceStatusPayload {
    created: CreatedDeviceStatus,
    client_mutation_id: Option<String>,
}

/// Creates the status in Graph: one POST.
pub(super) async fn resolve(
    ctx: &Context<'_>,
    input: AddDeviceStatusInput,
) -> Result<AddDeviceStatusPayload, FieldError> {
    let not_sent = |error: FieldError| error.with_outcome(Outcome::NotSent);
    let configuration =
        global_id::configuration_key(&input.configuration_id, "input.configurationId").map_err(not_sent)?;
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();
    let statuses = configurations.device_statuses(&configuration);
    let call = IdempotentCall {
        mutation: "addDeviceStatus",
        configuration: Some(&configuration),
        idempotency_key: input.idempotency_key.as_deref(),
    };
    let new = models::NewDeviceStatus::from(input.device_status);
    let create = idempotency::create_one(ctx, call, &statuses, new).await?;
    let created = CreatedDeviceStatus::new(ctx, &configuration, create)?;
    Ok(AddDeviceStatusPayload { created, client_mutation_id: input.client_mutation_id })
}

/// What `addDeviceStatus` gives.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl AddDeviceStatusPayload {
    /// The created object's global id, known even where the object could not be read.
    async fn device_status_id(&self) -> ID {
        self.created.id()
    }

    /// The created object.
    async fn device_status(&self, ctx: &Context<'_>) -> Option<Result<Bounded<DeviceStatus>, FieldError>> {
        let selected = Selected::of(ctx, "DeviceStatus");
        let status = self.created.device_status(ctx, selected).await;
        Some(status.map(Bounded::guaranteed))
    }

    /// The created object as an edge, to be appended to a list that the caller holds.
    async fn device_status_edge(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Bounded<Edge<DeviceStatus>>, FieldError>> {
        let node = Selected::of(ctx, "DeviceStatusEdge").within("node", "DeviceStatus").next();
        let selected = node.unwrap_or_else(|| Selected::of(ctx, "DeviceStatus"));
        let status = self.created.device_status(ctx, selected).await;
        Some(status.map(|status| Bounded::guaranteed(status.into_edge())))
    }

    /// True when `idempotencyKey` had been seen, and this is the first call's object.
    async fn replayed(&self) -> bool {
        self.created.replayed
    }

    /// As it came in the input.
    async fn client_mutation_id(&self) -> Option<&str> {
        self.client_mutation_id.as_deref()
    }
}
