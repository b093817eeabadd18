//! `assignIosLobAppProvisioningConfiguration`.

use async_graphql::{Context, ID, InputObject, Object};

use crate::graph::models::Assign;
use crate::graph::{Key, Outcome};
use crate::schema::bounded::Bounded;
use crate::schema::connection::Listed as _;
use crate::schema::context::session;
use crate::schema::error::FieldError;
use crate::schema::global_id;
use crate::schema::selection::Selected;
use crate::schema::types::{AssignmentInput, GroupAssignmentInput, IosLobAppProvisioningConfiguration};

/// What `assignIosLobAppProvisioningConfiguration` takes: the whole new sets. A set that is left out is not sent.
#[derive(Debug, InputObject)]
pub(super) struct AssignIosLobAppProvisioningConfigurationInput {
    /// The configuration's global id, or Graph's own key.
    id: ID,
    /// The targets to assign to, in place of those that are there.
    assignments: Option<Vec<AssignmentInput>>,
    /// The groups to assign to, in place of those that are there.
    group_assignments: Option<Vec<GroupAssignmentInput>>,
    /// Returned in the payload as it came.
    client_mutation_id: Option<String>,
}

/// What `assignIosLobAppProvisioningConfiguration` gives.
pub(super) struct AssignIosLobAppProvisioningConfigurationPayload {
    key: Key,
    client_mutation_id: Option<String>,
}

/// Calls the action in Graph: one POST.
pub(super) async fn resolve(
    ctx: &Context<'_>,
    input: AssignIosLobAppProvisioningConfigurationInput,
) -> Result<AssignIosLobAppProvisioningConfigurationPayload, FieldError> {
    let not_sent = |error: FieldError| error.with_outcome(Outcome::NotSent);
    let key = global_id::configuration_key(&input.id, "input.id").map_err(not_sent)?;
    let assignments = input.assignments.map(|assignments| {
        let assignment = |(index, input): (usize, AssignmentInput)| {
            input.into_model(&format!("input.assignments[{index}]"))
        };
        assignments.into_iter().enumerate().map(assignment).collect::<Result<Vec<_>, _>>()
    });
    let assign = Assign {
        assignments: assignments.transpose().map_err(not_sent)?,
        group_assignments: input.group_assignments.map(|groups| groups.into_iter().map(Into::into).collect()),
    };
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();
    configurations.assign(&key, &assign).await?;
    Ok(AssignIosLobAppProvisioningConfigurationPayload { key, client_mutation_id: input.client_mutation_id })
}

/// What `assignIosLobAppProvisioningConfiguration` gives.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl AssignIosLobAppProvisioningConfigurationPayload {
    /// The configuration, with its new assignments.
    async fn configuration(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Bounded<IosLobAppProvisioningConfiguration>, FieldError>> {
        let selected = Selected::of(ctx, IosLobAppProvisioningConfiguration::NAME);
        let found = IosLobAppProvisioningConfiguration::load(ctx, selected, &self.key).await;
        Some(found.transpose()?.map(Bounded::new))
    }

    /// As it came in the input.
    async fn client_mutation_id(&self) -> Option<&str> {
        self.client_mutation_id.as_deref()
    }
}
