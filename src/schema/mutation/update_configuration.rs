//! `updateIosLobAppProvisioningConfiguration`.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, SimpleObject};

use crate::graph::Outcome;
use crate::schema::bounded::Bounded;
use crate::schema::connection::Listed as _;
use crate::schema::context::{request_context, schema_context, session};
use crate::schema::entity_cache::Properties;
use crate::schema::error::FieldError;
use crate::schema::global_id;
use crate::schema::mutation::write_approval::{self, WriteApprovalInput};
use crate::schema::selection::Selected;
use crate::schema::types::{IosLobAppProvisioningConfiguration, IosLobAppProvisioningConfigurationPatch};

/// The input of `updateIosLobAppProvisioningConfiguration`.
#[derive(Debug, InputObject)]
pub(super) struct UpdateIosLobAppProvisioningConfigurationInput {
    /// The configuration: its global id or its id in Graph (`graphId`).
    id: ID,
    /// The properties to change.
    configuration: IosLobAppProvisioningConfigurationPatch,
    /// The approval of a second administrator, in a tenant that requires one: a justification to
    /// ask for it, or the code of the approved request.
    approval: Option<WriteApprovalInput>,
    /// Any text of the client's choice. The payload returns it unchanged.
    client_mutation_id: Option<String>,
}

/// The result of `updateIosLobAppProvisioningConfiguration`.
#[derive(Debug, SimpleObject)]
pub(super) struct UpdateIosLobAppProvisioningConfigurationPayload {
    /// The configuration after the change.
    configuration: Bounded<IosLobAppProvisioningConfiguration>,
    /// The `clientMutationId` of the input. Null if the input has none.
    client_mutation_id: Option<String>,
}

/// Changes the configuration in Graph: one PATCH.
pub(super) async fn resolve(
    ctx: &Context<'_>,
    input: UpdateIosLobAppProvisioningConfigurationInput,
) -> Result<UpdateIosLobAppProvisioningConfigurationPayload, FieldError> {
    let not_sent = |error: FieldError| error.with_outcome(Outcome::NotSent);
    let key = global_id::configuration_key(&input.id, "input.id").map_err(not_sent)?;
    let max_configuration_payload = schema_context(ctx).map_err(not_sent)?.max_configuration_payload;
    let patch =
        input.configuration.into_model("input.configuration", max_configuration_payload).map_err(not_sent)?;
    let approval = write_approval::approval(input.approval.as_ref()).map_err(not_sent)?;
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();

    let updated = configurations.update(&key, &patch, approval.as_ref()).await?.map(Arc::new);
    let configuration = match updated {
        Some(entity) => {
            request_context(ctx)?.configurations.insert(key, Properties::All, Some(Arc::clone(&entity)));
            IosLobAppProvisioningConfiguration::new(entity)
        }
        None => {
            let payload = Selected::of(ctx, "UpdateIosLobAppProvisioningConfigurationPayload");
            let selected = payload.within("configuration", IosLobAppProvisioningConfiguration::NAME).next();
            let found =
                IosLobAppProvisioningConfiguration::load(ctx, selected.unwrap_or(payload), &key).await;
            found.and_then(|found| found.ok_or_else(|| FieldError::not_shown("updated the configuration")))
        }
    };
    let configuration = configuration.map_err(|error| error.with_outcome(Outcome::Applied))?;
    Ok(UpdateIosLobAppProvisioningConfigurationPayload {
        configuration: Bounded::guaranteed(configuration),
        client_mutation_id: input.client_mutation_id,
    })
}
