//! `deleteIosLobAppProvisioningConfiguration`.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use crate::graph::Outcome;
use crate::schema::context::session;
use crate::schema::error::FieldError;
use crate::schema::global_id::{self, GlobalId};
use crate::schema::mutation::write_approval::{self, WriteApprovalInput};

/// The input of `deleteIosLobAppProvisioningConfiguration`.
#[derive(Debug, InputObject)]
pub(super) struct DeleteIosLobAppProvisioningConfigurationInput {
    /// The configuration: its global id or its id in Graph (`graphId`).
    id: ID,
    /// The approval of a second administrator, in a tenant that requires one: a justification to
    /// ask for it, or the code of the approved request.
    approval: Option<WriteApprovalInput>,
    /// Any text of the client's choice. The payload returns it unchanged.
    client_mutation_id: Option<String>,
}

/// The result of `deleteIosLobAppProvisioningConfiguration`.
#[derive(Debug, SimpleObject)]
pub(super) struct DeleteIosLobAppProvisioningConfigurationPayload {
    /// The global id of the configuration, which no longer exists for this caller. Remove it from
    /// caches.
    deleted_id: ID,
    /// The `clientMutationId` of the input. Null if the input has none.
    client_mutation_id: Option<String>,
}

/// Deletes the configuration and its content in Graph, with one DELETE.
pub(super) async fn resolve(
    ctx: &Context<'_>,
    input: DeleteIosLobAppProvisioningConfigurationInput,
) -> Result<DeleteIosLobAppProvisioningConfigurationPayload, FieldError> {
    let not_sent = |error: FieldError| error.with_outcome(Outcome::NotSent);
    let key = global_id::configuration_key(&input.id, "input.id").map_err(not_sent)?;
    let approval = write_approval::approval(input.approval.as_ref()).map_err(not_sent)?;
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();
    configurations.collection().delete(&key, approval.as_ref()).await?;
    Ok(DeleteIosLobAppProvisioningConfigurationPayload {
        deleted_id: ID(GlobalId::Configuration(key).encode()),
        client_mutation_id: input.client_mutation_id,
    })
}
