//! The writes.

mod add_device_status;
mod add_device_statuses;
mod assign_configuration;
mod create_configuration;
mod created_device_status;
mod delete_configuration;
mod delete_device_status;
mod idempotency;
mod update_configuration;
mod update_device_status;
mod write_approval;

use std::panic::AssertUnwindSafe;

use async_graphql::{Context, Object};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};

use self::add_device_status::{AddDeviceStatusInput, AddDeviceStatusPayload};
use self::add_device_statuses::{AddDeviceStatusesInput, AddDeviceStatusesPayload};
use self::assign_configuration::{
    AssignIosLobAppProvisioningConfigurationInput, AssignIosLobAppProvisioningConfigurationPayload,
};
use self::create_configuration::{
    CreateIosLobAppProvisioningConfigurationInput, CreateIosLobAppProvisioningConfigurationPayload,
};
use self::delete_configuration::{
    DeleteIosLobAppProvisioningConfigurationInput, DeleteIosLobAppProvisioningConfigurationPayload,
};
use self::delete_device_status::{DeleteDeviceStatusInput, DeleteDeviceStatusPayload};
use self::update_configuration::{
    UpdateIosLobAppProvisioningConfigurationInput, UpdateIosLobAppProvisioningConfigurationPayload,
};
use self::update_device_status::{UpdateDeviceStatusInput, UpdateDeviceStatusPayload};
use super::bounded::Bounded;
use super::context::request_context;
use super::error::FieldError;
use crate::graph::Outcome;
use crate::telemetry::metrics;

/// Writes to Microsoft Graph. Fields run one after another. A field that fails is null, with an
/// error whose `extensions.outcome` says what is known about the write; the other fields keep their
/// results.
pub(super) struct Mutation;

/// Runs a field's resolver and converts its panic to an error, because earlier fields may have
/// written and keep their results. The cache of the request is cleared first: a write may change
/// entities whatever its outcome. An assignment changes its configuration, and a deletion
/// everything in the object.
///
/// The future is boxed: async-graphql moves the future of a field several times, and the root's is as
/// large as the largest of its fields.
fn run<'c, T: Send + 'c>(
    ctx: &'c Context<'_>,
    resolver: impl Future<Output = Result<T, FieldError>> + Send + 'c,
) -> BoxFuture<'c, Result<Bounded<T>, FieldError>> {
    // Fields run one after another, and none reads an entity through the request before it has written.
    match request_context(ctx) {
        Ok(request) => request.invalidate(),
        Err(error) => return ready(Err(error.with_outcome(Outcome::NotSent))).boxed(),
    }
    let payload = AssertUnwindSafe(resolver).catch_unwind().map(|payload| {
        let payload = payload.unwrap_or_else(|_panic| {
            metrics::panicked();
            // The progress is not known.
            Err(FieldError::internal("a mutation panicked").with_outcome(Outcome::Unknown))
        });
        payload.map(Bounded::guaranteed)
    });
    payload.boxed()
}

/// Writes to Microsoft Graph. Fields run one after another. A field that fails is null, with an
/// error whose `extensions.outcome` says what is known about the write; the other fields keep their
/// results.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl Mutation {
    /// Adds a device status to a configuration. Send an `idempotencyKey` to make a retry safe.
    ///
    /// Intune computes device statuses from the reports of devices. The live service may therefore
    /// refuse this write with `UPSTREAM_NOT_SUPPORTED`. In Graph:
    /// `POST /deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/deviceStatuses`.
    async fn add_device_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The device status to add, and its configuration.")] input: AddDeviceStatusInput,
    ) -> Option<Result<Bounded<AddDeviceStatusPayload>, FieldError>> {
        Some(run(ctx, add_device_status::resolve(ctx, input)).await)
    }

    /// Adds up to 1000 device statuses to a configuration, in batches of 20. It returns one result
    /// for each status, in order; one that fails does not affect the others.
    ///
    /// Intune limits writes to 100 in 20 s. Statuses that do not fit the request timeout fail with
    /// `THROTTLED`: repeat the call with the same `idempotencyKey` to continue. The live service
    /// may refuse these writes, as for `addDeviceStatus`.
    async fn add_device_statuses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The device statuses to add, and their configuration.")]
        input: AddDeviceStatusesInput,
    ) -> Option<Result<Bounded<AddDeviceStatusesPayload>, FieldError>> {
        Some(run(ctx, add_device_statuses::resolve(ctx, input)).await)
    }

    /// Changes a device status. After a lost response the change is sent again, and may overwrite a
    /// change made in between.
    ///
    /// In Graph:
    /// `PATCH /deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/deviceStatuses/{id}`.
    async fn update_device_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The device status and the properties to change.")] input: UpdateDeviceStatusInput,
    ) -> Option<Result<Bounded<UpdateDeviceStatusPayload>, FieldError>> {
        Some(run(ctx, update_device_status::resolve(ctx, input)).await)
    }

    /// Deletes a device status.
    ///
    /// In Graph:
    /// `DELETE /deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/deviceStatuses/{id}`.
    async fn delete_device_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The device status to delete.")] input: DeleteDeviceStatusInput,
    ) -> Option<Result<Bounded<DeleteDeviceStatusPayload>, FieldError>> {
        Some(run(ctx, delete_device_status::resolve(ctx, input)).await)
    }

    /// Creates a configuration. Send an `idempotencyKey` to make a retry safe.
    ///
    /// In Graph: `POST /deviceAppManagement/iosLobAppProvisioningConfigurations`.
    async fn create_ios_lob_app_provisioning_configuration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The configuration to create.")]
        input: CreateIosLobAppProvisioningConfigurationInput,
    ) -> Option<Result<Bounded<CreateIosLobAppProvisioningConfigurationPayload>, FieldError>> {
        Some(run(ctx, create_configuration::resolve(ctx, input)).await)
    }

    /// Changes a configuration. After a lost response the change is sent again, and may overwrite a
    /// change made in between.
    ///
    /// In Graph: `PATCH /deviceAppManagement/iosLobAppProvisioningConfigurations/{id}`.
    async fn update_ios_lob_app_provisioning_configuration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The configuration and the properties to change.")]
        input: UpdateIosLobAppProvisioningConfigurationInput,
    ) -> Option<Result<Bounded<UpdateIosLobAppProvisioningConfigurationPayload>, FieldError>> {
        Some(run(ctx, update_configuration::resolve(ctx, input)).await)
    }

    /// Deletes a configuration with its statuses and assignments.
    ///
    /// In Graph: `DELETE /deviceAppManagement/iosLobAppProvisioningConfigurations/{id}`.
    async fn delete_ios_lob_app_provisioning_configuration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The configuration to delete.")]
        input: DeleteIosLobAppProvisioningConfigurationInput,
    ) -> Option<Result<Bounded<DeleteIosLobAppProvisioningConfigurationPayload>, FieldError>> {
        Some(run(ctx, delete_configuration::resolve(ctx, input)).await)
    }

    /// Replaces the assignments of a configuration. It is not sent again after a lost response:
    /// read the assignments before you retry.
    ///
    /// In Graph: `POST /deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/assign`.
    async fn assign_ios_lob_app_provisioning_configuration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The configuration and its new assignments.")]
        input: AssignIosLobAppProvisioningConfigurationInput,
    ) -> Option<Result<Bounded<AssignIosLobAppProvisioningConfigurationPayload>, FieldError>> {
        Some(run(ctx, assign_configuration::resolve(ctx, input)).await)
    }
}
