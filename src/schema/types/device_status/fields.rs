//! The fields of `DeviceStatus`.

use async_graphql::{Context, ID, Object};

use super::DeviceStatus;
use crate::schema::bounded::Bounded;
use crate::schema::connection::Listed as _;
use crate::schema::error::FieldError;
use crate::schema::global_id::GlobalId;
use crate::schema::selection::Selected;
use crate::schema::types::property;
use crate::schema::types::{ComplianceStatus, DateTimeOffset, IosLobAppProvisioningConfiguration};

/// What a device reported of a configuration: Graph's `managedDeviceMobileAppConfigurationDeviceStatus`.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl DeviceStatus {
    /// The global id: opaque, URL-safe, stable.
    pub(crate) async fn id(&self) -> ID {
        let id = GlobalId::DeviceStatus { configuration: self.configuration.clone(), key: self.key.clone() };
        ID(id.encode())
    }

    /// Graph's own key. GUIDs in it are in lower case.
    async fn graph_id(&self) -> &str {
        self.key.as_str()
    }

    /// The configuration that the status belongs to.
    async fn configuration(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Bounded<IosLobAppProvisioningConfiguration>, FieldError>> {
        let selected = Selected::of(ctx, IosLobAppProvisioningConfiguration::NAME);
        let found = IosLobAppProvisioningConfiguration::load(ctx, selected, &self.configuration).await;
        Some(found.transpose()?.map(Bounded::new))
    }

    /// Name of the device.
    async fn device_display_name(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.device_display_name)
    }

    /// Name of the user; "System account" for a status of the device itself.
    async fn user_name(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.user_name)
    }

    /// Model of the device; Intune often leaves it out.
    async fn device_model(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.device_model)
    }

    /// Platform code. Microsoft publishes no table of them.
    async fn platform(&self, ctx: &Context<'_>) -> Option<Result<i32, FieldError>> {
        property::field(ctx, &self.entity.platform, |number| *number)
    }

    /// When the grace period ends. `9999-12-31T23:59:59.9999999Z` means that there is none.
    async fn compliance_grace_period_expiration_date_time(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<DateTimeOffset, FieldError>> {
        property::field(ctx, &self.entity.compliance_grace_period_expiration_date_time, |date| {
            DateTimeOffset(date.clone())
        })
    }

    /// Compliance of the device.
    async fn status(&self, ctx: &Context<'_>) -> Option<Result<ComplianceStatus, FieldError>> {
        property::field(ctx, &self.entity.status, |status| (*status).into())
    }

    /// When the device last reported. `0001-01-01T00:00:00Z` means never.
    async fn last_reported_date_time(&self, ctx: &Context<'_>) -> Option<Result<DateTimeOffset, FieldError>> {
        property::field(ctx, &self.entity.last_reported_date_time, |date| DateTimeOffset(date.clone()))
    }

    /// Principal name of the user.
    async fn user_principal_name(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.user_principal_name)
    }
}
