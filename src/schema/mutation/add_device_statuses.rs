//! `addDeviceStatuses`.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use crate::graph::{Outcome, models};
use crate::schema::bounded::Bounded;
use crate::schema::context::session;
use crate::schema::error::{FieldError, OperationError};
use crate::schema::global_id;
use crate::schema::mutation::created_device_status::CreatedDeviceStatus;
use crate::schema::mutation::idempotency::{self, IdempotentCall};
use crate::schema::mutation::write_approval::{self, ItemApprovalInput, WriteApprovalInput};
use crate::schema::selection::Selected;
use crate::schema::types::{DeviceStatus, DeviceStatusInput};
use crate::telemetry::request;

/// Maximum number of statuses in one call.
const MAX_STATUSES: usize = 1000;

/// The input of `addDeviceStatuses`.
#[derive(Debug, InputObject)]
pub(super) struct AddDeviceStatusesInput {
    /// The configuration: its global id or its id in Graph (`graphId`).
    configuration_id: ID,
    /// The device statuses to create, at most 1000.
    device_statuses: Vec<DeviceStatusInput>,
    /// A key that makes the call safe to repeat. Use a new UUID for each new list, and the same key
    /// for a retry.
    ///
    /// A call with the same key and the same input returns the objects that exist and creates only
    /// those that were certainly not created: it continues where the first call stopped. With other
    /// input it fails with `IDEMPOTENCY_KEY_REUSED`. Keys are stored for 24 hours by default; a
    /// gateway without a state file loses them when it restarts. A key has 1 to 255 visible ASCII
    /// characters.
    idempotency_key: Option<String>,
    /// The approval of a second administrator for each item, in a tenant that requires one. Use it
    /// for a justification: each item has its own request for approval, with its own code.
    approval: Option<WriteApprovalInput>,
    /// The approvals of single items, in place of `approval`: the code of each item whose request was
    /// approved.
    item_approvals: Option<Vec<ItemApprovalInput>>,
    /// Any text of the client's choice. The payload returns it unchanged.
    client_mutation_id: Option<String>,
}

/// The result of `addDeviceStatuses`.
#[derive(Debug, SimpleObject)]
pub(super) struct AddDeviceStatusesPayload {
    /// One result for each device status of the input, in the same order.
    results: Vec<Bounded<AddDeviceStatusResult>>,
    /// The number of device statuses that exist now, created by this call or by an earlier one with
    /// the same key.
    created_count: usize,
    /// The number of results with an error.
    failed_count: usize,
    /// The `clientMutationId` of the input. Null if the input has none.
    client_mutation_id: Option<String>,
}

/// The result for one device status: its id and the object, or an error.
#[derive(Debug)]
pub(super) struct AddDeviceStatusResult {
    index: usize,
    result: Result<CreatedDeviceStatus, OperationError>,
}

/// Creates the statuses in Graph, by `POST /$batch`.
pub(super) async fn resolve(
    ctx: &Context<'_>,
    input: AddDeviceStatusesInput,
) -> Result<AddDeviceStatusesPayload, FieldError> {
    let not_sent = |error: FieldError| error.with_outcome(Outcome::NotSent);
    let configuration =
        global_id::configuration_key(&input.configuration_id, "input.configurationId").map_err(not_sent)?;
    let count = input.device_statuses.len();
    if count > MAX_STATUSES {
        let message =
            format!("`input.deviceStatuses` must not have more than {MAX_STATUSES} items, but has {count}.");
        return Err(not_sent(FieldError::bad_user_input(message)));
    }
    let approvals =
        write_approval::item_approvals(input.approval.as_ref(), input.item_approvals.as_deref(), count)
            .map_err(not_sent)?;
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();
    let statuses = configurations.device_statuses(&configuration);
    let call = IdempotentCall {
        mutation: "addDeviceStatuses",
        configuration: Some(&configuration),
        idempotency_key: input.idempotency_key.as_deref(),
    };
    let new = input.device_statuses.into_iter().map(models::NewDeviceStatus::from).collect();
    let results = idempotency::create(ctx, call, &statuses, new, approvals);

    let results = results.await?.into_iter().enumerate().map(|(index, create)| {
        let created = create.and_then(|create| CreatedDeviceStatus::new(ctx, &configuration, create));
        let result = created.map_err(OperationError::from);
        Bounded::guaranteed(AddDeviceStatusResult { index, result })
    });
    let results: Vec<_> = results.collect();
    if let Some(request) = request::current() {
        request
            .failed_items()
            .add(results.iter().map(|result| Some(result.result.as_ref().err()?.failed_item())));
    }
    let created_count = results.iter().filter(|result| result.result.is_ok()).count();
    Ok(AddDeviceStatusesPayload {
        created_count,
        failed_count: results.len() - created_count,
        results,
        client_mutation_id: input.client_mutation_id,
    })
}

/// The result for one device status: its id and the object, or an error.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl AddDeviceStatusResult {
    /// The index of the device status in the input, from 0.
    async fn index(&self) -> usize {
        self.index
    }

    /// The global id of the created device status. It is known even if the object could not be
    /// read. Null if `error` is set.
    async fn device_status_id(&self) -> Option<ID> {
        self.result.as_ref().ok().map(CreatedDeviceStatus::id)
    }

    /// The created device status. Null if `error` is set, or if it was created but could not be
    /// read (with an error of this field).
    async fn device_status(&self, ctx: &Context<'_>) -> Option<Result<Bounded<DeviceStatus>, FieldError>> {
        let created = self.result.as_ref().ok()?;
        let selected = Selected::of(ctx, "DeviceStatus");
        Some(created.device_status(ctx, selected).await.map(Bounded::guaranteed))
    }

    /// Whether an earlier call with the same `idempotencyKey` created the object, and this call
    /// created nothing.
    async fn replayed(&self) -> bool {
        self.result.as_ref().is_ok_and(|created| created.replayed)
    }

    /// The reason why there is no object. Null if there is one.
    async fn error(&self) -> Option<Bounded<&OperationError>> {
        self.result.as_ref().err().map(Bounded::guaranteed)
    }
}
