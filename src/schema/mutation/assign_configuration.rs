//! `assignIosLobAppProvisioningConfiguration`.

use async_graphql::{Context, ID, InputObject, Object};

use crate::graph::models::Assign;
use crate::graph::{Key, Outcome};
use crate::schema::bounded::Bounded;
use crate::schema::connection::Listed as _;
use crate::schema::context::session;
use crate::schema::error::FieldError;
use crate::schema::global_id;
use crate::schema::mutation::write_approval::{self, WriteApprovalInput};
use crate::schema::selection::Selected;
use crate::schema::types::{AssignmentInput, GroupAssignmentInput, IosLobAppProvisioningConfiguration};

/// The input of `assignIosLobAppProvisioningConfiguration`: the complete new assignments.
///
/// An omitted set is not sent to Graph. Microsoft does not document whether Graph then keeps or
/// clears that set: send both sets to be sure.
#[derive(Debug, InputObject)]
pub(super) struct AssignIosLobAppProvisioningConfigurationInput {
    /// The configuration: its global id or its id in Graph (`graphId`).
    id: ID,
    /// The new targets, which replace the present ones.
    assignments: Option<Vec<AssignmentInput>>,
    /// The new groups, which replace the present ones.
    group_assignments: Option<Vec<GroupAssignmentInput>>,
    /// The approval of a second administrator, in a tenant that requires one: a justification to
    /// ask for it, or the code of the approved request.
    approval: Option<WriteApprovalInput>,
    /// Any text of the client's choice. The payload returns it unchanged.
    client_mutation_id: Option<String>,
}

/// The result of `assignIosLobAppProvisioningConfiguration`.
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
    let approval = write_approval::approval(input.approval.as_ref()).map_err(not_sent)?;
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();
    configurations.assign(&key, &assign, approval.as_ref()).await?;
    Ok(AssignIosLobAppProvisioningConfigurationPayload { key, client_mutation_id: input.client_mutation_id })
}

/// The result of `assignIosLobAppProvisioningConfiguration`.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl AssignIosLobAppProvisioningConfigurationPayload {
    /// The configuration with its new assignments. Null if it could not be read; the assignments
    /// were made nevertheless.
    async fn configuration(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Bounded<IosLobAppProvisioningConfiguration>, FieldError>> {
        let selected = Selected::of(ctx, IosLobAppProvisioningConfiguration::NAME);
        let found = IosLobAppProvisioningConfiguration::load(ctx, selected, &self.key).await;
        Some(found.transpose()?.map(Bounded::new))
    }

    /// The `clientMutationId` of the input. Null if the input has none.
    async fn client_mutation_id(&self) -> Option<&str> {
        self.client_mutation_id.as_deref()
    }
}
