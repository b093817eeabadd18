//! `UserStatus`.

use async_graphql::{Context, ID, Object};

use super::{ComplianceStatus, DateTimeOffset, property};
use crate::graph::{Key, models};
use crate::schema::connection::Listed;
use crate::schema::context::session;
use crate::schema::error::FieldError;
use crate::schema::global_id::GlobalId;
use crate::schema::selection::Selected;
use crate::schema::type_names;

/// The fields that are properties in Graph, with the same names.
pub(crate) const PROPERTIES: &[&str] =
    &["userDisplayName", "devicesCount", "status", "lastReportedDateTime", "userPrincipalName"];

/// The status of a configuration on the devices of a user, as Intune summarizes it. In Graph:
/// `managedDeviceMobileAppConfigurationUserStatus`.
///
/// A property is null if Graph returned none. It is also null if its value could not be read; the
/// response then has an error with the path of the field.
#[derive(Debug, Clone)]
pub(crate) struct UserStatus {
    configuration: Key,
    key: Key,
    entity: models::UserStatus,
}

impl Listed for UserStatus {
    const NAME: &'static str = type_names::USER_STATUS;
}

impl UserStatus {
    /// The node of an entity that `configuration` contains.
    pub(crate) fn new(configuration: Key, entity: models::UserStatus) -> Result<Self, FieldError> {
        let key = Key::new(entity.id.as_str()).map_err(|_| FieldError::unusable_key())?;
        Ok(Self { configuration, key, entity })
    }

    /// Reads the status; `None` if Graph does not have it.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        configuration: &Key,
        key: &Key,
    ) -> Result<Option<Self>, FieldError> {
        let select = Selected::of(ctx, Self::NAME).properties(PROPERTIES);
        let statuses = session(ctx)?.ios_lob_app_provisioning_configurations().user_statuses(configuration);
        let entity = statuses.get_or_find(key, &select).await?;
        entity.map(|entity| Self::new(configuration.clone(), entity)).transpose()
    }
}

/// The status of a configuration on the devices of a user, as Intune summarizes it. In Graph:
/// `managedDeviceMobileAppConfigurationUserStatus`.
///
/// A property is null if Graph returned none. It is also null if its value could not be read; the
/// response then has an error with the path of the field.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl UserStatus {
    /// The global id of the object, unique across all types. It is opaque, URL-safe and stable: use
    /// it with `node` and as a cache key, and do not parse it.
    pub(crate) async fn id(&self) -> ID {
        let id = GlobalId::UserStatus { configuration: self.configuration.clone(), key: self.key.clone() };
        ID(id.encode())
    }

    /// The id of the object in Microsoft Graph. GUIDs in it are in lower case. It is not unique
    /// across types: use `id` as a cache key.
    async fn graph_id(&self) -> &str {
        self.key.as_str()
    }

    /// The name of the user. Null if Graph returned none.
    async fn user_display_name(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.user_display_name)
    }

    /// The number of devices that the user has. Null if Graph returned none.
    async fn devices_count(&self, ctx: &Context<'_>) -> Option<Result<i32, FieldError>> {
        property::field(ctx, &self.entity.devices_count, |number| *number)
    }

    /// The compliance of the user's devices with the configuration. Null if Graph returned none.
    async fn status(&self, ctx: &Context<'_>) -> Option<Result<ComplianceStatus, FieldError>> {
        property::field(ctx, &self.entity.status, |status| (*status).into())
    }

    /// The time of the last report from one of the user's devices. `0001-01-01T00:00:00Z` means
    /// that none has reported. Null if Graph returned none.
    async fn last_reported_date_time(&self, ctx: &Context<'_>) -> Option<Result<DateTimeOffset, FieldError>> {
        property::field(ctx, &self.entity.last_reported_date_time, |date| DateTimeOffset(date.clone()))
    }

    /// The user principal name (UPN) of the user, for example `ana@contoso.com`. Null if Graph
    /// returned none.
    async fn user_principal_name(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.user_principal_name)
    }
}
