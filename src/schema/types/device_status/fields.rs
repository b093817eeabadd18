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

/// The status of a configuration on a device, as the device last reported it to Intune. In Graph:
/// `managedDeviceMobileAppConfigurationDeviceStatus`.
///
/// A property is null if Graph returned none. It is also null if its value could not be read; the
/// response then has an error with the path of the field.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl DeviceStatus {
    /// The global id of the object, unique across all types. It is opaque, URL-safe and stable: use
    /// it with `node` and as a cache key, and do not parse it.
    pub(crate) async fn id(&self) -> ID {
        let id = GlobalId::DeviceStatus { configuration: self.configuration.clone(), key: self.key.clone() };
        ID(id.encode())
    }

    /// The id of the object in Microsoft Graph. GUIDs in it are in lower case. It is not unique
    /// across types: use `id` as a cache key.
    async fn graph_id(&self) -> &str {
        self.key.as_str()
    }

    /// The configuration that the status belongs to. Null if Graph no longer has it (404), or if it
    /// could not be read (with an error).
    async fn configuration(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Bounded<IosLobAppProvisioningConfiguration>, FieldError>> {
        let selected = Selected::of(ctx, IosLobAppProvisioningConfiguration::NAME);
        let found = IosLobAppProvisioningConfiguration::load(ctx, selected, &self.configuration).await;
        Some(found.transpose()?.map(Bounded::new))
    }

    /// The name of the device. Null if Graph returned none.
    async fn device_display_name(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.device_display_name)
    }

    /// The name of the user. "System account" if the status belongs to no user; null if Graph
    /// returned none.
    async fn user_name(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.user_name)
    }

    /// The model of the device. Null if Graph returned none, as Intune often does.
    async fn device_model(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.device_model)
    }

    /// The platform code. Microsoft does not publish the codes; Intune often returns 0. Null if
    /// Graph returned none.
    async fn platform(&self, ctx: &Context<'_>) -> Option<Result<i32, FieldError>> {
        property::field(ctx, &self.entity.platform, |number| *number)
    }

    /// The end of the grace period, after which the device counts as non-compliant.
    /// `9999-12-31T23:59:59.9999999Z` means that there is no grace period. Null if Graph returned
    /// none.
    async fn compliance_grace_period_expiration_date_time(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<DateTimeOffset, FieldError>> {
        property::field(ctx, &self.entity.compliance_grace_period_expiration_date_time, |date| {
            DateTimeOffset(date.clone())
        })
    }

    /// The compliance of the device with the configuration. Null if Graph returned none.
    async fn status(&self, ctx: &Context<'_>) -> Option<Result<ComplianceStatus, FieldError>> {
        property::field(ctx, &self.entity.status, |status| (*status).into())
    }

    /// The time of the last report from the device. `0001-01-01T00:00:00Z` means that it never
    /// reported. Null if Graph returned none.
    async fn last_reported_date_time(&self, ctx: &Context<'_>) -> Option<Result<DateTimeOffset, FieldError>> {
        property::field(ctx, &self.entity.last_reported_date_time, |date| DateTimeOffset(date.clone()))
    }

    /// The user principal name (UPN) of the user, for example `ana@contoso.com`. "System account"
    /// if the status belongs to no user; null if Graph returned none.
    async fn user_principal_name(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.user_principal_name)
    }
}
