//! `deleteDeviceStatus`.

use async_graphql::{Context, ID, InputObject, Object};

use crate::graph::{Key, Outcome};
use crate::schema::bounded::Bounded;
use crate::schema::connection::Listed as _;
use crate::schema::context::session;
use crate::schema::error::FieldError;
use crate::schema::global_id::{self, GlobalId};
use crate::schema::selection::Selected;
use crate::schema::types::IosLobAppProvisioningConfiguration;

/// What `deleteDeviceStatus` takes.
#[derive(Debug, InputObject)]
pub(super) struct DeleteDeviceStatusInput {
    /// The status' global id.
    id: ID,
    /// Returned in the payload as it came.
    client_mutation_id: Option<String>,
}

/// What `deleteDeviceStatus` gives.
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
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();
    configurations.device_statuses(&configuration).delete(&key).await?;
    Ok(DeleteDeviceStatusPayload { configuration, key, client_mutation_id: input.client_mutation_id })
}

/// What `deleteDeviceStatus` gives.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl DeleteDeviceStatusPayload {
    /// The global id of the status, which is no longer visible to this caller.
    async fn deleted_id(&self) -> ID {
        let id = GlobalId::DeviceStatus { configuration: self.configuration.clone(), key: self.key.clone() };
        ID(id.encode())
    }

    /// The configuration that the status belonged to.
    async fn configuration(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Bounded<IosLobAppProvisioningConfiguration>, FieldError>> {
        let selected = Selected::of(ctx, IosLobAppProvisioningConfiguration::NAME);
        let found = IosLobAppProvisioningConfiguration::load(ctx, selected, &self.configuration).await;
        Some(found.transpose()?.map(Bounded::new))
    }

    /// As it came in the input.
    async fn client_mutation_id(&self) -> Option<&str> {
        self.client_mutation_id.as_deref()
    }
}
