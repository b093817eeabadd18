//! `addDeviceStatuses`.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use crate::graph::{Outcome, models};
use crate::schema::bounded::Bounded;
use crate::schema::context::session;
use crate::schema::error::{FieldError, OperationError};
use crate::schema::global_id;
use crate::schema::mutation::created_device_status::CreatedDeviceStatus;
use crate::schema::mutation::idempotency::{self, IdempotentCall};
use crate::schema::selection::Selected;
use crate::schema::types::{DeviceStatus, DeviceStatusInput};

/// Most statuses that one call takes.
const MAX_STATUSES: usize = 1000;

/// What `addDeviceStatuses` takes.
#[derive(Debug, InputObject)]
pub(super) struct AddDeviceStatusesInput {
    /// The configuration's global id, or Graph's own key.
    configuration_id: ID,
    /// The device statuses to add, 1000 at most.
    device_statuses: Vec<DeviceStatusInput>,
    /// Repeating a call with the same key and the same input returns the first call's objects, and creates those alone
    /// that are known not to be there: it goes on where the first stopped. Holds 24 h, while the gateway's state store
    /// lasts (the default one forgets on restart). Use a UUID.
    idempotency_key: Option<String>,
    /// Returned in the payload as it came.
    client_mutation_id: Option<String>,
}

/// What `addDeviceStatuses` gives.
#[derive(Debug, SimpleObject)]
pub(super) struct AddDeviceStatusesPayload {
    /// One for each status of the input, in order.
    results: Vec<Bounded<AddDeviceStatusResult>>,
    /// How many of the statuses are there.
    created_count: usize,
    /// How many have an error.
    failed_count: usize,
    /// As it came in the input.
    client_mutation_id: Option<String>,
}

/// Either the object's id (and the object), or an error.
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
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();
    let statuses = configurations.device_statuses(&configuration);
    let call = IdempotentCall {
        mutation: "addDeviceStatuses",
        configuration: Some(&configuration),
        idempotency_key: input.idempotency_key.as_deref(),
    };
    let new = input.device_statuses.into_iter().map(models::NewDeviceStatus::from).collect();
    let results = idempotency::create(ctx, call, &statuses, new);

    let results = results.await?.into_iter().enumerate().map(|(index, create)| {
        let created = create.and_then(|create| CreatedDeviceStatus::new(ctx, &configuration, create));
        let result = created.map_err(OperationError::from);
        Bounded::guaranteed(AddDeviceStatusResult { index, result })
    });
    let results: Vec<_> = results.collect();
    let created_count = results.iter().filter(|result| result.result.is_ok()).count();
    Ok(AddDeviceStatusesPayload {
        created_count,
        failed_count: results.len() - created_count,
        results,
        client_mutation_id: input.client_mutation_id,
    })
}

/// Either the object's id (and the object), or an error.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl AddDeviceStatusResult {
    /// The place of the status in the input, from 0.
    async fn index(&self) -> usize {
        self.index
    }

    /// The object's global id, known even where the object could not be read.
    async fn device_status_id(&self) -> Option<ID> {
        self.result.as_ref().ok().map(CreatedDeviceStatus::id)
    }

    /// The object.
    async fn device_status(&self, ctx: &Context<'_>) -> Option<Result<Bounded<DeviceStatus>, FieldError>> {
        let created = self.result.as_ref().ok()?;
        let selected = Selected::of(ctx, "DeviceStatus");
        Some(created.device_status(ctx, selected).await.map(Bounded::guaranteed))
    }

    /// True when `idempotencyKey` had been seen, and this is the object of an earlier call.
    async fn replayed(&self) -> bool {
        self.result.as_ref().is_ok_and(|created| created.replayed)
    }

    /// Why there is no object.
    async fn error(&self) -> Option<Bounded<&OperationError>> {
        self.result.as_ref().err().map(Bounded::guaranteed)
    }
}
