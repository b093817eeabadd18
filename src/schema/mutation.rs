//! The writes.

mod add_device_status;

use async_graphql::{Context, Object};

use self::add_device_status::{AddDeviceStatusInput, AddDeviceStatusPayload};
use super::error::FieldError;

/// Writes to Microsoft Graph. Fields run one after another; one that fails is null and leaves the others standing.
pub(super) struct Mutation;

/// Writes to Microsoft Graph. Fields run one after another; one that fails is null and leaves the others standing.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl Mutation {
    /// Adds a device status to a configuration: `POST
    /// /deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/deviceStatuses`.
    async fn add_device_status(
        &self,
        ctx: &Context<'_>,
        input: AddDeviceStatusInput,
    ) -> Option<Result<AddDeviceStatusPayload, FieldError>> {
        Some(add_device_status::resolve(ctx, input).await)
    }
}
