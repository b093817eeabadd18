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
use crate::schema::mutation::write_approval::{self, WriteApprovalInput};
use crate::schema::selection::Selected;
use crate::schema::types::{DeviceStatus, DeviceStatusInput};

/// The input of `addDeviceStatus`.
#[derive(Debug, InputObject)]
pub(super) struct AddDeviceStatusInput {
    /// The configuration: its global id or its id in Graph (`graphId`).
    configuration_id: ID,
    /// The device status to create.
    device_status: DeviceStatusInput,
    /// A key that makes the call safe to repeat. Use a new UUID for each new object, and the same
    /// key for a retry.
    ///
    /// A call with the same key and the same input returns the object of the first call, with
    /// `replayed: true`, and creates nothing. With other input it fails with
    /// `IDEMPOTENCY_KEY_REUSED`. Keys are stored for 24 hours by default; a gateway without a state
    /// file loses them when it restarts. A key has 1 to 255 visible ASCII characters.
    idempotency_key: Option<String>,
    /// The approval of a second administrator, in a tenant that requires one: a justification to
    /// ask for it, or the code of the approved request. It is not part of the input that an
    /// idempotency key is compared by.
    approval: Option<WriteApprovalInput>,
    /// Any text of the client's choice. The payload returns it unchanged.
    client_mutation_id: Option<String>,
}

/// The result of `addDeviceStatus`.
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
    let approval = write_approval::approval(input.approval.as_ref()).map_err(not_sent)?;
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();
    let statuses = configurations.device_statuses(&configuration);
    let call = IdempotentCall {
        mutation: "addDeviceStatus",
        configuration: Some(&configuration),
        idempotency_key: input.idempotency_key.as_deref(),
    };
    let new = models::NewDeviceStatus::from(input.device_status);
    let create = idempotency::create_one(ctx, call, &statuses, new, approval).await?;
    let created = CreatedDeviceStatus::new(ctx, &configuration, create)?;
    Ok(AddDeviceStatusPayload { created, client_mutation_id: input.client_mutation_id })
}

/// The result of `addDeviceStatus`.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl AddDeviceStatusPayload {
    /// The global id of the created device status. It is known even if the object could not be
    /// read.
    async fn device_status_id(&self) -> ID {
        self.created.id()
    }

    /// The created device status. Null if it was created but could not be read; the error then has
    /// `outcome: APPLIED`. Do not create it again.
    async fn device_status(&self, ctx: &Context<'_>) -> Option<Result<Bounded<DeviceStatus>, FieldError>> {
        let selected = Selected::of(ctx, "DeviceStatus");
        let status = self.created.device_status(ctx, selected).await;
        Some(status.map(Bounded::guaranteed))
    }

    /// The created device status as an edge, which a client can append to a list in its cache. Null
    /// under the conditions of `deviceStatus`.
    async fn device_status_edge(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Bounded<Edge<DeviceStatus>>, FieldError>> {
        let node = Selected::of(ctx, "DeviceStatusEdge").within("node", "DeviceStatus").next();
        let selected = node.unwrap_or_else(|| Selected::of(ctx, "DeviceStatus"));
        let status = self.created.device_status(ctx, selected).await;
        Some(status.map(|status| Bounded::guaranteed(status.into_edge())))
    }

    /// Whether an earlier call with the same `idempotencyKey` created the object, and this call
    /// created nothing.
    async fn replayed(&self) -> bool {
        self.created.replayed
    }

    /// The `clientMutationId` of the input. Null if the input has none.
    async fn client_mutation_id(&self) -> Option<&str> {
        self.client_mutation_id.as_deref()
    }
}
