//! `deleteDeviceStatus`.

use async_graphql::{Context, ID, InputObject, Object};

use crate::graph::{Key, Outcome};
use crate::schema::bounded::Bounded;
use crate::schema::connection::Listed as _;
use crate::schema::context::session;
use crate::schema::error::FieldError;
use crate::schema::global_id::{self, GlobalId};
use crate::schema::mutation::write_approval::{self, WriteApprovalInput};
use crate::schema::selection::Selected;
use crate::schema::types::IosLobAppProvisioningConfiguration;

/// The input of `deleteDeviceStatus`.
#[derive(Debug, InputObject)]
pub(super) struct DeleteDeviceStatusInput {
    /// The global id of the device status. An id of Graph is not enough, since it does not name the
    /// configuration.
    id: ID,
    /// The approval of a second administrator, in a tenant that requires one: a justification to
    /// ask for it, or the code of the approved request.
    approval: Option<WriteApprovalInput>,
    /// Any text of the client's choice. The payload returns it unchanged.
    client_mutation_id: Option<String>,
}

/// The result of `deleteDeviceStatus`.
pub(super) struct DeleteDeviceStatusPayload {
    configuration: Key,
    key: Key,
    client_mutation_id: Option<String>,
}

/// Deletes the status in Graph: one DELETE.
pub(super) async fn resolve(
    ctx: &Context<'_>,
    input: DeleteDeviceStatusInput,
) -> Result<DeleteDeviceStatusPayload, FieldError> {
    let not_sent = |error: FieldError| error.with_outcome(Outcome::NotSent);
    let (configuration, key) = global_id::device_status_keys(&input.id, "input.id").map_err(not_sent)?;
    let approval = write_approval::approval(input.approval.as_ref()).map_err(not_sent)?;
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();
    configurations.device_statuses(&configuration).delete(&key, approval.as_ref()).await?;
    Ok(DeleteDeviceStatusPayload { configuration, key, client_mutation_id: input.client_mutation_id })
}

/// The result of `deleteDeviceStatus`.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl DeleteDeviceStatusPayload {
    /// The global id of the device status, which no longer exists for this caller. Remove it from
    /// caches.
    async fn deleted_id(&self) -> ID {
        let id = GlobalId::DeviceStatus { configuration: self.configuration.clone(), key: self.key.clone() };
        ID(id.encode())
    }

    /// The configuration that the device status belonged to. Null if Graph has no such
    /// configuration (404), or if it could not be read (with an error).
    async fn configuration(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Bounded<IosLobAppProvisioningConfiguration>, FieldError>> {
        let selected = Selected::of(ctx, IosLobAppProvisioningConfiguration::NAME);
        let found = IosLobAppProvisioningConfiguration::load(ctx, selected, &self.configuration).await;
        Some(found.transpose()?.map(Bounded::new))
    }

    /// The `clientMutationId` of the input. Null if the input has none.
    async fn client_mutation_id(&self) -> Option<&str> {
        self.client_mutation_id.as_deref()
    }
}
